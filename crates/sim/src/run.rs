//! One run: the database, its clients, and the disks that power loss would leave.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use rustdb::{Database, ErrorKind};
use rustdb_vfs::sync::Mutex;
use rustdb_vfs::{OpSet, PowerLoss, SimVfs, Simulation, Vfs};

use crate::caretaker::{inject, slow_down, take_care};
use crate::check::{self, Future, check, client_name};
use crate::client::be_client;
use crate::exhaust::lint;
use crate::setting::Setting;
use crate::workload::{Random, SHORT_LIFE_OVER, State};

/// What a run did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Steps that clients completed.
    pub steps: u64,
    /// Disks after power loss that were looked at.
    pub power_losses: u64,
    /// Databases that were opened on them.
    pub recoveries: u64,
    /// Times a client's step failed because of an injected fault.
    pub failed_steps: u64,
}

/// What clients and observer share.
pub(crate) struct Shared {
    /// Of each client: the last step that is safe, that is with the operating system, that has
    /// returned, that has begun.
    pub promised: Vec<AtomicUsize>,
    pub handed_over: Vec<AtomicUsize>,
    pub returned: Vec<AtomicUsize>,
    pub begun: Vec<AtomicUsize>,
    pub histories: Vec<Mutex<Vec<State>>>,
    /// The clients' steps, in short, for the report of a failure.
    pub steps: Vec<Mutex<Vec<String>>>,
    pub failed_steps: AtomicUsize,
    /// What was found wrong while they ran.
    pub complaints: Mutex<Vec<String>>,
    pub running: AtomicUsize,
    /// The key that opens the database, and the one that perhaps does.
    pub key: AtomicU8,
    pub next_key: AtomicU8,
    pub futures: Mutex<mpsc::Sender<Future>>,
}

impl Shared {
    fn new(clients: usize, futures: mpsc::Sender<Future>) -> Self {
        let zeros = || (0..clients).map(|_| AtomicUsize::new(0)).collect();
        Self {
            promised: zeros(),
            handed_over: zeros(),
            returned: zeros(),
            begun: zeros(),
            histories: (0..clients).map(|_| Mutex::new(vec![None])).collect(),
            steps: (0..clients).map(|_| Mutex::default()).collect(),
            failed_steps: AtomicUsize::new(0),
            complaints: Mutex::default(),
            running: AtomicUsize::new(clients),
            key: AtomicU8::new(1),
            next_key: AtomicU8::new(1),
            futures: Mutex::new(futures),
        }
    }

    /// The steps that everybody's counters stand at.
    pub fn at(counters: &[AtomicUsize]) -> Vec<usize> {
        let load = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        counters.iter().map(load).collect()
    }

    /// The keys that may open the database now.
    pub fn keys(&self) -> Vec<u8> {
        let mut keys = vec![
            self.next_key.load(Ordering::Relaxed),
            self.key.load(Ordering::Relaxed),
        ];
        keys.dedup();
        keys
    }
}

/// The most simulated time that it may take to go on when faults have ended.
const LIVELY: Duration = Duration::from_secs(10);

/// Runs one seed.
///
/// # Errors
///
/// A description of what went wrong; the same seed shows it again.
pub fn run_seed(seed: u64) -> Result<Report, String> {
    let setting = Setting::of(seed);
    let (futures, shared) = simulate(&setting)?;
    let histories: Vec<Vec<State>> = shared
        .histories
        .iter()
        .map(|history| history.lock().clone())
        .collect();
    let mut report = Report {
        steps: histories
            .iter()
            .map(|history| history.len() as u64 - 1)
            .sum(),
        failed_steps: shared.failed_steps.load(Ordering::Relaxed) as u64,
        ..Report::default()
    };
    if let Some(complaint) = shared.complaints.lock().first() {
        return Err(format!("seed {seed}: {complaint}\nsetting: {setting:?}"));
    }
    let mut random = Random::new(seed ^ 0xc4ec);
    for future in futures {
        report.power_losses += 1;
        report.recoveries += check(&setting, &future, &histories, &mut random).map_err(|what| {
            let last = future
                .bounds
                .iter()
                .zip(&shared.steps)
                .map(|((promised, begun), steps)| {
                    let steps = steps.lock();
                    steps[promised.saturating_sub(4)..(*begun).min(steps.len())].to_vec()
                });
            let last: Vec<_> = last.collect();
            format!("seed {seed}: {what}\nsteps: {last:#?}\nsetting: {setting:?}")
        })?;
    }
    Ok(report)
}

fn simulate(setting: &Setting) -> Result<(Vec<Future>, Arc<Shared>), String> {
    let (sender, futures) = mpsc::channel();
    let shared = Arc::new(Shared::new(setting.clients, sender));
    let outcome = {
        let (shared, setting) = (shared.clone(), setting.clone());
        Simulation::new(setting.seed).try_run(move |machine| {
            watch(&machine, &setting, &shared);
            let lived = live(&machine, &setting, &shared);
            machine.observe(|_, _| {});
            lived.map(|()| machine)
        })
    };
    let describe = |what: String| format!("seed {}: {what}\nsetting: {setting:?}", setting.seed);
    let outcome = outcome.map_err(|failure| describe(failure.to_string()))?;
    let machine = outcome.value.map_err(describe)?;
    lint::no_open_files(&machine).map_err(describe)?;
    Ok((futures.try_iter().collect(), shared))
}

