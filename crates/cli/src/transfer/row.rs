//! How a row becomes an entry, and an entry a row.
//!
//! - The value is a JSON object of the columns that are not in the key, in their order, as
//!   strings. An empty field is absent.
//! - With one key column the key is its value. With more, the values are joined by `/`; a `/` or
//!   `\` within a value is written `\/` or `\\`, so that no two rows share a key by accident.
//! - `auto` numbers the rows from 1, as twelve digits, so that keys sort as numbers do.
//!
//! ```text
//! package,tag           key 0ad/game::strategy     value {}
//! 0ad,game::strategy
//! ```

use serde_json::{Map, Value};

/// Digits of an automatic key.
const AUTO_DIGITS: usize = 12;

/// The key of row number `number`, counted from one.
pub fn auto_key(number: u64) -> Vec<u8> {
    format!("{number:0AUTO_DIGITS$}").into_bytes()
}

/// The key that the values of the key columns make.
pub fn join_key<'v>(values: impl ExactSizeIterator<Item = &'v str>) -> Vec<u8> {
    if values.len() == 1 {
        return values.flat_map(str::bytes).collect();
    }
    let mut key = Vec::new();
    for (number, value) in values.enumerate() {
        if number > 0 {
            key.push(b'/');
        }
        for byte in value.bytes() {
            if matches!(byte, b'/' | b'\\') {
                key.push(b'\\');
            }
            key.push(byte);
        }
    }
    key
}

/// The values that made `key`, if it was made of `columns` of them.
pub fn split_key(key: &str, columns: usize) -> Option<Vec<String>> {
    if columns == 1 {
        return Some(vec![key.to_owned()]);
    }
    let mut values = vec![String::new()];
    let mut characters = key.chars();
    while let Some(character) = characters.next() {
        match character {
            '/' => values.push(String::new()),
            '\\' => values.last_mut()?.push(characters.next()?),
            other => values.last_mut()?.push(other),
        }
    }
    (values.len() == columns).then_some(values)
}

/// The row in an entry's value.
pub fn columns_of(value: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(value) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// A JSON value as the text of a field.
pub fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Adds the columns of a row to those known, each behind the one it follows in the row. The columns
/// of rows with gaps mostly end up in the order of the file they came from; where rows do not tell
/// which of two is first, that is lost.
pub fn merge_columns<'c>(known: &mut Vec<String>, row: impl Iterator<Item = &'c String>) {
    let mut position = 0;
    for column in row {
        match known.iter().position(|name| name == column) {
            Some(at) => position = at + 1,
            None => {
                known.insert(position, column.clone());
                position += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_many_columns_come_apart_as_they_were_joined() {
        for values in [
            vec!["0ad", "game::strategy"],
            vec!["a/b", "c"],
            vec!["a", "b/c"],
            vec!["", ""],
            vec!["back\\slash", "/", "\\/"],
            vec!["one/with\\any"],
        ] {
            let key = String::from_utf8(join_key(values.iter().copied())).unwrap();
            assert_eq!(split_key(&key, values.len()).unwrap(), values, "{key}");
        }
    }

    #[test]
    fn different_rows_have_different_keys() {
        assert_ne!(
            join_key(["a/b", "c"].into_iter()),
            join_key(["a", "b/c"].into_iter())
        );
    }

    #[test]
    fn a_key_of_another_shape_is_no_row() {
        assert_eq!(split_key("a/b/c", 2), None);
        assert_eq!(split_key("a\\", 2), None);
    }

    #[test]
    fn columns_of_rows_with_gaps_keep_their_order() {
        let mut known = Vec::new();
        for row in [["a", "c"], ["b", "c"], ["a", "b"], ["c", "d"]] {
            let row = row.map(str::to_owned);
            merge_columns(&mut known, row.iter());
        }
        // Nothing tells whether `a` or `b` is first until the third row, which comes too late.
        assert_eq!(known, ["b", "a", "c", "d"]);
        let mut known = Vec::new();
        for row in [["a", "c"], ["a", "b"], ["b", "d"]] {
            let row = row.map(str::to_owned);
            merge_columns(&mut known, row.iter());
        }
        assert_eq!(known, ["a", "b", "d", "c"]);
    }

    #[test]
    fn automatic_keys_sort_as_numbers() {
        assert!(auto_key(9) < auto_key(10) && auto_key(999) < auto_key(1_000));
    }
}
