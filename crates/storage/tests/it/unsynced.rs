//! Commits that wait for nothing: another thread writes them to the log.

use std::path::Path;

use rustdb_storage::engine::{Durability, Engine, EngineOptions, ReadAt};
use rustdb_storage::{Error, Result};
use rustdb_vfs::{Effect, Failure, Fault, OpKind, PowerLoss, SimVfs, Simulation};

use crate::basic::{KS, accept, open, put, small};

const COMMITS: u64 = 4_000;

/// So large that the log is written several times before the memtable is full.
fn options() -> EngineOptions {
    EngineOptions {
        memtable_bytes: 2 << 20,
        ..small()
    }
}

fn value(n: u64) -> Vec<u8> {
    n.to_be_bytes().repeat(125)
}

/// Writes so many commits, of which some are synced; returns how many the last sync confirmed.
fn write(engine: &Engine, commits: u64) -> u64 {
    let mut confirmed = 0;
    for n in 0..commits {
        let durability = match n % 1_500 {
            700 => Durability::Buffered,
            1_499 => Durability::Sync,
            _ => Durability::None,
        };
        put(engine, &n.to_be_bytes(), &value(n), durability);
        if durability == Durability::Sync {
            confirmed = n + 1;
        }
    }
    confirmed
}

#[test]
fn power_loss_leaves_a_prefix_with_everything_confirmed() {
    let seeded = (0..12).map(PowerLoss::Seeded);
    for (seed, policy) in PowerLoss::EXTREMES.into_iter().chain(seeded).enumerate() {
        let commits = COMMITS - 137 * seed as u64;
        let machine = SimVfs::new(seed as u64);
        let engine = open(&machine.vfs(), options());
        let confirmed = write(&engine, commits);
        let machine = machine.power_loss(policy);
        let engine = Engine::open(machine.vfs(), Path::new("/db"), options()).unwrap();
        let found = |n: u64| engine.get(KS, &n.to_be_bytes(), ReadAt::Latest).unwrap();
        let kept = (0..commits).take_while(|n| found(*n).is_some()).count() as u64;
        assert!(kept >= confirmed, "{policy:?}: {kept} of {confirmed}");
        for n in 0..commits {
            let expected = (n < kept).then(|| value(n));
            assert_eq!(found(n).map(|v| v.to_vec()), expected, "{policy:?}: {n}");
        }
    }
}

#[test]
fn a_write_of_the_log_that_fails_ends_commits_soon() {
    let machine = SimVfs::new(1);
    let engine = open(&machine.vfs(), options());
    put(&engine, b"first", b"", Durability::Sync);
    let fault = Fault::new(Effect::Fail(Failure::Io)).on(OpKind::Write);
    machine.inject(fault.path(".wal"));
    let mut batch = engine.batch();
    let refused = (0..2_000_u64).position(|n| {
        batch.clear();
        batch.put(KS, &n.to_be_bytes(), &value(n)).unwrap();
        engine
            .commit(&mut batch, Durability::None, &mut accept)
            .is_err()
    });
    assert!(refused.is_some(), "the failure is never noticed");
    machine.clear_faults();
    batch.clear();
    batch.put(KS, b"more", b"").unwrap();
    let after = engine.commit(&mut batch, Durability::Sync, &mut accept);
    assert!(after.is_err(), "nothing follows what was lost");
    drop(engine);
    let engine = Engine::open(machine.vfs(), Path::new("/db"), options()).unwrap();
    let first = engine.get(KS, b"first", ReadAt::Latest).unwrap();
    assert!(first.is_some());
}

/// How the log's file refuses a write.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    /// This happens to a write, once.
    Once(Effect),
    /// There is room for so much, until somebody makes more.
    Full { room: u64 },
}

const REFUSALS: [Refusal; 6] = [
    Refusal::Once(Effect::Fail(Failure::Io)),
    Refusal::Once(Effect::Fail(Failure::NoSpace)),
    Refusal::Once(Effect::Torn(Failure::Io)),
    Refusal::Once(Effect::Torn(Failure::NoSpace)),
    Refusal::Full { room: 0 },
    Refusal::Full { room: 300_000 },
];

impl Refusal {
    fn arrange(self, machine: &SimVfs, skip: u64) {
        match self {
            Refusal::Once(effect) => {
                let fault = Fault::new(effect).on(OpKind::Write).path(".wal");
                machine.inject(fault.after(skip).times(1));
            }
            Refusal::Full { room } => {
                let files = machine.files();
                let used = files
                    .iter()
                    .map(|path| machine.contents(path).unwrap().len());
                machine.set_capacity(Some(used.sum::<usize>() as u64 + room));
            }
        }
    }

    /// What the message that ends writing says.
    fn reason(self) -> &'static str {
        match self {
            Refusal::Once(Effect::Fail(Failure::Io) | Effect::Torn(Failure::Io)) => "input/output",
            _ => "no space",
        }
    }
}

