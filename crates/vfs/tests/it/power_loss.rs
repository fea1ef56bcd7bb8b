//! What survives a power loss on a simulated machine.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use rustdb_vfs::{
    AfterLoss, Durability, Effect, Fault, FileExt, LockMode, OpKind, OpSet, OpenMode, PowerLoss,
    SimRng, SimVfs, Vfs,
};

use crate::{conformance, create, create_durably};

const SECTOR: usize = 512;

fn read(machine: &SimVfs, path: &str) -> Option<Vec<u8>> {
    machine.contents(Path::new(path)).ok()
}

/// The different results of `look` after all kinds of power loss.
fn outcomes<T: Ord>(machine: &SimVfs, look: impl Fn(&SimVfs) -> T) -> BTreeSet<T> {
    PowerLoss::sample(0, 1_000)
        .map(|policy| look(&machine.after_power_loss(policy)))
        .collect()
}

#[test]
fn simulated_machines_conform() {
    conformance::check_all(&SimVfs::new(1), Path::new("/some/where"));
    conformance::check_all(&SimVfs::new(2), Path::new("relative"));
}

#[test]
fn extremes_keep_and_lose_what_they_say() {
    let machine = SimVfs::new(1);
    let file = create_durably(&machine, "/f", b"old");
    file.write_all_at(b"new and longer", 0).unwrap();
    create(&machine, "/g", b"unnamed");
    let after = |policy| {
        let machine = machine.after_power_loss(policy);
        (read(&machine, "/f").unwrap(), read(&machine, "/g"))
    };
    assert_eq!(after(PowerLoss::LoseAll), (b"old".to_vec(), None));
    assert_eq!(
        after(PowerLoss::KeepAll),
        (b"new and longer".to_vec(), Some(b"unnamed".to_vec()))
    );
    let mut zeroed = b"old".to_vec();
    zeroed.resize(14, 0);
    assert_eq!(after(PowerLoss::LoseData), (zeroed, Some(vec![0; 7])));
    assert_eq!(
        after(PowerLoss::LoseNames),
        (b"new and longer".to_vec(), None)
    );
}

#[test]
fn contents_and_names_are_synced_apart() {
    let machine = SimVfs::new(1);
    let unnamed = create(&machine, "/unnamed", b"x");
    machine.sync_dir(Path::new("/")).unwrap();
    create(&machine, "/empty", b"x");
    machine.sync_dir(Path::new("/")).unwrap();
    let late = create(&machine, "/late", b"x");
    unnamed.sync_data().unwrap();
    late.sync_data().unwrap();

    let durability = |path: &str| machine.durability(Path::new(path)).unwrap();
    assert_eq!(
        durability("/unnamed"),
        Durability {
            contents: true,
            name: true
        }
    );
    assert_eq!(
        durability("/empty"),
        Durability {
            contents: false,
            name: true
        }
    );
    assert_eq!(
        durability("/late"),
        Durability {
            contents: true,
            name: false
        }
    );
    let after = machine.after_power_loss(PowerLoss::LoseAll);
    assert_eq!(read(&after, "/unnamed").unwrap(), b"x");
    assert_eq!(read(&after, "/empty").unwrap(), b"");
    assert_eq!(read(&after, "/late"), None);
}

#[test]
fn a_directory_is_lost_unless_its_parent_is_synced() {
    let machine = SimVfs::new(1);
    machine.create_dir_all(Path::new("/a/b")).unwrap();
    create_durably(&machine, "/a/b/f", b"x");
    machine.sync_dir(Path::new("/a")).unwrap();
    assert!(!machine.durability(Path::new("/a/b/f")).unwrap().name);
    assert!(
        machine
            .after_power_loss(PowerLoss::LoseAll)
            .files()
            .is_empty()
    );
    machine.sync_dir(Path::new("/")).unwrap();
    assert!(machine.is_durable(Path::new("/a/b/f")).unwrap());
    assert_eq!(
        machine.after_power_loss(PowerLoss::LoseAll).files(),
        [Path::new("/a/b/f")]
    );
}

