//! Power loss at every step.
//!
//! A script that flushes, compacts, drops, collects, copies and changes keys runs once. After
//! every change of the disk, creation of the database included, a copy of the machine is kept.
//! Each copy then loses its power in several ways; a database is opened on what is left and must
//! hold exactly the acts that had returned, or that and the whole of the one under way. That
//! recovery changes the disk, too, so it is interrupted at every one of its own steps in turn.
//!
//! ```text
//! script ─▶ change 1, 2, 3 ... ─▶ power loss ─▶ recovery ─▶ check
//!                                                  └─▶ change 1, 2 ... ─▶ power loss ─▶ check
//! ```
//!
//! [`repair`] interrupts repairs. [`lint`] watches the disk meanwhile.

mod check;
pub(crate) mod lint;
mod repair;
mod script;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustdb::Database;
use rustdb_vfs::sync::Mutex;
use rustdb_vfs::{OpSet, PowerLoss, SimVfs, Simulation};

use check::Checker;
use script::{Act, MARKER};

/// How much of everything is tried.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Chooses the order of threads, and the seeded power losses.
    pub seed: u64,
    /// Whether the database is encrypted.
    pub is_encrypted: bool,
    /// Seeded power losses at each step, besides the fixed ones.
    pub seeds: u64,
    /// One in so many first power losses has its recovery interrupted at every step.
    pub recovery_sample: usize,
    /// Seeded power losses at each step of a recovery, besides losing and keeping everything.
    pub recovery_seeds: u64,
}

/// What was tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    /// Steps of the script at which the power was lost.
    pub steps: u64,
    /// Databases opened after that.
    pub recoveries: u64,
    /// Steps of recoveries at which the power was lost again.
    pub recovery_steps: u64,
    /// Databases opened after that.
    pub second_recoveries: u64,
    /// Repairs that were interrupted.
    pub repairs: u64,
}

impl std::fmt::Display for Tried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} steps, {} recoveries; {} steps of recoveries, {} second recoveries; {} interrupted \
             repairs",
            self.steps, self.recoveries, self.recovery_steps, self.second_recoveries, self.repairs
        )
    }
}

/// The machine after one change, and what could be expected of it.
struct Moment {
    machine: SimVfs,
    what: String,
    /// Acts that were promised to be safe, and acts that had begun.
    done: usize,
    begun: usize,
}

/// What the script tells those who watch.
#[derive(Default)]
struct Shared {
    done: AtomicUsize,
    begun: AtomicUsize,
    moments: Mutex<Vec<Moment>>,
    complaints: Mutex<Vec<String>>,
}

/// Tries everything.
///
/// # Errors
///
/// A description of the first thing that went wrong.
pub fn exhaust(extent: Extent) -> Result<Tried, String> {
    let acts = Arc::new(script::acts(extent.is_encrypted));
    let shared = Arc::new(Shared::default());
    let machine = {
        let (acts, shared) = (acts.clone(), shared.clone());
        let outcome = Simulation::new(extent.seed)
            .try_run(move |machine| {
                watch(&machine, &shared, extent);
                let played = play(&machine, &acts, &shared, extent);
                machine.observe(|_, _| {});
                played.map(|()| machine)
            })
            .map_err(|failure| failure.to_string())?;
        outcome
            .value
            .map_err(|what| format!("the script failed: {what}"))?
    };
    if let Some(complaint) = shared.complaints.lock().first() {
        return Err(complaint.clone());
    }
    lint::no_open_files(&machine)?;
    if extent.is_encrypted {
        lint::no_plaintext(&machine, MARKER)?;
    }
    let moments = std::mem::take(&mut *shared.moments.lock());
    reaches_everything(&moments, extent)?;
    let checker = Checker::new(&acts, extent);
    let mut tried = Tried::default();
    let mut number = 0;
    for (step, moment) in moments.iter().enumerate() {
        tried.steps += 1;
        let losses = policies(extent.seed ^ (step as u64) << 8, extent.seeds).map(Some);
        // `None`: only the process ended, and the system still has what was not synced.
        for loss in losses.chain([None]) {
            number += 1;
            let is_sampled = number % extent.recovery_sample == 0;
            let checked = checker.check(moment, loss, is_sampled, &mut tried);
            checked.map_err(|what| {
                let how = format!("{loss:?} at step {step}: {}", moment.what);
                format!("{what}\nafter {how}\n{extent:?}")
            })?;
        }
    }
    let last = checker.worlds.last().expect("there is one per act");
    repair::interrupted(&machine, last, checker.last_key(), &mut tried)
        .map_err(|what| format!("{what}\n{extent:?}"))?;
    Ok(tried)
}

