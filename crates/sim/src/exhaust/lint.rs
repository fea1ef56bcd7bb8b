//! What must hold of the disk at every moment, whatever the workload.

use std::path::Path;

use rustdb::Encryption;
use rustdb_storage::manifest::Manifest;
use rustdb_storage::{keyring, names};
use rustdb_vfs::{OpKind, Operation, PowerLoss, SimVfs};

/// After an operation on a manifest or on `CURRENT`: every file that the manifest in force names
/// is safe from power loss, its name included, as far as the manifest says it reaches.
pub(crate) fn manifest_names_synced_files(
    machine: &SimVfs,
    operation: &Operation<'_>,
    keys: &[Option<Encryption>],
) -> Result<(), String> {
    let path = operation.target.unwrap_or(operation.path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let concerns = name.starts_with("MANIFEST") || name == names::CURRENT;
    let changes = matches!(
        operation.kind,
        OpKind::Write | OpKind::Rename | OpKind::HardLink
    );
    let directory = path.parent().unwrap_or(Path::new("/"));
    if !concerns || !changes || machine.contents(&names::current(directory)).is_err() {
        return Ok(());
    }
    let vfs = machine.fork().vfs();
    let opened = keys
        .iter()
        .find_map(|key| keyring::open_security(&vfs, directory, key.as_ref()).ok());
    let security = opened.ok_or("no key opens the key ring")?;
    let recovered = Manifest::recover(&vfs, &security, directory)
        .map_err(|error| format!("the manifest is not valid after {operation:?}: {error}"))?;
    let Some(recovered) = recovered else {
        return Ok(());
    };
    let safe = machine.after_power_loss(PowerLoss::LoseAll);
    let tables = recovered
        .state
        .tables()
        .map(|(_, _, meta)| (names::table(directory, meta.number), meta.file_bytes));
    let values = recovered.state.value_files().values();
    let values = values.map(|meta| (names::value(directory, meta.number), meta.file_bytes));
    for (path, bytes) in tables.chain(values) {
        let seen = machine
            .contents(&path)
            .map_err(|e| unsafe_file(&path, &e.to_string()))?;
        let kept = safe
            .contents(&path)
            .map_err(|e| unsafe_file(&path, &e.to_string()))?;
        let bytes = bytes as usize;
        if kept.len() < bytes || seen.len() < bytes || seen[..bytes] != kept[..bytes] {
            return Err(unsafe_file(&path, "its contents are not synced"));
        }
    }
    Ok(())
}

fn unsafe_file(path: &Path, why: &str) -> String {
    format!("the manifest names `{}`: {why}", path.display())
}

/// What may be left once every handle of the database is gone: nothing.
pub(crate) fn no_open_files(machine: &SimVfs) -> Result<(), String> {
    match machine.open_files()[..] {
        [] => Ok(()),
        ref open => Err(format!("files are still open: {open:?}")),
    }
}

/// Nothing of what was written may be on an encrypted disk in plain.
pub(crate) fn no_plaintext(machine: &SimVfs, marker: &[u8]) -> Result<(), String> {
    let finder = |bytes: &Vec<u8>| bytes.windows(marker.len()).any(|window| window == marker);
    match machine.remains().iter().any(finder) {
        false => Ok(()),
        true => Err("plaintext is on the disk of an encrypted database".into()),
    }
}
