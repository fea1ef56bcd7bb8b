//! Power loss at every step of a repair.
//!
//! A repair that is interrupted and then repeated, or found to be complete enough to open, saves
//! what an uninterrupted one saves.

use std::path::Path;
use std::sync::Arc;

use rustdb::Database;
use rustdb_vfs::sync::Mutex;
use rustdb_vfs::{OpSet, PowerLoss, SimVfs, Vfs};

use super::Tried;
use super::check::{difference, read};
use super::script::{self, World};

/// A repair of this database after it has lost its `CURRENT`, interrupted at every step.
pub(super) fn interrupted(
    whole: &SimVfs,
    world: &World,
    key: Option<u8>,
    tried: &mut Tried,
) -> Result<(), String> {
    let damaged = whole.fork();
    let removed = damaged
        .remove_file(Path::new("/db/CURRENT"))
        .and_then(|()| damaged.sync_dir(Path::new("/db")));
    removed.map_err(|error| format!("cannot damage the database: {error}"))?;
    let steps = Arc::new(Mutex::new(Vec::new()));
    let disk = damaged.fork();
    {
        let steps = steps.clone();
        disk.observe(move |machine, operation| {
            if OpSet::CHANGES.contains(operation.kind) {
                steps
                    .lock()
                    .push((machine.fork(), format!("{operation:?}")));
            }
        });
    }
    repair(&disk, key)?;
    disk.observe(|_, _| {});
    compare(&disk, key, world).map_err(|what| format!("repaired without a crash: {what}"))?;
    let steps = std::mem::take(&mut *steps.lock());
    for (number, (machine, what)) in steps.iter().enumerate() {
        for policy in PowerLoss::sample(number as u64, 2) {
            let disk = machine.after_power_loss(policy);
            tried.repairs += 1;
            let options = script::options(disk.vfs(), key, 0);
            let done = match Database::open_with("/db", options) {
                Ok(db) => db.close().map_err(|error| error.to_string()),
                Err(_) => repair(&disk, key),
            };
            done.and_then(|()| compare(&disk, key, world))
                .map_err(|error| {
                    format!("{error}\nafter {policy:?} at step {number} of a repair: {what}")
                })?;
        }
    }
    Ok(())
}

fn repair(disk: &SimVfs, key: Option<u8>) -> Result<(), String> {
    rustdb::repair("/db", script::options(disk.vfs(), key, 0))
        .map(drop)
        .map_err(|error| format!("repair fails: {error}"))
}

fn compare(disk: &SimVfs, key: Option<u8>, world: &World) -> Result<(), String> {
    let db = Database::open_with("/db", script::options(disk.vfs(), key, 0))
        .map_err(|error| format!("the repaired database does not open: {error}"))?;
    let found = read(&db)?;
    if found != *world {
        return Err(format!(
            "the repaired database: {}",
            difference(&found, world)
        ));
    }
    db.close().map_err(|error| error.to_string())
}
