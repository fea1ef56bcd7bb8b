//! The end of a table file: footer, properties, index, filter and range tombstones.
//!
//! It is read from the back: the footer has a fixed length and says where the others are.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

use super::filter::Filter;
use super::format::{BlockKind, Footer, Handle, Input, frame};
use super::index::Index;
use super::properties::Properties;
use super::store::TableFile;
use crate::codec::{Codec, CodecError};
use crate::envelope::{Envelope, FileKind, HEADER_BYTES};
use crate::error::{Error, Result};
use crate::key::{MAX_SEQUENCE, SequenceNumber};
use crate::manifest::TableMeta;
use crate::tombstone::RangeTombstone;

/// Which of the blocks that are not data are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TailParts {
    /// All.
    All,
    /// All but the filter: the table is as good, but slower.
    NoFilter,
    /// What makes entries readable and no more, for repair.
    NoFilterNoTombstones,
}

/// The blocks of a file that are not data.
pub(super) struct Tail {
    pub(super) envelope: Envelope,
    footer: Footer,
    pub(super) properties: Properties,
    pub(super) index: Index,
    pub(super) tombstones: Vec<RangeTombstone>,
}

/// Opens the seal of a stored block, decompresses it and hands the payload to `parse`.
pub(super) fn open_block<T>(
    path: &Path,
    envelope: &Envelope,
    kind: BlockKind,
    offset: u64,
    sealed: &mut [u8],
    parse: impl FnOnce(&[u8]) -> Result<T, &'static str>,
) -> Result<T> {
    let damaged = |reason: &str| Error::corruption(path, offset, reason);
    let len = envelope
        .unseal_slice(offset, kind as u8, &[], sealed)
        .map_err(|bad| bad.at(path, offset))?;
    let (codec, raw_len, stored) = frame::parse(&sealed[..len]).map_err(damaged)?;
    if codec == Codec::None && stored.len() == raw_len {
        return parse(stored).map_err(damaged);
    }
    PAYLOAD.with_borrow_mut(|payload| {
        let decompressed = codec.decompress(stored, raw_len, payload);
        decompressed.map_err(|e| match e {
            CodecError::Damaged => damaged(&e.to_string()),
            CodecError::NotBuiltIn(_) => Error::Unsupported(format!("`{}`: {e}", path.display())),
        })?;
        let parsed = parse(payload).map_err(damaged);
        if payload.capacity() > PAYLOAD_BYTES_KEPT {
            *payload = Vec::new();
        }
        parsed
    })
}

/// A thread keeps room to decompress blocks of up to this size.
const PAYLOAD_BYTES_KEPT: usize = 256 << 10;

