//! Ctrl-C and SIGTERM.
//!
//! One thread waits for signals. While a command is at work a signal asks it to stop, which it
//! does at the next row or entry ([`is_cancelled`]); a second one does not wait for that.
//! While nothing is at work the thread closes the database and ends the process itself.
//!
//! At the prompt Ctrl-C is no signal: the terminal is in raw mode and the line editor sees a key.

use std::ops::ControlFlow;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use rustdb::Database;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::{Failure, Result, Status};

static WORKING: AtomicBool = AtomicBool::new(false);
static CANCELLED: AtomicBool = AtomicBool::new(false);
static TERMINATING: AtomicBool = AtomicBool::new(false);
static OPEN: Mutex<Option<Database>> = Mutex::new(None);
static FAREWELL: Mutex<Option<(&str, bool)>> = Mutex::new(None);
static WATCHING: Once = Once::new();

/// Waits for signals from now on, and closes `database` if one ends the process.
pub fn watch(database: &Database) -> Result<()> {
    *open() = Some(database.clone());
    watch_signals()
}

fn watch_signals() -> Result<()> {
    let mut outcome = Ok(());
    WATCHING.call_once(|| outcome = start());
    outcome
}

/// Waits for signals from now on, while work goes on that a signal ends at once, as a crash would.
/// Then `farewell` says what is to be done about that.
pub fn watch_without_database(farewell: &'static str, is_json: bool) -> Result<()> {
    *FAREWELL.lock().unwrap_or_else(PoisonError::into_inner) = Some((farewell, is_json));
    watch_signals()
}

/// Forgets the database: a handle kept here would keep it open.
pub fn forget() {
    *open() = None;
}

fn open() -> MutexGuard<'static, Option<Database>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|error| Failure::new(format!("cannot wait for signals: {error}")))?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            received(signal);
        }
    });
    Ok(())
}

fn received(signal: i32) {
    let status = if signal == SIGINT {
        Status::Interrupted
    } else {
        TERMINATING.store(true, Ordering::SeqCst);
        Status::Terminated
    };
    let asked_before = CANCELLED.swap(true, Ordering::SeqCst);
    if asked_before || !WORKING.load(Ordering::SeqCst) {
        leave(status, asked_before);
    }
}

fn leave(status: Status, in_haste: bool) -> ! {
    if crossterm::terminal::is_raw_mode_enabled().unwrap_or(false) {
        let _the_process_ends = crossterm::terminal::disable_raw_mode();
        eprintln!();
    }
    let farewell = *FAREWELL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((farewell, is_json)) = farewell {
        Failure::cancelled(format!("; {farewell}")).tell(is_json);
    }
    if !in_haste && let Some(database) = open().take() {
        let _acknowledged_writes_are_safe = database.close();
    }
    exit(status as i32)
}

/// Work that a signal should stop instead of ending the process. Ends when dropped; work within
/// work ends with the outermost.
#[derive(Debug)]
pub struct Working {
    is_within: bool,
}

impl Working {
    /// Begins work; a signal that came before counts no more.
    pub fn begin() -> Self {
        let is_within = WORKING.load(Ordering::SeqCst);
        if !is_within {
            CANCELLED.store(false, Ordering::SeqCst);
            WORKING.store(true, Ordering::SeqCst);
        }
        Self { is_within }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if !self.is_within {
            WORKING.store(false, Ordering::SeqCst);
        }
    }
}

/// Whether a signal asks the work at hand to stop.
pub fn is_cancelled() -> bool {
    CANCELLED.load(Ordering::Relaxed)
}

/// For work that asks whether to go on.
pub fn proceed() -> ControlFlow<()> {
    match is_cancelled() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}

/// Whether the process was asked to end.
pub fn is_terminating() -> bool {
    TERMINATING.load(Ordering::SeqCst)
}
