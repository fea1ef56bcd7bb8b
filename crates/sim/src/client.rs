//! A client: steps that change its keyspace, and looks at what is there.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rustdb::{Database, Durability, Keyspace, Snapshot};
use rustdb_vfs::SimVfs;

use crate::check::client_name;
use crate::run::Shared;
use crate::setting::Setting;
use crate::workload::{Entries, Life, Random, Space, State, Step};

/// No call takes so long on a machine without faults, the time apart in which somebody worked.
/// Threads that missed a notification look again after a second.
const CALL_MAX: Duration = Duration::from_millis(900);

/// The present of some steps ago.
struct Past {
    /// It may have been dropped since, and another of its name created.
    keyspace: Keyspace,
    snapshot: Snapshot,
    space: Space,
}

pub(crate) fn be_client(
    db: &Database,
    machine: &SimVfs,
    setting: &Setting,
    shared: &Shared,
    client: usize,
) {
    let mut random = Random::new(setting.seed.wrapping_add(1 + client as u64));
    let mut state: State = None;
    let mut past: Option<Past> = None;
    for number in 1..=setting.steps {
        let step = match setting.crowd {
            Some(_) => Step::draw_in_crowd(&mut random, &state),
            None => Step::draw(&mut random, &state),
        };
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
        let start = machine.idle_time();
        if step.perform(db, &client_name(client), durability).is_err() {
            // Whether it happened is unknown, so this is as far as the history can go.
            shared.failed_steps.fetch_add(1, Ordering::Relaxed);
            return;
        }
        shared.note_time(setting, machine.idle_time() - start, || format!("{step:?}"));
        shared.returned[client].store(number, Ordering::Relaxed);
        // A step that changes nothing may not reach the log, and then promises nothing.
        let changes = next != state;
        if changes && (durability == Durability::Sync || step.is_always_durable()) {
            shared.promised[client].store(number, Ordering::Relaxed);
        }
        if changes && (durability != Durability::None || step.is_always_durable()) {
            shared.handed_over[client].store(number, Ordering::Relaxed);
        }
        state = next;
        let looked = look(db, client, &state, &mut past, &mut random);
        if let Err(what) = looked {
            let complaint = format!("client {client}: {what} after step {number}, {step:?}");
            shared.complaints.lock().push(complaint);
        }
    }
}

impl Shared {
    /// Complains about a call that took too long.
    pub(crate) fn note_time(
        &self,
        setting: &Setting,
        took: Duration,
        what: impl FnOnce() -> String,
    ) {
        if took > CALL_MAX && !setting.has_faults {
            let complaint = format!("{took:?} of idle time for {}", what());
            self.complaints.lock().push(complaint);
        }
    }
}

/// Now and then compares what the database shows with what it should.
fn look(
    db: &Database,
    client: usize,
    state: &State,
    past: &mut Option<Past>,
    random: &mut Random,
) -> Result<(), String> {
    let (Some(keyspace), Some(space)) = (db.existing_keyspace(&client_name(client)), state) else {
        return Ok(());
    };
    // Reads may fail after a fault; what they return must be right.
    match keyspace.len() {
        Ok(count) if space.is_counted && count != space.entries.len() as u64 => {
            return Err(format!("len is {count} for {} keys", space.entries.len()));
        }
        Ok(_) | Err(_) => {}
    }
    if random.one_in(6) {
        both_ways(space, || keyspace.iter())?;
        let (start, end) = (b"key0010".as_slice(), b"key0040".as_slice());
        let mut part = space.clone();
        part.entries
            .retain(|key, _| **key >= *start && **key < *end);
        both_ways(&part, || keyspace.range(start..end))?;
    }
    if let Some(then) = past
        && random.one_in(6)
    {
        both_ways(&then.space, || then.snapshot.iter(&then.keyspace))
            .map_err(|what| format!("{what} (past)"))?;
        *past = None;
    }
    if past.is_none() && random.one_in(6) {
        *past = Some(Past {
            keyspace,
            snapshot: db.snapshot(),
            space: space.clone(),
        });
    }
    Ok(())
}

/// Compares scans forwards and backwards.
fn both_ways(space: &Space, iter: impl Fn() -> rustdb::Iter) -> Result<(), String> {
    let owned = |(key, value): rustdb::Entry| (key.to_vec(), value.to_vec());
    let forwards: Result<Vec<_>, _> = iter().map(|entry| entry.map(owned)).collect();
    let backwards: Result<Vec<_>, _> = iter().rev().map(|entry| entry.map(owned)).collect();
    let (Ok(forwards), Ok(mut backwards)) = (forwards, backwards) else {
        return Ok(());
    };
    backwards.reverse();
    for (entries, direction) in [(&forwards, "forwards"), (&backwards, "backwards")] {
        if !entries.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(format!("a scan {direction} is not in order"));
        }
        let found: Entries = entries.iter().cloned().collect();
        if !space.may_be(&found) {
            return Err(format!("a scan {direction} finds something else"));
        }
    }
    let may_change = space.entries.values().any(|cell| cell.life == Life::Short);
    match forwards == backwards || may_change {
        true => Ok(()),
        false => Err("scans forwards and backwards differ".into()),
    }
}
