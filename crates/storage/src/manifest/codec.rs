//! The bytes of a version edit.
//!
//! An edit is a sequence of fields; a field is a tag (one byte), the length of its contents (a
//! varint) and the contents. Numbers are varints. Tables and value files are fields whose
//! contents are fields again. See `docs/format/manifest.md`.
//!
//! An unknown tag is an error, because a reader that passed over it could lose data: whoever
//! wrote it meant something by it. New optional facts therefore raise no format version, yet
//! older builds refuse them clearly.

use std::sync::Arc;

use super::edit::{AddedTable, LEVELS, TableMeta, ValueFileMeta, VersionEdit};
use crate::key::{FileNumber, KeyspaceId, MAX_SEQUENCE};

/// The fields of an edit. The numbers are on disk and are never reused; zero is invalid.
pub(super) mod edit_tag {
    pub(in super::super) const REMOVED: u8 = 1;
    pub(in super::super) const ADDED: u8 = 2;
    pub(in super::super) const VALUE_FILE_REMOVED: u8 = 3;
    pub(in super::super) const VALUE_FILE_ADDED: u8 = 4;
    pub(in super::super) const NEXT_FILE_NUMBER: u8 = 5;
    pub(in super::super) const LAST_SEQUENCE: u8 = 6;
    pub(in super::super) const NEXT_KEYSPACE: u8 = 7;
    pub(in super::super) const NEXT_RUN: u8 = 8;
    pub(in super::super) const WAL_FLOOR: u8 = 9;
    pub(in super::super) const FLUSHED_SEQUENCE: u8 = 10;
    pub(in super::super) const WAL_END: u8 = 11;
    pub(in super::super) const COUNTS: u8 = 12;
}

/// The fields of an added table.
pub(super) mod table_tag {
    pub(in super::super) const LEVEL: u8 = 1;
    pub(in super::super) const RUN: u8 = 2;
    pub(in super::super) const NUMBER: u8 = 3;
    pub(in super::super) const FILE_BYTES: u8 = 4;
    pub(in super::super) const CHECKSUM: u8 = 5;
    pub(in super::super) const SMALLEST: u8 = 6;
    pub(in super::super) const LARGEST: u8 = 7;
    pub(in super::super) const LARGEST_EXCLUSIVE: u8 = 8;
    pub(in super::super) const ENTRIES: u8 = 9;
    pub(in super::super) const TOMBSTONES: u8 = 10;
    pub(in super::super) const SHADOWED: u8 = 11;
    pub(in super::super) const RANGE_TOMBSTONES: u8 = 12;
    pub(in super::super) const MIN_SEQ: u8 = 13;
    pub(in super::super) const MAX_SEQ: u8 = 14;
    pub(in super::super) const SEQUENCE_OVERRIDE: u8 = 15;
    pub(in super::super) const EXPIRING: u8 = 16;
    pub(in super::super) const OLDEST_EXPIRY: u8 = 17;
    pub(in super::super) const NEWEST_EXPIRY: u8 = 18;
    pub(in super::super) const VALUE_REFS: u8 = 19;
    pub(in super::super) const RAW_KEY_BYTES: u8 = 20;
    pub(in super::super) const RAW_VALUE_BYTES: u8 = 21;
    pub(in super::super) const CREATED_MICROS: u8 = 22;
    pub(in super::super) const DATA_KEY_ID: u8 = 23;
}

/// The fields of an added value file.
pub(super) mod value_file_tag {
    pub(in super::super) const NUMBER: u8 = 1;
    pub(in super::super) const FILE_BYTES: u8 = 2;
    pub(in super::super) const VALUES: u8 = 3;
    pub(in super::super) const VALUE_BYTES: u8 = 4;
    pub(in super::super) const CREATED_MICROS: u8 = 5;
    pub(in super::super) const DATA_KEY_ID: u8 = 6;
}

