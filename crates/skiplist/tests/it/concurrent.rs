//! One writer, several readers. The writer publishes how far it is; readers check that they see
//! at least that much, in order and with the right bytes, while it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustdb_skiplist::{Reader, SEQ_MAX, Writer};

const ENTRIES: u64 = if cfg!(miri) { 60 } else { 200_000 };
const READERS: usize = if cfg!(miri) { 2 } else { 4 };

/// A permutation of the numbers, so that inserts land all over the list.
fn shuffled(n: u64) -> u64 {
    (n * 7_919) % ENTRIES.next_power_of_two()
}

fn key(n: u64) -> [u8; 20] {
    let mut key = [b'k'; 20];
    key[12..].copy_from_slice(&shuffled(n).to_be_bytes());
    key
}

fn value(n: u64) -> Vec<u8> {
    format!("value of {n}")
        .repeat(1 + n as usize % 3)
        .into_bytes()
}

struct Shared {
    /// Entries with this sequence number and below have been inserted.
    published: AtomicU64,
    done: AtomicBool,
}

#[expect(clippy::disallowed_methods, reason = "the crate does not know the vfs")]
fn spawn(body: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    thread::spawn(body)
}

fn run(insert: fn(&mut Writer, u64), check: fn(&Reader, &Shared, &mut u64)) {
    let (mut writer, reader) = rustdb_skiplist::new();
    let shared = Arc::new(Shared {
        published: AtomicU64::new(0),
        done: AtomicBool::new(false),
    });
    let readers: Vec<_> = (0..READERS)
        .map(|seed| {
            let (reader, shared) = (reader.clone(), Arc::clone(&shared));
            spawn(move || {
                let mut random = seed as u64 + 1;
                while !shared.done.load(Ordering::Acquire) {
                    check(&reader, &shared, &mut random);
                }
                check(&reader, &shared, &mut random);
            })
        })
        .collect();
    for n in 1..=ENTRIES {
        insert(&mut writer, n);
        shared.published.store(n, Ordering::Release);
    }
    shared.done.store(true, Ordering::Release);
    for reader in readers {
        reader.join().expect("a reader found nothing wrong");
    }
}

fn insert_shuffled(writer: &mut Writer, n: u64) {
    writer.insert(&key(n), n, (n % 5) as u8, &value(n));
}

fn draw(random: &mut u64, below: u64) -> u64 {
    *random = random
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    (*random >> 33) % below.max(1)
}

#[test]
fn published_entries_are_found() {
    run(insert_shuffled, |reader, shared, random| {
        let published = shared.published.load(Ordering::Acquire);
        for _ in 0..100 {
            let n = 1 + draw(random, published);
            let found = reader.get(&key(n), SEQ_MAX);
            if n <= published {
                let found = found.expect("published");
                assert_eq!((found.seq(), found.kind()), (n, (n % 5) as u8));
                assert_eq!(found.value(), value(n));
                assert_eq!(*found.pin(), *value(n));
            }
        }
    });
}

#[test]
fn walks_see_all_published_entries_in_order() {
    // Steps of one walk; long enough to be overtaken by many inserts.
    const STEPS: u64 = if cfg!(miri) { 20 } else { 2_000 };

    fn walk(reader: &Reader, shared: &Shared, random: &mut u64, forward: bool) {
        let published = shared.published.load(Ordering::Acquire);
        let mut cursor = reader.cursor();
        let start = key(draw(random, ENTRIES));
        if forward {
            cursor.seek(&start, SEQ_MAX);
        } else {
            cursor.seek_before(&start);
        }
        let mut previous: Option<[u8; 20]> = None;
        let mut seen = Vec::new();
        for _ in 0..STEPS {
            if !cursor.valid() {
                break;
            }
            let here: [u8; 20] = cursor.key().try_into().expect("keys have 20 bytes");
            assert!(previous.is_none_or(|p| if forward { p < here } else { p > here }));
            assert_eq!(key(cursor.seq()), here);
            assert_eq!(cursor.value(), value(cursor.seq()));
            if cursor.seq() <= published {
                seen.push(here);
            }
            previous = Some(here);
            if forward {
                cursor.next();
            } else {
                cursor.prev();
            }
        }
        let Some(end) = previous else { return };
        let (low, high) = if forward { (start, end) } else { (end, start) };
        let expected = (1..=published)
            .map(key)
            .filter(|k| *k >= low && if forward { *k <= high } else { *k < high })
            .count();
        assert_eq!(seen.len(), expected);
    }

    run(insert_shuffled, |reader, shared, random| {
        walk(reader, shared, random, true);
        walk(reader, shared, random, false);
    });
}

/// Few keys, so that nodes fill with versions and split between them.
const HOT_KEYS: u64 = 7;

fn hot_key(n: u64) -> [u8; 2] {
    [b'h', (n % HOT_KEYS) as u8]
}

#[test]
fn readers_find_the_newest_published_version() {
    let insert = |writer: &mut Writer, n| writer.insert(&hot_key(n), n, 2, &n.to_be_bytes());
    run(insert, |reader, shared, random| {
        let published = shared.published.load(Ordering::Acquire);
        for _ in 0..20 {
            let at = 1 + draw(random, published);
            if at > published {
                continue;
            }
            for n in at.saturating_sub(HOT_KEYS - 1).max(1)..=at {
                let found = reader.get(&hot_key(n), at).expect("published");
                assert_eq!((found.seq(), found.value()), (n, &n.to_be_bytes()[..]));
                let mut cursor = reader.cursor();
                cursor.seek(&hot_key(n), at);
                assert_eq!((cursor.key(), cursor.seq()), (&hot_key(n)[..], n));
                cursor.seek_before(&[b'h', (n % HOT_KEYS) as u8 + 1]);
                assert!(!cursor.valid() || cursor.key() <= &hot_key(n)[..]);
            }
        }
    });
}
