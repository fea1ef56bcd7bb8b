//! The check of a block's bytes, which says where its columns are.

use std::sync::atomic::AtomicU8;

use super::{HEAD_BYTES, Layout, header, read_uint};
use crate::key::{EntryKind, MAX_SEQUENCE};
use crate::table::format::block_header::Flags;

impl Layout {
    /// Works out the columns of `body` and checks all that the accessors rely on.
    pub(super) fn parse(head: &[u8; header::BYTES], body: &[u8]) -> Result<Self, &'static str> {
        let head = header::Header::parse(head)?;
        let mut next = Columns {
            at: 0,
            len: body.len(),
        };
        let entries = head.entries as usize;
        let flags = head.flags;
        next.take(entries, HEAD_BYTES)?;
        let lengths_at = next.take(entries, usize::from(flags.contains(Flags::LENGTHS)))?;
        let prefix_at = next.take(head.prefix_len as usize, 1)?;
        let seqs_at = next.take(entries, head.seq_bytes as usize)?;
        let kinds_at = next.take(entries, usize::from(head.kind.is_none()))?;
        let offset_bytes = if flags.contains(Flags::WIDE) { 4 } else { 2 };
        let rest_offsets_at = match flags.contains(Flags::REST_OFFSETS) {
            true => next.take(entries, offset_bytes)?,
            false => 0,
        };
        let value_offsets_at = match flags.contains(Flags::VALUE_OFFSETS) {
            true => next.take(entries, offset_bytes)?,
            false => 0,
        };
        let layout = |rests_at: usize, values_at: usize| Layout {
            heat: AtomicU8::new(0),
            offset_bytes: offset_bytes as u8,
            seq_bytes: head.seq_bytes,
            kind: head.kind,
            prefix_len: head.prefix_len,
            has_lengths: flags.contains(Flags::LENGTHS),
            entries: head.entries,
            prefix_at: prefix_at as u32,
            seqs_at: seqs_at as u32,
            kinds_at: kinds_at as u32,
            rest_offsets_at: rest_offsets_at as u32,
            value_offsets_at: value_offsets_at as u32,
            rests_at: rests_at as u32,
            values_at: values_at as u32,
            rest_len: head.rest_len,
            value_len: head.value_len,
            base_seq: head.base_seq,
        };
        let rests_len = match rest_offsets_at {
            0 => entries as u64 * u64::from(head.rest_len),
            at => check_offsets(&body[at..][..entries * offset_bytes], offset_bytes)?,
        };
        let rests_at = next.take_bytes(rests_len)?;
        let values_len = match value_offsets_at {
            0 => entries as u64 * u64::from(head.value_len),
            at => check_offsets(&body[at..][..entries * offset_bytes], offset_bytes)?,
        };
        let values_at = next.take_bytes(values_len)?;
        if next.at != body.len() {
            return Err("block has bytes after its last column");
        }
        let layout = layout(rests_at, values_at);
        layout.check_entries(body, lengths_at)?;
        Ok(layout)
    }

    /// Checks what each entry says on its own.
    fn check_entries(&self, body: &[u8], lengths_at: usize) -> Result<(), &'static str> {
        let entries = self.entries as usize;
        if self.kind.is_none() {
            let kinds = &body[self.kinds_at as usize..][..entries];
            if kinds.iter().any(|&kind| EntryKind::from_u8(kind).is_none()) {
                return Err("unknown entry kind");
            }
        }
        if self.has_lengths {
            // Keys whose head is not full have no rest, and zeros in the head.
            let lengths = &body[lengths_at..][..entries];
            let heads = body[..entries * HEAD_BYTES].as_chunks::<HEAD_BYTES>().0;
            for (index, (&len, head)) in lengths.iter().zip(heads).enumerate() {
                let missing = HEAD_BYTES
                    .checked_sub(len.into())
                    .ok_or("key head longer than eight bytes")?;
                let head = u64::from_le_bytes(*head);
                if missing > 0 && (head.trailing_zeros() as usize) < missing * 8 {
                    return Err("short key head is not padded with zeros");
                }
                if missing > 0 && self.rest_span(body, index) != 0 {
                    return Err("short key head is followed by more key bytes");
                }
            }
        }
        let seqs = &body[self.seqs_at as usize..][..entries * self.seq_bytes as usize];
        let room = MAX_SEQUENCE - self.base_seq;
        let seq_bytes = usize::from(self.seq_bytes.max(1));
        if seqs
            .chunks_exact(seq_bytes)
            .any(|above| read_uint(above, 0, seq_bytes) > room)
        {
            return Err("sequence number out of range");
        }
        Ok(())
    }

    fn rest_span(&self, body: &[u8], index: usize) -> u64 {
        let width = self.offset_bytes as usize;
        match self.rest_offsets_at as usize {
            0 => self.rest_len.into(),
            at if index == 0 => read_uint(body, at, width),
            at => {
                let at = at + index * width;
                read_uint(body, at, width) - read_uint(body, at - width, width)
            }
        }
    }
}

/// Hands out the body of a block from front to back.
struct Columns {
    at: usize,
    len: usize,
}

impl Columns {
    fn take(&mut self, items: usize, item_bytes: usize) -> Result<usize, &'static str> {
        self.take_bytes(items as u64 * item_bytes as u64)
    }

    fn take_bytes(&mut self, bytes: u64) -> Result<usize, &'static str> {
        let start = self.at;
        if bytes > (self.len - start) as u64 {
            return Err("block is shorter than its columns");
        }
        self.at += bytes as usize;
        Ok(start)
    }
}

/// Checks that ends do not go back; returns the last one.
fn check_offsets(offsets: &[u8], width: usize) -> Result<u64, &'static str> {
    let mut last = 0;
    for at in (0..offsets.len()).step_by(width) {
        let end = read_uint(offsets, at, width);
        if end < last {
            return Err("offsets of a block go back");
        }
        last = end;
    }
    Ok(last)
}
