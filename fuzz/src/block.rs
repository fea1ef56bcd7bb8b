//! Blocks of tables, after the seal: decompression and the parsers of all kinds of block.
//!
//! Input: kind (low three bits) and codec (the bits from the fifth on); with a codec, the length
//! of the payload in three bytes; the payload.

use rustdb_storage::codec::Codec;
use rustdb_storage::fuzzing::check_block;

use crate::fixtures;

/// Tries an input.
pub fn run(input: &[u8]) {
    let (selector, rest) = crate::selector(input);
    let (kind, codec) = (selector & 7, Codec::from_u8(selector >> 4));
    let (Some(codec), Some(([a, b, c], stored))) = (codec, rest.split_first_chunk()) else {
        _ = check_block(kind, rest);
        return;
    };
    let raw_length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
    let mut payload = Vec::new();
    if codec.decompress(stored, raw_length, &mut payload).is_ok() {
        assert_eq!(payload.len(), raw_length);
        _ = check_block(kind, &payload);
    }
    // What a codec compresses it also restores.
    let mut compressed = Vec::new();
    let used = codec.compress(stored, &mut compressed);
    let restored = used.decompress(&compressed, stored.len(), &mut payload);
    assert_eq!((restored, &payload[..]), (Ok(()), stored));
}

/// The blocks of the fixtures' tables, as they are and compressed.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for table in fixtures::plain(".sst") {
        for (kind, stored) in blocks(table) {
            let payload = payload(stored);
            let [a, b, c, _] = (payload.len() as u32).to_le_bytes();
            for codec in [Codec::None, Codec::Lz4, Codec::Snappy] {
                let mut stored = vec![kind | (codec as u8) << 4, a, b, c];
                if codec.compress(&payload, &mut stored) == codec {
                    seeds.push(stored);
                }
            }
            seeds.push(crate::selected(kind, &payload));
        }
        seeds.push(crate::selected(6, footer(table)));
    }
    seeds
}

/// What is in a stored block.
fn payload(stored: &[u8]) -> Vec<u8> {
    let (&[codec, a, b, c, d], stored) = stored.split_first_chunk().expect("blocks have a frame");
    let codec = Codec::from_u8(codec).expect("fixtures are valid");
    let mut payload = Vec::new();
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    codec
        .decompress(stored, length, &mut payload)
        .expect("fixtures are valid");
    payload
}

/// The payload of a table's footer.
fn footer(table: &[u8]) -> &[u8] {
    &table[table.len() - 88..table.len() - 8]
}

/// The kinds of a table's stored blocks and what is in their seals; of the data blocks the first.
fn blocks(table: &[u8]) -> Vec<(u8, &[u8])> {
    let handles = footer(table)[16..].chunks_exact(16);
    let mut blocks: Vec<(u8, &[u8])> = Vec::new();
    for (kind, handle) in [4, 3, 2, 5].into_iter().zip(handles) {
        let number = |at: usize| {
            let bytes = handle[at..]
                .first_chunk()
                .expect("handles have two numbers");
            u64::from_le_bytes(*bytes) as usize
        };
        let (start, length) = (number(0), number(8));
        if length > 0 {
            blocks.push((kind, &table[start..start + length - 8]));
        }
    }
    let index = blocks
        .iter()
        .find(|(kind, _)| *kind == 2)
        .expect("every table has an index");
    // The number of blocks, below 128 in a fixture, then the length of the first.
    if let [_, low, high, ..] = payload(index.1)[..] {
        let length = match low {
            0x80.. => usize::from(low & 0x7f) | usize::from(high) << 7,
            _ => usize::from(low),
        };
        blocks.push((1, &table[64..64 + length - 8]));
    }
    blocks
}
