//! Faults of a simulated machine.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustdb_vfs::{
    AfterLoss, Effect, Failure, Fault, FileExt, OpKind, OpSet, OpenMode, PowerLoss, SimVfs, Vfs,
};

use crate::{create, create_durably};

fn contents(machine: &SimVfs, path: &str) -> Vec<u8> {
    machine.contents(Path::new(path)).unwrap()
}

#[test]
fn the_chosen_call_fails_and_does_nothing() {
    let machine = SimVfs::new(1);
    let file = create(&machine, "/f", b"0");
    machine.inject(
        Fault::new(Effect::Fail(Failure::NoSpace))
            .on(OpKind::Write)
            .after(2),
    );
    let write = |n: u64| file.write_at(b"x", n).map_err(|e| e.kind());
    let results: Vec<_> = (1..=4).map(write).collect();
    assert_eq!(results, [Ok(1), Ok(1), Err(ErrorKind::StorageFull), Ok(1)]);
    assert_eq!(contents(&machine, "/f"), b"0xx\0x");
}

#[test]
fn faults_are_chosen_by_kind_and_path_and_count_what_they_see() {
    let machine = SimVfs::new(1);
    let (log, table) = (
        create(&machine, "/wal-1", b""),
        create(&machine, "/table-1", b""),
    );
    let fault = Fault::new(Effect::Fail(Failure::Io))
        .on(OpSet::SYNCS)
        .path("wal")
        .forever();
    let id = machine.inject(fault);
    assert!(log.sync_data().is_err());
    assert!(log.write_at(b"x", 0).is_ok());
    assert!(table.sync_data().is_ok());
    assert!(machine.sync_dir(Path::new("/")).is_ok());
    assert!(log.sync_data().is_err());
    let fault = machine.remove_fault(id).unwrap();
    assert_eq!((fault.matched(), fault.fired()), (2, 2));
    assert!(log.sync_data().is_ok());
    // The target of a rename counts as well.
    machine.inject(Fault::new(Effect::Fail(Failure::Io)).path("CURRENT"));
    assert!(
        machine
            .rename(Path::new("/wal-1"), Path::new("/CURRENT"))
            .is_err()
    );
}

#[test]
fn failures_have_the_errors_of_the_system() {
    let machine = SimVfs::new(1);
    let kinds = [
        (Failure::NoSpace, ErrorKind::StorageFull),
        (Failure::Interrupted, ErrorKind::Interrupted),
        (Failure::Denied, ErrorKind::PermissionDenied),
    ];
    for (failure, kind) in kinds {
        machine.inject(Fault::new(Effect::Fail(failure)));
        assert_eq!(machine.metadata(Path::new("/")).unwrap_err().kind(), kind);
    }
}

#[test]
fn counting_then_failing_reaches_every_operation() {
    let run = |machine: &SimVfs| -> std::io::Result<()> {
        let file = machine.open(Path::new("/f"), OpenMode::CreateNew)?;
        file.write_all_at(b"abc", 0)?;
        file.read_exact_at(&mut [0; 3], 0)?;
        file.sync_data()
    };
    let counted = SimVfs::new(1);
    run(&counted).unwrap();
    assert_eq!(counted.counts().of(OpSet::ALL), 4);
    assert_eq!(counted.counts().of(OpKind::Read), 1);
    for operation in 0..4 {
        let machine = SimVfs::new(1);
        machine.inject(Fault::new(Effect::Fail(Failure::Io)).after(operation));
        assert!(run(&machine).is_err(), "operation {operation}");
    }
}

#[test]
fn short_and_interrupted_calls_are_hidden_by_the_whole_ones() {
    let machine = SimVfs::new(1);
    machine.inject(Fault::new(Effect::Short).on(OpKind::Write).times(3));
    machine.inject(
        Fault::new(Effect::Fail(Failure::Interrupted))
            .on(OpKind::Read)
            .after(1),
    );
    machine.inject(Fault::new(Effect::Short).on(OpKind::Read).forever());
    let file = create(&machine, "/f", b"0123456789");
    let mut buffer = [0; 10];
    file.read_exact_at(&mut buffer, 0).unwrap();
    assert_eq!(&buffer, b"0123456789");
    assert!(machine.counts().of(OpKind::Read) >= 4);
    assert_eq!(machine.counts().of(OpKind::Write), 4);
}

