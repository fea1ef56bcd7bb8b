//! Texts one after the other.

use std::ops::Range;

/// Texts, in one string, and where each of them ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    text: String,
    ends: Vec<u32>,
}

impl Strings {
    /// No texts, and room for so many.
    pub fn with_capacity(rows: usize) -> Strings {
        Strings {
            text: String::new(),
            ends: Vec::with_capacity(rows),
        }
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text of a row.
    #[inline]
    pub fn get(&self, row: usize) -> &str {
        let start = self.start(row);
        &self.text[start..self.ends[row] as usize]
    }

    /// The bytes of the text of a row.
    #[inline]
    pub fn bytes_of(&self, row: usize) -> &[u8] {
        let start = self.start(row);
        &self.text.as_bytes()[start..self.ends[row] as usize]
    }

    /// All texts.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|row| self.get(row))
    }

    fn start(&self, row: usize) -> usize {
        match row {
            0 => 0,
            row => self.ends[row - 1] as usize,
        }
    }

    /// Whether a text can be added: ends are counted in 32 bits.
    #[inline]
    pub fn has_room(&self, text: &str) -> bool {
        self.text.len() + text.len() <= u32::MAX as usize
    }

    /// Adds a text, for which there must be [room](Strings::has_room).
    #[inline]
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
    }

    /// Adds the texts of another; gives them back where there is no room.
    pub(super) fn append(&mut self, other: Strings) -> Result<(), Strings> {
        if !self.has_room(&other.text) {
            return Err(other);
        }
        let base = self.text.len() as u32;
        self.text.push_str(&other.text);
        self.ends.extend(other.ends.iter().map(|end| base + end));
        Ok(())
    }

    /// Adds some texts of another, which lie side by side; `false` if there is no room.
    pub(super) fn append_range(&mut self, other: &Strings, rows: Range<usize>) -> bool {
        if rows.is_empty() {
            return true;
        }
        let (start, end) = (other.start(rows.start), other.start(rows.end));
        let text = &other.text[start..end];
        if !self.has_room(text) {
            return false;
        }
        let base = self.text.len();
        self.text.push_str(text);
        let ends = other.ends[rows].iter();
        self.ends
            .extend(ends.map(|end| (base + (*end as usize - start)) as u32));
        true
    }

    /// Adds some texts of another; `false` if there is no room for all of them, and none was added.
    pub(super) fn append_rows(&mut self, other: &Strings, rows: &[u32]) -> bool {
        let before = self.len();
        for row in rows {
            let text = other.get(*row as usize);
            if !self.has_room(text) {
                self.truncate(before);
                return false;
            }
            self.push(text);
        }
        true
    }

    /// The texts of these rows; `None` where there is no room for them.
    pub(super) fn gathered(&self, rows: impl Iterator<Item = usize>) -> Option<Strings> {
        let mut gathered = Strings::with_capacity(rows.size_hint().0);
        for row in rows {
            let text = self.get(row);
            if !gathered.has_room(text) {
                return None;
            }
            gathered.push(text);
        }
        Some(gathered)
    }

    /// The texts without the blanks at their ends.
    pub fn trimmed(&self) -> Strings {
        let mut trimmed = Strings::with_capacity(self.len());
        for text in self.iter() {
            trimmed.push(text.trim_end_matches(' '));
        }
        trimmed
    }

    /// Whether a text ends with a blank.
    pub fn is_padded(&self) -> bool {
        let mut start = 0;
        self.ends.iter().any(|end| {
            let text = &self.text.as_bytes()[start..*end as usize];
            start = *end as usize;
            text.last() == Some(&b' ')
        })
    }

    /// Keeps the rows whose index is in `kept`, which ascends.
    pub(super) fn keep(&mut self, kept: &[usize]) {
        if let Some(left) = self.gathered(kept.iter().copied()) {
            *self = left;
        }
    }

    /// Leaves out the rows after so many.
    pub(super) fn truncate(&mut self, rows: usize) {
        if rows < self.len() {
            self.text.truncate(self.start(rows));
            self.ends.truncate(rows);
        }
    }

    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// The memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<u32>()
    }
}
