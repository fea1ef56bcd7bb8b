//! Power loss and failing disks at every operation of a manifest, and of the start after.

use rustdb_vfs::{Effect, Failure, Fault, OpKind, OpSet, PowerLoss, SimVfs};

use super::*;
use crate::envelope::Security;
use crate::error::{Error, Result};

/// A machine with the database's directory, durable.
fn machine(seed: u64) -> SimVfs {
    let sim = SimVfs::new(seed);
    let vfs = sim.vfs();
    vfs.create_dir_all(directory()).unwrap();
    vfs.sync_dir(Path::new("")).unwrap();
    sim
}

/// Reads the manifest and writes the next, as every start does.
fn start(sim: &SimVfs) -> Result<Manifest> {
    let vfs = sim.vfs();
    let security = Security::plain(Arc::clone(&vfs), DATABASE_ID);
    let (number, state) = match Manifest::recover(&vfs, &security, directory())? {
        Some(recovered) => (FileNumber(recovered.manifest.0 + 1), recovered.state),
        None => (FileNumber(1), ManifestState::default()),
    };
    Manifest::create(vfs, security, directory(), number, state)
}

/// The edits of a run, each of which leads to another state.
fn edits() -> Vec<VersionEdit> {
    let mut edits = vec![
        adding(0, 1, &[table(10, "a", "z")]),
        adding(0, 2, &[table(11, "a", "f"), table(12, "g", "z")]),
        adding(1, 3, &[table(13, "a", "z")]),
        adding(0, 4, &[table(14, "c", "d")]),
        removing(&[13]),
        adding(2, 5, &[table(15, "c", "d")]),
    ];
    edits[2].removed = [10, 11, 12].map(FileNumber).to_vec();
    edits
}

/// The states before the first edit and after each.
fn states() -> Vec<ManifestState> {
    let edits = edits();
    (0..=edits.len())
        .map(|count| fold(&edits[..count]).unwrap())
        .collect()
}

/// Starts, appends edits, rolls over, and starts again between. Counts in `confirmed` the edits
/// whose appending succeeded.
fn run(sim: &SimVfs, confirmed: &mut usize) -> Result<()> {
    let edits = edits();
    let mut manifest = start(sim)?;
    for (index, edit) in edits.iter().enumerate() {
        match index {
            1 | 5 => manifest.roll()?,
            3 => {
                manifest.finish()?;
                manifest = start(sim)?;
            }
            4 => {
                drop(manifest);
                manifest = start(sim)?;
            }
            _ => {}
        }
        manifest.append(edit)?;
        *confirmed += 1;
    }
    Ok(())
}

/// Recovers and checks that everything confirmed is there, and at most one edit more. Returns how
/// many edits are.
fn check(sim: &SimVfs, confirmed: usize, states: &[ManifestState], context: &str) -> usize {
    let vfs = sim.vfs();
    let security = Security::plain(Arc::clone(&vfs), DATABASE_ID);
    let recovered = Manifest::recover(&vfs, &security, directory())
        .unwrap_or_else(|e| panic!("{context}: {e}, {:?}", sim.files()));
    let state = match recovered {
        Some(recovered) => recovered.state,
        None => ManifestState::default(),
    };
    let upper = (confirmed + 2).min(states.len());
    (confirmed..upper)
        .find(|count| states[*count] == state)
        .unwrap_or_else(|| panic!("{context}: not the state after {confirmed} edits: {state:?}"))
}

fn operations(kinds: OpSet) -> u64 {
    let sim = machine(1);
    let before = sim.counts().of(kinds);
    run(&sim, &mut 0).unwrap();
    sim.counts().of(kinds) - before
}