#[test]
fn a_rename_is_never_half_done() {
    let machine = SimVfs::new(1);
    machine.create_dir_all(Path::new("/sub")).unwrap();
    machine.sync_dir(Path::new("/")).unwrap();
    create_durably(&machine, "/sub/target", b"old");
    create_durably(&machine, "/source", b"new");
    machine
        .rename(Path::new("/source"), Path::new("/sub/target"))
        .unwrap();
    let seen = outcomes(&machine, |m| {
        (read(m, "/source"), read(m, "/sub/target").unwrap())
    });
    let before = (Some(b"new".to_vec()), b"old".to_vec());
    let after = (None, b"new".to_vec());
    assert_eq!(seen, BTreeSet::from([before, after]));
}

#[test]
fn changes_of_one_name_keep_their_order() {
    let machine = SimVfs::new(1);
    for dir in ["/a", "/b"] {
        machine.create_dir_all(Path::new(dir)).unwrap();
    }
    machine.sync_dir(Path::new("/")).unwrap();
    create(&machine, "/a/f", b"").sync_data().unwrap();
    machine
        .rename(Path::new("/a/f"), Path::new("/b/f"))
        .unwrap();
    // Makes the rename durable, which includes that the old name is gone.
    machine.sync_dir(Path::new("/b")).unwrap();
    let seen = outcomes(&machine, SimVfs::files);
    assert_eq!(seen, BTreeSet::from([vec![Path::new("/b/f").to_owned()]]));

    // A name ends as something that it was.
    create(&machine, "/a/g", b"1").sync_data().unwrap();
    machine.remove_file(Path::new("/a/g")).unwrap();
    create(&machine, "/a/g", b"2").sync_data().unwrap();
    let seen = outcomes(&machine, |m| read(m, "/a/g"));
    assert_eq!(
        seen,
        BTreeSet::from([None, Some(b"1".to_vec()), Some(b"2".to_vec())])
    );
}

#[test]
fn a_removal_that_is_not_synced_may_be_undone() {
    let machine = SimVfs::new(1);
    create_durably(&machine, "/f", b"x");
    machine.remove_file(Path::new("/f")).unwrap();
    let seen = outcomes(&machine, |m| read(m, "/f"));
    assert_eq!(seen, BTreeSet::from([None, Some(b"x".to_vec())]));
    machine.sync_dir(Path::new("/")).unwrap();
    assert_eq!(
        outcomes(&machine, |m| read(m, "/f")),
        BTreeSet::from([None])
    );
}

#[test]
fn sectors_survive_whole_and_independently() {
    let machine = SimVfs::new(1);
    let file = create_durably(&machine, "/f", &[b'o'; 4 * SECTOR]);
    file.write_all_at(&[b'n'; 4 * SECTOR], 0).unwrap();
    let seen = outcomes(&machine, |m| {
        let bytes = read(m, "/f").unwrap();
        assert_eq!(bytes.len(), 4 * SECTOR);
        let sector = |chunk: &[u8]| {
            assert!(
                chunk.iter().all(|byte| *byte == chunk[0]),
                "a sector is torn"
            );
            chunk[0] as char
        };
        bytes.chunks(SECTOR).map(sector).collect::<String>()
    });
    // Torn from the front, and in any order.
    for outcome in ["oooo", "nnnn", "nooo", "nnno", "oonn", "onon"] {
        assert!(seen.contains(outcome), "never saw {outcome} in {seen:?}");
    }
    assert_eq!(seen.len(), 16);
}

