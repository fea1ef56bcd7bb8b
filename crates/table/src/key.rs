//! Values to keys and ranges of keys.
//!
//! A range over a key is: equal values for its first columns, then perhaps bounds for the next.
//! In bytes, "everything that begins with these columns" is a range of its own, and each bound is
//! one end of such a range:
//!
//! ```text
//! (a, b) with a = 5 and b > 7     [ end of everything with 5,7 ;  end of everything with 5 )
//! b descending                    [ start of everything with 5 ;  start of everything with 5,7 )
//! b can be NULL                   the side of the NULLs ends at the marker of values
//! ```

use std::ops::Bound;

use rustdb_txn::KeyRange;
use rustdb_types::{KeyColumn, Nulls, Value, decode_key, encode_key};

use crate::{Error, Result};

/// The marker that precedes a value in a column that can be NULL; see docs/format/key.md.
const MARK_VALUE: u8 = 2;

/// What a condition says of the first key column that is not fixed by equality.
#[derive(Clone, Copy, Debug)]
pub enum KeyPart<'a> {
    /// Nothing: NULLs are inside.
    Any,
    /// IS NOT NULL.
    NotNull,
    /// Between bounds, which excludes NULLs even if both are open.
    Between(Bound<&'a Value>, Bound<&'a Value>),
}

/// The range of keys that begin with the values `equal`, and whose next column is within `part`.
/// NULL among `equal` means IS NULL.
pub(crate) fn range<'c>(
    columns: impl ExactSizeIterator<Item = &'c KeyColumn>,
    equal: &[Value],
    part: KeyPart<'_>,
) -> Result<KeyRange> {
    if equal.len() > columns.len() {
        return Err(Error::internal("more values than key columns"));
    }
    let mut columns = columns;
    let mut prefix = Vec::with_capacity(16);
    for value in equal {
        let Some(column) = columns.next() else { break };
        if value.is_null() && column.nulls == Nulls::Never {
            return Ok(nothing());
        }
        encode_key(column, value, &mut prefix)?;
    }
    let (lower, upper) = match part {
        KeyPart::Any => return Ok(KeyRange::prefix(&prefix)),
        KeyPart::NotNull => (Bound::Unbounded, Bound::Unbounded),
        KeyPart::Between(lower, upper) => (lower, upper),
    };
    let Some(column) = columns.next() else {
        return Err(Error::internal("a bound without a key column"));
    };
    // In a descending column the greatest value comes first.
    let (first, last) = match column.descending {
        false => (lower, upper),
        true => (upper, lower),
    };
    let values = values_of(&prefix, column);
    let start = match first {
        Bound::Unbounded => Some(values.start),
        Bound::Included(value) => Some(extended(&prefix, column, value)?),
        Bound::Excluded(value) => KeyRange::prefix(&extended(&prefix, column, value)?).end,
    };
    let end = match last {
        Bound::Unbounded => values.end,
        Bound::Included(value) => KeyRange::prefix(&extended(&prefix, column, value)?).end,
        Bound::Excluded(value) => Some(extended(&prefix, column, value)?),
    };
    let is_null = |bound: Bound<&Value>| match bound {
        Bound::Included(value) | Bound::Excluded(value) => value.is_null(),
        Bound::Unbounded => false,
    };
    match start {
        // A comparison with NULL is never true.
        Some(start) if !is_null(lower) && !is_null(upper) => Ok(KeyRange { start, end }),
        _ => Ok(nothing()),
    }
}

/// A range without keys.
pub(crate) fn nothing() -> KeyRange {
    KeyRange {
        start: Vec::new(),
        end: Some(Vec::new()),
    }
}

/// How many bytes of a key, which may be cut off anywhere, its first columns have; all of them if it
/// ends within these.
pub(crate) fn prefix_bytes<'c>(columns: impl Iterator<Item = &'c KeyColumn>, key: &[u8]) -> usize {
    let mut rest = key;
    for column in columns {
        if decode_key(column, &mut rest).is_err() {
            return key.len();
        }
    }
    key.len() - rest.len()
}

/// The keys after `prefix` whose next column is not NULL.
fn values_of(prefix: &[u8], column: &KeyColumn) -> KeyRange {
    match column.nulls {
        Nulls::Never => KeyRange::prefix(prefix),
        Nulls::First | Nulls::Last => KeyRange::prefix(&[prefix, &[MARK_VALUE]].concat()),
    }
}

