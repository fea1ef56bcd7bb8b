//! Writes the seeds of all targets into a directory: `seeds DIRECTORY`.

use std::path::Path;

use rustdb_fuzz::TARGETS;
use rustdb_vfs::{FileExt, OpenMode, OsVfs, Vfs};

fn main() -> std::io::Result<()> {
    let Some(directory) = std::env::args().nth(1) else {
        return Err(std::io::Error::other("usage: seeds DIRECTORY"));
    };
    let disk = OsVfs::new();
    for target in TARGETS {
        let directory = Path::new(&directory).join(target.name);
        disk.create_dir_all(&directory)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            let path = directory.join(format!("seed-{number:03}"));
            let file = match disk.open(&path, OpenMode::CreateNew) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    disk.open(&path, OpenMode::ReadWrite)?
                }
                outcome => outcome?,
            };
            file.set_len(0)?;
            file.write_all_at(seed, 0)?;
        }
    }
    Ok(())
}
