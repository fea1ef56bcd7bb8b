//! Folding edits, and refusing those that do not fit.

use super::*;

#[test]
fn folding_keeps_the_tables_of_a_run_in_order() {
    let state = fold(&[
        adding(0, 1, &[table(10, "a", "z")]),
        adding(0, 2, &[table(11, "b", "c")]),
        adding(
            3,
            7,
            &[
                table(14, "p", "q"),
                table(12, "a", "b"),
                table(13, "c", "d"),
            ],
        ),
        removing(&[10]),
    ])
    .unwrap();
    assert_eq!(
        numbers_of(&state),
        [(0, 2, 11), (3, 7, 12), (3, 7, 13), (3, 7, 14)]
    );
    assert_eq!(
        (state.next_file_number, state.next_run),
        (FileNumber(15), 8)
    );
    assert!(state.has_table(FileNumber(11)) && !state.has_table(FileNumber(10)));
    assert_eq!(state.runs(0).len(), 1, "empty runs vanish");
}

#[test]
fn folds_that_cannot_be_are_refused() {
    let one = adding(1, 1, &[table(10, "c", "f")]);
    let cases = [
        (
            adding(2, 5, &[table(10, "x", "y")]),
            FoldError::TableTwice(FileNumber(10)),
        ),
        (removing(&[11]), FoldError::NoSuchTable(FileNumber(11))),
        (removing(&[10, 10]), FoldError::NoSuchTable(FileNumber(10))),
        (
            adding(7, 1, &[table(11, "x", "y")]),
            FoldError::NoSuchLevel(FileNumber(11), 7),
        ),
        (
            VersionEdit {
                value_files_removed: vec![FileNumber(9)],
                ..VersionEdit::default()
            },
            FoldError::NoSuchValueFile(FileNumber(9)),
        ),
        (
            VersionEdit {
                value_files_added: vec![value_file(9, 100, 1), value_file(9, 200, 2)],
                ..VersionEdit::default()
            },
            FoldError::ValueFileTwice(FileNumber(9)),
        ),
        (
            VersionEdit {
                wal_ends: vec![(FileNumber(4), 64), (FileNumber(4), 128)],
                ..VersionEdit::default()
            },
            FoldError::TwoEnds(FileNumber(4)),
        ),
    ];
    for (edit, error) in cases {
        assert_eq!(fold(&[one.clone(), edit]), Err(error));
    }
}

fn value_file(number: u64, file_bytes: u64, data_key_id: u32) -> ValueFileMeta {
    ValueFileMeta {
        number: FileNumber(number),
        file_bytes,
        data_key_id,
        ..ValueFileMeta::default()
    }
}

#[test]
fn a_value_file_that_is_added_again_has_grown() {
    let adding = |file_bytes| VersionEdit {
        value_files_added: vec![value_file(9, file_bytes, 1)],
        ..VersionEdit::default()
    };
    let state = fold(&[adding(100), adding(300), adding(200)]).unwrap();
    let lengths: Vec<_> = state.value_files().values().map(|f| f.file_bytes).collect();
    assert_eq!(lengths, [300]);
}

#[test]
fn a_table_moves_by_removal_and_addition_in_one_edit() {
    let mut edit = adding(1, 2, &[table(10, "a", "z")]);
    edit.removed = vec![FileNumber(10)];
    let state = fold(&[adding(0, 1, &[table(10, "a", "z")]), edit]).unwrap();
    assert_eq!(numbers_of(&state), [(1, 2, 10)]);
}

#[test]
fn tables_of_a_run_overlap_unless_one_ends_before_the_other() {
    let beside = |smallest, largest| {
        fold(&[
            adding(1, 1, &[table(10, "c", "f"), table(11, "m", "p")]),
            adding(1, 1, &[table(12, smallest, largest)]),
        ])
    };
    for (smallest, largest) in [("a", "b"), ("g", "l"), ("q", "q")] {
        assert!(beside(smallest, largest).is_ok(), "{smallest}-{largest}");
    }
    for (smallest, largest) in [
        ("a", "c"),
        ("c", "f"),
        ("d", "e"),
        ("f", "g"),
        ("g", "m"),
        ("a", "z"),
        ("n", "o"),
        ("p", "q"),
    ] {
        assert!(
            matches!(beside(smallest, largest), Err(FoldError::Overlap(..))),
            "{smallest}-{largest}"
        );
    }
    // An exclusive end may be the next table's first key.
    let mut clipped = (*table(12, "g", "m")).clone();
    clipped.largest_exclusive = true;
    let before = adding(1, 1, &[Arc::new(clipped)]);
    assert!(fold(&[adding(1, 1, &[table(11, "m", "p")]), before.clone()]).is_ok());
    assert!(fold(&[before, adding(1, 1, &[table(11, "m", "p")])]).is_ok());
}

#[test]
fn counters_never_go_back_and_dead_segments_lose_their_ends() {
    let edit = |floor: u64, ends: &[(u64, u64)]| VersionEdit {
        wal_floor: Some(FileNumber(floor)),
        wal_ends: ends
            .iter()
            .map(|(number, end)| (FileNumber(*number), *end))
            .collect(),
        last_sequence: Some(floor * 10),
        ..VersionEdit::default()
    };
    let state = fold(&[
        edit(3, &[(3, 100), (4, 200)]),
        edit(4, &[(5, 300)]),
        edit(2, &[(1, 9)]),
    ]);
    let state = state.unwrap();
    assert_eq!((state.wal_floor, state.last_sequence), (FileNumber(4), 40));
    let ends: Vec<_> = state
        .wal_ends()
        .iter()
        .map(|(number, end)| (number.0, *end))
        .collect();
    assert_eq!(ends, [(4, 200), (5, 300)]);
}

#[test]
fn a_snapshot_leads_to_the_same_state() {
    let state = fold(&[
        adding(0, 1, &[table(10, "a", "z"), table(3, "A", "B")]),
        VersionEdit {
            removed: vec![],
            value_files_removed: vec![],
            ..full_edit()
        },
    ]);
    // The edit with every field removes what was never there; without that it fits.
    let state = state.unwrap();
    assert_eq!(fold(&[state.to_snapshot()]), Ok(state));
}