#[test]
fn a_sector_goes_through_its_versions_in_order() {
    let machine = SimVfs::new(1);
    let file = create_durably(&machine, "/f", b"....");
    file.write_all_at(b"1", 1).unwrap();
    file.write_all_at(b"2", 2).unwrap();
    // In another sector, which is independent.
    file.write_all_at(b"3", 600).unwrap();
    let seen = outcomes(&machine, |m| {
        let bytes = read(m, "/f").unwrap();
        let first = String::from_utf8_lossy(&bytes[..4]).into_owned();
        (first, bytes.get(600).copied().unwrap_or(0) == b'3')
    });
    let expected = ["....", ".1..", ".12."]
        .into_iter()
        .flat_map(|first| [false, true].map(|second| (first.to_owned(), second)));
    assert_eq!(seen, expected.collect());
}

#[test]
fn length_and_data_survive_apart() {
    let machine = SimVfs::new(1);
    let file = create_durably(&machine, "/f", b"");
    file.write_all_at(&[1; SECTOR], 0).unwrap();
    file.write_all_at(&[2; SECTOR], SECTOR as u64).unwrap();
    let seen = outcomes(&machine, |m| {
        let bytes = read(m, "/f").unwrap();
        bytes
            .chunks(SECTOR)
            .map(|chunk| chunk[0])
            .collect::<Vec<_>>()
    });
    let expected: [&[u8]; 7] = [&[], &[0], &[1], &[0, 0], &[0, 2], &[1, 0], &[1, 2]];
    assert_eq!(seen, expected.into_iter().map(<[u8]>::to_vec).collect());
}

#[test]
fn bytes_that_were_cut_do_not_mix_with_later_ones() {
    let machine = SimVfs::new(1);
    let file = create_durably(&machine, "/f", &[b'o'; 3 * SECTOR]);
    file.set_len(0).unwrap();
    file.write_all_at(&[b'n'; 2 * SECTOR], 0).unwrap();
    let seen = outcomes(&machine, |m| {
        let bytes = read(m, "/f").unwrap();
        bytes
            .chunks(SECTOR)
            .map(|chunk| chunk[0])
            .collect::<Vec<_>>()
    });
    assert!(seen.contains(&b"ooo"[..]) && seen.contains(&b""[..]) && seen.contains(&b"nn"[..]));
    for outcome in &seen {
        assert!(
            !(outcome.contains(&b'o') && outcome.contains(&b'n')),
            "{outcome:?}"
        );
        assert!(outcome.len() < 3 || *outcome == b"ooo", "{outcome:?}");
    }
}

/// Does random operations on a few files.
fn scribble(machine: &SimVfs, rng: &mut SimRng, operations: u64) -> io::Result<()> {
    for _ in 0..operations {
        let name = format!("/d{}/f{}", rng.below(2), rng.below(3));
        let path = Path::new(&name);
        let file = match machine.open(path, OpenMode::ReadWrite) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                machine.open(path, OpenMode::CreateNew)
            }
            opened => opened,
        }?;
        match rng.below(8) {
            0 => file.set_len(rng.below(20_000))?,
            // It fails if pages are lost, which the caller may have arranged.
            1 | 2 => drop(file.sync_data()),
            3 => machine.sync_dir(path.parent().unwrap())?,
            4 => machine.rename(
                path,
                Path::new(&format!("/d{}/f{}", rng.below(2), rng.below(3))),
            )?,
            5 if rng.one_in(2) => machine.remove_file(path)?,
            _ => {
                let mut data = vec![0; rng.index(3_000)];
                rng.fill(&mut data);
                file.write_all_at(&data, rng.below(16_000))?;
            }
        }
    }
    Ok(())
}

fn scribbled(seed: u64) -> SimVfs {
    let machine = SimVfs::new(seed);
    for dir in ["/d0", "/d1"] {
        machine.create_dir_all(Path::new(dir)).unwrap();
    }
    machine.sync_dir(Path::new("/")).unwrap();
    scribble(&machine, &mut SimRng::new(seed), 60).unwrap();
    machine
}

