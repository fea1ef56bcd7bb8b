//! The contents of a simulated file: pages that are shared until they are written.
//!
//! Cloning an [`Image`] copies one pointer per page, which is what makes it cheap to fork a disk
//! or to remember what is durable. A page that was never written takes no memory and reads as
//! zeros. Invariant: every byte at or after `len` is zero, so that growing a file shows zeros.

use std::io;
use std::sync::{Arc, LazyLock};

/// Bytes per page.
pub(crate) const PAGE_BYTES: usize = 4096;

/// No file is longer than this, as on a real file system.
pub(crate) const LEN_MAX: u64 = 1 << 42;

type Page = Arc<[u8; PAGE_BYTES]>;

/// What a reserved page points to until it is written.
static ZEROS: LazyLock<Page> = LazyLock::new(|| Arc::new([0; PAGE_BYTES]));

/// A sparse byte array.
#[derive(Clone, Default)]
pub(crate) struct Image {
    len: u64,
    pages: Vec<Option<Page>>,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({} bytes)", self.len)
    }
}

impl Image {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Copies what there is at `offset` into `buffer`; returns how much that was.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> usize {
        let available = self.len.saturating_sub(offset);
        let count = buffer
            .len()
            .min(usize::try_from(available).unwrap_or(usize::MAX));
        for (page, within, range) in pieces(offset, count) {
            let target = &mut buffer[range];
            match self.pages.get(page).and_then(Option::as_ref) {
                Some(bytes) => target.copy_from_slice(&bytes[within..within + target.len()]),
                None => target.fill(0),
            }
        }
        count
    }

    /// All bytes.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len as usize];
        self.read_at(&mut bytes, 0);
        bytes
    }

    /// Writes all of `buffer`, growing the image if need be.
    pub(crate) fn write_at(&mut self, buffer: &[u8], offset: u64) -> io::Result<()> {
        if buffer.is_empty() {
            return Ok(());
        }
        let end = check_range(offset, buffer.len() as u64)?;
        if self.len < end {
            self.len = end;
        }
        for (page, within, range) in pieces(offset, buffer.len()) {
            let source = &buffer[range];
            self.page_mut(page)[within..within + source.len()].copy_from_slice(source);
        }
        Ok(())
    }

    /// Cuts or grows.
    pub(crate) fn set_len(&mut self, len: u64) -> io::Result<()> {
        check_range(len, 0)?;
        if len < self.len {
            let whole_pages = len.div_ceil(PAGE_BYTES as u64) as usize;
            self.pages.truncate(whole_pages);
            let within = (len % PAGE_BYTES as u64) as usize;
            if within != 0
                && let Some(Some(page)) = self.pages.get_mut(whole_pages - 1)
            {
                Arc::make_mut(page)[within..].fill(0);
            }
        }
        self.len = len;
        Ok(())
    }

    /// Fills a range that may reach past the end with zeros; the length stays.
    pub(crate) fn zero(&mut self, start: u64, end: u64) {
        let end = end.min(self.len);
        for (page, within, range) in pieces(start, end.saturating_sub(start) as usize) {
            if let Some(Some(bytes)) = self.pages.get_mut(page) {
                Arc::make_mut(bytes)[within..within + range.len()].fill(0);
            }
        }
    }

    /// Takes over the pages that overlap a range, shared. NB: if `source` is longer, the caller
    /// must set the length next, for the sake of the invariant.
    pub(crate) fn adopt(&mut self, source: &Self, offset: u64, len: u64) {
        for (page, _, _) in pieces(offset, len as usize) {
            let taken = source.pages.get(page).cloned().flatten();
            if self.pages.len() <= page {
                self.pages.resize(page + 1, None);
            }
            self.pages[page] = taken;
        }
    }

    /// Gives memory to every page of a range, which may lie past the end.
    pub(crate) fn reserve(&mut self, offset: u64, len: u64) -> io::Result<()> {
        check_range(offset, len)?;
        for (page, _, _) in pieces(offset, len as usize) {
            if self.pages.len() <= page {
                self.pages.resize(page + 1, None);
            }
            self.pages[page].get_or_insert_with(|| Arc::clone(&ZEROS));
        }
        Ok(())
    }

    /// Bytes of the pages that have memory.
    pub(crate) fn allocated_bytes(&self) -> u64 {
        (self.pages.iter().flatten().count() * PAGE_BYTES) as u64
    }

    /// How much of a range can be written if only `room` bytes of new pages can be had.
    pub(crate) fn fitting(&self, offset: u64, len: usize, room: u64) -> usize {
        let mut pages_left = room / PAGE_BYTES as u64;
        for (page, _, range) in pieces(offset, len) {
            if self.pages.get(page).is_none_or(Option::is_none) {
                if pages_left == 0 {
                    return range.start;
                }
                pages_left -= 1;
            }
        }
        len
    }

    fn page_mut(&mut self, page: usize) -> &mut [u8; PAGE_BYTES] {
        if self.pages.len() <= page {
            self.pages.resize(page + 1, None);
        }
        let slot = self.pages[page].get_or_insert_with(|| Arc::new([0; PAGE_BYTES]));
        Arc::make_mut(slot)
    }
}

