//! What users of the databases that RustDB comes from were promised, and often did not get.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use rustdb::{Compression, Database, Durability, Options};
use rustdb_vfs::{MemVfs, PowerLoss, SimVfs};

use crate::logs;

const VALUE_BYTES: usize = 100;

fn options() -> Options {
    Options {
        durability: Durability::Buffered,
        write_buffer_bytes: 1 << 20,
        ..Options::default()
    }
}

fn value(number: u32) -> Vec<u8> {
    let mut value = vec![b'.'; VALUE_BYTES];
    value[..4].copy_from_slice(&number.to_be_bytes());
    value
}

fn in_memory(options: Options) -> Database {
    let options = Options {
        vfs: Some(MemVfs::shared()),
        ..options
    };
    Database::open_with("/db", options).expect("opens")
}

/// The same steps on a database in memory and on one in files.
fn on_both_backends(steps: impl Fn(&Database)) {
    steps(&Database::in_memory().expect("opens"));
    let directory = tempfile::tempdir().expect("makes a directory");
    steps(&Database::open(directory.path().join("db")).expect("opens"));
}

#[test]
fn far_more_than_a_memtable_is_written_read_and_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let db = Database::open_with(&path, options()).unwrap();
    // One memtable is 1 MiB: 5,120 rows of this size stopped one of our ancestors for ever.
    let rows = 50 * (1 << 20) / VALUE_BYTES as u32;
    for number in 0..rows {
        db.put(number.to_be_bytes(), value(number)).unwrap();
    }
    let stats = db.stats();
    assert!(stats.flushes >= 10, "{} flushes", stats.flushes);
    assert!(stats.levels.iter().any(|level| level.tables > 0));
    for is_reopened in [false, true] {
        if is_reopened {
            db.clone().close().unwrap();
        }
        let reopened = match is_reopened {
            true => Database::open_with(&path, options()).unwrap(),
            false => db.clone(),
        };
        let mut expected = 0..rows;
        for entry in reopened.iter() {
            let (key, found) = entry.unwrap();
            let number = expected.next().expect("no more than was written");
            assert_eq!(&*key, number.to_be_bytes());
            assert_eq!(&*found, value(number));
        }
        assert_eq!(expected.next(), None, "all that was written");
        let row = rows / 2;
        assert_eq!(
            &*reopened.get(row.to_be_bytes()).unwrap().unwrap(),
            value(row)
        );
    }
}

