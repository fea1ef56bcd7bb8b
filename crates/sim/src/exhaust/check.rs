//! Opening a database on what a power loss left, and comparing.

use std::path::Path;
use std::sync::Arc;

use rustdb::{Database, Encryption, ErrorKind};
use rustdb_vfs::sync::Mutex;
use rustdb_vfs::{OpSet, PowerLoss, SimVfs};

use super::script::{self, Act, World};
use super::{Extent, Moment, Tried};

/// Knows what to expect after each act.
pub(super) struct Checker<'a> {
    acts: &'a [Act],
    extent: Extent,
    /// The world before each act, and after the last.
    pub worlds: Vec<World>,
    /// The key before each act, and after the last.
    keys: Vec<Option<u8>>,
}

/// All keys that the script uses.
pub(super) fn encryptions(is_encrypted: bool) -> Vec<Option<Encryption>> {
    let machine = SimVfs::new(0);
    let of = |key| script::options(machine.vfs(), key, 0).encryption;
    match is_encrypted {
        true => [1, 2, 3].map(|key| of(Some(key))).into(),
        false => vec![None],
    }
}

impl<'a> Checker<'a> {
    pub(super) fn new(acts: &'a [Act], extent: Extent) -> Self {
        let mut worlds = vec![World::new()];
        let mut keys = vec![extent.is_encrypted.then_some(1)];
        for (index, act) in acts.iter().enumerate() {
            worlds.push(act.applied_to(index, &worlds[index]));
            keys.push(match act {
                Act::ChangeKey(byte) => Some(*byte),
                _ => keys[index],
            });
        }
        Self {
            acts,
            extent,
            worlds,
            keys,
        }
    }

    /// The key after the last act.
    pub(super) fn last_key(&self) -> Option<u8> {
        self.keys[self.acts.len()]
    }

    /// One power loss, or without one the end of the process; if it `is_sampled`, also one at every step of the recovery after it.
    pub(super) fn check(
        &self,
        moment: &Moment,
        loss: Option<PowerLoss>,
        is_sampled: bool,
        tried: &mut Tried,
    ) -> Result<(), String> {
        let disk = match loss {
            Some(policy) => moment.machine.after_power_loss(policy),
            None => moment.machine.fork(),
        };
        let steps = Arc::new(Mutex::new(Vec::new()));
        if is_sampled {
            let steps = steps.clone();
            disk.observe(move |machine, operation| {
                if OpSet::CHANGES.contains(operation.kind) {
                    let step = (machine.fork(), format!("{operation:?}"));
                    steps.lock().push(step);
                }
            });
        }
        let db = self.open(&disk, moment)?;
        disk.observe(|_, _| {});
        self.compare(db, moment)?;
        tried.recoveries += 1;
        self.check_copies(&disk, moment)?;
        let steps = std::mem::take(&mut *steps.lock());
        for (number, (machine, what)) in steps.iter().enumerate() {
            tried.recovery_steps += 1;
            let seeded = (0..self.extent.recovery_seeds).map(|n| PowerLoss::Seeded(n * 7919 + 1));
            let fixed = [PowerLoss::LoseAll, PowerLoss::KeepAll];
            for policy in fixed.into_iter().chain(seeded) {
                let disk = machine.after_power_loss(policy);
                let opened = self.open(&disk, moment);
                tried.second_recoveries += 1;
                opened
                    .and_then(|db| self.compare(db, moment))
                    .map_err(|error| {
                        format!("{error}\nafter {policy:?} at step {number} of recovery: {what}")
                    })?;
            }
        }
        Ok(())
    }

    /// Opens with the key that must open, or, while it is being changed, with either.
    fn open(&self, disk: &SimVfs, moment: &Moment) -> Result<Database, String> {
        let (old, new) = (self.keys[moment.done], self.keys[moment.begun]);
        let open = |key| Database::open_with("/db", script::options(disk.vfs(), key, 0));
        let opened = match open(new) {
            Err(error) if new != old && error.kind() == ErrorKind::Unsupported => open(old),
            opened => opened,
        };
        opened.map_err(|error| format!("the database does not open: {error}"))
    }

    /// Compares, and sees that the database takes writes and lets go of its files.
    fn compare(&self, db: Database, moment: &Moment) -> Result<(), String> {
        let found = read(&db)?;
        if !self.worlds[moment.done..=moment.begun].contains(&found) {
            let what = difference(&found, &self.worlds[moment.begun]);
            return Err(format!(
                "{} acts were done, {} begun, but found is something else: {what}",
                moment.done, moment.begun
            ));
        }
        let usable = db
            .put("after recovery", "works")
            .and_then(|()| db.get("after recovery"));
        usable.map_err(|error| format!("the recovered database fails: {error}"))?;
        db.close()
            .map_err(|error| format!("the recovered database does not close: {error}"))
    }

    /// A checkpoint that was acknowledged is there; one that was not is whole or is no database.
    fn check_copies(&self, disk: &SimVfs, moment: &Moment) -> Result<(), String> {
        for (index, act) in self.acts[..moment.begun].iter().enumerate() {
            let Act::Checkpoint(directory) = act else {
                continue;
            };
            // Opening an old one again and again would show nothing new.
            if moment.done > index + 2 {
                continue;
            }
            let mut options = script::options(disk.vfs(), self.keys[index], 0);
            options.create = false;
            match Database::open_with(Path::new(directory), options) {
                Err(error) if index < moment.done => {
                    return Err(format!("checkpoint {directory} does not open: {error}"));
                }
                Err(_) => {}
                Ok(copy) if read(&copy)? != self.worlds[index] => {
                    return Err(format!("checkpoint {directory} holds something else"));
                }
                Ok(copy) => drop(copy),
            }
        }
        Ok(())
    }
}

/// All that a database holds; scans, point reads and counts must agree.
pub(super) fn read(db: &Database) -> Result<World, String> {
    let fail = |error| format!("cannot read: {error}");
    let mut world = World::new();
    for name in db.keyspaces().into_iter().filter(|name| name != "default") {
        let keyspace = db
            .existing_keyspace(&name)
            .ok_or("a listed keyspace is not there")?;
        let entries = world.entry(name.clone()).or_default();
        for entry in keyspace.iter() {
            let (key, value) = entry.map_err(fail)?;
            let found = keyspace.get(&key).map_err(fail)?;
            if found.as_deref() != Some(&*value) {
                return Err(format!("scan and get differ at {key:?} of {name}"));
            }
            entries.insert(key.to_vec(), value.to_vec());
        }
        let count = keyspace.len().map_err(fail)?;
        if count != entries.len() as u64 {
            return Err(format!(
                "len of {name} is {count} for {} keys",
                entries.len()
            ));
        }
    }
    Ok(world)
}

/// Where two worlds differ first.
pub(super) fn difference(found: &World, expected: &World) -> String {
    let names = |world: &World| world.keys().cloned().collect::<Vec<_>>();
    if names(found) != names(expected) {
        return format!("keyspaces {:?} for {:?}", names(found), names(expected));
    }
    for (name, entries) in expected {
        let there = &found[name];
        let missing = entries
            .iter()
            .find(|(key, value)| there.get(*key) != Some(value));
        let extra = there.keys().find(|key| !entries.contains_key(*key));
        if missing.is_some() || extra.is_some() {
            let text = |key: &Vec<u8>| String::from_utf8_lossy(key).into_owned();
            return format!(
                "in {name}: other or missing {:?}, extra {:?}",
                missing.map(|(key, _)| text(key)),
                extra.map(text)
            );
        }
    }
    "no difference".into()
}
