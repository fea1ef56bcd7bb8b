//! Tests of headers and of plain blocks.

use std::sync::Arc;

use proptest::prelude::*;
use rustdb_vfs::MemVfs;

use super::*;
use crate::format_doc;

const DOCUMENT: &str = include_str!("../../../../docs/format/envelope.md");

fn path() -> &'static Path {
    Path::new("db/000001.wal")
}

fn security(id: u8) -> Arc<Security> {
    Security::plain(MemVfs::shared(), [id; 16])
}

fn header() -> FileHeader {
    FileHeader {
        kind: FileKind::Wal,
        algorithm: Algorithm::Plain,
        data_key_id: 0,
        database_id: [0xdb; 16],
        file_id: [0xf1; 16],
    }
}

fn envelope_of(header: &FileHeader) -> Envelope {
    let security = security(header.database_id[0]);
    Envelope::open(&security, path(), &header.encode(), header.kind).unwrap()
}

/// A header with this byte at this offset, and a checksum that fits.
fn with_byte(offset: usize, byte: u8) -> [u8; HEADER_BYTES] {
    let mut bytes = header().encode();
    bytes[offset] = byte;
    let checksum = xxh3_64(&bytes[..field::CHECKSUM]);
    bytes[field::CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn damage(outcome: Result<FileHeader>) -> (u64, String) {
    match outcome {
        Err(Error::Corruption(corruption)) => (corruption.offset, corruption.reason.clone()),
        other => panic!("expected corruption, got {other:?}"),
    }
}

#[test]
fn headers_come_back() {
    assert_eq!(
        FileHeader::decode(path(), &header().encode()).unwrap(),
        header()
    );
    let (envelope, bytes) = Envelope::create(&security(7), path(), FileKind::Table).unwrap();
    let opened = Envelope::open(&security(7), path(), &bytes, FileKind::Table).unwrap();
    assert_eq!(opened.header(), envelope.header());
    let (other, _) = Envelope::create(&security(7), path(), FileKind::Table).unwrap();
    assert_ne!(envelope.header().file_id, other.header().file_id);
}

#[test]
fn the_document_describes_the_header() {
    let layout = format_doc::layout(DOCUMENT, "## Header");
    assert_eq!(
        layout.iter().map(|field| field.size).sum::<usize>(),
        HEADER_BYTES
    );
    let fields: Vec<_> = layout
        .iter()
        .map(|field| (field.offset, &field.name[..]))
        .collect();
    let ours = [
        (0, "magic"),
        (field::VERSION, "version"),
        (field::KIND, "kind"),
        (field::ALGORITHM, "algorithm"),
        (field::RESERVED_1, "reserved_1"),
        (field::DATA_KEY, "data_key"),
        (field::RESERVED_2, "reserved_2"),
        (field::DATABASE_ID, "database_id"),
        (field::FILE_ID, "file_id"),
        (field::CHECKSUM, "checksum"),
    ];
    assert_eq!(fields, ours);
    let kinds = format_doc::numbers(DOCUMENT, "## File kinds");
    let algorithms = format_doc::numbers(DOCUMENT, "## Algorithms");
    for number in 0..=u8::MAX {
        let listed = kinds.iter().find(|kind| kind.0 == u64::from(number));
        let ours = FileKind::from_u8(number).map(|kind| kind.to_string());
        assert_eq!(listed.map(|kind| kind.1.clone()), ours);
        let listed = algorithms
            .iter()
            .any(|algorithm| algorithm.0 == u64::from(number));
        assert_eq!(
            listed,
            Algorithm::from_u8(number).is_some(),
            "algorithm {number}"
        );
    }
}

#[test]
fn the_examples_of_the_document_are_what_is_written() {
    let bytes = header().encode();
    let example = format_doc::hex(DOCUMENT, "## Example");
    assert_eq!(bytes[..], example, "{}", format_doc::dump(&bytes));
    let mut block = b"hello".to_vec();
    envelope_of(&header()).seal(7, 1, &[], &mut block);
    let example = format_doc::hex(DOCUMENT, "## Example block");
    assert_eq!(block, example, "{}", format_doc::dump(&block));
}

#[test]
fn every_flipped_bit_of_a_header_is_damage() {
    for bit in 0..HEADER_BYTES * 8 {
        let mut bytes = header().encode();
        bytes[bit / 8] ^= 1 << (bit % 8);
        damage(FileHeader::decode(path(), &bytes));
    }
    for len in 0..HEADER_BYTES {
        damage(FileHeader::decode(path(), &header().encode()[..len]));
    }
}

#[test]
fn newer_versions_are_refused_by_name() {
    match FileHeader::decode(path(), &with_byte(field::VERSION, 9)) {
        Err(Error::Unsupported(message)) => {
            assert!(
                message.contains("version 9") && message.contains("up to 1"),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
    let (offset, _) = damage(FileHeader::decode(path(), &with_byte(field::VERSION, 0)));
    assert_eq!(offset, field::VERSION as u64);
}

#[test]
fn fields_are_checked_even_if_the_checksum_fits() {
    for at in [field::KIND, field::RESERVED_1, field::RESERVED_2] {
        let (offset, _) = damage(FileHeader::decode(path(), &with_byte(at, 99)));
        assert_eq!(offset, at as u64);
    }
    let outcome = FileHeader::decode(path(), &with_byte(field::ALGORITHM, 99));
    assert!(matches!(outcome, Err(Error::Unsupported(_))));
}

#[test]
fn files_of_another_kind_or_database_are_refused() {
    let open = |id, kind| Envelope::open(&security(id), path(), &header().encode(), kind);
    let message = open(0xdb, FileKind::Table).unwrap_err().to_string();
    assert!(
        message.contains("is a log segment, expected a table"),
        "{message}"
    );
    let message = open(1, FileKind::Wal).unwrap_err().to_string();
    assert!(
        message.contains(&"db".repeat(16)) && message.contains(&"01".repeat(16)),
        "{message}"
    );
}

#[test]
fn a_block_opens_only_where_it_was_sealed() {
    let mut block = b"contents".to_vec();
    envelope_of(&header()).seal(4096, 2, b"context", &mut block);
    let opens = |header: &FileHeader, position, kind, aad: &[u8]| {
        envelope_of(header)
            .unseal(position, kind, aad, &mut block.clone())
            .is_ok()
    };
    assert!(opens(&header(), 4096, 2, b"context"));
    assert!(!opens(&header(), 4097, 2, b"context"), "another position");
    assert!(!opens(&header(), 4096, 3, b"context"), "another block kind");
    assert!(
        !opens(&header(), 4096, 2, b"contexT"),
        "other additional data"
    );
    assert!(!opens(&header(), 4096, 2, b""), "no additional data");
    assert!(!opens(
        &FileHeader {
            file_id: [9; 16],
            ..header()
        },
        4096,
        2,
        b"context"
    ));
    assert!(!opens(
        &FileHeader {
            database_id: [9; 16],
            ..header()
        },
        4096,
        2,
        b"context"
    ));
    assert!(!opens(
        &FileHeader {
            kind: FileKind::Table,
            ..header()
        },
        4096,
        2,
        b"context"
    ));
}

#[test]
fn blocks_shorter_than_a_trailer_are_short() {
    for len in 0..CHECKSUM_BYTES {
        let outcome = envelope_of(&header()).unseal(0, 1, &[], &mut vec![0; len]);
        assert_eq!(outcome, Err(BadBlock::Short));
    }
}

#[test]
fn sealing_from_the_middle_leaves_what_is_before() {
    let envelope = envelope_of(&header());
    let mut buffer = b"beforecontents".to_vec();
    envelope.seal_from(3, 1, &[], &mut buffer, 6);
    assert_eq!(buffer.len(), 14 + envelope.overhead());
    let (before, block) = buffer.split_at_mut(6);
    let len = envelope.unseal_slice(3, 1, &[], block).unwrap();
    assert_eq!(
        (&*before, &block[..len]),
        (&b"before"[..], &b"contents"[..])
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sealed_blocks_open_and_damaged_ones_do_not(
        contents in prop::collection::vec(any::<u8>(), 0..600),
        position in any::<u64>(),
        kind in any::<u8>(),
        flip in any::<prop::sample::Index>(),
    ) {
        let envelope = envelope_of(&header());
        let mut block = contents.clone();
        envelope.seal(position, kind, b"aad", &mut block);
        let mut damaged = block.clone();
        envelope.unseal(position, kind, b"aad", &mut block).unwrap();
        prop_assert_eq!(block, contents);
        let bit = flip.index(damaged.len() * 8);
        damaged[bit / 8] ^= 1 << (bit % 8);
        let outcome = envelope.unseal(position, kind, b"aad", &mut damaged);
        prop_assert_eq!(outcome, Err(BadBlock::Mismatch));
    }
}
