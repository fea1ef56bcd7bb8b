//! Histories with one thing wrong each, and what the checker says about them.

use super::{Anomaly, CycleKind, Operation, Promise, Record, find};

/// A history from text. A line is a transaction: `a1.5` appends 5 to list 1, `r1.5,6` reads
/// `[5, 6]` of list 1, `abort` at the end says that it did not commit, `@3-9` gives the times of
/// beginning and end. Without times, all transactions are concurrent.
fn history(text: &str) -> Vec<Record> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(record)
        .collect()
}

fn record(line: &str) -> Record {
    let mut record = Record {
        operations: Vec::new(),
        is_committed: true,
        began: 0,
        ended: u64::MAX,
    };
    for word in line.split_whitespace() {
        let number = |text: &str| text.parse::<u64>().unwrap();
        if word == "abort" {
            record.is_committed = false;
        } else if let Some(times) = word.strip_prefix('@') {
            let (began, ended) = times.split_once('-').unwrap();
            (record.began, record.ended) = (number(began), number(ended));
        } else {
            let (key, rest) = word[1..].split_once('.').unwrap();
            let numbers: Vec<u64> = rest
                .split(',')
                .filter(|n| !n.is_empty())
                .map(number)
                .collect();
            record.operations.push(match &word[..1] {
                "a" => Operation::Append(number(key), numbers[0]),
                "r" => Operation::Read(number(key), numbers),
                other => panic!("unknown operation `{other}`"),
            });
        }
    }
    record
}

fn names(text: &str) -> Vec<String> {
    let mut names: Vec<String> = find(&history(text))
        .iter()
        .map(|anomaly| match anomaly {
            Anomaly::Cycle(cycle) => format!("{:?}", cycle.kind),
            other => other.to_string().split(':').next().unwrap().to_owned(),
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn clean_history_has_no_anomaly() {
    assert_eq!(
        names("r1. a1.1 @0-1\n r1.1 a1.2 @2-3\n r1.1,2 @4-5"),
        [""; 0]
    );
}

#[test]
fn write_cycle_is_g0() {
    // Two transactions append to two lists in opposite orders.
    assert_eq!(names("a1.1 a2.1\n a1.2 a2.2\n r1.1,2 r2.2,1"), ["G0"]);
}

#[test]
fn read_of_a_rolled_back_number_is_g1a() {
    assert_eq!(names("a1.1 abort\n r1.1"), ["G1a"]);
}

#[test]
fn read_between_two_appends_is_g1b() {
    assert_eq!(
        names("a1.1 a1.2\n r1.1\n r1.1,2")
            .first()
            .map(String::as_str),
        Some("G1b")
    );
}

#[test]
fn transactions_that_read_of_each_other_are_g1c() {
    assert_eq!(names("a1.1 r2.2\n a2.2 r1.1\n r1.1 r2.2"), ["G1c"]);
}

#[test]
fn half_of_another_transaction_is_g_single() {
    assert_eq!(names("a1.1 a2.1\n r1. r2.1\n r1.1 r2.1"), ["GSingle"]);
}

#[test]
fn long_fork_is_g2_and_not_snapshot() {
    // Two readers see two writers in opposite orders.
    let text = "a1.1\n a2.2\n r1.1 r2.\n r1. r2.2\n r1.1 r2.2";
    assert_eq!(names(text), ["GNonadjacent"]);
}

#[test]
fn write_skew_is_g2_item() {
    assert_eq!(names("r1. r2. a1.1\n r1. r2. a2.2\n r1.1 r2.2"), ["G2Item"]);
}

#[test]
fn two_replacements_of_one_version_are_a_lost_update() {
    let found = names("r1. a1.1\n r1. a1.2\n r1.1,2");
    assert_eq!(found, ["GSingle", "lost update"]);
}

#[test]
fn read_of_the_past_is_only_wrong_on_the_clock() {
    assert_eq!(names("a1.1 @0-1\n r1. @2-3\n r1.1 @4-5"), ["Realtime"]);
    assert_eq!(names("a1.1 @0-2\n r1. @1-3\n r1.1 @4-5"), [""; 0]);
}

#[test]
fn forgotten_append_is_noticed() {
    assert_eq!(names("a1.1 @0-1\n a1.2 @2-3\n r1.1 @4-5"), ["lost append"]);
}

#[test]
fn contradicting_and_invented_lists_are_noticed() {
    let found = names("a1.1\n a1.2\n r1.1,2\n r1.2,1");
    assert!(found.contains(&"contradiction".to_owned()), "{found:?}");
    assert_eq!(names("a1.1\n r1.1,7"), ["garbage"]);
    assert!(names("a1.1\n a1.2\n r1.1,2,1").contains(&"garbage".to_owned()));
}

#[test]
fn transaction_must_see_itself_and_one_moment() {
    assert_eq!(names("a1.1 r1.\n r1.1"), ["internal"]);
    let found = names("r1. r1.1\n a1.1");
    assert!(found.contains(&"internal".to_owned()), "{found:?}");
    assert_eq!(names("a1.1 r1.1 a1.2 r1.1,2\n r1.1,2"), [""; 0]);
}

#[test]
fn promises_are_in_order() {
    let skew = find(&history("r1. r2. a1.1\n r1. r2. a2.2\n r1.1 r2.2"));
    assert_eq!(skew[0].breaks(), Promise::Serializable);
    let dirty = find(&history("a1.1 abort\n r1.1"));
    assert_eq!(dirty[0].breaks(), Promise::ReadCommitted);
    let fork = find(&history("a1.1\n a2.2\n r1.1 r2.\n r1. r2.2\n r1.1 r2.2"));
    assert_eq!(fork[0].breaks(), Promise::SnapshotIsolation);
}

#[test]
fn cycle_is_told_step_by_step() {
    let found = find(&history("a1.1 a2.1\n r1. r2.1\n r1.1 r2.1"));
    let Anomaly::Cycle(cycle) = &found[0] else {
        panic!("{found:?}");
    };
    assert_eq!(cycle.kind, CycleKind::GSingle);
    assert_eq!(cycle.to_string(), "GSingle: T1 -rw-> T0 -wr-> T1");
}