/// Checks that files said to be durable survive; returns how many there were.
fn check_durable_files(machine: &SimVfs, seed: u64) -> usize {
    let durable: Vec<_> = machine
        .files()
        .into_iter()
        .filter(|path| machine.is_durable(path).unwrap())
        .collect();
    for policy in PowerLoss::sample(seed, 8) {
        let after = machine.after_power_loss(policy);
        for path in &durable {
            assert!(
                after.contents(path).unwrap() == machine.contents(path).unwrap(),
                "{} of seed {seed} did not survive {policy:?}",
                path.display(),
            );
        }
    }
    durable.len()
}

#[test]
fn what_is_durable_survives_every_power_loss() {
    let durable: usize = (0..60)
        .map(|seed| check_durable_files(&scribbled(seed), seed))
        .sum();
    assert!(durable > 20, "only {durable} files were durable");
}

#[test]
fn what_is_durable_survives_after_syncs_that_lost_pages() {
    let mut durable = 0;
    for seed in 0..200 {
        let machine = scribbled(seed);
        let mut rng = SimRng::new(seed);
        for after_loss in [AfterLoss::Old, AfterLoss::New] {
            let lossy = Fault::new(Effect::LosePages(after_loss)).on(OpKind::Sync);
            machine.inject(lossy.after(rng.below(5)).times(2));
        }
        scribble(&machine, &mut rng, 60).unwrap();
        durable += check_durable_files(&machine, seed);
    }
    assert!(durable > 60, "only {durable} files were durable");
}

#[test]
fn a_disk_that_was_synced_is_the_same_after_every_power_loss() {
    for seed in 0..60 {
        let machine = scribbled(seed);
        let image = |m: &SimVfs| -> Vec<_> {
            m.files()
                .into_iter()
                .map(|path| (m.contents(&path).unwrap(), path))
                .collect()
        };
        let before = image(&machine);
        assert_eq!(image(&machine.after_power_loss(PowerLoss::KeepAll)), before);
        for path in machine.files() {
            machine
                .open(&path, OpenMode::ReadWrite)
                .unwrap()
                .sync_data()
                .unwrap();
        }
        for dir in ["/d0", "/d1"] {
            machine.sync_dir(Path::new(dir)).unwrap();
        }
        for policy in PowerLoss::sample(seed, 4) {
            let after = machine.after_power_loss(policy);
            assert!(image(&after) == before, "seed {seed}, {policy:?}");
            // And what is found after a power loss is durable.
            assert!(
                after
                    .files()
                    .iter()
                    .all(|path| after.is_durable(path).unwrap())
            );
        }
    }
}

#[test]
fn a_dead_machine_refuses_everything() {
    let machine = SimVfs::new(1);
    let file = create_durably(&machine, "/f", b"x");
    let lock = machine
        .lock(Path::new("/LOCK"), LockMode::Exclusive)
        .unwrap()
        .unwrap();
    let after = machine.power_loss(PowerLoss::KeepAll);
    assert!(!machine.is_powered() && after.is_powered());
    assert!(file.read_at(&mut [0], 0).is_err());
    assert!(file.write_at(b"y", 0).is_err());
    assert!(file.sync_data().is_err());
    assert!(machine.open(Path::new("/f"), OpenMode::Read).is_err());
    assert!(machine.read_dir(Path::new("/")).is_err());
    assert!(machine.fill_random(&mut [0]).is_err());
    assert!(machine.spawn("late", Box::new(|| {})).is_err());
    // The new machine knows nothing of the old one's handles, locks and faults.
    assert!(
        after
            .lock(Path::new("/LOCK"), LockMode::Exclusive)
            .unwrap()
            .is_some()
    );
    drop((file, lock));
    assert!(after.open_files().is_empty());
    assert_eq!(read(&after, "/f").unwrap(), b"x");
}

