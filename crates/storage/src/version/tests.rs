//! Versions built by edits, and searches compared with looking at every table.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::manifest::{AddedTable, TableMeta, ValueFileMeta};
use crate::names::FileName;

/// `meta(7, "a-c")` covers from `a` to `c`; `"a-c)"` ends before `c`.
fn meta(number: u64, range: &str) -> TableMeta {
    let closed = range.trim_end_matches(')');
    let (smallest, largest) = closed.split_once('-').unwrap();
    TableMeta {
        number: FileNumber(number),
        file_bytes: 100,
        smallest: smallest.as_bytes().into(),
        largest: largest.as_bytes().into(),
        largest_exclusive: range.ends_with(')'),
        min_seq: number * 10,
        max_seq: number * 10 + 9,
        ..TableMeta::default()
    }
}

fn added(level: u8, run: u64, meta: TableMeta) -> AddedTable {
    AddedTable {
        level,
        run,
        meta: Arc::new(meta),
    }
}

fn value_file(number: u64, file_bytes: u64) -> ValueFileMeta {
    ValueFileMeta {
        number: FileNumber(number),
        file_bytes,
        ..ValueFileMeta::default()
    }
}

fn adding(tables: Vec<AddedTable>) -> VersionEdit {
    VersionEdit {
        added: tables,
        ..VersionEdit::default()
    }
}

fn removing(numbers: &[u64]) -> VersionEdit {
    VersionEdit {
        removed: numbers.iter().map(|n| FileNumber(*n)).collect(),
        ..VersionEdit::default()
    }
}

/// The tables of each run of a level, newest run first.
fn shape(version: &Version, level: usize) -> Vec<Vec<u64>> {
    let runs = version.level(level).runs().iter();
    runs.map(|run| run.tables().iter().map(|t| t.meta().number.0).collect())
        .collect()
}

#[test]
fn edits_add_remove_and_move_tables() {
    let files = TreeFiles::new();
    let first = Version::empty()
        .apply(
            &adding(vec![
                added(0, 1, meta(1, "a-f")),
                added(0, 2, meta(2, "a-f")),
                added(6, 3, meta(4, "h-k")),
                added(6, 3, meta(3, "a-c")),
            ]),
            &files,
        )
        .unwrap();
    assert_eq!(shape(&first, 0), [[2], [1]], "newest first");
    assert_eq!(shape(&first, 6), [[3, 4]], "in key order");
    assert_eq!(first.table_bytes(), 400);
    let mut edit = removing(&[1, 4]);
    edit.added = vec![added(5, 4, meta(1, "a-f")), added(6, 3, meta(5, "d-e"))];
    let second = first.apply(&edit, &files).unwrap();
    assert_eq!(shape(&second, 0), [[2]]);
    assert_eq!(shape(&second, 5), [[1]]);
    assert_eq!(shape(&second, 6), [[3, 5]]);
    let deeper: Vec<_> = second.deeper_runs().iter().map(|run| run.id()).collect();
    assert_eq!(deeper, [4, 3]);
    assert_eq!(
        shape(&first, 6),
        [[3, 4]],
        "the earlier version is unchanged"
    );
    assert!(second.overlaps(KeyBounds::closed(b"d", b"d")));
    assert!(!second.overlaps(KeyBounds::closed(b"g", b"z")));
}

#[test]
fn edits_that_break_the_tree_are_refused() {
    let files = TreeFiles::new();
    let base = adding(vec![
        added(0, 1, meta(1, "a-f")),
        added(6, 3, meta(3, "a-c)")),
    ]);
    let version = Version::empty().apply(&base, &files).unwrap();
    let refused = |edit: VersionEdit, what: &str| {
        let result = version.apply(&edit, &files);
        assert!(matches!(result, Err(Error::InvalidArgument(_))), "{what}");
    };
    refused(removing(&[9]), "unknown table");
    refused(adding(vec![added(6, 3, meta(4, "b-d"))]), "overlap");
    refused(adding(vec![added(7, 9, meta(4, "x-y"))]), "no such level");
    refused(adding(vec![added(5, 9, meta(1, "a-f"))]), "there already");
    let mut moved = removing(&[1]);
    moved.added = vec![added(5, 9, meta(1, "a-g"))];
    refused(moved, "changes as it moves");
    let mut refers = meta(4, "x-y");
    refers.value_refs = vec![(FileNumber(50), 1)];
    refused(adding(vec![added(5, 9, refers)]), "unknown value file");
    let edit = VersionEdit {
        value_files_removed: vec![FileNumber(50)],
        ..VersionEdit::default()
    };
    refused(edit, "removes an unknown value file");
    // An exclusive end may be the next table's first key.
    let touching = adding(vec![added(6, 3, meta(4, "c-d"))]);
    assert!(version.apply(&touching, &files).is_ok());
}

#[test]
fn a_removed_table_is_unlinked_when_its_last_reader_has_gone() {
    let files = TreeFiles::new();
    let tables = vec![added(0, 1, meta(1, "a-b")), added(0, 2, meta(2, "a-b"))];
    let first = Version::empty().apply(&adding(tables), &files).unwrap();
    let mut edit = removing(&[1, 2]);
    edit.added = vec![added(6, 3, meta(2, "a-b"))];
    let second = first.apply(&edit, &files).unwrap();
    first.retire(&edit);
    let reader = first.clone();
    let table = first.tables().next().unwrap().clone();
    drop(first);
    assert_eq!(files.take_obsolete(), [], "a reader has the version");
    drop(reader);
    assert_eq!(files.take_obsolete(), [FileName::Table(FileNumber(1))]);
    assert_eq!(files.take_obsolete(), [], "each file once");
    drop((table, second));
    assert_eq!(files.take_obsolete(), [], "a moved table stays");
}