#[test]
fn a_torn_write_leaves_a_part() {
    let machine = SimVfs::new(1);
    let file = create(&machine, "/f", b"----------");
    machine.inject(Fault::new(Effect::Torn(Failure::NoSpace)).on(OpKind::Write));
    assert!(file.write_at(b"0123456789", 0).is_err());
    assert_eq!(contents(&machine, "/f"), b"01234-----");
}

#[test]
fn lies_are_believed_until_the_power_fails() {
    let machine = SimVfs::new(1);
    let file = create_durably(&machine, "/f", b"old");
    machine.inject(Fault::new(Effect::Ignore).on(OpKind::Sync));
    file.write_all_at(b"new", 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(contents(&machine, "/f"), b"new");
    assert!(!machine.is_durable(Path::new("/f")).unwrap());
    assert_eq!(
        contents(&machine.after_power_loss(PowerLoss::LoseAll), "/f"),
        b"old"
    );
    // A lost write.
    machine.inject(Fault::new(Effect::Ignore).on(OpKind::Write));
    file.write_all_at(b"lost", 0).unwrap();
    assert_eq!(contents(&machine, "/f"), b"new");
}

#[test]
fn a_failed_sync_loses_the_pages_and_the_next_succeeds() {
    for (after_loss, seen) in [(AfterLoss::Old, b"old\0\0"), (AfterLoss::New, b"newer")] {
        let machine = SimVfs::new(1);
        let file = create_durably(&machine, "/f", b"old");
        file.write_all_at(b"newer", 0).unwrap();
        machine.inject(Fault::new(Effect::LosePages(after_loss)).on(OpKind::Sync));
        assert!(file.sync_data().is_err());
        assert_eq!(contents(&machine, "/f"), seen, "{after_loss:?}");
        file.sync_data().unwrap();
        for policy in PowerLoss::EXTREMES {
            // The length was only in memory, and the second sync saved it.
            assert_eq!(
                contents(&machine.after_power_loss(policy), "/f"),
                b"old\0\0"
            );
        }
        let safe = machine.is_durable(Path::new("/f")).unwrap();
        assert_eq!(safe, after_loss == AfterLoss::Old);
        // Writing the page anew saves all of it.
        file.write_all_at(b"r", 4).unwrap();
        file.sync_data().unwrap();
        assert!(machine.is_durable(Path::new("/f")).unwrap());
        let again = contents(&machine.after_power_loss(PowerLoss::LoseAll), "/f");
        assert_eq!(again, contents(&machine, "/f"));
    }
}

#[test]
fn misdirected_calls_go_elsewhere() {
    let machine = SimVfs::new(1);
    let file = create(&machine, "/f", b"0123456789");
    machine.inject(Fault::new(Effect::Misdirect(4)).on(OpKind::Write));
    file.write_all_at(b"xx", 2).unwrap();
    assert_eq!(contents(&machine, "/f"), b"012345xx89");
    machine.inject(Fault::new(Effect::Misdirect(-100)).on(OpKind::Read));
    let mut buffer = [0; 2];
    file.read_exact_at(&mut buffer, 8).unwrap();
    assert_eq!(&buffer, b"01");
}

#[test]
fn bits_flip_in_passing_or_for_good() {
    let machine = SimVfs::new(1);
    let file = create_durably(&machine, "/f", &[0; 64]);
    let ones = |bytes: &[u8]| bytes.iter().map(|byte| byte.count_ones()).sum::<u32>();
    machine.inject(Fault::new(Effect::FlipBit).on(OpKind::Read));
    let mut buffer = [0; 64];
    file.read_exact_at(&mut buffer, 0).unwrap();
    assert_eq!(ones(&buffer), 1);
    file.read_exact_at(&mut buffer, 0).unwrap();
    assert_eq!(ones(&buffer), 0);

    machine.inject(Fault::new(Effect::FlipBit).on(OpKind::Write));
    file.write_all_at(&[0; 64], 0).unwrap();
    assert_eq!(ones(&contents(&machine, "/f")), 1);

    file.write_all_at(&[0; 64], 0).unwrap();
    machine.flip_bit(Path::new("/f"), 17).unwrap();
    machine.overwrite(Path::new("/f"), 60, &[0xff; 4]).unwrap();
    let expected = |bytes: &[u8]| bytes[2] == 2 && ones(bytes) == 33;
    assert!(expected(&contents(&machine, "/f")));
    assert!(expected(&contents(
        &machine.after_power_loss(PowerLoss::LoseAll),
        "/f"
    )));
    assert!(machine.flip_bit(Path::new("/f"), 64 * 8).is_err());
    assert!(machine.overwrite(Path::new("/f"), 61, &[0; 4]).is_err());
}

#[test]
fn a_full_disk_writes_what_fits_and_recovers() {
    let machine = SimVfs::new(1);
    machine.set_capacity(Some(3 * 4096));
    assert_eq!(machine.available_bytes(Path::new("/")).unwrap(), 3 * 4096);
    let file = create(&machine, "/f", &[1; 4096]);
    assert_eq!(file.write_at(&[2; 4 * 4096], 4096).unwrap(), 2 * 4096);
    assert_eq!(
        file.write_at(b"x", 3 * 4096).unwrap_err().kind(),
        ErrorKind::StorageFull
    );
    assert_eq!(file.write_at(b"in place", 0).unwrap(), 8);
    assert_eq!(machine.available_bytes(Path::new("/")).unwrap(), 0);
    let other = create(&machine, "/g", b"");
    assert_eq!(
        other.allocate(0, 1).unwrap_err().kind(),
        ErrorKind::StorageFull
    );
    // Space comes back when the last handle of a removed file is gone.
    machine.remove_file(Path::new("/f")).unwrap();
    assert_eq!(machine.available_bytes(Path::new("/")).unwrap(), 0);
    drop(file);
    assert_eq!(machine.available_bytes(Path::new("/")).unwrap(), 3 * 4096);
    // What is reserved is there when it is needed.
    other.allocate(0, 2 * 4096).unwrap();
    assert_eq!(machine.available_bytes(Path::new("/")).unwrap(), 4096);
    create(&machine, "/h", &[1; 4096]);
    assert_eq!(other.write_at(&[1; 3 * 4096], 0).unwrap(), 2 * 4096);
    machine.set_capacity(None);
    assert_eq!(other.write_at(&[1; 3 * 4096], 0).unwrap(), 3 * 4096);
}

#[test]
fn time_passes_with_operations_delays_and_sleep() {
    let machine = SimVfs::new(1);
    let file = create(&machine, "/f", b"x");
    let (start, wall) = (machine.monotonic(), machine.wall_micros());
    file.sync_data().unwrap();
    assert!(machine.monotonic() > start);
    machine.inject(Fault::new(Effect::Delay(Duration::from_secs(5))).on(OpKind::Sync));
    file.sync_data().unwrap();
    machine.sleep(Duration::from_secs(100));
    machine.advance(Duration::from_secs(1000));
    let passed = (machine.monotonic() - start).as_secs();
    assert_eq!(passed, 1105);
    assert_eq!((machine.wall_micros() - wall) / 1_000_000, 1105);
    machine.shift_wall_clock(-2_000_000_000);
    assert!(machine.wall_micros() < wall);
    assert_eq!((machine.monotonic() - start).as_secs(), 1105);
}

#[test]
fn observers_see_operations_and_can_check_what_is_durable() {
    let machine = SimVfs::new(1);
    let named_too_early = Arc::new(Mutex::new(Vec::new()));
    let found = Arc::clone(&named_too_early);
    machine.observe(move |machine, op| {
        if op.kind == OpKind::Sync && op.succeeded && op.path.ends_with("MANIFEST") {
            let named = machine.contents(op.path).unwrap();
            let path = PathBuf::from(String::from_utf8(named).unwrap());
            if !machine.is_durable(&path).unwrap() {
                found.lock().push(path);
            }
        }
    });
    create_durably(&machine, "/good", b"x");
    create_durably(&machine, "/MANIFEST", b"/good");
    assert!(named_too_early.lock().is_empty());
    create(&machine, "/bad", b"x").sync_data().unwrap();
    let manifest = machine
        .open(Path::new("/MANIFEST"), OpenMode::ReadWrite)
        .unwrap();
    manifest.set_len(0).unwrap();
    manifest.write_all_at(b"/bad", 0).unwrap();
    manifest.sync_data().unwrap();
    assert_eq!(*named_too_early.lock(), [PathBuf::from("/bad")]);
}

#[test]
fn open_files_and_remains_are_told() {
    let machine = SimVfs::new(1);
    let first = create(&machine, "/f", b"secret");
    let second = machine.open(Path::new("/f"), OpenMode::Read).unwrap();
    assert_eq!(machine.open_files(), [Path::new("/f"), Path::new("/f")]);
    drop(first);
    machine.remove_file(Path::new("/f")).unwrap();
    assert_eq!(machine.open_files(), [Path::new("/f")]);
    assert!(machine.remains().iter().any(|bytes| bytes == b"secret"));
    drop(second);
    assert!(machine.open_files().is_empty());
}