fn commit(engine: &Engine, n: u64, durability: Durability) -> Result<()> {
    let mut batch = engine.batch();
    batch.put(KS, &n.to_be_bytes(), &value(n))?;
    engine.commit(&mut batch, durability, &mut accept).map(drop)
}

/// The commits that were acknowledged, by what they asked for at least, when one failed.
#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    synced: u64,
    handed_over: u64,
    all: u64,
    /// The one that failed was refused before anything was written, so that others may follow.
    may_go_on: bool,
}

/// Commits, most of which wait for nothing, until one fails, which says why.
fn commit_until_refused(engine: &Engine, refusal: Refusal, first: u64) -> Acknowledged {
    let (mut synced, mut handed_over) = (first, first);
    for n in first..first + COMMITS {
        let durability = match n % 700 {
            350 => Durability::Buffered,
            699 => Durability::Sync,
            _ => Durability::None,
        };
        match commit(engine, n, durability) {
            Ok(()) => match durability {
                Durability::None => {}
                Durability::Buffered => handed_over = n + 1,
                Durability::Sync => (synced, handed_over) = (n + 1, n + 1),
            },
            Err(error) => {
                let message = error.to_string().to_lowercase();
                assert!(message.contains(refusal.reason()), "{refusal:?}: {error}");
                return Acknowledged {
                    synced,
                    handed_over,
                    all: n,
                    may_go_on: matches!(error, Error::NoSpace { .. }),
                };
            }
        }
    }
    panic!("{refusal:?}: no commit fails");
}

/// The database on this machine holds a prefix of the commits, this many of them or more, and takes
/// new ones.
fn check_kept(machine: &SimVfs, least: u64, acknowledged: Acknowledged, context: &str) {
    let engine = Engine::open(machine.vfs(), Path::new("/db"), options())
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    let found = |n: u64| engine.get(KS, &n.to_be_bytes(), ReadAt::Latest).unwrap();
    // The one that failed may be there.
    let all = acknowledged.all + 1;
    let kept = (0..all).take_while(|n| found(*n).is_some()).count() as u64;
    assert!(kept >= least, "{context}: {kept} of {acknowledged:?}");
    for n in 0..all {
        let expected = (n < kept).then(|| value(n));
        assert_eq!(found(n).map(|v| v.to_vec()), expected, "{context}: {n}");
    }
    commit(&engine, all, Durability::Sync).unwrap();
    engine.close().unwrap();
}

/// The writes of the log's thread fail, or the disk is full, at different times and with the
/// threads' turns in different orders.
#[test]
fn a_log_that_cannot_be_written_loses_nothing_acknowledged_as_more() {
    let mut stops = 0;
    for seed in 0..24 {
        let refusal = REFUSALS[seed as usize % REFUSALS.len()];
        let run = move |machine: SimVfs| {
            let engine = open(&machine.vfs(), options());
            commit(&engine, 0, Durability::Sync).unwrap();
            refusal.arrange(&machine, seed / 6);
            let acknowledged = commit_until_refused(&engine, refusal, 1);
            machine.clear_faults();
            machine.set_capacity(None);
            let n = acknowledged.all;
            // Nothing may follow what was lost, but reads go on.
            let next = commit(&engine, n, Durability::Sync);
            assert_eq!(next.is_ok(), acknowledged.may_go_on, "{next:?}");
            let newest = engine.get(KS, &(n - 1).to_be_bytes(), ReadAt::Latest);
            assert_eq!(newest.unwrap().as_deref(), Some(&*value(n - 1)));
            drop(engine);
            (machine, acknowledged)
        };
        let (machine, acknowledged) = Simulation::new(seed).run(run).value;
        stops += u64::from(!acknowledged.may_go_on);
        let context = format!("seed {seed}, {refusal:?}");
        for policy in PowerLoss::sample(seed, 4) {
            let machine = machine.after_power_loss(policy);
            let context = format!("{context}, {policy:?}");
            check_kept(&machine, acknowledged.synced, acknowledged, &context);
        }
        check_kept(&machine, acknowledged.handed_over, acknowledged, &context);
    }
    assert!(stops > 12, "only {stops} met the thread's write");
}

#[test]
fn closing_writes_what_is_under_way() {
    let machine = SimVfs::new(2);
    for commits in [300, 1_000, 2_500] {
        let engine = open(&machine.vfs(), options());
        write(&engine, commits);
        engine.close().unwrap();
        let engine = open(&machine.vfs(), options());
        for n in 0..commits {
            let found = engine.get(KS, &n.to_be_bytes(), ReadAt::Latest).unwrap();
            assert_eq!(found.map(|v| v.to_vec()), Some(value(n)), "{commits}: {n}");
        }
    }
}
