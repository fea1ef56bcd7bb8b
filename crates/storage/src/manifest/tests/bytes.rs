//! The bytes of edits, against the document and against arbitrary input.

use proptest::prelude::*;

use super::*;
use crate::format_doc;
use crate::key::MAX_SEQUENCE;
use crate::manifest::codec::{edit_tag, table_tag, value_file_tag};
use crate::manifest::store::record_kind;

#[test]
fn an_edit_with_every_field_comes_back() {
    let edit = full_edit();
    assert_eq!(VersionEdit::decode(&edit.encode()), Ok(edit));
    assert_eq!(VersionEdit::decode(&[]), Ok(VersionEdit::default()));
}

#[test]
fn the_example_of_the_document_is_what_is_written() {
    let mut edit = adding(0, 2, &[table(5, "a", "z")]);
    edit.removed = vec![FileNumber(3)];
    edit.wal_floor = Some(FileNumber(4));
    edit.flushed_sequence = Some(300);
    let bytes = edit.encode();
    let example = format_doc::hex(DOCUMENT, "## Example");
    assert_eq!(bytes, example, "{}", format_doc::dump(&bytes));
}

#[test]
fn the_document_numbers_fields_and_records_as_the_code_does() {
    let without_star = |heading: &str| -> Vec<(u64, String)> {
        let numbers = format_doc::numbers(DOCUMENT, heading);
        numbers
            .into_iter()
            .map(|(n, name)| (n, name.replace(" *", "")))
            .collect()
    };
    macro_rules! named {
        ($module:ident: $($name:ident)*) => {
            vec![$((u64::from($module::$name), stringify!($name).to_lowercase())),*]
        };
    }
    let edit = named!(edit_tag: REMOVED ADDED VALUE_FILE_REMOVED VALUE_FILE_ADDED NEXT_FILE_NUMBER
        LAST_SEQUENCE NEXT_KEYSPACE NEXT_RUN WAL_FLOOR FLUSHED_SEQUENCE WAL_END COUNTS);
    assert_eq!(without_star("## Edit fields"), edit);
    let table = named!(table_tag: LEVEL RUN NUMBER FILE_BYTES CHECKSUM SMALLEST LARGEST
        LARGEST_EXCLUSIVE ENTRIES TOMBSTONES SHADOWED RANGE_TOMBSTONES MIN_SEQ MAX_SEQ
        SEQUENCE_OVERRIDE EXPIRING OLDEST_EXPIRY NEWEST_EXPIRY VALUE_REFS RAW_KEY_BYTES
        RAW_VALUE_BYTES CREATED_MICROS DATA_KEY_ID);
    assert_eq!(without_star("## Added table"), table);
    let value_file = named!(value_file_tag: NUMBER FILE_BYTES VALUES VALUE_BYTES CREATED_MICROS
        DATA_KEY_ID);
    assert_eq!(without_star("## Added value file"), value_file);
    assert_eq!(
        without_star("## Records"),
        named!(record_kind: SNAPSHOT EDIT)
    );
}

#[test]
fn unknown_fields_are_told_from_malformed_ones() {
    let unknown = |bytes: &[u8]| {
        matches!(
            VersionEdit::decode(bytes),
            Err(DecodeError::UnknownField { .. })
        )
    };
    let malformed =
        |bytes: &[u8]| matches!(VersionEdit::decode(bytes), Err(DecodeError::Malformed(_)));
    assert!(unknown(&[13, 0]) && unknown(&[0, 0]) && unknown(&[255, 1, 9]));
    assert!(unknown(&[edit_tag::ADDED, 2, 24, 0]), "within a table");
    assert!(unknown(&[edit_tag::ADDED, 2, 200, 0]), "within a table");
    assert!(
        unknown(&[edit_tag::VALUE_FILE_ADDED, 2, 7, 0]),
        "within a value file"
    );
    assert!(malformed(&[edit_tag::REMOVED]), "no length");
    assert!(
        malformed(&[edit_tag::REMOVED, 2, 1]),
        "longer than the record"
    );
    assert!(malformed(&[edit_tag::REMOVED, 0]), "no number");
    assert!(malformed(&[edit_tag::REMOVED, 1, 0]), "file number zero");
    assert!(
        malformed(&[edit_tag::REMOVED, 2, 1, 1]),
        "bytes behind a number"
    );
    assert!(
        malformed(&[edit_tag::NEXT_RUN, 1, 1, edit_tag::NEXT_RUN, 1, 1]),
        "twice"
    );
    assert!(malformed(&[edit_tag::ADDED, 0]), "a table without fields");
    assert!(malformed(&[edit_tag::COUNTS, 1, 1]), "half a pair");
    let mut eleven = vec![edit_tag::NEXT_RUN, 11];
    eleven.extend([0xff; 10].into_iter().chain([1]));
    assert!(malformed(&eleven), "a number of more than 64 bits");
    let mut beyond = vec![edit_tag::NEXT_RUN, 10];
    beyond.extend([0xff; 9].into_iter().chain([2]));
    assert!(malformed(&beyond), "a number of more than 64 bits");
    beyond[11] = 1;
    assert_eq!(
        VersionEdit::decode(&beyond).unwrap().next_run,
        Some(u64::MAX)
    );
}

