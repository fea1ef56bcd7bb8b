//! The facade under hard conditions.

mod aio;
mod arrow;
mod damage;
mod full_disk;
mod keyspaces;
mod opening;
mod promises;
mod query_builder;
mod sql;
mod stats;
mod typed;

/// How many log segments there are.
fn logs(sim: &rustdb_vfs::SimVfs) -> usize {
    let files = sim.files().into_iter();
    let logs = files.filter(|path| path.extension().is_some_and(|name| name == "wal"));
    logs.count()
}