/// Why bytes are not a version edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// A field that this build does not know: a newer one wrote it.
    UnknownField {
        /// What the field belongs to.
        of: &'static str,
        /// Its number.
        tag: u8,
    },
    /// No build writes this.
    Malformed(&'static str),
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DecodeError::UnknownField { of, tag } => write!(f, "unknown field {tag} of {of}"),
            DecodeError::Malformed(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for DecodeError {}

type Result<T> = std::result::Result<T, DecodeError>;

impl VersionEdit {
    /// The bytes of this edit.
    pub fn encode(&self) -> Vec<u8> {
        use edit_tag as tag;
        let mut out = Vec::with_capacity(64 + 256 * self.added.len());
        for number in &self.removed {
            put_number(&mut out, tag::REMOVED, number.0);
        }
        for table in &self.added {
            put_bytes(&mut out, tag::ADDED, &encode_table(table));
        }
        for number in &self.value_files_removed {
            put_number(&mut out, tag::VALUE_FILE_REMOVED, number.0);
        }
        for file in &self.value_files_added {
            put_bytes(&mut out, tag::VALUE_FILE_ADDED, &encode_value_file(file));
        }
        let counters = [
            (
                tag::NEXT_FILE_NUMBER,
                self.next_file_number.map(|number| number.0),
            ),
            (tag::LAST_SEQUENCE, self.last_sequence),
            (
                tag::NEXT_KEYSPACE,
                self.next_keyspace.map(|id| u64::from(id.0)),
            ),
            (tag::NEXT_RUN, self.next_run),
            (tag::WAL_FLOOR, self.wal_floor.map(|number| number.0)),
            (tag::FLUSHED_SEQUENCE, self.flushed_sequence),
        ];
        for (tag, counter) in counters {
            put_optional(&mut out, tag, counter);
        }
        for (number, end) in &self.wal_ends {
            put_bytes(&mut out, tag::WAL_END, &encode_pairs([(number.0, *end)]));
        }
        if let Some(counts) = &self.counts {
            let pairs = counts.iter().map(|(id, count)| (u64::from(id.0), *count));
            put_bytes(&mut out, tag::COUNTS, &encode_pairs(pairs));
        }
        out
    }

    /// Reads an edit. Any bytes are allowed; nothing is allocated beyond what they fill.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        use edit_tag as tag;
        let mut edit = VersionEdit::default();
        for field in Fields(bytes) {
            let (tag, contents) = field?;
            match tag {
                tag::REMOVED => edit.removed.push(file_number(contents)?),
                tag::ADDED => edit.added.push(decode_table(contents)?),
                tag::VALUE_FILE_REMOVED => edit.value_files_removed.push(file_number(contents)?),
                tag::VALUE_FILE_ADDED => edit.value_files_added.push(decode_value_file(contents)?),
                tag::NEXT_FILE_NUMBER => set(&mut edit.next_file_number, file_number(contents)?)?,
                tag::LAST_SEQUENCE => set(&mut edit.last_sequence, sequence(contents)?)?,
                tag::NEXT_KEYSPACE => set(&mut edit.next_keyspace, keyspace(number(contents)?)?)?,
                tag::NEXT_RUN => set(&mut edit.next_run, number(contents)?)?,
                tag::WAL_FLOOR => set(&mut edit.wal_floor, file_number(contents)?)?,
                tag::FLUSHED_SEQUENCE => set(&mut edit.flushed_sequence, sequence(contents)?)?,
                tag::WAL_END => match decode_pairs(contents)?[..] {
                    [(number, end)] => edit.wal_ends.push((FileNumber(number), end)),
                    _ => return Err(DecodeError::Malformed("log end is not one pair")),
                },
                tag::COUNTS => set(&mut edit.counts, decode_counts(contents)?)?,
                tag => {
                    return Err(DecodeError::UnknownField {
                        of: "a version edit",
                        tag,
                    });
                }
            }
        }
        Ok(edit)
    }
}

fn encode_table(table: &AddedTable) -> Vec<u8> {
    use table_tag as tag;
    let meta = &*table.meta;
    let mut out = Vec::with_capacity(192 + meta.smallest.len() + meta.largest.len());
    put_bytes(&mut out, tag::CHECKSUM, &meta.checksum.to_le_bytes());
    put_bytes(&mut out, tag::SMALLEST, &meta.smallest);
    put_bytes(&mut out, tag::LARGEST, &meta.largest);
    let numbers = [
        (tag::LEVEL, u64::from(table.level)),
        (tag::RUN, table.run),
        (tag::NUMBER, meta.number.0),
        (tag::FILE_BYTES, meta.file_bytes),
        (tag::LARGEST_EXCLUSIVE, u64::from(meta.largest_exclusive)),
        (tag::ENTRIES, meta.entries),
        (tag::TOMBSTONES, meta.tombstones),
        (tag::SHADOWED, meta.shadowed),
        (tag::RANGE_TOMBSTONES, meta.range_tombstones),
        (tag::MIN_SEQ, meta.min_seq),
        (tag::MAX_SEQ, meta.max_seq),
        (tag::EXPIRING, meta.expiring),
        (tag::RAW_KEY_BYTES, meta.raw_key_bytes),
        (tag::RAW_VALUE_BYTES, meta.raw_value_bytes),
        (tag::CREATED_MICROS, meta.created_micros),
        (tag::DATA_KEY_ID, u64::from(meta.data_key_id)),
    ];
    for (tag, number) in numbers {
        put_number(&mut out, tag, number);
    }
    put_optional(&mut out, tag::SEQUENCE_OVERRIDE, meta.sequence_override);
    put_optional(&mut out, tag::OLDEST_EXPIRY, meta.oldest_expiry);
    put_optional(&mut out, tag::NEWEST_EXPIRY, meta.newest_expiry);
    if !meta.value_refs.is_empty() {
        let pairs = meta.value_refs.iter().map(|(file, bytes)| (file.0, *bytes));
        put_bytes(&mut out, tag::VALUE_REFS, &encode_pairs(pairs));
    }
    out
}

fn decode_table(bytes: &[u8]) -> Result<AddedTable> {
    use table_tag as tag;
    let mut seen = Seen::default();
    let (mut level, mut run, mut meta) = (0, 0, TableMeta::default());
    for field in Fields(bytes) {
        let (tag, contents) = field?;
        seen.once(tag)?;
        match tag {
            tag::LEVEL => level = narrow(number(contents)?, "level does not fit")?,
            tag::RUN => run = number(contents)?,
            tag::NUMBER => meta.number = file_number(contents)?,
            tag::FILE_BYTES => meta.file_bytes = number(contents)?,
            tag::CHECKSUM => meta.checksum = checksum(contents)?,
            tag::SMALLEST => meta.smallest = contents.into(),
            tag::LARGEST => meta.largest = contents.into(),
            tag::LARGEST_EXCLUSIVE => meta.largest_exclusive = flag(contents)?,
            tag::ENTRIES => meta.entries = number(contents)?,
            tag::TOMBSTONES => meta.tombstones = number(contents)?,
            tag::SHADOWED => meta.shadowed = number(contents)?,
            tag::RANGE_TOMBSTONES => meta.range_tombstones = number(contents)?,
            tag::MIN_SEQ => meta.min_seq = sequence(contents)?,
            tag::MAX_SEQ => meta.max_seq = sequence(contents)?,
            tag::SEQUENCE_OVERRIDE => meta.sequence_override = Some(sequence(contents)?),
            tag::EXPIRING => meta.expiring = number(contents)?,
            tag::OLDEST_EXPIRY => meta.oldest_expiry = Some(number(contents)?),
            tag::NEWEST_EXPIRY => meta.newest_expiry = Some(number(contents)?),
            tag::VALUE_REFS => meta.value_refs = decode_value_refs(contents)?,
            tag::RAW_KEY_BYTES => meta.raw_key_bytes = number(contents)?,
            tag::RAW_VALUE_BYTES => meta.raw_value_bytes = number(contents)?,
            tag::CREATED_MICROS => meta.created_micros = number(contents)?,
            tag::DATA_KEY_ID => {
                meta.data_key_id = narrow(number(contents)?, "data key id does not fit")?;
            }
            tag => return Err(DecodeError::UnknownField { of: "a table", tag }),
        }
    }
    let optional = [
        tag::SEQUENCE_OVERRIDE,
        tag::OLDEST_EXPIRY,
        tag::NEWEST_EXPIRY,
        tag::VALUE_REFS,
    ];
    seen.all_but(&optional, tag::DATA_KEY_ID)?;
    check_table(level, &meta)?;
    Ok(AddedTable {
        level,
        run,
        meta: Arc::new(meta),
    })
}

/// Checks what holds for every table, whatever else the manifest says.
fn check_table(level: u8, meta: &TableMeta) -> Result<()> {
    if usize::from(level) >= LEVELS {
        return Err(DecodeError::Malformed("level out of range"));
    }
    if meta.smallest > meta.largest {
        return Err(DecodeError::Malformed("smallest key above largest key"));
    }
    if meta.min_seq > meta.max_seq {
        return Err(DecodeError::Malformed(
            "lowest sequence number above highest",
        ));
    }
    if meta.tombstones > meta.entries || meta.expiring > meta.entries {
        return Err(DecodeError::Malformed(
            "more entries of a kind than entries",
        ));
    }
    Ok(())
}

fn encode_value_file(file: &ValueFileMeta) -> Vec<u8> {
    use value_file_tag as tag;
    let mut out = Vec::with_capacity(48);
    let numbers = [
        (tag::NUMBER, file.number.0),
        (tag::FILE_BYTES, file.file_bytes),
        (tag::VALUES, file.values),
        (tag::VALUE_BYTES, file.value_bytes),
        (tag::CREATED_MICROS, file.created_micros),
        (tag::DATA_KEY_ID, u64::from(file.data_key_id)),
    ];
    for (tag, number) in numbers {
        put_number(&mut out, tag, number);
    }
    out
}

fn decode_value_file(bytes: &[u8]) -> Result<ValueFileMeta> {
    use value_file_tag as tag;
    let mut seen = Seen::default();
    let mut file = ValueFileMeta::default();
    for field in Fields(bytes) {
        let (tag, contents) = field?;
        seen.once(tag)?;
        match tag {
            tag::NUMBER => file.number = file_number(contents)?,
            tag::FILE_BYTES => file.file_bytes = number(contents)?,
            tag::VALUES => file.values = number(contents)?,
            tag::VALUE_BYTES => file.value_bytes = number(contents)?,
            tag::CREATED_MICROS => file.created_micros = number(contents)?,
            tag::DATA_KEY_ID => {
                file.data_key_id = narrow(number(contents)?, "data key id does not fit")?;
            }
            tag => {
                return Err(DecodeError::UnknownField {
                    of: "a value file",
                    tag,
                });
            }
        }
    }
    seen.all_but(&[], tag::DATA_KEY_ID)?;
    Ok(file)
}

fn put_bytes(out: &mut Vec<u8>, tag: u8, contents: &[u8]) {
    out.push(tag);
    put_varint(out, contents.len() as u64);
    out.extend_from_slice(contents);
}

fn put_number(out: &mut Vec<u8>, tag: u8, number: u64) {
    let mut contents = Vec::with_capacity(VARINT_BYTES_MAX);
    put_varint(&mut contents, number);
    put_bytes(out, tag, &contents);
}

fn put_optional(out: &mut Vec<u8>, tag: u8, number: Option<u64>) {
    if let Some(number) = number {
        put_number(out, tag, number);
    }
}

fn encode_pairs(pairs: impl IntoIterator<Item = (u64, u64)>) -> Vec<u8> {
    let mut out = Vec::new();
    for (first, second) in pairs {
        put_varint(&mut out, first);
        put_varint(&mut out, second);
    }
    out
}

fn decode_pairs(mut bytes: &[u8]) -> Result<Vec<(u64, u64)>> {
    let mut pairs = Vec::new();
    while !bytes.is_empty() {
        pairs.push((take_varint(&mut bytes)?, take_varint(&mut bytes)?));
    }
    Ok(pairs)
}

fn decode_counts(bytes: &[u8]) -> Result<Vec<(KeyspaceId, u64)>> {
    decode_pairs(bytes)?
        .into_iter()
        .map(|(id, count)| Ok((keyspace(id)?, count)))
        .collect()
}

fn decode_value_refs(bytes: &[u8]) -> Result<Vec<(FileNumber, u64)>> {
    let pairs = decode_pairs(bytes)?;
    if !pairs.is_sorted_by(|before, after| before.0 < after.0) {
        return Err(DecodeError::Malformed("value references are not in order"));
    }
    Ok(pairs
        .into_iter()
        .map(|(file, bytes)| (FileNumber(file), bytes))
        .collect())
}

fn number(mut contents: &[u8]) -> Result<u64> {
    let number = take_varint(&mut contents)?;
    match contents {
        [] => Ok(number),
        _ => Err(DecodeError::Malformed("bytes behind a number")),
    }
}

fn file_number(contents: &[u8]) -> Result<FileNumber> {
    match number(contents)? {
        0 => Err(DecodeError::Malformed("file number zero")),
        number => Ok(FileNumber(number)),
    }
}

fn sequence(contents: &[u8]) -> Result<u64> {
    match number(contents)? {
        sequence if sequence <= MAX_SEQUENCE => Ok(sequence),
        _ => Err(DecodeError::Malformed("sequence number out of range")),
    }
}

fn keyspace(id: u64) -> Result<KeyspaceId> {
    Ok(KeyspaceId(narrow(id, "keyspace id does not fit")?))
}

fn flag(contents: &[u8]) -> Result<bool> {
    match number(contents)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::Malformed("flag is neither zero nor one")),
    }
}

