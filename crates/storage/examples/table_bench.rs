//! Measures tables on their own: how fast they are built, read and scanned when they are cached.
//!
//! `cargo run --release -p rustdb-storage --example table_bench [-- KEYS [TABLE_MIB]]`
//!
//! Keys are 24 random bytes, values 150; the tables do not overlap, as those of a level do not.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustdb_storage::codec::Codec;
use rustdb_storage::envelope::Security;
use rustdb_storage::table::{
    FilterUse, ReadMode, Table, TableBuilder, TableOptions, TableStore, TableStoreOptions, key_hash,
};
use rustdb_storage::{EntryKind, FileNumber, MAX_SEQUENCE};
use rustdb_vfs::{MemVfs, OpenMode, OsVfs, Vfs, VfsRef};

const KEY_BYTES: usize = 4 + 24;
const VALUE_BYTES: usize = 150;
const GETS: usize = 2_000_000;
const SCANS: usize = 500_000;
const SCAN_ENTRIES: usize = 10;
const ROUNDS: usize = 20;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| {
        arguments
            .next()
            .and_then(|a| a.parse().ok())
            .unwrap_or(default)
    };
    let (keys, table_mib) = (number(5_000_000), number(64) as u64);
    let bench = Bench::new(keys, table_mib << 20);
    bench.warm();
    bench.rounds("point reads", GETS, Bench::get);
    bench.rounds("point reads, absent", GETS, Bench::get_absent);
    bench.rounds("scans of 10", SCANS, Bench::scan);
    bench.walk();
    println!("{:?}", bench.store.cache().stats());
}

type Key = [u8; KEY_BYTES];

/// The key with this number, made up rather than kept: benchmarks should not wait for their own
/// memory.
fn key(number: usize) -> Key {
    let mut key = [0; KEY_BYTES];
    key[3] = 1;
    Random((number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)).fill(&mut key[4..]);
    key
}

struct Bench {
    vfs: VfsRef,
    store: Arc<TableStore>,
    tables: Vec<Arc<Table>>,
    /// How many there are; `key` tells what they are.
    keys: usize,
}

/// A small generator of numbers that look random.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

impl Bench {
    fn new(count: usize, table_bytes: u64) -> Self {
        let vfs = MemVfs::shared();
        let mut keys: Vec<_> = (0..count).map(key).collect();
        keys.sort_unstable();
        let security = Security::plain(VfsRef::clone(&vfs), [1; 16]);
        let options = TableStoreOptions {
            cache_bytes: 8 << 30,
            ..Default::default()
        };
        let store = TableStore::new(VfsRef::clone(&vfs), Arc::clone(&security), options);
        let mut bench = Self {
            vfs,
            store,
            tables: Vec::new(),
            keys: count,
        };
        let started = bench.time();
        bench.build(&security, &keys, table_bytes);
        bench.report("build", count, started);
        bench
    }

    fn build(&mut self, security: &Security, keys: &[Key], table_bytes: u64) {
        let mut random = Random(42);
        let options = TableOptions {
            codec: Codec::None,
            ..TableOptions::default()
        };
        let mut value = [0; VALUE_BYTES];
        let mut rest = keys.iter().peekable();
        while rest.peek().is_some() {
            let number = self.tables.len() as u64 + 1;
            let path = PathBuf::from(format!("{number}.sst"));
            let number = FileNumber(number);
            let mut builder =
                TableBuilder::new(&self.vfs, security, &path, number, options).expect("create");
            while builder.estimated_bytes() < table_bytes
                && let Some(key) = rest.next()
            {
                random.fill(&mut value);
                builder.add(key, 0, EntryKind::Put, &value).expect("add");
            }
            let meta = Arc::new(builder.finish().expect("finish"));
            self.tables
                .push(self.store.open(&path, meta).expect("open"));
        }
    }

    /// The processor time of this thread where the system tells it, which a busy machine disturbs
    /// less than the time on the wall.
    fn time(&self) -> Duration {
        let mut text = [0; 64];
        let file = OsVfs::new().open("/proc/thread-self/schedstat".as_ref(), OpenMode::Read);
        let read = file
            .and_then(|file| file.read_at(&mut text, 0))
            .unwrap_or(0);
        let digits = text[..read]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
        match std::str::from_utf8(&text[..digits])
            .ok()
            .and_then(|text| text.parse().ok())
        {
            Some(nanoseconds) => Duration::from_nanos(nanoseconds),
            None => self.vfs.monotonic(),
        }
    }

    fn report(&self, what: &str, count: usize, started: Duration) {
        self.print(what, count, self.time() - started);
    }

    fn print(&self, what: &str, count: usize, time: Duration) {
        let seconds = time.as_secs_f64();
        let rate = count as f64 / seconds / 1e3;
        println!(
            "{what:<22} {rate:>10.1} K/s   {:>8.1} ns",
            seconds * 1e9 / count as f64
        );
    }

    fn table(&self, key: &[u8]) -> &Arc<Table> {
        &self.tables[self
            .tables
            .partition_point(|table| *table.meta().largest < *key)]
    }

    fn warm(&self) {
        let started = self.time();
        let mut count = 0;
        for table in &self.tables {
            let mut cursor = table.cursor(ReadMode::USER);
            cursor.seek_to_first().expect("read");
            while cursor.valid() {
                count += 1;
                cursor.next().expect("read");
            }
        }
        assert_eq!(count, self.keys);
        self.report("first scan", count, started);
    }

    /// Does something many times, and reports the best of some rounds: the others were disturbed.
    fn rounds(&self, what: &str, count: usize, mut body: impl FnMut(&Self, &mut Random)) {
        let mut random = Random(7);
        let mut best = Duration::MAX;
        for _ in 0..ROUNDS {
            let started = self.time();
            for _ in 0..count / ROUNDS {
                body(self, &mut random);
            }
            best = best.min(self.time() - started);
        }
        self.print(what, count / ROUNDS, best);
    }

    fn get(&self, random: &mut Random) {
        let key = &key(random.next() as usize % self.keys);
        let (table, hash) = (self.table(key), key_hash(key));
        let found = table.get(key, hash, MAX_SEQUENCE, FilterUse::IfNotResident);
        let found = found.expect("read").expect("the key is there");
        black_box(found.value.iter().map(|b| usize::from(*b)).sum::<usize>());
    }

    fn get_absent(&self, random: &mut Random) {
        let mut key = key(0);
        random.fill(&mut key[4..]);
        key[4] &= 0x7f;
        let (table, hash) = (self.table(&key), key_hash(&key));
        let found = table
            .get(&key, hash, MAX_SEQUENCE, FilterUse::First)
            .expect("read");
        assert!(found.is_none());
    }

    fn scan(&self, random: &mut Random) {
        let key = &key(random.next() as usize % self.keys);
        let mut cursor = self.table(key).cursor(ReadMode::USER);
        cursor.seek(key, MAX_SEQUENCE).expect("read");
        for _ in 0..SCAN_ENTRIES {
            if !cursor.valid() {
                break;
            }
            black_box((cursor.key().len(), cursor.value()[0]));
            cursor.next().expect("read");
        }
    }

    fn walk(&self) {
        let started = self.time();
        let mut count = 0;
        for table in &self.tables {
            let mut cursor = table.cursor(ReadMode::USER);
            cursor.seek_to_last().expect("read");
            while cursor.valid() {
                count += 1;
                cursor.prev().expect("read");
            }
        }
        self.report("walk backwards", count, started);
    }
}
