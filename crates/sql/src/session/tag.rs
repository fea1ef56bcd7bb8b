//! What a statement did, in a word.

use std::fmt;

/// What a statement did, as PostgreSQL says it: `INSERT 0 1`, `CREATE TABLE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    word: &'static str,
    count: Option<u64>,
}

impl Tag {
    pub(super) fn counted(word: &'static str, count: u64) -> Tag {
        Tag {
            word,
            count: Some(count),
        }
    }

    /// How many rows were written or given, if the tag says so.
    pub fn count(&self) -> Option<u64> {
        self.count
    }
}

impl From<&'static str> for Tag {
    fn from(word: &'static str) -> Tag {
        Tag { word, count: None }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word)?;
        match self.count {
            None => Ok(()),
            Some(count) => write!(out, " {count}"),
        }
    }
}