thread_local! {
    /// Where blocks are decompressed to before they are taken apart.
    static PAYLOAD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Tail {
    /// Reads the end of a file of `file_bytes` bytes, but for the filter.
    pub(super) fn read(file: &Arc<TableFile>, file_bytes: u64, parts: TailParts) -> Result<Self> {
        let path = file.path();
        let len = file
            .open()?
            .len()
            .map_err(|e| Error::io("read length of", path, e))?;
        if len != file_bytes {
            let reason = format!("the file has {len} bytes instead of {file_bytes}");
            return Err(Error::corruption(path, len.min(file_bytes), reason));
        }
        let mut header = [0; HEADER_BYTES];
        file.read(&mut header, 0)?;
        let envelope = Envelope::open(file.store().security(), path, &header, FileKind::Table)?;
        let footer_len = Footer::BYTES + envelope.overhead();
        let footer_at = (file_bytes.checked_sub(footer_len as u64))
            .filter(|at| *at >= HEADER_BYTES as u64)
            .ok_or_else(|| Error::corruption(path, 0, "the file is too short for a table"))?;
        let mut footer = vec![0; footer_len];
        file.read(&mut footer, footer_at)?;
        envelope
            .unseal(footer_at, BlockKind::Footer as u8, &[], &mut footer)
            .map_err(|bad| bad.at(path, footer_at))?;
        let footer = Footer::parse(&footer, footer_at)
            .map_err(|reason| Error::corruption(path, footer_at, reason))?;
        Self::read_blocks(file, envelope, footer, parts)
    }

    fn read_blocks(
        file: &Arc<TableFile>,
        envelope: Envelope,
        footer: Footer,
        parts: TailParts,
    ) -> Result<Self> {
        let parse = |payload: &[u8]| {
            let index = Index::parse(payload, file.store().cache())?;
            if index.blocks() as u64 != footer.blocks || index.data_end() != footer.data_end() {
                return Err("index does not cover the data blocks");
            }
            Ok(index)
        };
        let index = read_tail_block(file, &envelope, BlockKind::Index, footer.index, parse)?;
        let (kind, at) = (BlockKind::Properties, footer.properties);
        let properties = read_tail_block(file, &envelope, kind, at, Properties::parse)?;
        let tombstones = match footer.tombstones {
            Handle { len: 0, .. } => Vec::new(),
            _ if parts == TailParts::NoFilterNoTombstones => Vec::new(),
            at => read_tail_block(file, &envelope, BlockKind::Tombstones, at, parse_tombstones)?,
        };
        Ok(Self {
            envelope,
            footer,
            properties,
            index,
            tombstones,
        })
    }

    /// How much memory the filter takes, if there is one.
    pub(super) fn filter_bytes(&self) -> u64 {
        self.footer.filter.len
    }

    /// Reads the filter, if there is one.
    pub(super) fn read_filter(&self, file: &Arc<TableFile>) -> Result<Option<Filter>> {
        let at = self.footer.filter;
        if at.len == 0 {
            return Ok(None);
        }
        let envelope = &self.envelope;
        read_tail_block(file, envelope, BlockKind::Filter, at, Filter::parse).map(Some)
    }

    /// Checks that this is the table that `meta` describes.
    pub(super) fn check(&self, path: &Path, meta: &TableMeta) -> Result<()> {
        let stored = &self.properties.meta;
        let same = stored.entries == meta.entries
            && stored.tombstones == meta.tombstones
            && stored.range_tombstones == meta.range_tombstones
            && stored.raw_key_bytes == meta.raw_key_bytes
            && stored.raw_value_bytes == meta.raw_value_bytes;
        let offset = self.footer.properties.offset;
        let reason = "is not the table that the manifest means";
        if same {
            Ok(())
        } else {
            Err(Error::corruption(path, offset, reason))
        }
    }

    /// The tombstones, all at one sequence number if one is given.
    pub(super) fn tombstones_at(
        &self,
        sequence_override: Option<SequenceNumber>,
    ) -> Vec<RangeTombstone> {
        let mut tombstones = self.tombstones.clone();
        for tombstone in &mut tombstones {
            tombstone.seq = sequence_override.unwrap_or(tombstone.seq);
        }
        tombstones
    }
}

fn read_tail_block<T>(
    file: &Arc<TableFile>,
    envelope: &Envelope,
    kind: BlockKind,
    handle: Handle,
    parse: impl FnOnce(&[u8]) -> Result<T, &'static str>,
) -> Result<T> {
    // The footer was checked: its blocks are within the file.
    let mut sealed = vec![0; handle.len as usize];
    file.read(&mut sealed, handle.offset)?;
    open_block(
        file.path(),
        envelope,
        kind,
        handle.offset,
        &mut sealed,
        parse,
    )
}

/// The order of range tombstones in a table.
pub(super) fn tombstone_order(left: &RangeTombstone, right: &RangeTombstone) -> Ordering {
    let bounds = left
        .start
        .cmp(&right.start)
        .then_with(|| left.end.cmp(&right.end));
    bounds.then(right.seq.cmp(&left.seq))
}

pub(super) fn parse_tombstones(payload: &[u8]) -> Result<Vec<RangeTombstone>, &'static str> {
    let mut input = Input(payload);
    let count = input.varint()?;
    let mut tombstones: Vec<RangeTombstone> = Vec::new();
    for _ in 0..count {
        let (start, end) = (input.bytes()?, input.bytes()?);
        let tombstone = RangeTombstone::new(start, end, input.varint()?);
        if tombstone.start >= tombstone.end || tombstone.seq > MAX_SEQUENCE {
            return Err("range tombstone is empty or has a bad sequence number");
        }
        if tombstones
            .last()
            .is_some_and(|last| tombstone_order(last, &tombstone).is_ge())
        {
            return Err("range tombstones are out of order");
        }
        tombstones.push(tombstone);
    }
    input.finish()?;
    Ok(tombstones)
}