#[test]
fn tables_that_contradict_themselves_are_malformed() {
    type Change = fn(&mut AddedTable);
    let cases: [(&str, Change); 5] = [
        ("level", |t| t.level = 7),
        ("keys", |t| {
            Arc::make_mut(&mut t.meta).smallest = b"zz".as_slice().into()
        }),
        ("sequences", |t| {
            Arc::make_mut(&mut t.meta).min_seq = MAX_SEQUENCE
        }),
        ("tombstones", |t| Arc::make_mut(&mut t.meta).tombstones = 3),
        ("number", |t| {
            Arc::make_mut(&mut t.meta).number = FileNumber(0)
        }),
    ];
    for (name, change) in cases {
        let mut edit = adding(0, 1, &[table(5, "a", "z")]);
        assert!(VersionEdit::decode(&edit.encode()).is_ok());
        change(&mut edit.added[0]);
        let outcome = VersionEdit::decode(&edit.encode());
        assert!(
            matches!(outcome, Err(DecodeError::Malformed(_))),
            "{name}: {outcome:?}"
        );
    }
}

fn any_table() -> impl Strategy<Value = AddedTable> {
    let key = || prop::collection::vec(any::<u8>(), 0..20);
    let optional = || prop::option::of(any::<u64>());
    (
        (
            0..7_u8,
            any::<u64>(),
            1..u64::MAX,
            any::<u64>(),
            any::<u128>(),
            key(),
            key(),
        ),
        (
            any::<bool>(),
            any::<u64>(),
            0..=MAX_SEQUENCE,
            0..=MAX_SEQUENCE,
            optional(),
            optional(),
        ),
        prop::collection::btree_map(any::<u64>(), any::<u64>(), 0..4),
        any::<u32>(),
    )
        .prop_map(
            |((level, run, number, size, checksum, a, b), rest, value_refs, data_key_id)| {
                let (largest_exclusive, entries, low, high, oldest_expiry, newest_expiry) = rest;
                let meta = TableMeta {
                    number: FileNumber(number),
                    file_bytes: size,
                    checksum,
                    smallest: a.clone().min(b.clone()).into(),
                    largest: a.max(b).into(),
                    largest_exclusive,
                    entries,
                    tombstones: entries / 2,
                    shadowed: size ^ run,
                    range_tombstones: size / 3,
                    min_seq: low.min(high),
                    max_seq: low.max(high),
                    sequence_override: oldest_expiry.map(|_| high),
                    expiring: entries / 3,
                    oldest_expiry,
                    newest_expiry,
                    value_refs: value_refs
                        .into_iter()
                        .map(|(f, n)| (FileNumber(f), n))
                        .collect(),
                    raw_key_bytes: run / 2,
                    raw_value_bytes: run / 3,
                    created_micros: run / 5,
                    data_key_id,
                };
                AddedTable {
                    level,
                    run,
                    meta: Arc::new(meta),
                }
            },
        )
}

fn any_edit() -> impl Strategy<Value = VersionEdit> {
    let numbers = || prop::collection::vec((1..u64::MAX).prop_map(FileNumber), 0..4);
    let pairs = || prop::collection::vec((any::<u32>(), any::<u64>()), 0..4);
    (
        (
            numbers(),
            prop::collection::vec(any_table(), 0..4),
            numbers(),
            numbers(),
        ),
        prop::option::of(1..MAX_SEQUENCE),
        pairs(),
        prop::option::of(pairs()),
    )
        .prop_map(
            |((removed, added, gone, new), counter, ends, counts)| VersionEdit {
                removed,
                added,
                value_files_removed: gone,
                value_files_added: new
                    .into_iter()
                    .map(|number| ValueFileMeta {
                        number,
                        values: number.0 / 2,
                        ..Default::default()
                    })
                    .collect(),
                next_file_number: counter.map(FileNumber),
                last_sequence: counter.map(|n| n / 2),
                next_keyspace: counter.map(|n| KeyspaceId(n as u32)),
                next_run: counter.map(|n| n / 3),
                wal_floor: counter.map(FileNumber),
                flushed_sequence: counter.map(|n| n / 5),
                wal_ends: ends
                    .into_iter()
                    .map(|(n, end)| (FileNumber(u64::from(n)), end))
                    .collect(),
                counts: counts.map(|c| c.into_iter().map(|(id, n)| (KeyspaceId(id), n)).collect()),
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edits_come_back_as_they_went_in(edit in any_edit()) {
        prop_assert_eq!(VersionEdit::decode(&edit.encode()), Ok(edit));
    }

    #[test]
    fn arbitrary_bytes_decode_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(edit) = VersionEdit::decode(&bytes) {
            prop_assert_eq!(VersionEdit::decode(&edit.encode()), Ok(edit));
        }
    }

    #[test]
    fn damaged_edits_decode_or_fail(
        edit in any_edit(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = edit.encode();
        prop_assume!(!bytes.is_empty());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Ok(edit) = VersionEdit::decode(&bytes) {
            prop_assert_eq!(VersionEdit::decode(&edit.encode()), Ok(edit));
        }
    }
}