/// The end of a range, if a file can hold it.
pub(crate) fn check_range(offset: u64, len: u64) -> io::Result<u64> {
    offset
        .checked_add(len)
        .filter(|&end| end <= LEN_MAX)
        .ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))
}

/// Cuts a range of bytes at page borders: page number, offset within it, range of the buffer.
fn pieces(
    offset: u64,
    count: usize,
) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == count {
            return None;
        }
        let position = offset + done as u64;
        let within = (position % PAGE_BYTES as u64) as usize;
        let start = done;
        done += (PAGE_BYTES - within).min(count - done);
        Some(((position / PAGE_BYTES as u64) as usize, within, start..done))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(image: &Image, offset: u64, len: usize) -> Vec<u8> {
        let mut buffer = vec![0xee; len];
        let n = image.read_at(&mut buffer, offset);
        buffer.truncate(n);
        buffer
    }

    #[test]
    fn writes_cross_pages_and_leave_zeros_between() {
        let mut image = Image::default();
        image.write_at(b"abcdef", PAGE_BYTES as u64 - 3).unwrap();
        image.write_at(b"z", 3 * PAGE_BYTES as u64).unwrap();
        assert_eq!(read(&image, PAGE_BYTES as u64 - 4, 8), b"\0abcdef\0");
        assert_eq!(image.len(), 3 * PAGE_BYTES as u64 + 1);
        assert_eq!(read(&image, 3 * PAGE_BYTES as u64 - 1, 9), b"\0z");
    }

    #[test]
    fn cut_bytes_do_not_come_back() {
        let mut image = Image::default();
        image.write_at(&[7; 10_000], 0).unwrap();
        image.set_len(5_000).unwrap();
        image.set_len(9_000).unwrap();
        assert_eq!(read(&image, 4_999, 3), [7, 0, 0]);
        assert!(read(&image, 5_000, 4_000).iter().all(|&byte| byte == 0));
    }

    #[test]
    fn clones_do_not_share_later_writes() {
        let mut image = Image::default();
        image.write_at(&[1; 100], 0).unwrap();
        let before = image.clone();
        image.write_at(&[2; 100], 50).unwrap();
        assert_eq!(read(&before, 0, 200), [1; 100]);
        assert_eq!(image.len(), 150);
    }

    #[test]
    fn reserved_pages_take_room_and_read_as_nothing() {
        let mut image = Image::default();
        image.reserve(100, 2 * PAGE_BYTES as u64).unwrap();
        assert_eq!(image.len(), 0);
        assert_eq!(image.allocated_bytes(), 3 * PAGE_BYTES as u64);
        assert_eq!(image.fitting(0, 20_000, 0), 3 * PAGE_BYTES);
        assert_eq!(image.fitting(0, 20_000, PAGE_BYTES as u64), 4 * PAGE_BYTES);
        image.write_at(b"x", 10).unwrap();
        assert_eq!(read(&image, 0, 20), b"\0\0\0\0\0\0\0\0\0\0x");
        assert_eq!(image.allocated_bytes(), 3 * PAGE_BYTES as u64);
    }

    #[test]
    fn ranges_past_the_limit_are_errors() {
        let mut image = Image::default();
        assert!(image.write_at(b"x", u64::MAX).is_err());
        assert!(image.set_len(LEN_MAX + 1).is_err());
        assert_eq!(image.len(), 0);
    }
}
