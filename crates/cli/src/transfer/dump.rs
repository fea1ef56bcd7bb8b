//! Dumps: any bytes of any keyspaces in one file, with checksums. See `docs/format/dump.md`.
//!
//! ```text
//! file   = header frame*
//! header = "RUSTDUMP" version:u32 reserved:u32
//! frame  = length:u32 checksum:u64 payload          checksum = xxh3-64(payload, seed = number of
//! payload = record*                                             the frame, from 0)
//! record = 1 counted:u8 name_length:u32 name        as 4; only in version 1
//!        | 2 key_length:u32 value_length:u32 key value
//!        | 3 entries:u64                            the last record of the last frame
//!        | 4 flags:u8 codec_length:u8 name_length:u32 codec name
//!                                                   the entries that follow are in this keyspace
//!        | 5 key_length:u32 value_length:u32 expiry:u64 key value
//! ```
//!
//! Integers are little-endian. A dump without its last record was cut short. Version 1, which had
//! the first three records, is still read.

use std::io::{BufRead, Write};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::load::{Item, Source, Stored};
use crate::failure::{Failure, Result, system};

const MAGIC: &[u8; 8] = b"RUSTDUMP";
const VERSION: u32 = 2;
const OLDEST_VERSION: u32 = 1;

const OLD_KEYSPACE: u8 = 1;
const ENTRY: u8 = 2;
const END: u8 = 3;
const KEYSPACE: u8 = 4;
const EXPIRING: u8 = 5;

/// Flags of a keyspace.
const COUNTED: u8 = 1;
const FILTER: u8 = 2;

/// A frame is written when it holds this much.
const FRAME_BYTES: usize = 64 << 10;

/// What a frame may hold: a value of the largest size, its key, and what was there before.
const FRAME_BYTES_MAX: u32 = (1 << 30) + (1 << 20);

/// Writes a dump.
pub struct Writer<W> {
    writer: W,
    frame: Vec<u8>,
    frames: u64,
    entries: u64,
}

impl<W: Write> Writer<W> {
    pub fn new(mut writer: W) -> Result<Self> {
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&0_u32.to_le_bytes());
        put(&mut writer, &header)?;
        Ok(Self {
            writer,
            frame: Vec::new(),
            frames: 0,
            entries: 0,
        })
    }

    /// The entries that follow are in this keyspace.
    pub fn keyspace(&mut self, name: &str, stored: &Stored) -> Result<()> {
        let counted = if stored.counted { COUNTED } else { 0 };
        let filter = if stored.filter { FILTER } else { 0 };
        let codec = stored.codec.as_bytes();
        let codec_length =
            u8::try_from(codec.len()).map_err(|_| Failure::new("a codec's name is too long"))?;
        self.frame
            .extend_from_slice(&[KEYSPACE, counted | filter, codec_length]);
        self.frame.extend_from_slice(&length(name.as_bytes())?);
        self.frame.extend_from_slice(codec);
        self.frame.extend_from_slice(name.as_bytes());
        self.end_frame_at(FRAME_BYTES)
    }

    /// Adds an entry, which may expire so many microseconds after the Unix epoch.
    pub fn entry(&mut self, key: &[u8], value: &[u8], expiry: Option<u64>) -> Result<()> {
        self.frame.push(expiry.map_or(ENTRY, |_| EXPIRING));
        self.frame.extend_from_slice(&length(key)?);
        self.frame.extend_from_slice(&length(value)?);
        if let Some(expiry) = expiry {
            self.frame.extend_from_slice(&expiry.to_le_bytes());
        }
        self.frame.extend_from_slice(key);
        self.frame.extend_from_slice(value);
        self.entries += 1;
        self.end_frame_at(FRAME_BYTES)
    }

    pub fn finish(mut self) -> Result<W> {
        self.frame.push(END);
        self.frame.extend_from_slice(&self.entries.to_le_bytes());
        self.end_frame_at(0)?;
        Ok(self.writer)
    }

    fn end_frame_at(&mut self, bytes: usize) -> Result<()> {
        if self.frame.len() < bytes {
            return Ok(());
        }
        let checksum = xxh3_64_with_seed(&self.frame, self.frames);
        put(&mut self.writer, &length(&self.frame)?)?;
        put(&mut self.writer, &checksum.to_le_bytes())?;
        put(&mut self.writer, &self.frame)?;
        self.frame.clear();
        self.frames += 1;
        Ok(())
    }
}

fn put(writer: &mut impl Write, bytes: &[u8]) -> Result<()> {
    writer
        .write_all(bytes)
        .map_err(|error| Failure::stream("write", "the file", &error))
}

fn length(bytes: &[u8]) -> Result<[u8; 4]> {
    let length =
        u32::try_from(bytes.len()).map_err(|_| Failure::new("an entry is too large for a dump"))?;
    Ok(length.to_le_bytes())
}