/// Whether the script still gets to everything it is there for.
fn reaches_everything(moments: &[Moment], extent: Extent) -> Result<(), String> {
    let mut wanted = vec![
        ("a table is dropped", "RemoveFile", ".sst"),
        ("a value file is collected", "RemoveFile", ".val"),
        ("a log is dropped", "RemoveFile", ".wal"),
        ("a manifest is replaced", "Rename", "/db/CURRENT"),
        ("a checkpoint shares a table", "HardLink", "/copy1"),
        ("a checkpoint is put in force", "Rename", "/copy2/CURRENT"),
    ];
    if extent.is_encrypted {
        wanted.push(("a key is changed", "Rename", "KEYRING"));
    }
    for (what, kind, path) in wanted {
        let is_it = |moment: &&Moment| {
            moment.what.contains(&format!("kind: {kind}")) && moment.what.contains(path)
        };
        if moments.iter().find(is_it).is_none() {
            return Err(format!("the script does not get to where {what}"));
        }
    }
    Ok(())
}

/// The ways in which power is lost at each step.
fn policies(seed: u64, seeds: u64) -> impl Iterator<Item = PowerLoss> {
    let torn = [0, 1].map(|sectors| PowerLoss::TornLast { sectors });
    PowerLoss::sample(seed, seeds).chain(torn)
}

/// Keeps a copy of the machine after every change.
fn watch(machine: &SimVfs, shared: &Arc<Shared>, extent: Extent) {
    let shared = Arc::clone(shared);
    let keys = check::encryptions(extent.is_encrypted);
    machine.observe(move |machine, operation| {
        if !OpSet::CHANGES.contains(operation.kind) || !machine.is_powered() {
            return;
        }
        let (done, begun) = (&shared.done, &shared.begun);
        let moment = Moment {
            machine: machine.fork(),
            what: format!("{operation:?}"),
            done: done.load(Ordering::Relaxed),
            begun: begun.load(Ordering::Relaxed),
        };
        if let Err(what) = lint::manifest_names_synced_files(machine, operation, &keys) {
            shared
                .complaints
                .lock()
                .push(format!("{what}\nafter {operation:?}"));
        }
        shared.moments.lock().push(moment);
    });
}

/// Runs the script.
fn play(machine: &SimVfs, acts: &[Act], shared: &Shared, extent: Extent) -> Result<(), String> {
    let mut key = extent.is_encrypted.then_some(1);
    let open = |key| {
        Database::open_with("/db", script::options(machine.vfs(), key, 1))
            .map_err(|error| format!("cannot open: {error}"))
    };
    let mut db = open(key)?;
    for (index, act) in acts.iter().enumerate() {
        let describe = |error| format!("{act:?}: {error}");
        shared.begun.store(index + 1, Ordering::Relaxed);
        if let Act::Reopen = act {
            db.close().map_err(describe)?;
            db = open(key)?;
        }
        act.perform(index, &db).map_err(describe)?;
        if !matches!(act, Act::Buffered { .. }) {
            shared.done.store(index + 1, Ordering::Relaxed);
        }
        if let Act::ChangeKey(byte) = act {
            key = Some(*byte);
        }
    }
    db.close().map_err(|error| format!("close: {error}"))
}