#[test]
fn randomness_differs_after_a_power_loss() {
    let draw = |machine: &SimVfs| {
        let mut bytes = [0; 16];
        machine.fill_random(&mut bytes).unwrap();
        bytes
    };
    let machine = SimVfs::new(1);
    let after = machine.after_power_loss(PowerLoss::KeepAll);
    assert_ne!(draw(&machine), draw(&after));
}

#[test]
fn forks_go_their_own_ways() {
    let machine = SimVfs::new(1);
    let file = create(&machine, "/f", b"before");
    let fork = machine.fork();
    file.write_all_at(b"after.", 0).unwrap();
    machine.power_off();
    assert_eq!(read(&fork, "/f").unwrap(), b"before");
    create(&fork, "/g", b"");
    assert_eq!(read(&machine, "/g"), None);
    assert_eq!(fork.after_power_loss(PowerLoss::LoseAll).files().len(), 0);
}

/// Replaces a file's contents through a temporary file.
fn replace(machine: &SimVfs, contents: &[u8], sync_file: bool) -> io::Result<()> {
    let (temporary, path) = (Path::new("/f.tmp"), Path::new("/f"));
    let file = machine.open(temporary, OpenMode::CreateNew)?;
    file.write_all_at(contents, 0)?;
    if sync_file {
        file.sync_data()?;
    }
    machine.rename(temporary, path)?;
    machine.sync_dir(Path::new("/"))
}

/// Cuts the power at every change that `replace` makes; returns what was found that is neither
/// the old nor the new contents, or not the new one though the replacement was acknowledged.
fn broken_replacements(sync_file: bool) -> usize {
    let (old, new) = (vec![b'o'; 1500], vec![b'n'; 1500]);
    let prepared = SimVfs::new(1);
    create_durably(&prepared, "/f", &old);
    let counted = prepared.fork();
    replace(&counted, &new, sync_file).unwrap();
    let operations = counted.counts().of(OpSet::CHANGES);
    assert_eq!(operations, if sync_file { 5 } else { 4 });

    let mut broken = 0;
    for operation in 0..=operations {
        let machine = prepared.fork();
        machine.power_off_at(OpSet::CHANGES, operation);
        let acknowledged = replace(&machine, &new, sync_file).is_ok();
        assert_eq!(acknowledged, operation == operations);
        for policy in PowerLoss::sample(operation, 50) {
            let found = read(&machine.after_power_loss(policy), "/f");
            let good =
                found.as_ref() == Some(&new) || (found.as_ref() == Some(&old) && !acknowledged);
            broken += usize::from(!good);
        }
    }
    broken
}

#[test]
fn a_crash_at_every_operation_finds_the_missing_sync() {
    assert_eq!(broken_replacements(true), 0);
    assert!(broken_replacements(false) > 10);
}

#[test]
fn power_fails_in_the_middle_of_an_operation() {
    let machine = SimVfs::new(1);
    let file = create_durably(&machine, "/f", b"old");
    machine.power_off_at(OpKind::Write, 0);
    assert!(file.write_all_at(b"new", 0).is_err());
    assert!(file.len().is_err());
    let seen = outcomes(&machine, |m| read(m, "/f").unwrap());
    assert_eq!(seen, BTreeSet::from([b"old".to_vec(), b"new".to_vec()]));
}

#[test]
fn only_the_last_write_of_each_file_is_torn() {
    let machine = SimVfs::new(1);
    for name in ["/a", "/b"] {
        let file = machine.open(Path::new(name), OpenMode::CreateNew).unwrap();
        file.write_all_at(&[1; 1024], 0).unwrap();
        file.write_all_at(&[2; 1024], 1024).unwrap();
    }
    let after = machine.power_loss(PowerLoss::TornLast { sectors: 1 });
    for name in ["/a", "/b"] {
        let bytes = after.contents(Path::new(name)).unwrap();
        assert_eq!(bytes[..1024], [1; 1024]);
        assert_eq!(bytes[1024..1536], [2; 512]);
        assert_eq!(bytes[1536..], [0; 512]);
    }
}
