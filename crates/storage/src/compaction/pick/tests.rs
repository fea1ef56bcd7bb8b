//! Decisions as tables: a tree on one side, what to do on the other.
//!
//! A tree is written level by level, runs divided by `|`, newest first: `0 a-f | c-k` is a level 0
//! of two runs with one table each. A table is a range of letters, with what is special about it
//! after a colon: `a-f:20m` has 20 MiB, `a-f:d30` is to 30 % deletions. Tables are numbered in the
//! order they are written, from 1; newer runs have higher sequence numbers.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::compaction::shape::{ValueShape, debt_bytes};
use crate::manifest::{LEVELS, TableMeta};

const MIB: u64 = 1 << 20;
const NOW: u64 = 1_000_000_000_000;

/// A tree, and what running compactions use.
struct Case {
    shape: Shape,
    options: CompactionOptions,
    snapshots: Vec<u64>,
    flushed: u64,
    retired: Vec<u32>,
    switches: u64,
    unsettled: BTreeSet<FileNumber>,
    busy: Reservations,
}

fn case(tree: &str) -> Case {
    let mut shape = Shape::default();
    let lines = tree.lines().map(str::trim).filter(|line| !line.is_empty());
    let (mut number, mut runs) = (0, 0);
    for line in lines {
        let (level, rest) = line.split_once(' ').unwrap();
        let level: usize = level.parse().unwrap();
        for run in rest.split('|') {
            runs += 1;
            let tables = run.split_whitespace().map(|text| {
                number += 1;
                TableShape::new(table(number, runs, text))
            });
            let tables = tables.collect();
            shape.levels[level].push(RunShape { id: runs, tables });
        }
    }
    Case {
        shape,
        options: CompactionOptions::default(),
        snapshots: Vec::new(),
        flushed: u64::MAX,
        retired: Vec::new(),
        switches: 0,
        unsettled: BTreeSet::new(),
        busy: Reservations::new(),
    }
}

fn table(number: u64, run: u64, text: &str) -> TableMeta {
    let (range, special) = text.split_once(':').unwrap_or((text, ""));
    let (smallest, largest) = range.split_once('-').unwrap();
    let mut meta = TableMeta {
        number: FileNumber(number),
        file_bytes: MIB,
        raw_key_bytes: MIB / 2,
        raw_value_bytes: MIB / 2,
        entries: 1000,
        smallest: smallest.as_bytes().into(),
        largest: largest.as_bytes().into(),
        // The first run is the newest.
        min_seq: 1000 - run * 10,
        max_seq: 1000 - run * 10 + 9,
        created_micros: NOW,
        ..TableMeta::default()
    };
    for item in special.split(',').filter(|item| !item.is_empty()) {
        let count = |item: &str| item[1..].parse::<u64>().unwrap();
        match item.as_bytes()[0] {
            // Deletions and shadowed entries, in percent; expiring ones, all of them expired.
            b'd' => meta.tombstones = 10 * count(item),
            b's' => meta.shadowed = 10 * count(item),
            b'x' => {
                meta.expiring = 10 * count(item);
                (meta.oldest_expiry, meta.newest_expiry) = (Some(NOW - 10), Some(NOW));
            }
            // Hours since it was written.
            b'h' => meta.created_micros = NOW - count(item) * 3_600_000_000,
            // A value file it refers to.
            b'v' => meta.value_refs.push((FileNumber(count(item)), MIB)),
            b'k' => meta.data_key_id = count(item) as u32,
            // Written without compression.
            b'p' => meta.raw_value_bytes = meta.file_bytes,
            b'0'..=b'9' => {
                let mib: u64 = item.trim_end_matches('m').parse().unwrap();
                meta.file_bytes = mib * MIB;
                meta.raw_value_bytes = 2 * mib * MIB;
            }
            other => panic!("{other}"),
        }
    }
    meta
}