#[test]
fn reads_miss_nothing_while_memtables_rotate() {
    let db = in_memory(Options {
        write_buffer_bytes: 64 << 10,
        ..options()
    });
    let is_over = AtomicBool::new(false);
    db.put(0_u32.to_be_bytes(), value(0)).unwrap();
    std::thread::scope(|scope| {
        for reader in 0..2_u32 {
            let (db, is_over) = (&db, &is_over);
            scope.spawn(move || {
                let mut number = reader;
                while !is_over.load(Ordering::Relaxed) {
                    // Whatever the newest key is, those before it are there.
                    let (last, _) = db.last().unwrap().expect("it is never empty");
                    let last = u32::from_be_bytes((*last).try_into().unwrap());
                    number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let key = number % (last + 1);
                    let found = db.get(key.to_be_bytes()).unwrap();
                    assert_eq!(found.as_deref(), Some(&*value(key)), "{key} of {last}");
                }
            });
        }
        for number in 1..40_000_u32 {
            db.put(number.to_be_bytes(), value(number)).unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(db.stats().flushes > 5, "more than ancestors had room for");
}

#[test]
fn no_value_means_that_a_key_is_deleted() {
    let odd: [&[u8]; 5] = [b"", b"\0TOMBSTONE", b"\0", b"TOMBSTONE", &[0xff; 16]];
    on_both_backends(|db| {
        for round in 0..3 {
            for value in odd {
                db.put(value, value).unwrap();
            }
            match round {
                0 => {}
                1 => db.flush().unwrap(),
                _ => db.compact().unwrap(),
            }
            for value in odd {
                assert_eq!(db.get(value).unwrap().as_deref(), Some(value), "{round}");
            }
            assert_eq!(db.len().unwrap(), odd.len() as u64);
        }
    });
}

#[test]
fn a_deletion_hides_what_was_flushed_now_and_after_compaction() {
    on_both_backends(|db| {
        for step in [Database::flush, Database::compact] {
            db.put("k", "old").unwrap();
            db.flush().unwrap();
            db.delete("k").unwrap();
            assert_eq!(db.get("k").unwrap(), None);
            step(db).unwrap();
            assert_eq!(db.get("k").unwrap(), None);
            assert_eq!(db.len().unwrap(), 0);
        }
    });
}

fn entries(db: &Database) -> u64 {
    db.stats().levels.iter().map(|level| level.entries).sum()
}

#[test]
fn of_a_thousand_versions_those_stay_that_somebody_can_see() {
    on_both_backends(|db| {
        let mut snapshot = None;
        for version in 0..1000_u32 {
            db.put("k", version.to_be_bytes()).unwrap();
            if version == 500 {
                snapshot = Some(db.snapshot());
            }
        }
        db.compact().unwrap();
        assert_eq!(entries(db), 2, "the newest, and the one of the snapshot");
        let keyspace = db.default_keyspace();
        let seen = snapshot.as_ref().unwrap().get(&keyspace, "k").unwrap();
        assert_eq!(seen.as_deref(), Some(&500_u32.to_be_bytes()[..]));
        drop(snapshot);
        db.compact().unwrap();
        assert_eq!(entries(db), 1);
        let newest = db.get("k").unwrap();
        assert_eq!(newest.as_deref(), Some(&999_u32.to_be_bytes()[..]));
    });
}

/// Blocks in use stay readable whatever is evicted; the cache keeps to its limit and counts.
#[test]
fn data_far_larger_than_the_cache_is_read_within_its_limit() {
    let cache_bytes = 256 << 10;
    let db = in_memory(Options {
        cache_bytes,
        compression: Compression::None,
        ..options()
    });
    let rows = 4 * cache_bytes as u32 / VALUE_BYTES as u32;
    for number in 0..rows {
        db.put(number.to_be_bytes(), value(number)).unwrap();
    }
    db.compact().unwrap();
    let pinned: Vec<_> = (0..rows)
        .step_by(100)
        .map(|number| (number, db.get(number.to_be_bytes()).unwrap().unwrap()))
        .collect();
    for number in (0..rows).chain(0..10).chain(0..10) {
        let found = db.get(number.to_be_bytes()).unwrap();
        assert_eq!(found.as_deref(), Some(&*value(number)));
        assert!(db.stats().cache.used_bytes <= cache_bytes);
    }
    for (number, found) in pinned {
        assert_eq!(&*found, value(number));
    }
    let cache = db.stats().cache;
    assert!(cache.evictions > 0 && cache.misses > 0 && cache.hits > 0);
    assert!(
        cache.hit_ratio() > 0.0 && cache.hit_ratio() < 1.0,
        "{cache:?}"
    );
}

/// What neighbours have in common at their beginning is stored once for a block.
#[test]
fn long_common_prefixes_take_little_space() {
    let db = in_memory(Options {
        compression: Compression::None,
        ..options()
    });
    let prefix = "customers/europe/germany/berlin/orders/2026/";
    for number in 0..20_000_u32 {
        db.put(format!("{prefix}{number:08}"), "paid").unwrap();
    }
    db.compact().unwrap();
    let stats = db.stats();
    let on_disk: u64 = stats.levels.iter().map(|level| level.bytes).sum();
    // 60 bytes as written, of which 44 are the prefix; filter and index included.
    assert!(stats.raw_table_bytes >= 20_000 * 60);
    assert!(
        2 * on_disk < stats.raw_table_bytes,
        "{on_disk} of {}",
        stats.raw_table_bytes
    );
}

#[test]
fn a_compacted_database_keeps_no_log_of_what_is_in_tables() {
    let sim = SimVfs::new(1);
    let options = || Options {
        vfs: Some(sim.vfs()),
        transaction_bytes: 64 << 10,
        ..Options::default()
    };
    let db = Database::open_with("/db", options()).unwrap();
    db.put("small", "in a memtable").unwrap();
    let fill = |tx: &mut rustdb::Transaction| {
        (0..2_000_u32).try_for_each(|number| tx.put(number.to_be_bytes(), value(number)))
    };
    // Goes to files at once, and ends the memtable before it.
    db.transaction(fill).unwrap();
    db.compact().unwrap();
    assert_eq!(logs(&sim), 1);
    let check = |db: &Database| {
        assert_eq!(db.len().unwrap(), 2_001);
        assert!(db.get("small").unwrap().is_some());
        assert_eq!(
            db.get(7_u32.to_be_bytes()).unwrap().as_deref(),
            Some(&*value(7))
        );
    };
    check(&db);
    let after = sim.after_power_loss(PowerLoss::LoseAll);
    let reopened = Options {
        vfs: Some(after.vfs()),
        ..options()
    };
    check(&Database::open_with("/db", reopened).unwrap());
    db.put("small", "again").unwrap();
    db.close().unwrap();
    check(&Database::open_with("/db", options()).unwrap());
}

#[test]
fn a_long_verification_tells_of_its_progress_and_ends_when_asked() {
    let db = in_memory(Options {
        compression: Compression::None,
        compaction_threads: 0,
        ..Options::default()
    });
    let mib = 1 << 20;
    db.put("one value", vec![7; 8 * mib]).unwrap();
    for number in 0..40_000_u32 {
        db.put(number.to_be_bytes(), value(number)).unwrap();
    }
    db.flush().unwrap();
    // Nothing is done for long without a word.
    for number in 0..20_000_u32 {
        db.put(number.to_be_bytes(), value(number)).unwrap();
    }
    let mut last = 0;
    let mut told = Vec::new();
    let report = db
        .verify_with(|progress| {
            assert!(last <= progress.done_bytes && progress.done_bytes <= progress.total_bytes);
            assert!(progress.done_bytes - last <= 2 * mib as u64, "{progress:?}");
            last = progress.done_bytes;
            told.push(progress.done_bytes);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    assert_eq!(
        (report.tables, report.value_files, report.log_segments),
        (1, 1, 1)
    );
    assert_eq!(last, report.bytes);
    for end in told.into_iter().step_by(5) {
        // The log may have grown: an idle database vouches for its end.
        let mut reached = 0;
        let cancelled = db
            .verify_with(|progress| {
                reached = progress.done_bytes;
                match reached >= end {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            })
            .unwrap();
        assert!(cancelled.is_cancelled && cancelled.problem_count == 0);
        assert!(cancelled.bytes <= reached);
    }
}
