//! One run: the database, its clients, and the disks that power loss would leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use rustdb::crypto::{Algorithm, RawKey, Secret};
use rustdb::{Database, Durability, Encryption, Options};
use rustdb_vfs::sync::Mutex;
use rustdb_vfs::{Effect, Failure, Fault, OpSet, PowerLoss, SimVfs, Simulation, Vfs, VfsRef};

use crate::check::{Future, check, client_name};
use crate::workload::{Random, State, Step};

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

/// What a seed decides about a run as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    seed: u64,
    clients: usize,
    steps: usize,
    is_encrypted: bool,
    has_faults: bool,
    write_buffer_bytes: usize,
    /// One in so many changes of the disk is looked at.
    sample: u64,
}

impl Setting {
    fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            seed,
            clients: 1 + random.below(3) as usize,
            steps: 30 + random.below(50) as usize,
            is_encrypted: random.one_in(4),
            has_faults: random.one_in(3),
            write_buffer_bytes: 4096 << random.below(4),
            sample: 1 + random.below(24),
        }
    }

    pub(crate) fn options(&self, vfs: VfsRef) -> Options {
        let encryption = self.is_encrypted.then(|| Encryption {
            provider: Arc::new(RawKey::new(Secret::new([7; 32]))),
            algorithm: Algorithm::ChaCha20Poly1305,
        });
        Options {
            cache_bytes: 256 << 10,
            write_buffer_bytes: self.write_buffer_bytes,
            transaction_bytes: 4 << 10,
            large_value_bytes: 256,
            compaction_threads: 1,
            reserve_bytes: 0,
            encryption,
            vfs: Some(vfs),
            ..Options::default()
        }
    }
}

/// What clients and observer share.
struct Shared {
    promised: Vec<AtomicUsize>,
    begun: Vec<AtomicUsize>,
    histories: Vec<Mutex<Vec<State>>>,
    /// The clients' steps, in short, for the report of a failure.
    steps: Vec<Mutex<Vec<String>>>,
    failed_steps: AtomicUsize,
    /// What clients found wrong while they ran.
    complaints: Mutex<Vec<String>>,
    running: AtomicUsize,
}

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
    let shared = Arc::new(Shared {
        promised: (0..setting.clients).map(|_| AtomicUsize::new(0)).collect(),
        begun: (0..setting.clients).map(|_| AtomicUsize::new(0)).collect(),
        histories: (0..setting.clients)
            .map(|_| Mutex::new(vec![None]))
            .collect(),
        steps: (0..setting.clients).map(|_| Mutex::default()).collect(),
        failed_steps: AtomicUsize::new(0),
        complaints: Mutex::default(),
        running: AtomicUsize::new(setting.clients),
    });
    let (sender, futures) = mpsc::channel();
    let outcome = {
        let (shared, setting) = (shared.clone(), setting.clone());
        Simulation::new(setting.seed).try_run(move |machine| {
            watch(&machine, &setting, &shared, sender);
            live(&machine, &setting, &shared)
        })
    };
    match outcome {
        Ok(outcome) => outcome.value?,
        Err(failure) => return Err(format!("{failure}\nsetting: {setting:?}")),
    }
    Ok((futures.into_iter().collect(), shared))
}

/// Notes, at some of the changes of the disk, what power loss would leave.
fn watch(machine: &SimVfs, setting: &Setting, shared: &Arc<Shared>, sender: mpsc::Sender<Future>) {
    let shared = Arc::clone(shared);
    let (sample, seed) = (setting.sample, setting.seed);
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
        let policy = match random.below(8) {
            0 => PowerLoss::LoseAll,
            1 => PowerLoss::KeepAll,
            2 => PowerLoss::LoseData,
            3 => PowerLoss::LoseNames,
            _ => PowerLoss::Seeded(random.next()),
        };
        let bounds = shared.promised.iter().zip(&shared.begun);
        let future = Future {
            bounds: bounds
                .map(|(p, b)| (p.load(Ordering::Relaxed), b.load(Ordering::Relaxed)))
                .collect(),
            how: format!("{policy:?} at change {number}, {operation:?}"),
            disk: machine.after_power_loss(policy),
        };
        // Nobody listens any more when the run has failed; it reports for itself.
        drop(sender.send(future));
    });
}

