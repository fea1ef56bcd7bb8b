//! Power loss and failing disks at every operation of a writer.

use rustdb_vfs::{AfterLoss, Effect, Failure, Fault, OpKind, OpSet, PowerLoss, SimVfs};

use super::*;

/// What a run got to before something failed.
#[derive(Default)]
struct Progress {
    /// Everything handed to `append`.
    appended: Vec<(u8, Vec<u8>)>,
    /// How many of these a sync has confirmed, and the offset of their end.
    confirmed: usize,
    durable: u64,
}

/// Appends records of varied sizes, with syncs, flushes and promises between them.
fn run(sim: &SimVfs, progress: &mut Progress) -> Result<()> {
    let vfs = sim.vfs();
    let security = Security::plain(Arc::clone(&vfs), [5; 16]);
    let mut log = LogWriter::create(&vfs, &security, Path::new(PATH), FileKind::Wal)?;
    progress.durable = HEADER_BYTES as u64;
    for index in 0..14_u8 {
        let payload = vec![index + 1; usize::from(index % 5) * 300];
        progress.appended.push((index + 1, payload));
        let (kind, payload) = progress.appended.last().unwrap();
        log.append(*kind, payload)?;
        match index {
            0 | 3 | 4 | 5 | 9 | 12 => {
                log.sync()?;
                progress.confirmed = progress.appended.len();
                progress.durable = log.synced();
            }
            2 | 7 | 10 => log.flush()?,
            6 => {
                log.append_promise()?;
            }
            _ => {}
        }
    }
    log.finish()?;
    progress.confirmed = progress.appended.len();
    progress.durable = log.synced();
    Ok(())
}

/// Reads what a machine holds and checks that it is a prefix with everything confirmed. Returns
/// where the log ends.
fn check(sim: &SimVfs, progress: &Progress, context: &str) -> Option<u64> {
    let vfs = sim.vfs();
    let security = Security::plain(Arc::clone(&vfs), [5; 16]);
    if vfs.metadata(Path::new(PATH)).is_err() {
        assert_eq!(progress.durable, 0, "{context}: the file is gone");
        return None;
    }
    let outcome = read(&vfs, &security, Expect::AtLeast(progress.durable));
    let (records, end) = outcome.unwrap_or_else(|e| panic!("{context}: {e}"));
    assert!(
        records.len() >= progress.confirmed,
        "{context}: lost a confirmed record"
    );
    assert!(
        records.len() <= progress.appended.len(),
        "{context}: an unknown record"
    );
    assert_eq!(records, progress.appended[..records.len()], "{context}");
    match end {
        LogEnd::Finished => None,
        LogEnd::Clean { offset } | LogEnd::Torn { offset } => Some(offset),
    }
}

/// An end that was found, synced and written down holds whatever happens next.
fn check_end_holds(sim: &SimVfs, end: u64, policy: PowerLoss, context: &str) {
    let vfs = sim.vfs();
    let security = Security::plain(Arc::clone(&vfs), [5; 16]);
    let path = Path::new(PATH);
    let reader = LogReader::open(&vfs, &security, path, FileKind::Wal, Expect::EndAt(end)).unwrap();
    reader.sync(&*vfs).unwrap();
    vfs.sync_dir(Path::new("")).unwrap();
    let later = sim.power_loss(policy).vfs();
    let security = Security::plain(Arc::clone(&later), [5; 16]);
    let outcome = read(&later, &security, Expect::EndAt(end));
    assert!(outcome.is_ok(), "{context}, end {end}: {outcome:?}");
}

fn operations(kinds: OpSet) -> u64 {
    let sim = SimVfs::new(1);
    run(&sim, &mut Progress::default()).unwrap();
    sim.counts().of(kinds)
}

#[test]
fn power_loss_at_any_operation_keeps_what_was_confirmed() {
    let count = operations(OpSet::CHANGES);
    assert!(count > 20, "the run has something to interrupt");
    for skip in 0..=count {
        let sim = SimVfs::new(skip);
        sim.power_off_at(OpSet::CHANGES, skip);
        let mut progress = Progress::default();
        assert_eq!(run(&sim, &mut progress).is_err(), skip < count);
        for policy in PowerLoss::sample(skip * 100, 12) {
            let context = format!("operation {skip}, {policy:?}");
            let after = sim.after_power_loss(policy);
            if let Some(end) = check(&after, &progress, &context) {
                for next in PowerLoss::EXTREMES {
                    check_end_holds(&after.fork(), end, next, &context);
                }
            }
        }
    }
}

