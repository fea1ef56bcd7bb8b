//! What happens to the database besides clients: care, and faults.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustdb::Database;
use rustdb::crypto::Algorithm;
use rustdb_vfs::{AfterLoss, Effect, Failure, Fault, OpKind, OpSet, PowerLoss, SimVfs, Vfs};

use crate::check::Future;
use crate::run::Shared;
use crate::setting::{Setting, provider};
use crate::workload::Random;

/// Flushes, compacts, copies, verifies and changes keys now and then while clients run.
pub(crate) fn take_care(db: &Database, machine: &SimVfs, setting: &Setting, shared: &Shared) {
    let mut random = Random::new(setting.seed ^ 0xca7e);
    let mut copies = 0;
    while shared.running.load(Ordering::Relaxed) > 0 {
        machine.sleep(Duration::from_micros(random.below(20_000)));
        let start = machine.idle_time();
        let kind = random.below(14);
        // Failures are for the clients to notice.
        drop(match kind {
            0..=3 => db.flush(),
            4..=6 => db.compact(),
            7 if copies < 3 => {
                copies += 1;
                copy(db, machine, shared, copies);
                Ok(())
            }
            8 => verify(db, setting, shared),
            9 if setting.is_encrypted => change_key(db, shared),
            10 if setting.is_encrypted => db
                .rotate_data_key(Algorithm::Aes256Gcm)
                .and_then(|()| db.reencrypt()),
            _ => Ok(()),
        });
        let took = machine.idle_time() - start;
        // Re-encryption waits for values that others write.
        if kind != 10 {
            shared.note_time(setting, took, || format!("care of kind {kind}"));
        }
    }
}

/// A checkpoint, which must be a database with all that had returned.
fn copy(db: &Database, machine: &SimVfs, shared: &Shared, number: u32) {
    let directory = PathBuf::from(format!("/copy{number}"));
    let (keys, returned) = (shared.keys(), Shared::at(&shared.returned));
    if db.checkpoint(&directory).is_err() {
        return;
    }
    let future = Future {
        disk: machine.after_power_loss(PowerLoss::LoseAll),
        directory,
        keys,
        how: format!("checkpoint {number}"),
        bounds: returned
            .into_iter()
            .zip(Shared::at(&shared.begun))
            .collect(),
    };
    drop(shared.futures.lock().send(future));
}

fn verify(db: &Database, setting: &Setting, shared: &Shared) -> rustdb::Result<()> {
    let report = db.verify()?;
    if !report.is_sound() && !setting.has_faults {
        let complaint = format!("verify finds {report:?}");
        shared.complaints.lock().push(complaint);
    }
    Ok(())
}

fn change_key(db: &Database, shared: &Shared) -> rustdb::Result<()> {
    let (key, next) = (&shared.key, &shared.next_key);
    let number = next.load(Ordering::Relaxed);
    if key.load(Ordering::Relaxed) != number {
        // An earlier change failed: nobody knows which key it is, and that is enough.
        return Ok(());
    }
    next.store(number + 1, Ordering::Relaxed);
    db.change_key(&provider(number + 1))?;
    key.store(number + 1, Ordering::Relaxed);
    Ok(())
}

/// Has syncs of the log take their time, if many clients are to meet.
pub(crate) fn slow_down(machine: &SimVfs, setting: &Setting) {
    if let Some(duration) = setting.crowd {
        let delay = Fault::new(Effect::Delay(duration));
        machine.inject(delay.on(OpKind::Sync).path(".wal").forever());
    }
}

/// Lets something go wrong, once or for good, at some moment.
pub(crate) fn inject(machine: &SimVfs, setting: &Setting) {
    if setting.capacity.is_some() {
        return machine.set_capacity(setting.capacity);
    }
    let mut random = Random::new(setting.seed ^ 0xfa17);
    let effect = match random.below(6) {
        0 => Effect::Fail(Failure::Io),
        1 => Effect::Fail(Failure::NoSpace),
        2 => Effect::Torn(Failure::Io),
        3 => Effect::LosePages(AfterLoss::Old),
        4 => Effect::LosePages(AfterLoss::New),
        _ => Effect::Short,
    };
    let fault = Fault::new(effect)
        .on(OpSet::CHANGES)
        .after(random.below(400));
    let times = if random.one_in(3) {
        u64::MAX
    } else {
        1 + random.below(3)
    };
    machine.inject(fault.times(times));
}
