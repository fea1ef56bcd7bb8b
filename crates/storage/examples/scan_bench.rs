//! Measures iterators on their own: what it costs to step over entries of memtables and cached
//! tables, alone and merged.
//!
//! `cargo run --release -p rustdb-storage --example scan_bench [-- ENTRIES]`

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustdb_storage::envelope::Security;
use rustdb_storage::iter::{Bounds, Source, VisibleIter};
use rustdb_storage::memtable::{Memtable, MemtableWriter};
use rustdb_storage::table::{ReadMode, TableBuilder, TableOptions, TableStore, TableStoreOptions};
use rustdb_storage::version::{Run, TreeFiles};
use rustdb_storage::{EntryKind, FileNumber, KeyspaceId, names};
use rustdb_vfs::{MemVfs, OsVfs, Vfs, VfsRef};

const VALUE: [u8; 150] = [7; 150];
const SCAN_ENTRIES: usize = 10;

fn main() {
    let count = std::env::args()
        .nth(1)
        .and_then(|a| a.parse().ok())
        .unwrap_or(300_000);
    let clock = OsVfs::new();
    // The newer half of the keys is in the memtable; either has every second key.
    let memtable = memtable(count, |n| 2 * n, 2);
    let run = run(count, |n| 2 * n + 1);
    let cases: [(&str, &dyn Fn() -> Vec<Source>); 3] = [
        ("memtable", &|| vec![Source::memtable(&memtable, 9)]),
        ("run of tables", &|| {
            vec![Source::run(&run, ReadMode::USER, 9)]
        }),
        ("both", &|| {
            vec![
                Source::memtable(&memtable, 9),
                Source::run(&run, ReadMode::USER, 9),
            ]
        }),
    ];
    for _ in 0..2 {
        for (name, sources) in &cases {
            forward(&clock, name, sources);
            backward(&clock, name, sources);
            short(&clock, name, sources, count);
        }
    }
}

fn iterate(sources: Vec<Source>) -> VisibleIter {
    let prefix = |keyspace| KeyspaceId(keyspace).prefix().to_vec();
    let bounds = Bounds {
        lower: prefix(1),
        upper: Some(prefix(2)),
    };
    VisibleIter::new(sources, bounds, 9, 0)
}

fn forward(clock: &dyn Vfs, name: &str, sources: &dyn Fn() -> Vec<Source>) {
    let start = clock.monotonic();
    let mut iter = iterate(sources());
    iter.seek_to_first().expect("memory does not fail");
    let mut steps = 0;
    while iter.valid() {
        black_box((iter.key(), iter.value()));
        iter.next().expect("memory does not fail");
        steps += 1;
    }
    report(name, "forward", clock.monotonic() - start, steps);
}

fn backward(clock: &dyn Vfs, name: &str, sources: &dyn Fn() -> Vec<Source>) {
    let start = clock.monotonic();
    let mut iter = iterate(sources());
    iter.seek_to_last().expect("memory does not fail");
    let mut steps = 0;
    while iter.valid() {
        black_box((iter.key(), iter.value()));
        iter.prev().expect("memory does not fail");
        steps += 1;
    }
    report(name, "backward", clock.monotonic() - start, steps);
}

/// Scans of a few entries, an iterator each.
fn short(clock: &dyn Vfs, name: &str, sources: &dyn Fn() -> Vec<Source>, count: u64) {
    let scans = count / 3;
    let start = clock.monotonic();
    for n in 0..scans {
        let mut iter = iterate(sources());
        iter.seek(&key(n * 7_919 % count))
            .expect("memory does not fail");
        for _ in 0..SCAN_ENTRIES {
            if iter.valid() {
                black_box((iter.key(), iter.value()));
                iter.next().expect("memory does not fail");
            }
        }
    }
    report(name, "scans of 10", clock.monotonic() - start, scans);
}

fn report(name: &str, what: &str, elapsed: Duration, steps: u64) {
    let each = elapsed.as_nanos() as f64 / steps as f64;
    println!("{name:14} {what:12} {each:8.1} ns each");
}

/// A key that sorts nowhere near those of its neighbours.
fn key(n: u64) -> Vec<u8> {
    let scattered = n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
    [&KeyspaceId::DEFAULT.prefix()[..], &scattered, &[b'k'; 12]].concat()
}

fn memtable(count: u64, number: impl Fn(u64) -> u64, seq: u64) -> Arc<Memtable> {
    let mut writer = MemtableWriter::new(FileNumber(1));
    for n in 0..count {
        writer.insert(&key(number(n)), seq, EntryKind::Put, &VALUE);
    }
    Arc::clone(writer.memtable())
}

fn run(count: u64, number: impl Fn(u64) -> u64) -> Arc<Run> {
    let vfs: VfsRef = Arc::new(MemVfs::deterministic(1));
    let security = Security::plain(VfsRef::clone(&vfs), [7; 16]);
    let options = TableStoreOptions {
        cache_bytes: 4 << 30,
        ..TableStoreOptions::default()
    };
    let store = TableStore::new(VfsRef::clone(&vfs), Arc::clone(&security), options);
    let files = TreeFiles::in_directory("".into(), store);
    let mut keys: Vec<_> = (0..count).map(|n| key(number(n))).collect();
    keys.sort_unstable();
    let tables = keys.chunks(100_000).zip(1..).map(|(keys, table)| {
        let number = FileNumber(table);
        let path = names::table(Path::new(""), number);
        let options = TableOptions::default();
        let works = "memory does not fail";
        let mut builder = TableBuilder::new(&vfs, &security, &path, number, options).expect(works);
        for key in keys {
            builder.add(key, 1, EntryKind::Put, &VALUE).expect(works);
        }
        files.table(Arc::new(builder.finish().expect(works)))
    });
    Arc::new(Run::new(1, tables.collect()).expect("the tables do not overlap"))
}
