//! Prints how fast the list is: `cargo run --release -p rustdb-skiplist --example figures`.
//!
//! Keys have 4 bytes of keyspace and 20 of user key, values 150 bytes: the workload of the
//! benchmarks at the top of the workspace. An argument sets the number of entries.

use std::hint::black_box;
use std::time::Instant;

use rustdb_skiplist::{Reader, SEQ_MAX, Writer, new};

const KEY_BYTES: usize = 24;
const VALUE: [u8; 150] = [7; 150];

fn main() {
    let entries = match std::env::args().nth(1).map(|text| text.parse()) {
        None => 1_000_000,
        Some(Ok(number)) => number,
        Some(Err(error)) => panic!("the number of entries: {error}"),
    };
    let sequential: Vec<_> = (0..entries).map(numbered_key).collect();
    let random: Vec<_> = (0..entries).map(random_key).collect();
    let batches = sorted_batches(&random);

    println!("{entries} entries");
    let (_writer, list) = measure_inserts("insert sequential", &sequential);
    drop((_writer, list));
    let (_writer, list) = measure_inserts("insert sorted batches of 1000", &batches);
    drop((_writer, list));
    let (_writer, list) = measure_inserts("insert random", &random);
    println!(
        "{:32} {:8.1} MiB",
        "memory",
        list.memory_bytes() as f64 / 1048576.0
    );

    // Keys in an order that is not that of the inserts.
    let order: Vec<usize> = (0..entries).map(|n| (n * 7_368_787) % entries).collect();
    measure("get present", entries, || {
        for &n in &order {
            black_box(list.get(&random[n], SEQ_MAX).expect("inserted").value()[0]);
        }
    });
    measure("get absent", entries, || {
        for &n in &order {
            black_box(list.get(&random_key(n + entries), SEQ_MAX).is_none());
        }
    });
    let mut cursor = list.cursor();
    measure("next", entries, || {
        cursor.seek_to_first();
        while cursor.valid() {
            black_box((cursor.key()[0], cursor.value()[0]));
            cursor.next();
        }
    });
    measure("prev", entries, || {
        cursor.seek_to_last();
        while cursor.valid() {
            black_box((cursor.key()[0], cursor.value()[0]));
            cursor.prev();
        }
    });
    measure("seek and 10 next", entries / 10, || {
        for &n in &order[..entries / 10] {
            cursor.seek(&random[n], SEQ_MAX);
            for _ in 0..10 {
                if cursor.valid() {
                    black_box(cursor.value()[0]);
                    cursor.next();
                }
            }
        }
    });
    measure("free", entries, move || drop((list, cursor, _writer)));
}

fn measure_inserts(name: &str, keys: &[[u8; KEY_BYTES]]) -> (Writer, Reader) {
    let (mut writer, reader) = new();
    measure(name, keys.len(), || {
        for (n, key) in keys.iter().enumerate() {
            writer.insert(key, n as u64, 2, &VALUE);
        }
    });
    (writer, reader)
}

#[expect(clippy::disallowed_methods, reason = "measures outside of any engine")]
fn measure(name: &str, operations: usize, body: impl FnOnce()) {
    let (start, start_cpu) = (Instant::now(), processor_nanos());
    body();
    let wall = start.elapsed().as_nanos() as f64 / operations as f64;
    let cpu = (processor_nanos() - start_cpu) as f64 / operations as f64;
    println!("{name:32} {wall:8.0} ns each, {cpu:8.0} ns on the processor");
}

/// How long this thread has run, where the system tells: what compares on a busy machine.
fn processor_nanos() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|nanos| nanos.parse().ok())
        .unwrap_or(0)
}

fn numbered_key(n: usize) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[3] = 1;
    key[4..12].copy_from_slice(&(n as u64).to_be_bytes());
    key
}

fn random_key(n: usize) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[3] = 1;
    let mut state = n as u64;
    for chunk in key[4..].chunks_mut(8) {
        // splitmix64
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        chunk.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes()[..chunk.len()]);
    }
    key
}

fn sorted_batches(keys: &[[u8; KEY_BYTES]]) -> Vec<[u8; KEY_BYTES]> {
    let mut batches = keys.to_vec();
    batches.chunks_mut(1000).for_each(<[_]>::sort_unstable);
    batches
}
