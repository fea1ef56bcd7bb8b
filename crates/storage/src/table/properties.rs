//! What a table says about itself: the part of its [`TableMeta`] that cannot be had from the file
//! system, so that a database can be put together again from its tables alone, and which
//! keyspaces the filter does not know.

use super::format::{Input, put_bytes, put_varint};
use crate::key::{FileNumber, KeyspaceId};
use crate::manifest::TableMeta;

/// The version of this block's layout; zero is invalid.
const VERSION: u8 = 1;

/// The content of a properties block.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Properties {
    /// Length and checksum of the file, number and sequence override are not in here.
    pub(crate) meta: TableMeta,
    /// Keyspaces of which some keys were not added to the filter, ascending.
    pub(crate) unfiltered: Vec<KeyspaceId>,
    /// Whether the table belongs to a bulk write, whose sequence number was not known when it was
    /// written. Entries of other tables that have the number zero are older than all others.
    pub(crate) is_bulk: bool,
}

/// The bits of the flags.
const LARGEST_EXCLUSIVE: u8 = 1;
const BULK: u8 = 2;

impl Properties {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let meta = &self.meta;
        let mut out = vec![VERSION];
        put_bytes(&mut out, &meta.smallest);
        put_bytes(&mut out, &meta.largest);
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        out.push(flag(meta.largest_exclusive, LARGEST_EXCLUSIVE) | flag(self.is_bulk, BULK));
        for number in [
            meta.entries,
            meta.tombstones,
            meta.shadowed,
            meta.range_tombstones,
            meta.min_seq,
            meta.max_seq,
            meta.expiring,
            meta.raw_key_bytes,
            meta.raw_value_bytes,
            meta.created_micros,
        ] {
            put_varint(&mut out, number);
        }
        if meta.expiring > 0 {
            put_varint(&mut out, meta.oldest_expiry.unwrap_or(0));
            put_varint(&mut out, meta.newest_expiry.unwrap_or(u64::MAX));
        }
        put_varint(&mut out, meta.value_refs.len() as u64);
        for (file, bytes) in &meta.value_refs {
            put_varint(&mut out, file.0);
            put_varint(&mut out, *bytes);
        }
        put_varint(&mut out, self.unfiltered.len() as u64);
        for keyspace in &self.unfiltered {
            put_varint(&mut out, keyspace.0.into());
        }
        out
    }

    pub(crate) fn parse(payload: &[u8]) -> Result<Self, &'static str> {
        let mut input = Input(payload);
        if input.byte()? != VERSION {
            return Err("unknown version of table properties");
        }
        let (smallest, largest) = (input.bytes()?.into(), input.bytes()?.into());
        let flags = input.byte()?;
        if flags & !(LARGEST_EXCLUSIVE | BULK) != 0 {
            return Err("table properties have an unknown flag");
        }
        let mut meta = TableMeta {
            smallest,
            largest,
            largest_exclusive: flags & LARGEST_EXCLUSIVE != 0,
            entries: input.varint()?,
            tombstones: input.varint()?,
            shadowed: input.varint()?,
            range_tombstones: input.varint()?,
            min_seq: input.varint()?,
            max_seq: input.varint()?,
            expiring: input.varint()?,
            raw_key_bytes: input.varint()?,
            raw_value_bytes: input.varint()?,
            created_micros: input.varint()?,
            ..TableMeta::default()
        };
        if meta.expiring > 0 {
            meta.oldest_expiry = Some(input.varint()?);
            meta.newest_expiry = Some(input.varint()?);
        }
        for _ in 0..input.varint()? {
            meta.value_refs
                .push((FileNumber(input.varint()?), input.varint()?));
        }
        let mut unfiltered = Vec::new();
        for _ in 0..input.varint()? {
            let id = u32::try_from(input.varint()?).map_err(|_| "keyspace id out of range")?;
            unfiltered.push(KeyspaceId(id));
        }
        input.finish()?;
        if meta.smallest > meta.largest {
            return Err("table properties have their bounds the wrong way round");
        }
        if meta.min_seq > meta.max_seq {
            return Err("table properties have their sequence numbers the wrong way round");
        }
        Ok(Self {
            meta,
            unfiltered,
            is_bulk: flags & BULK != 0,
        })
    }
}
