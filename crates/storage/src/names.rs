//! The names of files in a database directory.
//!
//! Numbered files are `000123.wal`, `000123.sst` and `000123.val`: at least six digits, more if
//! needed. Manifests are `MANIFEST-000123`. Names are written in exactly one way, so that
//! formatting what was parsed gives the same name, and anything else is not ours to touch.
//!
//! What ends with `.tmp` is of no use once its process has ended: `CURRENT.tmp`, and
//! `000123.spill.tmp`, which a query writes.

use std::path::{Path, PathBuf};

use crate::key::FileNumber;

/// Names the manifest in force.
pub const CURRENT: &str = "CURRENT";

/// Locked by the process that has the database open.
pub const LOCK: &str = "LOCK";

/// The sealed data keys of an encrypted database.
pub const KEYRING: &str = "KEYRING";

/// The ending of files that are written first and renamed when complete.
pub const TEMPORARY_SUFFIX: &str = ".tmp";

/// What a name in a database directory says the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// A segment of the write-ahead log.
    Wal(FileNumber),
    /// A sorted table.
    Table(FileNumber),
    /// A value file.
    Value(FileNumber),
    /// A manifest.
    Manifest(FileNumber),
    /// [`CURRENT`].
    Current,
    /// [`LOCK`].
    Lock,
    /// [`KEYRING`].
    Keyring,
    /// Something that was being written when the process ended.
    Temporary,
}

impl FileName {
    /// Reads a file name; `None` if it is not one of a database.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            CURRENT => return Some(FileName::Current),
            LOCK => return Some(FileName::Lock),
            KEYRING => return Some(FileName::Keyring),
            _ => {}
        }
        if name.ends_with(TEMPORARY_SUFFIX) {
            return Some(FileName::Temporary);
        }
        if let Some(digits) = name.strip_prefix("MANIFEST-") {
            return Some(FileName::Manifest(parse_number(digits)?));
        }
        let (digits, extension) = name.split_once('.')?;
        match extension {
            "wal" => Some(FileName::Wal(parse_number(digits)?)),
            "sst" => Some(FileName::Table(parse_number(digits)?)),
            "val" => Some(FileName::Value(parse_number(digits)?)),
            _ => None,
        }
    }
}

/// The path of a log segment.
pub fn wal(directory: &Path, number: FileNumber) -> PathBuf {
    directory.join(format!("{:06}.wal", number.0))
}

/// The path of a table.
pub fn table(directory: &Path, number: FileNumber) -> PathBuf {
    directory.join(format!("{:06}.sst", number.0))
}

/// The path of a value file.
pub fn value(directory: &Path, number: FileNumber) -> PathBuf {
    directory.join(format!("{:06}.val", number.0))
}

/// The path of a spill file. Its ending says that nobody needs it once the process has ended.
pub fn spill(directory: &Path, number: FileNumber) -> PathBuf {
    temporary(&directory.join(format!("{:06}.spill", number.0)))
}

/// The path of a manifest.
pub fn manifest(directory: &Path, number: FileNumber) -> PathBuf {
    directory.join(format!("MANIFEST-{:06}", number.0))
}

/// The path of the file that names the manifest.
pub fn current(directory: &Path) -> PathBuf {
    directory.join(CURRENT)
}

/// The path of the lock file.
pub fn lock(directory: &Path) -> PathBuf {
    directory.join(LOCK)
}

/// The path of the key ring.
pub fn keyring(directory: &Path) -> PathBuf {
    directory.join(KEYRING)
}

/// The path under which `path` is written before it is renamed into place.
pub fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY_SUFFIX);
    PathBuf::from(name)
}

fn parse_number(digits: &str) -> Option<FileNumber> {
    let number = digits.parse().ok()?;
    // Only the one way to write it: no sign, no surplus zeros.
    (format!("{number:06}") == digits).then_some(FileNumber(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_what_was_parsed_gives_the_same_name() {
        for number in [1, 999_999, 1_000_000, u64::MAX].map(FileNumber) {
            let directory = Path::new("db");
            let cases = [
                (wal(directory, number), FileName::Wal(number)),
                (table(directory, number), FileName::Table(number)),
                (value(directory, number), FileName::Value(number)),
                (manifest(directory, number), FileName::Manifest(number)),
                (current(directory), FileName::Current),
                (lock(directory), FileName::Lock),
                (keyring(directory), FileName::Keyring),
                (temporary(&current(directory)), FileName::Temporary),
                (spill(directory, number), FileName::Temporary),
            ];
            for (path, name) in cases {
                let text = path.strip_prefix(directory).unwrap().to_str().unwrap();
                assert_eq!(FileName::parse(text), Some(name), "{text}");
            }
        }
    }

    #[test]
    fn names_written_another_way_are_not_ours() {
        for name in [
            "",
            ".",
            "1.sst",
            "0000001.sst",
            "+00001.sst",
            "000001",
            "000001.",
            "000001.sst.gz",
            "MANIFEST-",
            "MANIFEST-1",
            "MANIFEST-00000a",
            "current",
            "notes.txt",
            "99999999999999999999.wal",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }
}