#[test]
fn value_files_count_references_and_go_when_nothing_refers_to_them() {
    let files = TreeFiles::new();
    let refers = |number, range, refs: &[(u64, u64)]| {
        let mut meta = meta(number, range);
        meta.value_refs = refs.iter().map(|(n, b)| (FileNumber(*n), *b)).collect();
        meta
    };
    let mut edit = adding(vec![
        added(0, 1, refers(1, "a-b", &[(50, 10), (51, 5)])),
        added(0, 2, refers(2, "a-b", &[(50, 7)])),
    ]);
    edit.value_files_added = vec![value_file(50, 80), value_file(51, 80)];
    let first = Version::empty().apply(&edit, &files).unwrap();
    let live = |version: &Version| -> Vec<u64> {
        version
            .value_files()
            .values()
            .map(|entry| entry.live_bytes)
            .collect()
    };
    assert_eq!(live(&first), [17, 5]);
    let mut edit = removing(&[1]);
    edit.value_files_added = vec![value_file(50, 90)];
    let second = first.apply(&edit, &files).unwrap();
    assert_eq!(live(&second), [7, 0]);
    let grown = second.value_files()[&FileNumber(50)].handle.meta();
    assert_eq!(grown.file_bytes, 90);
    let dead: Vec<_> = second.unreferenced_value_files().collect();
    assert_eq!(dead, [FileNumber(51)]);
    let remove = |number| VersionEdit {
        value_files_removed: vec![FileNumber(number)],
        ..VersionEdit::default()
    };
    assert!(
        second.apply(&remove(50), &files).is_err(),
        "still referred to"
    );
    let third = second.apply(&remove(51), &files).unwrap();
    second.retire(&remove(51));
    drop(second);
    assert_eq!(files.take_obsolete(), [], "the first version has it");
    drop(first);
    let gone = files.take_obsolete();
    assert_eq!(gone, [FileName::Value(FileNumber(51))]);
    assert_eq!(live(&third), [7]);
}

#[test]
fn a_grown_value_file_outlives_readers_of_its_shorter_self() {
    let files = TreeFiles::new();
    let grow = |bytes| VersionEdit {
        value_files_added: vec![value_file(50, bytes)],
        ..VersionEdit::default()
    };
    let first = Version::empty().apply(&grow(80), &files).unwrap();
    let second = first.apply(&grow(90), &files).unwrap();
    let edit = VersionEdit {
        value_files_removed: vec![FileNumber(50)],
        ..VersionEdit::default()
    };
    second.apply(&edit, &files).unwrap();
    second.retire(&edit);
    drop(second);
    assert_eq!(files.take_obsolete(), []);
    drop(first);
    assert_eq!(files.take_obsolete(), [FileName::Value(FileNumber(50))]);
}

/// Keys that share long beginnings, so that heads are equal often.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let letters = || prop::sample::select(vec![0u8, 1, 255]);
    (0..4usize, prop::collection::vec(letters(), 0..4)).prop_map(|(shared, rest)| {
        let mut key = vec![7u8; shared * 3];
        key.extend(rest);
        key
    })
}

proptest! {
    #[test]
    fn searching_a_run_finds_what_looking_at_every_table_finds(
        mut keys in prop::collection::btree_set(key(), 2..20),
        exclusive in prop::collection::vec(any::<bool>(), 20),
        probes in prop::collection::vec(key(), 20),
    ) {
        if keys.len() % 2 == 1 {
            keys.pop_first();
        }
        let keys: Vec<_> = keys.into_iter().collect();
        let files = TreeFiles::new();
        let tables: Vec<_> = keys
            .chunks(2)
            .zip(&exclusive)
            .enumerate()
            .map(|(number, (pair, exclusive))| {
                files.table(Arc::new(TableMeta {
                    number: FileNumber(number as u64 + 1),
                    smallest: pair[0].clone().into(),
                    largest: pair[1].clone().into(),
                    largest_exclusive: *exclusive,
                    ..TableMeta::default()
                }))
            })
            .collect();
        let run = Run::new(1, tables.clone()).unwrap();
        let number = |table: &Arc<TableHandle>| table.meta().number.0;
        for probe in keys.iter().chain(&probes) {
            let expected = tables.iter().find(|t| t.bounds().contains(probe)).map(number);
            prop_assert_eq!(run.find(probe).map(number), expected, "{:?}", probe);
        }
        for pair in probes.chunks(2).filter(|pair| pair[0] < pair[1]) {
            let range = KeyBounds::half_open(&pair[0], &pair[1]);
            let overlapping = tables.iter().filter(|t| t.bounds().overlaps(range));
            let expected: Vec<_> = overlapping.map(number).collect();
            let found: Vec<_> = run.overlapping(range).iter().map(number).collect();
            prop_assert_eq!(found, expected, "{:?}", range);
        }
    }
}