#[test]
fn a_failed_write_or_sync_ends_the_writer_and_loses_nothing_confirmed() {
    let kinds = OpSet::of(&[OpKind::Write, OpKind::Sync]);
    let effects = [
        Effect::Fail(Failure::Io),
        Effect::Torn(Failure::Io),
        Effect::Fail(Failure::NoSpace),
        Effect::LosePages(AfterLoss::Old),
        Effect::LosePages(AfterLoss::New),
    ];
    for skip in 0..operations(kinds) {
        for effect in effects {
            let sim = SimVfs::new(skip);
            sim.inject(Fault::new(effect).on(kinds).after(skip).times(1));
            let mut progress = Progress::default();
            let outcome = run(&sim, &mut progress);
            let context = format!("operation {skip}, {effect:?}: {outcome:?}");
            // The process goes on, or dies and starts again; or the power fails too.
            check(&sim, &progress, &context);
            for policy in PowerLoss::sample(skip * 100, 6) {
                check(
                    &sim.after_power_loss(policy),
                    &progress,
                    &format!("{context}, {policy:?}"),
                );
            }
        }
    }
}

#[test]
fn after_a_failure_nothing_is_written_or_synced_again() {
    for kind in [OpKind::Write, OpKind::Sync] {
        let sim = SimVfs::new(1);
        let vfs = sim.vfs();
        let security = Security::plain(Arc::clone(&vfs), [5; 16]);
        let mut log = writer(&vfs, &security);
        log.append(1, b"one").unwrap();
        sim.inject(Fault::new(Effect::Fail(Failure::Io)).on(kind).times(1));
        assert!(matches!(log.sync(), Err(Error::Io { .. })));
        assert!(log.is_poisoned());
        let before = sim.counts().of(OpSet::ALL);
        for outcome in [
            log.append(1, b"two").map(drop),
            log.flush(),
            log.sync(),
            log.append_promise().map(drop),
        ] {
            assert!(
                matches!(outcome, Err(Error::Poisoned(_))),
                "{kind:?}: {outcome:?}"
            );
        }
        assert_eq!(sim.counts().of(OpSet::ALL), before);
    }
}

#[test]
fn short_and_interrupted_calls_are_completed() {
    let kinds = OpSet::of(&[OpKind::Write, OpKind::Read]);
    for effect in [Effect::Short, Effect::Fail(Failure::Interrupted)] {
        for skip in 0..operations(kinds) {
            let sim = SimVfs::new(1);
            sim.inject(Fault::new(effect).on(kinds).after(skip).times(2));
            let mut progress = Progress::default();
            run(&sim, &mut progress).unwrap();
            check(&sim, &progress, &format!("operation {skip}, {effect:?}"));
        }
    }
}

#[test]
fn without_space_to_fill_ahead_syncs_still_succeed() {
    let sim = SimVfs::new(1);
    let vfs = sim.vfs();
    let security = Security::plain(Arc::clone(&vfs), [5; 16]);
    let mut log = writer(&vfs, &security);
    sim.set_capacity(Some(8192));
    for _ in 0..100 {
        log.append(1, b"small").unwrap();
        log.sync().unwrap();
    }
    let (records, _) = read(&vfs, &security, Expect::AtLeast(log.end())).unwrap();
    assert_eq!(records.len(), 100);
    let error = (0..1000).find_map(|_| {
        log.append(1, b"small").unwrap();
        log.sync().err()
    });
    assert!(matches!(error, Some(Error::NoSpace { .. })), "{error:?}");
}

/// A record's number is added to: the highest would overflow. Only salvage takes a number that was
/// not due.
#[test]
fn a_number_that_no_record_can_have_is_damage() {
    let offset = HEADER_BYTES as u64 + 8;
    for number in [offset, u64::MAX] {
        let (vfs, security) = setup();
        let log = writer(&vfs, &security);
        let mut bytes = file_bytes(&vfs);
        let envelope =
            Envelope::open(&security, log.path(), &bytes[..HEADER_BYTES], FileKind::Wal).unwrap();
        let header = RecordHeader {
            payload_bytes: 0,
            kind: 1,
            number,
            promise: 0,
        };
        let header = header.encode(&envelope, offset);
        let mut payload = Vec::new();
        envelope.seal(number, 1, &header, &mut payload);
        bytes.extend_from_slice(&[1; 8]);
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&payload);
        replace_file(&vfs, &bytes);
        let expect = Expect::Finished;
        let path = Path::new(PATH);
        let mut reader = LogReader::open(&vfs, &security, path, FileKind::Wal, expect).unwrap();
        assert!(reader.next().is_err());
        assert_eq!(reader.skip_damage().unwrap(), None, "{number}");
    }
}