#[test]
fn power_loss_at_any_operation_keeps_whole_edits() {
    let states = states();
    let count = operations(OpSet::CHANGES);
    for skip in 0..=count {
        let sim = machine(skip);
        sim.power_off_at(OpSet::CHANGES, skip);
        let mut confirmed = 0;
        assert_eq!(run(&sim, &mut confirmed).is_err(), skip < count);
        for policy in PowerLoss::sample(skip * 100, 10) {
            let context = format!("operation {skip}, {policy:?}");
            check(&sim.after_power_loss(policy), confirmed, &states, &context);
        }
    }
}

#[test]
fn power_loss_at_any_operation_of_the_next_start_changes_nothing() {
    let states = states();
    for skip in 0..operations(OpSet::CHANGES) {
        let sim = machine(skip);
        sim.power_off_at(OpSet::CHANGES, skip);
        let mut confirmed = 0;
        assert!(run(&sim, &mut confirmed).is_err());
        for policy in [PowerLoss::LoseAll, PowerLoss::Seeded(skip)] {
            let once = sim.after_power_loss(policy);
            let found = check(&once, confirmed, &states, "first");
            let again = |skip_again: u64| {
                let twice = once.fork();
                twice.power_off_at(OpSet::CHANGES, skip_again);
                let outcome = start(&twice);
                for next in [
                    PowerLoss::LoseAll,
                    PowerLoss::LoseData,
                    PowerLoss::Seeded(skip_again),
                ] {
                    let context = format!("{skip}, {policy:?}, then {skip_again}, {next:?}");
                    let after = twice.after_power_loss(next);
                    let kept = check(&after, found, &states, &context);
                    assert_eq!(kept, found, "{context}");
                    // And a start that nothing interrupts succeeds.
                    assert_eq!(start(&after).unwrap().state(), &states[found], "{context}");
                }
                outcome.is_ok()
            };
            assert!(
                (0..100).any(again),
                "a start takes fewer operations than that"
            );
        }
    }
}

#[test]
fn failed_operations_either_change_nothing_or_end_the_manifest() {
    let states = states();
    let kinds = OpSet::ALL;
    for skip in 0..operations(kinds) {
        for failure in [Failure::Io, Failure::NoSpace] {
            let sim = machine(skip);
            sim.inject(Fault::new(Effect::Fail(failure)).on(kinds).after(skip));
            let mut confirmed = 0;
            // A few operations may fail without harm: filling ahead, for one.
            let outcome = run(&sim, &mut confirmed);
            let context = format!("operation {skip}, {failure:?}: {outcome:?}");
            check(&sim, confirmed, &states, &context);
            for policy in PowerLoss::EXTREMES {
                check(&sim.after_power_loss(policy), confirmed, &states, &context);
            }
            // What failed once works after the next start.
            let next = start(&sim);
            assert!(next.is_ok(), "{context}: {next:?}");
        }
    }
}

#[test]
fn an_append_whose_roll_failed_can_be_repeated() {
    for kind in [
        OpKind::Create,
        OpKind::Write,
        OpKind::Sync,
        OpKind::SyncDir,
        OpKind::Rename,
    ] {
        for skip in 0..4 {
            let sim = machine(skip);
            let mut manifest = start(&sim).unwrap();
            manifest.append(&edits()[0]).unwrap();
            sim.inject(Fault::new(Effect::Fail(Failure::Io)).on(kind).after(skip));
            let rolled = manifest.roll();
            sim.clear_faults();
            let outcome = manifest.append(&edits()[1]);
            if manifest.is_poisoned() {
                // The rename, or the sync after it: which manifest counts is not known.
                assert!(matches!(rolled, Err(Error::Io { .. })) && outcome.is_err());
                assert!(
                    matches!(kind, OpKind::Rename | OpKind::SyncDir),
                    "{kind:?} {skip}"
                );
                check(
                    &sim.power_loss(PowerLoss::LoseAll),
                    1,
                    &states(),
                    "poisoned",
                );
            } else {
                outcome.unwrap();
                check(
                    &sim.power_loss(PowerLoss::LoseAll),
                    2,
                    &states(),
                    "repeated",
                );
            }
        }
    }
}
