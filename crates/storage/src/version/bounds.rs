//! Key ranges of tables and of groups of tables.

use crate::manifest::TableMeta;

/// The range of storage keys that a table says something about, through entries or range
/// tombstones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyBounds<'a> {
    /// The first key of the range.
    pub smallest: &'a [u8],
    /// The last key of the range, or the first one after it.
    pub largest: &'a [u8],
    /// Whether `largest` is itself outside the range.
    pub largest_exclusive: bool,
}

impl<'a> KeyBounds<'a> {
    /// The bounds of a table.
    pub fn of(meta: &'a TableMeta) -> Self {
        Self {
            smallest: &meta.smallest,
            largest: &meta.largest,
            largest_exclusive: meta.largest_exclusive,
        }
    }

    /// From `smallest` to `largest`, both included.
    pub fn closed(smallest: &'a [u8], largest: &'a [u8]) -> Self {
        Self {
            smallest,
            largest,
            largest_exclusive: false,
        }
    }

    /// From `start` to just before `end`.
    pub fn half_open(start: &'a [u8], end: &'a [u8]) -> Self {
        Self {
            smallest: start,
            largest: end,
            largest_exclusive: true,
        }
    }

    /// The smallest range that holds the ranges of all `tables`; `None` if there are none.
    pub fn hull(tables: impl IntoIterator<Item = &'a TableMeta>) -> Option<Self> {
        let mut tables = tables.into_iter().map(KeyBounds::of);
        let first = tables.next()?;
        Some(tables.fold(first, KeyBounds::join))
    }

    /// The smallest range that holds both.
    pub fn join(self, other: Self) -> Self {
        let larger = if self.ends_before_end_of(other) {
            other
        } else {
            self
        };
        Self {
            smallest: self.smallest.min(other.smallest),
            largest: larger.largest,
            largest_exclusive: larger.largest_exclusive,
        }
    }

    /// Whether the range holds `key`.
    pub fn contains(self, key: &[u8]) -> bool {
        self.smallest <= key && !self.ends_before(key)
    }

    /// Whether every key of the range is below `key`.
    pub fn ends_before(self, key: &[u8]) -> bool {
        self.largest < key || (self.largest_exclusive && self.largest == key)
    }

    /// Whether some key is in both ranges.
    pub fn overlaps(self, other: KeyBounds<'_>) -> bool {
        !self.ends_before(other.smallest) && !other.ends_before(self.smallest)
    }

    /// Whether every key of `other` is in this range.
    pub fn covers(self, other: KeyBounds<'_>) -> bool {
        self.smallest <= other.smallest && !self.ends_before_end_of(other)
    }

    fn ends_before_end_of(self, other: KeyBounds<'_>) -> bool {
        self.largest < other.largest
            || (self.largest == other.largest && self.largest_exclusive && !other.largest_exclusive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[a, c]` and `[a, c)` are ranges over one-letter keys.
    fn bounds(text: &str) -> KeyBounds<'_> {
        KeyBounds {
            smallest: &text.as_bytes()[1..2],
            largest: &text.as_bytes()[3..4],
            largest_exclusive: text.ends_with(')'),
        }
    }

    #[test]
    fn exclusive_ends_touch_without_overlapping() {
        let cases = [
            ("[a,c]", "[c,d]", true),
            ("[a,c)", "[c,d]", false),
            ("[a,c)", "[b,d]", true),
            ("[a,b]", "[c,d]", false),
            ("[a,d]", "[b,c)", true),
            ("[c,c]", "[a,c)", false),
            ("[c,c]", "[a,c]", true),
        ];
        for (a, b, expected) in cases {
            assert_eq!(bounds(a).overlaps(bounds(b)), expected, "{a} {b}");
            assert_eq!(bounds(b).overlaps(bounds(a)), expected, "{b} {a}");
        }
    }

    #[test]
    fn covering_respects_the_kind_of_end() {
        assert!(bounds("[a,c]").covers(bounds("[a,c)")));
        assert!(!bounds("[a,c)").covers(bounds("[a,c]")));
        assert!(bounds("[a,c)").covers(bounds("[b,c)")));
        assert!(!bounds("[b,c]").covers(bounds("[a,b]")));
        assert!(bounds("[a,c]").contains(b"c"));
        assert!(!bounds("[a,c)").contains(b"c"));
        assert_eq!(bounds("[b,c)").join(bounds("[a,c]")), bounds("[a,c]"));
        assert_eq!(bounds("[b,c]").join(bounds("[d,e)")), bounds("[b,e)"));
    }
}
