//! Tests of encrypted databases below the engine: opening, sealing, changing keys.

mod changing_keys;
mod crash;
mod files;
mod opening;
mod sealing;

use std::collections::BTreeMap;

use rustdb_crypto::{DataKeyState, Passphrase, RawKey, Secret};
use rustdb_vfs::{FileExt, MemVfs, OpenMode};

use super::*;
use crate::envelope::{BadBlock, Envelope, FileHeader, FileKind, HEADER_BYTES};
use crate::key::FileNumber;
use crate::keyring::{Encryption, create_security, open_security};
use crate::manifest::Current;
use crate::names;

const DIRECTORY: &str = "db";

fn directory() -> &'static Path {
    Path::new(DIRECTORY)
}

fn vfs() -> VfsRef {
    let vfs: VfsRef = Arc::new(MemVfs::deterministic(1));
    vfs.create_dir_all(directory()).unwrap();
    vfs
}

fn key(byte: u8) -> RawKey {
    RawKey::new(Secret::new([byte; 32]))
}

fn encryption(byte: u8) -> Encryption {
    Encryption {
        provider: Arc::new(key(byte)),
        algorithm: Algorithm::Aes256Gcm,
    }
}

fn write_file(vfs: &VfsRef, path: &Path, bytes: &[u8]) {
    drop(vfs.remove_file(path));
    vfs.open(path, OpenMode::CreateNew)
        .unwrap()
        .write_all_at(bytes, 0)
        .unwrap();
}

fn read_file(vfs: &VfsRef, path: &Path) -> Vec<u8> {
    let file = vfs.open(path, OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// A database as far as opening its keys is concerned: a manifest's header, and `CURRENT`.
fn create(vfs: &VfsRef, encryption: Option<&Encryption>) -> Arc<Security> {
    let security = create_security(vfs, directory(), encryption).unwrap();
    put_manifest(vfs, &security);
    security
}

fn put_manifest(vfs: &VfsRef, security: &Security) {
    let (_, header) =
        Envelope::create(security, Path::new("MANIFEST-000001"), FileKind::Manifest).unwrap();
    write_file(vfs, &names::manifest(directory(), FileNumber(1)), &header);
    let current = Current {
        manifest: FileNumber(1),
        database_id: security.database_id(),
    };
    write_file(
        vfs,
        &names::current(directory()),
        current.encode().as_bytes(),
    );
}

fn open(vfs: &VfsRef, encryption: Option<&Encryption>) -> Result<Arc<Security>> {
    open_security(vfs, directory(), encryption)
}

fn everything(vfs: &VfsRef) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = vfs.read_dir(directory()).unwrap();
    entries
        .into_iter()
        .map(|entry| (entry.path.clone(), read_file(vfs, &entry.path)))
        .collect()
}

/// Seals one block into a new file; gives the file's header and the block.
fn seal(security: &Security, kind: FileKind, text: &[u8]) -> ([u8; HEADER_BYTES], Vec<u8>) {
    let (envelope, header) = Envelope::create(security, Path::new("file"), kind).unwrap();
    let mut block = text.to_vec();
    envelope.seal(64, 3, b"aad", &mut block);
    (header, block)
}

fn unseal(
    security: &Security,
    kind: FileKind,
    header: &[u8],
    block: &[u8],
) -> Result<Result<Vec<u8>, BadBlock>> {
    let envelope = Envelope::open(security, Path::new("file"), header, kind)?;
    let mut block = block.to_vec();
    Ok(envelope.unseal(64, 3, b"aad", &mut block).map(|()| block))
}