impl Case {
    fn with<T>(&self, body: impl FnOnce(&Moment<'_>) -> T) -> T {
        body(&Moment {
            now_micros: NOW,
            snapshots: &self.snapshots,
            visible: 2000,
            flushed: self.flushed,
            unsettled_values: &self.unsettled,
            retired_keys: &self.retired,
            switches: self.switches,
        })
    }

    fn pick(&self) -> Option<Choice> {
        self.with(|moment| pick(&self.shape, &self.options, moment, &self.busy))
    }

    fn picked(&self) -> String {
        self.pick().map_or("nothing".into(), |choice| show(&choice))
    }

    /// Takes the next decision for running, and says what it was.
    fn start(&mut self) -> String {
        let Some(choice) = self.pick() else {
            return "nothing".into();
        };
        let _ticket = self.busy.reserve(&choice);
        show(&choice)
    }

    fn values(mut self, values: &[(u64, u64, u64)]) -> Self {
        let values = values.iter().map(|(number, written, live)| ValueShape {
            number: FileNumber(*number),
            value_bytes: written * MIB,
            live_bytes: live * MIB,
            data_key_id: 0,
        });
        self.shape.values = values.collect();
        self
    }
}

/// `LevelSize merge 5[a-c] 6[a-b,c-d] to 6`
fn show(choice: &Choice) -> String {
    let range = |meta: &Arc<TableMeta>| {
        let text = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
        format!("{}-{}", text(&meta.smallest), text(&meta.largest))
    };
    let list = |tables: &[Arc<TableMeta>]| tables.iter().map(range).collect::<Vec<_>>().join(",");
    let reason = choice.reason;
    match &choice.action {
        Action::Drop { tables } => format!("{reason:?} drop [{}]", list(tables)),
        Action::Move { tables, level, .. } => {
            format!("{reason:?} move [{}] to {level}", list(tables))
        }
        Action::Merge { inputs, level, .. } => {
            let inputs = inputs
                .iter()
                .map(|run| format!("{}[{}]", run.level, list(&run.tables)));
            let inputs: Vec<_> = inputs.collect();
            format!("{reason:?} merge {} to {level}", inputs.join(" "))
        }
    }
}

fn check(cases: &[(&str, &str)]) {
    for (tree, expected) in cases {
        assert_eq!(case(tree).picked(), *expected, "{tree}");
    }
}

#[test]
fn level_0_is_merged_when_it_has_enough_runs() {
    check(&[
        ("", "nothing"),
        ("0 a-f | a-f | a-f", "nothing"),
        // The oldest run meets nothing on its way to the bottom.
        ("0 a-f | a-f | a-f | c-d", "Level0 move [c-d] to 6"),
        (
            "0 a-f | a-f | a-f | c-d\n6 d-g",
            "Level0 merge 0[a-f] 0[a-f] 0[a-f] 0[c-d] 6[d-g] to 6",
        ),
        (
            "0 a-c | b-d | a-c | c-d\n6 a-b d-g h-k",
            "Level0 merge 0[a-c] 0[b-d] 0[a-c] 0[c-d] 6[a-b,d-g] to 6",
        ),
        // It stops above what it overlaps, if the level is in use.
        (
            "0 a-b | a-b | a-b | c-d\n5 e-f:200m\n6 a-k:900m",
            "Level0 move [c-d] to 5",
        ),
        (
            "0 a-b | a-b | a-b | c-d:d20\n5 e-f:200m\n6 a-k:900m",
            "Level0 merge 0[a-b] 0[a-b] 0[a-b] 0[c-d] to 5",
        ),
    ]);
}

#[test]
fn runs_newer_than_a_memtable_wait_for_it() {
    let mut case = case("0 a-f | a-f | a-f | a-f\n6 a-f");
    case.flushed = 979;
    assert_eq!(case.picked(), "Level0 merge 0[a-f] 0[a-f] 6[a-f] to 6");
    case.flushed = 10;
    assert_eq!(case.picked(), "nothing");
}

#[test]
fn level_0_is_merged_when_walks_go_to_and_fro_often_enough() {
    // What merging costs: three steps for each of its entries.
    let picked = |tree: &str, steps: u64| {
        let mut case = case(tree);
        let tables = case
            .shape
            .levels
            .iter()
            .flatten()
            .flat_map(|run| &run.tables);
        let entries: u64 = tables.map(|table| table.meta.entries).sum();
        case.switches = (3 * entries).max(1 << 16) + steps - 1;
        case.picked()
    };
    let merged = "Walks merge 0[a-f] 6[a-c] to 6";
    assert_eq!(picked("0 a-f\n6 a-c", 0), "nothing");
    assert_eq!(picked("0 a-f\n6 a-c", 1), merged);
    // What meets nothing on its way goes ahead.
    assert_eq!(picked("0 a-c | b-f", 1), "Walks move [b-f] to 6");
    // Nothing would be gained.
    assert_eq!(picked("0 a-f", 1), "nothing");
    assert_eq!(picked("0 a-b\n6 c-d", 1), "nothing");
    // Each on its own asks for less.
    assert_eq!(picked("0 a-f\n6 a-c e-f", 0), "nothing");
}

#[test]
fn level_0_is_merged_within_itself_while_the_way_down_is_taken() {
    let mut case = case("0 a-f | a-f | a-f | a-f | a-f:9m\n6 a-f");
    let busy = "Level0 merge 0[a-f] 0[a-f] 0[a-f] 0[a-f] 0[a-f] 6[a-f] to 6";
    assert_eq!(case.start(), busy);
    assert_eq!(case.picked(), "nothing");
    // Four more runs come; the third is too large to be merged with the two before it.
    let more = |sizes: [&str; 4]| {
        let runs = sizes.into_iter().zip(101..);
        runs.map(|(text, number)| RunShape {
            id: number,
            tables: vec![TableShape::new(table(number, 0, text))],
        })
        .collect::<Vec<_>>()
    };
    let old = case.shape.levels[0].clone();
    case.shape.levels[0] = [more(["a-b", "a-c", "a-d", "a-e"]), old.clone()].concat();
    let within = "Level0 merge 0[a-b] 0[a-c] 0[a-d] 0[a-e] to 0";
    assert_eq!(case.picked(), within);
    case.shape.levels[0] = [more(["a-b", "a-c", "a-d:5m", "a-e"]), old].concat();
    assert_eq!(case.picked(), "nothing");
}

#[test]
fn a_level_gives_what_is_cheapest_to_merge() {
    check(&[
        // 300 MiB in a level for 256.
        (
            "5 a-c:100m d-f:100m g-i:100m\n6 a-b:500m e-e:200m f-g:300m h-h:100m",
            "LevelSize merge 5[g-i] 6[f-g,h-h] to 6",
        ),
        // Among equals the oldest.
        (
            "5 a-c:100m d-f:100m g-i:100m\n6 a-b:500m d-e:500m g-h:500m",
            "LevelSize merge 5[a-c] 6[a-b] to 6",
        ),
        // What meets nothing moves.
        (
            "5 a-c:100m d-f:100m g-i:100m\n6 a-b:500m e-e:500m",
            "LevelSize move [g-i] to 6",
        ),
        (
            "5 a-c:100m d-f:100m g-i:100m,d11\n6 a-b:500m e-e:500m",
            "LevelSize merge 5[g-i] to 6",
        ),
        // Neighbours that overlap nothing more come along.
        (
            "5 a-b:70m c-d:70m e-f:70m x-z:70m\n6 a-f:700m w-z:900m",
            "LevelSize merge 5[a-b,c-d,e-f] 6[a-f] to 6",
        ),
        // Full, but not too full.
        ("5 a-c:100m d-f:100m\n6 a-b:900m", "nothing"),
    ]);
}

#[test]
fn compactions_side_by_side_keep_apart() {
    let tree = "5 a-c:100m d-f:100m g-i:100m j-l:300m\n6 a-d:500m e-e:500m g-h:550m j-j:2000m";
    let mut case = case(tree);
    assert_eq!(case.start(), "LevelSize merge 5[a-c] 6[a-d] to 6");
    // `d-f` shares `a-d` with the first.
    assert_eq!(case.start(), "LevelSize merge 5[g-i] 6[g-h] to 6");
    assert_eq!(case.start(), "LevelSize merge 5[j-l] 6[j-j] to 6");
    assert_eq!(case.start(), "nothing");
}

#[test]
fn an_empty_level_gets_its_first_run_from_one_compaction() {
    let mut case = case("4 a-c:400m,d11 d-f:400m,d11\n6 a-f:30000m");
    assert_eq!(case.start(), "LevelSize merge 4[a-c] to 5");
    assert_eq!(case.start(), "nothing");
}

#[test]
fn a_move_into_a_range_that_is_written_to_waits() {
    let mut case = case("0 d-e | d-e | d-e | d-e\n5 a-c:300m g-h:1m\n6 a-k:1000m");
    let bounds = KeyBounds::closed(b"a", b"h");
    let ticket = case.busy.reserve_range(5, bounds);
    let down = "LevelSize merge 5[a-c,g-h] 6[a-k] to 6";
    assert_eq!(case.picked(), down);
    case.busy.release(ticket);
    assert_eq!(case.picked(), down);
    case.options.base_bytes = 400 * MIB;
    assert_eq!(case.picked(), "Level0 move [d-e] to 5");
    let _ticket = case.busy.reserve_range(5, bounds);
    assert_eq!(
        case.picked(),
        "Level0 merge 0[d-e] 0[d-e] 0[d-e] 0[d-e] to 0"
    );
}

#[test]
fn tables_are_compressed_when_they_cross_into_compressed_levels() {
    let mut crossing = case("5 a-c:300m,p\n6 e-e:1000m");
    crossing.options.compressed_from = 6;
    assert_eq!(crossing.picked(), "LevelSize merge 5[a-c] to 6");
    let mut compressed = case("5 a-c:300m\n6 e-e:1000m");
    compressed.options.compressed_from = 6;
    assert_eq!(compressed.picked(), "LevelSize move [a-c] to 6");
    let mut before = case("5 a-c:300m,p\n6 e-e:1000m");
    before.options.compressed_from = 5;
    assert_eq!(before.picked(), "LevelSize move [a-c] to 6");
}

#[test]
fn levels_that_are_not_needed_any_more_are_emptied() {
    check(&[
        ("3 a-c\n6 a-b:100m", "LevelSize merge 3[a-c] 6[a-b] to 6"),
        (
            "3 a-c\n5 b-d\n6 a-b:100m",
            "LevelSize merge 3[a-c] 5[b-d] to 5",
        ),
    ]);
}

#[test]
fn a_level_of_several_runs_becomes_one() {
    check(&[(
        "5 a-c e-f | b-d\n6 a-b:900m",
        "LevelRuns merge 5[a-c,e-f] 5[b-d] to 5",
    )]);
}

#[test]
fn tiering_merges_levels_as_a_whole() {
    let tiered = |tree: &str| {
        let mut case = case(tree);
        case.options.style = CompactionStyle::Tiered { runs_max: 3 };
        case.picked()
    };
    assert_eq!(tiered("0 a-f | a-f | a-f | a-f"), "Level0 move [a-f] to 6");
    let level0 = "0 a-f | a-f | a-f | a-f\n5 a-f:100m\n6 a-f:700m";
    assert_eq!(
        tiered(level0),
        "Level0 merge 0[a-f] 0[a-f] 0[a-f] 0[a-f] to 5"
    );
    let full = "5 a-c | b-d e-f | a-f\n6 a-b:500m f-g:400m";
    assert_eq!(
        tiered(full),
        "LevelRuns merge 5[a-c] 5[b-d,e-f] 5[a-f] 6[a-b,f-g] to 6"
    );
    assert_eq!(
        tiered("4 a-c | b-d | a-f\n5 a-f:600m\n6 a-b:2000m"),
        "LevelRuns merge 4[a-c] 4[b-d] 4[a-f] to 5"
    );
    assert_eq!(tiered("5 a-c | b-d e-f\n6 a-b:900m"), "nothing");
    // Also when only one of its tables has to go: in the run below it would make all of that look
    // newer than what stays.
    assert_eq!(
        tiered("4 a-c:d90 d-f\n5 a-f:600m\n6 a-b:2000m"),
        "LevelRuns merge 4[a-c,d-f] to 5"
    );
}

#[test]
fn what_is_dead_is_cleaned_up() {
    check(&[
        // Deletions are merged with what they hide.
        (
            "5 a-c:d30\n6 b-d:900m",
            "Tombstones merge 5[a-c] 6[b-d] to 6",
        ),
        ("5 a-c:d20\n6 b-d:900m", "nothing"),
        // With nothing below, the table is written anew.
        ("5 a-c:d20\n6 e-f:900m", "Garbage merge 5[a-c] to 5"),
        ("6 a-c:s20", "Garbage merge 6[a-c] to 6"),
        ("6 a-c:s5", "nothing"),
        // However little it is, it goes after a day.
        ("6 a-c:s5,h25", "Garbage merge 6[a-c] to 6"),
        ("6 a-c:h25", "nothing"),
        ("5 a-c:h25\n6 b-d:900m", "Settle merge 5[a-c] 6[b-d] to 6"),
        ("0 a-c:d30\n6 b-d:900m", "Tombstones merge 0[a-c] to 5"),
        // Expired entries.
        ("6 a-c:x100", "Covered drop [a-c]"),
        ("6 a-c:x50", "Expired merge 6[a-c] to 6"),
        ("6 a-c:x10", "nothing"),
        ("5 a-c:x100\n6 b-d:900m", "Expired merge 5[a-c] 6[b-d] to 6"),
        // The most urgent need first.
        (
            "0 a-f | a-f | a-f | a-f\n5 a-c:d30\n6 b-d:900m",
            "Tombstones merge 5[a-c] 6[b-d] to 6",
        ),
        (
            "0 a-f | a-f | a-f | a-f | a-f | a-f\n5 a-c:d30\n6 b-d:900m",
            "Level0 merge 0[a-f] 0[a-f] 0[a-f] 0[a-f] 0[a-f] 0[a-f] 5[a-c] to 5",
        ),
    ]);
}

#[test]
fn what_a_snapshot_sees_is_no_garbage() {
    let mut garbage = case("6 a-c:s20");
    garbage.snapshots = vec![998];
    assert_eq!(garbage.picked(), "nothing", "999 is newer");
    garbage.snapshots = vec![999];
    assert_eq!(garbage.picked(), "Garbage merge 6[a-c] to 6");
    let mut expired = case("6 a-c:x100");
    expired.snapshots = vec![5];
    assert_eq!(expired.picked(), "Expired merge 6[a-c] to 6");
}

#[test]
fn dying_value_files_are_collected() {
    let tree = "5 a-c:v50 d-f:v51\n6 a-z:900m,v52";
    let picked = |values: &[(u64, u64, u64)]| case(tree).values(values).picked();
    assert_eq!(
        picked(&[(50, 100, 60), (51, 100, 60), (52, 100, 60)]),
        "nothing"
    );
    let one = [(50, 100, 60), (51, 100, 40), (52, 100, 60)];
    assert_eq!(picked(&one), "ValueGarbage merge 5[d-f] to 5");
    let worse = [(50, 100, 20), (51, 100, 40), (52, 100, 60)];
    assert_eq!(picked(&worse), "ValueGarbage merge 5[a-c] to 5");
    let bottom = [(50, 100, 60), (51, 100, 60), (52, 100, 1)];
    assert_eq!(picked(&bottom), "ValueGarbage merge 6[a-z] to 6");
    // A file that nothing refers to is not for compactions.
    assert_eq!(
        picked(&[(50, 100, 60), (51, 100, 60), (53, 100, 0)]),
        "nothing"
    );
    let mut active = case(tree).values(&one);
    active.unsettled = BTreeSet::from([FileNumber(51)]);
    assert_eq!(active.picked(), "nothing");
}

#[test]
fn values_are_moved_along_by_every_merge() {
    let tree = "0 a-f | a-f | a-f | a-f | a-f | a-f | a-f | a-f\n6 a-f:v50";
    let case = case(tree).values(&[(50, 100, 30), (51, 100, 90)]);
    let Some(Action::Merge { collect, .. }) = case.pick().map(|choice| choice.action) else {
        panic!("level 0 is due");
    };
    assert_eq!(collect, [FileNumber(50)]);
}

#[test]
fn retired_keys_are_written_out() {
    let mut case = case("5 a-c:k1 d-f:k2\n6 a-z:900m,k2");
    assert_eq!(case.picked(), "nothing");
    case.retired = vec![1];
    assert_eq!(case.picked(), "RetiredKey merge 5[a-c] to 5");
}

#[test]
fn level_sizes_follow_from_the_bottom() {
    // Sizes of levels 4, 5 and 6, the base, targets of levels 4, 5 and 6.
    let cases = [
        ([0, 0, 0], 6, [0, 0, 256]),
        ([0, 0, 256], 6, [0, 0, 256]),
        ([0, 0, 300], 5, [0, 256, 300]),
        ([0, 100, 2560], 5, [0, 256, 2560]),
        ([0, 100, 3000], 4, [256, 300, 3000]),
        ([10, 100, 25_600], 4, [256, 2560, 25_600]),
        // The largest level counts, wherever it is.
        ([0, 3000, 100], 4, [256, 300, 3000]),
    ];
    for (sizes, base, expected) in cases {
        let mut shape = Shape::default();
        for (level, mib) in (4..LEVELS).zip(sizes) {
            let text = format!("a-z:{mib}m");
            let tables = vec![TableShape::new(table(1, 1, &text))];
            shape.levels[level] = vec![RunShape { id: 1, tables }];
        }
        let targets = Targets::of(&shape, &CompactionOptions::default());
        let mib: Vec<_> = targets.bytes[4..].iter().map(|bytes| bytes / MIB).collect();
        assert_eq!((targets.base, &mib[..]), (base, &expected[..]), "{sizes:?}");
    }
    let huge = case("6 a-z:100000000m");
    let targets = Targets::of(&huge.shape, &huge.options);
    assert_eq!(targets.base, 1, "there are no more levels");
}

#[test]
fn debt_is_what_is_left_to_be_written() {
    let debt = |tree: &str| {
        let case = case(tree);
        debt_bytes(&case.shape, &case.options) / MIB
    };
    assert_eq!(debt(""), 0);
    assert_eq!(debt("0 a-f:10m | a-f:10m | a-f:10m\n6 a-f:100m"), 0);
    assert_eq!(
        debt("0 a-f:10m | a-f:10m | a-f:10m | a-f:10m\n6 a-f:100m"),
        140
    );
    // Half of level 5 is too much, and half of level 6 lies under that.
    assert_eq!(debt("5 a-f:512m\n6 a-f:2000m"), 256 + 1000);
}

#[test]
fn a_manual_compaction_takes_everything_to_the_bottom() {
    let step = |tree: &str, end: Option<&str>| {
        let case = case(tree);
        let range = ManualRange {
            start: None,
            end: end.map(|key| key.as_bytes().into()),
            written: u64::MAX,
            before: FileNumber(100),
        };
        let step =
            case.with(|moment| pick_manual(&case.shape, &case.options, moment, &case.busy, &range));
        match step {
            ManualStep::Do(choice) => show(&choice),
            ManualStep::Wait => "wait".into(),
            ManualStep::Done => "done".into(),
        }
    };
    let cases = [
        ("", None, "done"),
        ("6 a-c", None, "done"),
        ("6 a-c:d1 d-f:s1", None, "Manual merge 6[a-c] to 6"),
        ("5 a-c", None, "Manual move [a-c] to 6"),
        ("5 a-c:d1", None, "Manual merge 5[a-c] to 6"),
        (
            "0 a-b\n5 a-c f-g\n6 c-d e-f",
            None,
            "Manual merge 0[a-b] 5[a-c] 6[c-d] to 6",
        ),
        (
            "5 a-c f-g\n6 c-d e-f",
            Some("b"),
            "Manual merge 5[a-c] 6[c-d] to 6",
        ),
        ("5 f-g\n6 c-d e-f", Some("b"), "done"),
        ("5 f-g\n6 c-d e-f", Some("f"), "done"),
    ];
    for (tree, end, expected) in cases {
        assert_eq!(step(tree, end), expected, "{tree} up to {end:?}");
    }
    // What a background compaction wrote meanwhile counts as long as it holds what is asked for.
    let later = case("5 a-c:d1\n6 d-f:d1");
    let (written, before) = (u64::MAX, FileNumber(0));
    let range = ManualRange::everything(written, before);
    let step =
        later.with(|moment| pick_manual(&later.shape, &later.options, moment, &later.busy, &range));
    let ManualStep::Do(choice) = step else {
        panic!("{step:?}")
    };
    assert_eq!(show(&choice), "Manual merge 5[a-c] to 6");
    let mut busy = case("5 a-c f-g\n6 c-d");
    let _ticket = busy.busy.reserve_range(6, KeyBounds::closed(b"d", b"d"));
    let range = ManualRange::everything(u64::MAX, FileNumber(100));
    let step =
        busy.with(|moment| pick_manual(&busy.shape, &busy.options, moment, &busy.busy, &range));
    assert_eq!(step, ManualStep::Wait);
}

#[test]
fn a_run_that_waits_for_a_memtable_is_not_rewritten() {
    // What it deletes may still be in that memtable.
    let mut case = case("0 a-f:d30,x30");
    case.retired = vec![0];
    case.flushed = 5;
    assert_eq!(case.picked(), "nothing");
    case.flushed = u64::MAX;
    assert!(case.picked() != "nothing");
}