/// Reads a dump.
pub struct Reader<R> {
    reader: R,
    frame: Vec<u8>,
    at: usize,
    frames: u64,
    entries: u64,
    version: u32,
    is_over: bool,
}

impl<R: BufRead> Reader<R> {
    pub fn new(mut reader: R) -> Result<Self> {
        let mut header = [0; 16];
        let not_one = |_| {
            Failure::new("this is not a dump").hint("say `--format csv` or `jsonl` if it is one")
        };
        reader.read_exact(&mut header).map_err(not_one)?;
        let (magic, rest) = header.split_at(8);
        if magic != MAGIC {
            return Err(not_one(std::io::ErrorKind::InvalidData.into()));
        }
        let version = rest.first_chunk().map_or(0, |it| u32::from_le_bytes(*it));
        if !(OLDEST_VERSION..=VERSION).contains(&version) {
            return Err(
                Failure::new("the dump is of a version that this build does not know")
                    .hint("use the release that wrote it, or a newer one"),
            );
        }
        Ok(Self {
            reader,
            frame: Vec::new(),
            at: 0,
            frames: 0,
            entries: 0,
            version,
            is_over: false,
        })
    }

    /// Reads the next frame. Its length is believed only as far as there are bytes.
    fn next_frame(&mut self) -> Result<()> {
        let mut head = [0; 12];
        self.reader
            .read_exact(&mut head)
            .map_err(|error| self.cut(&error))?;
        let (length, checksum) = head.split_at(4);
        let length = u32::from_le_bytes(length.try_into().expect("split at four"));
        let checksum = u64::from_le_bytes(checksum.try_into().expect("twelve less four"));
        if length == 0 || length > FRAME_BYTES_MAX {
            return Err(self.damaged());
        }
        self.frame.clear();
        self.at = 0;
        let mut frame = std::io::Read::take(&mut self.reader, u64::from(length));
        let read = std::io::Read::read_to_end(&mut frame, &mut self.frame);
        match read {
            Ok(bytes) if bytes == length as usize => {}
            Ok(_) => return Err(self.cut(&std::io::ErrorKind::UnexpectedEof.into())),
            Err(error) => return Err(self.cut(&error)),
        }
        if xxh3_64_with_seed(&self.frame, self.frames) != checksum {
            return Err(self.damaged());
        }
        self.frames += 1;
        Ok(())
    }

    fn record(&mut self) -> Result<Item> {
        let item = match (self.take(1)?[0], self.version) {
            (OLD_KEYSPACE, 1) => {
                let stored = Stored {
                    counted: self.take(1)?[0] == 1,
                    ..Stored::default()
                };
                let length = self.take_length()?;
                let name = self.take_text(length)?;
                Item::Keyspace { name, stored }
            }
            (KEYSPACE, 2..) => self.keyspace()?,
            (ENTRY, _) => self.entry(false)?,
            (EXPIRING, 2..) => self.entry(true)?,
            (END, _) => {
                let entries = self.take(8)?.try_into().expect("eight were taken");
                let is_last = self.at == self.frame.len();
                if !is_last || u64::from_le_bytes(entries) != self.entries {
                    return Err(self.damaged());
                }
                self.is_over = true;
                Item::End
            }
            _ => return Err(self.damaged()),
        };
        Ok(item)
    }

    fn keyspace(&mut self) -> Result<Item> {
        let flags = self.take(1)?[0];
        let codec_length = usize::from(self.take(1)?[0]);
        let length = self.take_length()?;
        if flags & !(COUNTED | FILTER) != 0 {
            return Err(self.damaged());
        }
        let stored = Stored {
            counted: flags & COUNTED != 0,
            filter: flags & FILTER != 0,
            codec: self.take_text(codec_length)?,
        };
        let name = self.take_text(length)?;
        Ok(Item::Keyspace { name, stored })
    }

    fn entry(&mut self, expires: bool) -> Result<Item> {
        let (key, value) = (self.take_length()?, self.take_length()?);
        let expiry = match expires {
            true => self
                .take(8)?
                .first_chunk()
                .map(|it| u64::from_le_bytes(*it)),
            false => None,
        };
        let (key, value) = (self.take(key)?.to_vec(), self.take(value)?.to_vec());
        self.entries += 1;
        Ok(Item::Entry {
            line: self.entries,
            key,
            value,
            expiry,
        })
    }

    fn take_text(&mut self, bytes: usize) -> Result<String> {
        let text = self.take(bytes)?.to_vec();
        String::from_utf8(text).map_err(|_| self.damaged())
    }

    fn take_length(&mut self) -> Result<usize> {
        let bytes = self.take(4)?.try_into().expect("four were taken");
        Ok(u32::from_le_bytes(bytes) as usize)
    }