/// The life of the database.
fn live(machine: &SimVfs, setting: &Setting, shared: &Arc<Shared>) -> Result<(), String> {
    let open = || Database::open_with("/db", setting.options(machine.vfs()));
    let db = open().map_err(|e| format!("cannot create the database: {e}"))?;
    if setting.has_faults {
        inject(machine, setting);
    }
    let mut threads = Vec::new();
    for client in 0..setting.clients {
        let (db, shared, setting) = (db.clone(), shared.clone(), setting.clone());
        let body = move || {
            be_client(&db, &setting, &shared, client);
            shared.running.fetch_sub(1, Ordering::Relaxed);
        };
        threads.push(machine.spawn(&client_name(client), Box::new(body)));
    }
    let caretaker = {
        let (db, shared, world) = (db.clone(), shared.clone(), machine.clone());
        let random = Random::new(setting.seed ^ 0xca7e);
        let body = move || take_care(&db, &world, &shared, random);
        machine.vfs().spawn("caretaker", Box::new(body))
    };
    for thread in threads.into_iter().chain([caretaker]) {
        let thread = thread.map_err(|e| format!("cannot start a thread: {e}"))?;
        if !thread.join() {
            return Err("a thread panicked".into());
        }
    }
    drop(db.close());
    Ok(())
}

fn be_client(db: &Database, setting: &Setting, shared: &Shared, client: usize) {
    let mut random = Random::new(setting.seed.wrapping_add(1 + client as u64));
    let mut state: State = None;
    for number in 1..=setting.steps {
        let step = Step::draw(&mut random, &state);
        let durability = match random.below(4) {
            0 => Durability::None,
            1 => Durability::Buffered,
            _ => Durability::Sync,
        };
        let next = step.applied_to(&state);
        shared.steps[client]
            .lock()
            .push(format!("{durability:?} {}", step.in_short()));
        shared.histories[client].lock().push(next.clone());
        shared.begun[client].store(number, Ordering::Relaxed);
        if step.perform(db, &client_name(client), durability).is_err() {
            // Whether it happened is unknown, so this is as far as the history can go.
            shared.failed_steps.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if let Err(what) = count_is_right(db, client, &next) {
            shared
                .complaints
                .lock()
                .push(format!("{what} after {step:?}"));
        }
        // A step that changes nothing may not reach the log, and then promises nothing.
        let changes = next != state;
        if changes && (durability == Durability::Sync || step.is_always_durable()) {
            shared.promised[client].store(number, Ordering::Relaxed);
        }
        state = next;
    }
}

/// The count of a live keyspace.
fn count_is_right(db: &Database, client: usize, state: &State) -> Result<(), String> {
    let (Some(keyspace), Some(map)) = (db.existing_keyspace(&client_name(client)), state) else {
        return Ok(());
    };
    match keyspace.len() {
        Ok(count) if count != map.len() as u64 => Err(format!(
            "client {client}: len is {count} for {} keys",
            map.len()
        )),
        _ => Ok(()),
    }
}

/// Flushes and compacts now and then while clients run.
fn take_care(db: &Database, machine: &SimVfs, shared: &Shared, mut random: Random) {
    while shared.running.load(Ordering::Relaxed) > 0 {
        machine.sleep(Duration::from_micros(random.below(20_000)));
        // Failures are for the clients to notice.
        drop(match random.below(3) {
            0 => db.flush(),
            1 => db.compact(),
            _ => Ok(()),
        });
    }
}

/// Lets something go wrong, once or for good, at some moment.
fn inject(machine: &SimVfs, setting: &Setting) {
    let mut random = Random::new(setting.seed ^ 0xfa17);
    let effect = match random.below(6) {
        0 => Effect::Fail(Failure::Io),
        1 => Effect::Fail(Failure::NoSpace),
        2 => Effect::Torn(Failure::Io),
        3 => Effect::LosePages(rustdb_vfs::AfterLoss::Old),
        4 => Effect::LosePages(rustdb_vfs::AfterLoss::New),
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