fn checksum(contents: &[u8]) -> Result<u128> {
    match contents.first_chunk() {
        Some(bytes) if contents.len() == bytes.len() => Ok(u128::from_le_bytes(*bytes)),
        _ => Err(DecodeError::Malformed("file checksum is not 16 bytes")),
    }
}

fn narrow<T: TryFrom<u64>>(number: u64, message: &'static str) -> Result<T> {
    T::try_from(number).map_err(|_| DecodeError::Malformed(message))
}

fn set<T>(slot: &mut Option<T>, value: T) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(DecodeError::Malformed("a field twice")),
    }
}

/// Which fields of a nested structure were seen.
#[derive(Default)]
struct Seen(u64);

impl Seen {
    fn once(&mut self, tag: u8) -> Result<()> {
        // Tags beyond the width are unknown, which the caller reports.
        let bit = 1_u64.checked_shl(u32::from(tag)).unwrap_or(0);
        if self.0 & bit != 0 {
            return Err(DecodeError::Malformed("a field twice"));
        }
        self.0 |= bit;
        Ok(())
    }

    /// Checks that all fields up to `last` were there, save the optional ones.
    fn all_but(&self, optional: &[u8], last: u8) -> Result<()> {
        let missing = (1..=last).any(|tag| self.0 & (1 << tag) == 0 && !optional.contains(&tag));
        if missing {
            Err(DecodeError::Malformed("a field is missing"))
        } else {
            Ok(())
        }
    }
}

/// Splits bytes into fields.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self) -> Result<(u8, &'a [u8])> {
        let (tag, rest) = self
            .0
            .split_first()
            .ok_or(DecodeError::Malformed("no field"))?;
        self.0 = rest;
        let len = take_varint(&mut self.0)?;
        let (contents, rest) = usize::try_from(len)
            .ok()
            .and_then(|len| self.0.split_at_checked(len))
            .ok_or(DecodeError::Malformed("field longer than its record"))?;
        self.0 = rest;
        Ok((*tag, contents))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u8, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.take();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

const VARINT_BYTES_MAX: usize = 10;

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut number = 0;
    for index in 0..VARINT_BYTES_MAX {
        let (byte, rest) = bytes
            .split_first()
            .ok_or(DecodeError::Malformed("number cut off"))?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        let shift = 7 * index as u32;
        if index == VARINT_BYTES_MAX - 1 && bits > 1 {
            break;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(DecodeError::Malformed("number too long"))
}
