//! A whole commit: the operations of a batch, and what the log holds around them.

use super::varint::{read_varint, take_prefixed, write_varint};
use super::{Batch, Operations};
use crate::key::{EntryKind, KeyspaceId, SequenceNumber};

/// Bytes of a commit before its operations.
pub(crate) const COMMIT_HEADER_BYTES: usize = 4 + 8 + 8 + 4;

impl Batch {
    /// Appends the whole commit to `out`.
    pub(crate) fn encode(
        &self,
        sequence: SequenceNumber,
        micros: u64,
        deltas: &[(KeyspaceId, i64)],
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        out.reserve(COMMIT_HEADER_BYTES + self.operations.len() + 2 + self.annex.len());
        out.extend_from_slice(&[0; COMMIT_HEADER_BYTES]);
        out.extend_from_slice(&self.operations);
        let tail_start = out.len();
        self.encode_tail(deltas, out);
        let header = self.encode_header(sequence, micros, out.len() - tail_start);
        out[start..start + COMMIT_HEADER_BYTES].copy_from_slice(&header);
    }

    /// What precedes the operations in a commit with so long a tail.
    #[inline]
    pub(crate) fn encode_header(
        &self,
        sequence: SequenceNumber,
        micros: u64,
        tail_bytes: usize,
    ) -> [u8; COMMIT_HEADER_BYTES] {
        let length = COMMIT_HEADER_BYTES - 4 + self.operations.len() + tail_bytes;
        let mut header = [0; COMMIT_HEADER_BYTES];
        header[..4].copy_from_slice(&(length as u32).to_le_bytes());
        header[4..12].copy_from_slice(&sequence.to_le_bytes());
        header[12..20].copy_from_slice(&micros.to_le_bytes());
        header[20..].copy_from_slice(&self.count.to_le_bytes());
        header
    }

    /// The operations as they are in a commit.
    #[inline]
    pub(crate) fn encoded_operations(&self) -> &[u8] {
        &self.operations
    }

    /// Appends what follows the operations in a commit.
    #[inline]
    pub(crate) fn encode_tail(&self, deltas: &[(KeyspaceId, i64)], out: &mut Vec<u8>) {
        write_varint(out, deltas.len() as u64);
        for (keyspace, delta) in deltas {
            out.extend_from_slice(&keyspace.0.to_le_bytes());
            write_varint(out, ((delta << 1) ^ (delta >> 63)) as u64);
        }
        write_varint(out, self.annex.len() as u64);
        out.extend_from_slice(&self.annex);
    }
}

/// One commit, as read from the log.
#[derive(Clone, Debug)]
pub(crate) struct Commit<'a> {
    pub sequence: SequenceNumber,
    #[cfg_attr(not(test), expect(dead_code, reason = "kept on disk for time travel"))]
    pub micros: u64,
    pub operations: Operations<'a>,
    /// Whether an operation refers to a large value.
    pub has_references: bool,
    pub deltas: Deltas<'a>,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "read by the audit layer to come")
    )]
    pub annex: &'a [u8],
}

/// The changes of counts that a commit carries, already checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deltas<'a> {
    bytes: &'a [u8],
}

impl Iterator for Deltas<'_> {
    type Item = (KeyspaceId, i64);

    fn next(&mut self) -> Option<Self::Item> {
        take_delta(&mut self.bytes).ok()
    }
}

/// Splits the first commit off the payload of a log record. All of it is checked, so that
/// applying it cannot fail half-way.
pub(crate) fn decode_commit<'a>(payload: &mut &'a [u8]) -> Result<Commit<'a>, &'static str> {
    let (length, rest) = payload
        .split_first_chunk::<4>()
        .ok_or("a commit header is cut short")?;
    let length = u32::from_le_bytes(*length) as usize;
    let mut body = rest.get(..length).ok_or("a commit is cut short")?;
    *payload = &rest[length..];
    let sequence = take_u64(&mut body)?;
    let micros = take_u64(&mut body)?;
    let (count, operations) = body
        .split_first_chunk::<4>()
        .ok_or("a commit is cut short")?;
    let operations = Operations {
        bytes: operations,
        remaining: u32::from_le_bytes(*count),
    };
    let mut walk = operations.clone();
    let mut has_references = false;
    for operation in walk.by_ref() {
        has_references |= operation?.kind().is_some_and(EntryKind::is_reference);
    }
    let mut body = walk.bytes;
    let remaining = read_varint(&mut body)?;
    let start = body;
    for _ in 0..remaining {
        take_delta(&mut body)?;
    }
    let deltas = Deltas {
        bytes: &start[..start.len() - body.len()],
    };
    let annex = take_prefixed(&mut body)?;
    if !body.is_empty() {
        return Err("a commit has bytes after its end");
    }
    Ok(Commit {
        sequence,
        micros,
        operations,
        has_references,
        deltas,
        annex,
    })
}

fn take_delta(bytes: &mut &[u8]) -> Result<(KeyspaceId, i64), &'static str> {
    let (keyspace, rest) = bytes
        .split_first_chunk::<4>()
        .ok_or("a delta is cut short")?;
    *bytes = rest;
    let zigzag = read_varint(bytes)?;
    let delta = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
    Ok((KeyspaceId(u32::from_le_bytes(*keyspace)), delta))
}

fn take_u64(bytes: &mut &[u8]) -> Result<u64, &'static str> {
    let (head, rest) = bytes
        .split_first_chunk::<8>()
        .ok_or("a commit is cut short")?;
    *bytes = rest;
    Ok(u64::from_le_bytes(*head))
}
