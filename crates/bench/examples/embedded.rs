//! A program that keeps its data in a database: pairs, keyspaces, batches, transactions, snapshots
//! and scans. Built with the profile `small`, its size is a figure of the benchmarks.

#![forbid(unsafe_code)]

use rustdb::{Database, WriteBatch};

fn main() -> rustdb::Result<()> {
    let directory = std::env::args().nth(1).unwrap_or_else(|| "data".to_owned());
    let database = Database::open(directory)?;
    database.put("greeting", "hello")?;
    let visits = database.keyspace("visits")?;
    let count = database.transaction(|transaction| {
        let mut visits = transaction.keyspace(&visits);
        let before = visits.get("count")?;
        let before = before.and_then(|bytes| Some(u64::from_be_bytes(*bytes.first_chunk()?)));
        let count = before.unwrap_or(0) + 1;
        visits.put("count", count.to_be_bytes())?;
        Ok(count)
    })?;
    let mut batch = WriteBatch::new();
    batch.put(&visits, format!("visit/{count:08}"), "x");
    database.write(&batch)?;
    println!("visit {count}");
    let snapshot = database.snapshot();
    for pair in snapshot.prefix(&visits, "visit/") {
        let (key, value) = pair?;
        println!(
            "{} = {}",
            String::from_utf8_lossy(&key),
            String::from_utf8_lossy(&value)
        );
    }
    drop((snapshot, visits));
    database.close()
}
