//! One function over all parsers of what is under a block's seal, for fuzzing.

use super::block::Block;
use super::filter::Filter;
use super::format::Footer;
use super::index::Index;
use super::properties::Properties;
use super::tail::parse_tombstones;
use crate::cache::BlockCache;
use crate::key::MAX_SEQUENCE;

/// Parses the payload of a block of the kind with this number, and looks at all of it. Any bytes
/// may be given; a panic is a bug.
pub fn check_payload(kind: u8, payload: &[u8]) -> Result<(), &'static str> {
    match kind {
        1 => check_block(&Block::parse(payload)?),
        2 => check_index(&Index::parse(payload, &BlockCache::new(0))?),
        3 => _ = Filter::parse(payload)?.may_contain(payload.len() as u64),
        4 => _ = parse_tombstones(payload)?,
        5 => _ = Properties::parse(payload)?,
        6 => _ = Footer::parse(payload, 1 << 20)?,
        _ => return Err("unknown kind of block"),
    }
    Ok(())
}

fn check_block(block: &Block) {
    let block = block.get();
    let mut key = Vec::new();
    for entry in 0..block.len() {
        block.read_key(entry, &mut key);
        block.kind(entry);
        block.value(entry);
        block.find(&key, block.seq(entry));
        block.lower_bound(&key, MAX_SEQUENCE);
    }
}

fn check_index(index: &Index) {
    for block in 0..index.blocks() {
        let found = index.find(index.separator(block), MAX_SEQUENCE);
        assert!(
            index.location(found).end <= index.data_end(),
            "a block beyond the end"
        );
    }
}