    fn take(&mut self, bytes: usize) -> Result<&[u8]> {
        let Some(end) = self
            .at
            .checked_add(bytes)
            .filter(|end| *end <= self.frame.len())
        else {
            return Err(self.damaged());
        };
        let start = std::mem::replace(&mut self.at, end);
        Ok(&self.frame[start..end])
    }

    fn damaged(&self) -> Failure {
        Failure::new(format!("the dump is damaged after entry {}", self.entries))
    }

    fn cut(&self, error: &std::io::Error) -> Failure {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Failure::new(format!(
                "the dump was cut short after entry {}",
                self.entries
            )),
            _ => Failure::new(format!("cannot be read: {}", system(error))),
        }
    }
}

impl<R: BufRead> Source for Reader<R> {
    fn next(&mut self) -> Result<Option<Item>> {
        if self.is_over {
            return Ok(None);
        }
        if self.at == self.frame.len() {
            self.next_frame()?;
        }
        match self.record()? {
            Item::End => Ok(None),
            item => Ok(Some(item)),
        }
    }

    fn unit(&self) -> &'static str {
        "entry"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted() -> Stored {
        Stored {
            counted: true,
            filter: false,
            codec: "snappy".into(),
        }
    }

    fn sample() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer.keyspace("default", &Stored::default()).unwrap();
        writer.entry(b"\x00key", b"", None).unwrap();
        let large = vec![7; 2 * FRAME_BYTES];
        writer.entry(b"large", &large, Some(u64::MAX - 1)).unwrap();
        writer.keyspace("other", &counted()).unwrap();
        writer.entry(b"k", b"v", None).unwrap();
        writer.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Vec<String>> {
        let mut reader = Reader::new(bytes)?;
        let mut seen = Vec::new();
        while let Some(item) = reader.next()? {
            match item {
                Item::Entry {
                    key, value, expiry, ..
                } => seen.push(format!("{}={} {expiry:?}", key.escape_ascii(), value.len())),
                Item::Keyspace { name, stored } => seen.push(format!("{name}: {stored:?}")),
                Item::Refused(_) | Item::End => panic!("a dump has neither"),
            }
        }
        Ok(seen)
    }

    #[test]
    fn what_was_written_is_read() {
        let expected = [
            format!("default: {:?}", Stored::default()),
            "\\x00key=0 None".into(),
            format!("large={} Some({})", 2 * FRAME_BYTES, u64::MAX - 1),
            format!("other: {:?}", counted()),
            "k=1 None".into(),
        ];
        assert_eq!(read(&sample()).unwrap(), expected);
    }

    #[test]
    fn a_dump_that_is_cut_anywhere_is_refused() {
        let bytes = sample();
        for length in (0..200).chain(bytes.len() - 200..bytes.len()) {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_dump_with_a_changed_byte_is_refused() {
        let bytes = sample();
        // All but the reserved bytes, which say nothing yet.
        for at in (0..12).chain(16..200).chain(bytes.len() - 200..bytes.len()) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(read(&damaged).is_err(), "{at}");
        }
    }

    /// A dump of one frame.
    fn sealed(version: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&version.to_le_bytes());
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&xxh3_64_with_seed(payload, 0).to_le_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    const END_OF_ONE: &[u8] = b"\x03\x01\0\0\0\0\0\0\0";

    #[test]
    fn the_bytes_are_as_documented() {
        let mut writer = Writer::new(Vec::new()).unwrap();
        let stored = Stored {
            codec: "lz4".into(),
            ..Stored::default()
        };
        writer.keyspace("a", &stored).unwrap();
        writer.entry(b"k", b"v", Some(7)).unwrap();
        let payload = [
            b"\x04\x02\x03\x01\0\0\0lz4a",
            &b"\x05\x01\0\0\0\x01\0\0\0\x07\0\0\0\0\0\0\0kv"[..],
            END_OF_ONE,
        ];
        assert_eq!(writer.finish().unwrap(), sealed(2, &payload.concat()));
    }

    #[test]
    fn version_1_is_read_and_unknown_versions_are_not() {
        let old = b"\x01\x01\x01\0\0\0a\x02\x01\0\0\0\x01\0\0\0kv";
        let old = [&old[..], END_OF_ONE].concat();
        let stored = Stored {
            counted: true,
            ..Stored::default()
        };
        let expected = [format!("a: {stored:?}"), "k=1 None".into()];
        assert_eq!(read(&sealed(1, &old)).unwrap(), expected);
        // The records of one version are none of the other.
        assert!(read(&sealed(2, &old)).is_err());
        assert!(read(&sealed(0, &old)).is_err());
        assert!(read(&sealed(3, &old)).is_err());
    }
}
