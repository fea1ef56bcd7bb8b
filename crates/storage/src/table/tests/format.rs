//! The code against `docs/format/table.md`.

use super::super::filter;
use super::super::format::{BlockKind, Footer, block_header, frame};
use super::*;
use crate::codec::Codec;
use crate::envelope::{Algorithm, Envelope, FileHeader, FileKind, HEADER_BYTES};
use crate::format_doc;

const DOCUMENT: &str = include_str!("../../../../../docs/format/table.md");

fn check_layout(heading: &str, ours: &[(usize, &str)]) {
    let layout = format_doc::layout(DOCUMENT, heading);
    let documented: Vec<_> = layout.iter().map(|f| (f.offset, f.name.as_str())).collect();
    assert_eq!(documented, ours, "{heading}");
}

fn end(heading: &str) -> usize {
    let layout = format_doc::layout(DOCUMENT, heading);
    layout.last().map_or(0, |last| last.offset + last.size)
}

#[test]
fn the_document_has_the_offsets_of_the_code() {
    check_layout(
        "## Stored block",
        &[(frame::CODEC, "codec"), (frame::RAW_LEN, "raw_length")],
    );
    assert_eq!(end("## Stored block"), frame::BYTES);
    use block_header as header;
    let fields = [
        (header::LAYOUT, "layout"),
        (header::FLAGS, "flags"),
        (header::SEQ_BYTES, "seq_bytes"),
        (header::KIND, "kind"),
        (header::PREFIX_LEN, "prefix_length"),
        (header::RESERVED, "reserved"),
        (header::ENTRIES, "entries"),
        (header::REST_LEN, "rest_length"),
        (header::VALUE_LEN, "value_length"),
        (header::BASE_SEQ, "base_seq"),
    ];
    check_layout("## Data block", &fields);
    assert_eq!(end("## Data block"), header::BYTES);
    use filter::field;
    let fields = [
        (field::KIND, "kind"),
        (field::SEGMENT_LEN_LOG2, "segment_length_log2"),
        (field::RESERVED, "reserved"),
        (field::SEGMENTS, "segments"),
        (field::SEED, "seed"),
    ];
    check_layout("## Filter", &fields);
    assert_eq!(end("## Filter"), field::CELLS);
    let fields = [
        (0, "magic"),
        (Footer::BLOCKS, "blocks"),
        (Footer::HANDLES, "tombstones"),
        (Footer::HANDLES + 16, "filter"),
        (Footer::HANDLES + 32, "index"),
        (Footer::HANDLES + 48, "properties"),
    ];
    check_layout("## Footer", &fields);
    assert_eq!(end("## Footer"), Footer::BYTES);
}

#[test]
fn the_document_has_the_numbers_of_the_code() {
    let check = |heading: &str, ours: &[(u8, &str)]| {
        let ours: Vec<_> = ours
            .iter()
            .map(|(n, name)| (u64::from(*n), name.to_string()))
            .collect();
        assert_eq!(format_doc::numbers(DOCUMENT, heading), ours, "{heading}");
    };
    let codecs = [
        (Codec::None as u8, "none"),
        (Codec::Lz4 as u8, "lz4"),
        (Codec::Snappy as u8, "snappy"),
        (Codec::Zstd as u8, "zstd"),
    ];
    check("## Codecs", &codecs);
    let kinds = [
        (BlockKind::Data as u8, "data"),
        (BlockKind::Index as u8, "index"),
        (BlockKind::Filter as u8, "filter"),
        (BlockKind::Tombstones as u8, "tombstones"),
        (BlockKind::Properties as u8, "properties"),
        (BlockKind::Footer as u8, "footer"),
    ];
    check("## Block kinds", &kinds);
    use block_header::Flags;
    let flags = [
        (Flags::LENGTHS.0, "lengths"),
        (Flags::REST_OFFSETS.0, "rest_ends"),
        (Flags::VALUE_OFFSETS.0, "value_ends"),
        (Flags::WIDE.0, "wide"),
    ];
    check("## Flags", &flags);
    let kinds = [
        (EntryKind::Delete as u8, "delete"),
        (EntryKind::Put as u8, "put"),
        (EntryKind::PutExpiring as u8, "put_expiring"),
        (EntryKind::ValueRef as u8, "value_ref"),
        (EntryKind::ValueRefExpiring as u8, "value_ref_expiring"),
    ];
    check("## Entry kinds", &kinds);
    assert_eq!(
        (block_header::LAYOUT_ROWS, filter::KIND_BINARY_FUSE_8),
        (1, 1)
    );
}

#[test]
fn the_example_of_the_document_is_what_is_written() {
    let fixture = Fixture::new();
    let header = FileHeader {
        kind: FileKind::Table,
        algorithm: Algorithm::Plain,
        data_key_id: 0,
        database_id: [0xdb; 16],
        file_id: [0xf1; 16],
    };
    let (path, bytes) = (path(FileNumber(1)), header.encode());
    let envelope = Envelope::open(&fixture.security, &path, &bytes, FileKind::Table).unwrap();
    let mut builder = fixture.builder(1, TableOptions::default());
    builder.make_reproducible(&header, envelope);
    builder
        .add(b"\0\0\0\x01apple", 5, EntryKind::Put, b"red")
        .unwrap();
    builder
        .add(b"\0\0\0\x01pear", 5, EntryKind::Delete, b"")
        .unwrap();
    builder
        .add_range_tombstone(b"\0\0\0\x01fig", b"\0\0\0\x01kiwi", 4)
        .unwrap();
    let meta = builder.finish().unwrap();
    let bytes = fixture.read_file(meta.number);
    let example = format_doc::hex(DOCUMENT, "## Example");
    let bytes = &bytes[HEADER_BYTES..];
    assert_eq!(bytes, example, "{}", format_doc::dump(bytes));
    fixture.open(&meta).unwrap().verify().unwrap();
}