fn extended(prefix: &[u8], column: &KeyColumn, value: &Value) -> Result<Vec<u8>> {
    let mut key = prefix.to_vec();
    if !value.is_null() {
        encode_key(column, value, &mut key)?;
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustdb_types::Type;

    fn keys(columns: &[KeyColumn], rows: &[Vec<Value>]) -> Vec<Vec<u8>> {
        let encode = |row: &Vec<Value>| {
            let mut key = Vec::new();
            for (column, value) in columns.iter().zip(row) {
                encode_key(column, value, &mut key).unwrap();
            }
            key
        };
        rows.iter().map(encode).collect()
    }

    fn contains(range: &KeyRange, key: &[u8]) -> bool {
        *range.start <= *key && range.end.as_ref().is_none_or(|end| key < &end[..])
    }

    const NULL: Value = Value::Null;
    const LOW: Value = Value::Int4(1);
    const HIGH: Value = Value::Int4(3);

    fn kinds() -> [KeyColumn; 6] {
        [
            KeyColumn::ascending(Type::INT4),
            KeyColumn::descending(Type::INT4),
            KeyColumn {
                nulls: Nulls::First,
                ..KeyColumn::ascending(Type::INT4)
            },
            KeyColumn {
                nulls: Nulls::Last,
                ..KeyColumn::descending(Type::INT4)
            },
            KeyColumn::ascending(Type::INT4).not_null(),
            KeyColumn::descending(Type::INT4).not_null(),
        ]
    }

    fn is_inside(value: &Value, lower: Bound<&Value>, upper: Bound<&Value>) -> bool {
        let above = match lower {
            Bound::Unbounded => true,
            Bound::Included(low) => !low.is_null() && value >= low,
            Bound::Excluded(low) => value > low,
        };
        let below = match upper {
            Bound::Unbounded => true,
            Bound::Included(high) => value <= high,
            Bound::Excluded(high) => value < high,
        };
        !value.is_null() && above && below
    }

    /// Checks a range against its condition on every pair of small values.
    fn check(
        columns: &[KeyColumn; 2],
        equal: &[Value],
        part: KeyPart<'_>,
        holds: &dyn Fn(&[Value]) -> bool,
    ) {
        let values = [NULL, LOW, Value::Int4(2), HIGH, Value::Int4(-1)];
        let pairs = values
            .iter()
            .flat_map(|a| values.iter().map(|b| vec![a.clone(), b.clone()]));
        let can_be = |row: &Vec<Value>| {
            let mut pairs = columns.iter().zip(row);
            pairs.all(|(column, value)| !value.is_null() || column.nulls != Nulls::Never)
        };
        let rows: Vec<Vec<Value>> = pairs.filter(can_be).collect();
        let range = range(columns.iter(), equal, part).unwrap();
        for (row, key) in rows.iter().zip(keys(columns, &rows)) {
            let is_equal = equal.iter().zip(row).all(|(a, b)| a == b);
            let expected = is_equal && holds(row);
            assert_eq!(
                contains(&range, &key),
                expected,
                "{row:?} {equal:?} {part:?}"
            );
        }
    }

    /// Every kind of column, every bound: the range holds exactly the keys that the condition
    /// does.
    #[test]
    fn ranges_hold_what_their_conditions_say() {
        let (null, low, high) = (NULL, LOW, HIGH);
        let open = Bound::Unbounded;
        let lowers = [
            open,
            Bound::Included(&low),
            Bound::Excluded(&low),
            Bound::Included(&null),
        ];
        let uppers = [open, Bound::Included(&high), Bound::Excluded(&high)];
        for first in kinds() {
            for second in kinds() {
                let columns = [first.clone(), second];
                for (lower, upper) in lowers
                    .iter()
                    .flat_map(|l| uppers.iter().map(move |u| (l, u)))
                {
                    let part = KeyPart::Between(*lower, *upper);
                    check(&columns, &[], part, &|row| {
                        is_inside(&row[0], *lower, *upper)
                    });
                    for equal in [NULL, LOW, HIGH] {
                        let holds = |row: &[Value]| is_inside(&row[1], *lower, *upper);
                        check(&columns, &[equal], part, &holds);
                    }
                }
                check(&columns, &[], KeyPart::NotNull, &|row| !row[0].is_null());
                check(&columns, &[], KeyPart::Any, &|_| true);
                check(&columns, &[NULL], KeyPart::Any, &|_| true);
                check(&columns, &[LOW], KeyPart::NotNull, &|row| !row[1].is_null());
                check(&columns, &[LOW, HIGH], KeyPart::Any, &|_| true);
            }
        }
    }

    #[test]
    fn the_marker_of_values_is_that_of_the_encoding() {
        let mut key = Vec::new();
        encode_key(&KeyColumn::ascending(Type::INT4), &1.into(), &mut key).unwrap();
        assert_eq!(key[0], MARK_VALUE);
    }
}