/// Notes, at some of the changes of the disk, what power loss would leave.
fn watch(machine: &SimVfs, setting: &Setting, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    let (sample, seed) = (setting.sample, setting.seed);
    let has_faults = setting.has_faults;
    let seen = AtomicUsize::new(0);
    machine.observe(move |machine, operation| {
        if !OpSet::CHANGES.contains(operation.kind) || !machine.is_powered() {
            return;
        }
        let number = seen.fetch_add(1, Ordering::Relaxed) as u64;
        let mut random = Random::new(seed ^ (number << 20));
        if !random.one_in(sample) {
            return;
        }
        let policy = match random.below(9) {
            0 => PowerLoss::LoseAll,
            1 => PowerLoss::KeepAll,
            2 => PowerLoss::LoseData,
            3 => PowerLoss::LoseNames,
            4 => PowerLoss::TornLast {
                sectors: random.below(3),
            },
            _ => PowerLoss::Seeded(random.next()),
        };
        // What a process handed over is lost with the power only, or by a fault.
        let promised = match policy {
            PowerLoss::KeepAll if !has_faults => &shared.handed_over,
            _ => &shared.promised,
        };
        let (promised, begun) = (Shared::at(promised), Shared::at(&shared.begun));
        let future = Future {
            directory: PathBuf::from("/db"),
            keys: shared.keys(),
            bounds: promised.into_iter().zip(begun).collect(),
            how: format!("{policy:?} at change {number}, {operation:?}"),
            disk: machine.after_power_loss(policy),
        };
        // Nobody listens any more when the run has failed; it reports for itself.
        drop(shared.futures.lock().send(future));
    });
}

/// The life of the database.
fn live(machine: &SimVfs, setting: &Setting, shared: &Arc<Shared>) -> Result<(), String> {
    let db = Database::open_with("/db", setting.options(machine.vfs(), 1))
        .map_err(|e| format!("cannot create the database: {e}"))?;
    if setting.has_faults {
        inject(machine, setting);
    }
    // NB: after the faults, since one strikes at a time, the first that was injected.
    slow_down(machine, setting);
    let mut threads = Vec::new();
    for client in 0..setting.clients {
        let (db, shared, setting) = (db.clone(), shared.clone(), setting.clone());
        let world = machine.clone();
        let body = move || {
            be_client(&db, &world, &setting, &shared, client);
            shared.running.fetch_sub(1, Ordering::Relaxed);
        };
        threads.push(machine.spawn(&client_name(client), Box::new(body)));
    }
    let caretaker = {
        let (db, shared, world) = (db.clone(), shared.clone(), machine.clone());
        let setting = setting.clone();
        let body = move || take_care(&db, &world, &setting, &shared);
        machine.vfs().spawn("caretaker", Box::new(body))
    };
    for thread in threads.into_iter().chain([caretaker]) {
        let thread = thread.map_err(|e| format!("cannot start a thread: {e}"))?;
        if !thread.join() {
            return Err("a thread panicked".into());
        }
    }
    go_on_without_faults(db, machine, setting, shared)
}

/// When faults have ended everything must work again, and soon.
fn go_on_without_faults(
    db: Database,
    machine: &SimVfs,
    setting: &Setting,
    shared: &Shared,
) -> Result<(), String> {
    machine.clear_faults();
    machine.set_capacity(None);
    let start = machine.monotonic();
    match work(&db, machine, start) {
        Ok(()) => {}
        // A sync that failed before may be noticed only now, and ends writing.
        Err(_) if db.stats().fault.is_some() => {}
        Err(what) => return Err(format!("a healthy database {what}")),
    }
    drop(db.close());
    // Values with a short life are gone now.
    machine.advance(SHORT_LIFE_OVER);
    let opened = shared
        .keys()
        .into_iter()
        .find_map(|key| Database::open_with("/db", setting.options(machine.vfs(), key)).ok());
    let db = opened.ok_or("the database does not open when faults have ended")?;
    for client in 0..setting.clients {
        let history = shared.histories[client].lock().clone();
        let promised = shared.promised[client].load(Ordering::Relaxed);
        let begun = shared.begun[client].load(Ordering::Relaxed);
        check::client_finds_itself(&db, client, &history, (promised, begun))?;
    }
    let worked = db
        .put("after reopening", "works")
        .and_then(|()| db.compact())
        .and_then(|()| db.close());
    worked.map_err(|error| format!("the reopened database fails: {error}"))?;
    let took = machine.monotonic() - start - SHORT_LIFE_OVER;
    match took > LIVELY {
        true => Err(format!("{took:?} of simulated time to go on after faults")),
        false => Ok(()),
    }
}

/// Writes, flushes and compacts, from `start` on. The engine looks at the free space now and then.
fn work(db: &Database, machine: &SimVfs, start: Duration) -> Result<(), String> {
    while let Err(error) = db.put("after faults", "works") {
        if error.kind() != ErrorKind::NoSpace || machine.monotonic() - start > LIVELY {
            return Err(format!("does not take a write: {error}"));
        }
        machine.sleep(Duration::from_millis(100));
    }
    let worked = db.flush().and_then(|()| db.compact());
    worked.map_err(|error| format!("does not flush: {error}"))
}
