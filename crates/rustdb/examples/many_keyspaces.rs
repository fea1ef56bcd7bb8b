//! Measures what many keyspaces cost: `cargo run --release --example many_keyspaces [number]`.

use std::error::Error;
use std::time::Duration;

use rustdb::{Database, KeyspaceOptions};
use rustdb_vfs::{CountingAllocator, OsVfs, Vfs};

#[global_allocator]
static HEAP: CountingAllocator = CountingAllocator::new();

fn main() -> Result<(), Box<dyn Error>> {
    let number: usize = match std::env::args().nth(1) {
        Some(number) => number.parse()?,
        None => 10_000,
    };
    let clock = OsVfs::new();
    let mut last = clock.monotonic();
    let mut step = |what: &str| {
        let now = clock.monotonic();
        let elapsed: Duration = now - last;
        let (heap, peak) = (HEAP.now() >> 10, HEAP.peak() >> 10);
        println!("{what:<28} {elapsed:>12.2?}  heap {heap:>7} KiB, peak {peak:>7} KiB");
        HEAP.reset_peak();
        last = clock.monotonic();
    };
    let directory = tempfile::tempdir()?;
    let names: Vec<String> = (0..number).map(|n| format!("keyspace {n}")).collect();

    let db = Database::open(directory.path())?;
    step("open an empty database");
    let options = KeyspaceOptions::default();
    for name in &names[..number / 10] {
        db.create_keyspace(name, &options)?;
    }
    step("create a tenth one by one");
    db.create_keyspaces(&names[number / 10..], &options)?;
    step("create the others at once");
    for name in &names {
        let keyspace = db.keyspace(name)?;
        for key in 0..10 {
            let key = format!("key {key}");
            keyspace.put_with(key, [7; 100], rustdb::Durability::None)?;
        }
    }
    step("write 10 keys to each");
    db.close()?;
    step("close");
    let db = Database::open(directory.path())?;
    step("reopen");
    assert_eq!(db.keyspaces().len(), number + 1);
    step("list");
    for name in &names {
        assert!(db.keyspace(name)?.get("key 7")?.is_some());
    }
    step("read a key of each");
    db.drop_keyspaces(names.iter().step_by(2))?;
    step("drop half at once");
    for name in names.iter().skip(1).step_by(20) {
        db.drop_keyspace(name)?;
    }
    step("drop a twentieth one by one");
    db.compact()?;
    step("compact");
    db.close()?;
    let db = Database::open(directory.path())?;
    step("close and reopen");
    println!("{} keyspaces left", db.keyspaces().len() - 1);
    Ok(())
}
