//! Opening a database on a disk after power loss, and comparing.

use std::path::PathBuf;

use rustdb::{Database, Error, ErrorKind};
use rustdb_vfs::{OpSet, PowerLoss, SimVfs};

use crate::setting::Setting;
use crate::workload::{Entries, Random, SHORT_LIFE_OVER, State};

/// A disk as a power failure would leave it, and what each client may expect to find.
pub(crate) struct Future {
    pub disk: SimVfs,
    /// Where the database is.
    pub directory: PathBuf,
    /// The keys that may open it, if it is encrypted: the newest first.
    pub keys: Vec<u8>,
    /// How the power was lost, for the report.
    pub how: String,
    /// Of each client: the last state it was promised, and the last it had begun.
    pub bounds: Vec<(usize, usize)>,
}

/// Opens a database on the disk and compares. Returns how many recoveries that took.
pub(crate) fn check(
    setting: &Setting,
    future: &Future,
    histories: &[Vec<State>],
    random: &mut Random,
) -> Result<u64, String> {
    let mut disk = future.disk.fork();
    // Opening needs a little space.
    disk.set_capacity(None);
    let mut recoveries = 1;
    // The power may fail again while the database recovers.
    while random.one_in(3) && recoveries < 4 {
        let fuse = disk.power_off_at(OpSet::CHANGES, random.below(60));
        drop(open(setting, future, &disk));
        disk.remove_fault(fuse);
        disk = disk.power_loss(PowerLoss::Seeded(random.next()));
        recoveries += 1;
    }
    // Values with a short life are gone then.
    disk.advance(SHORT_LIFE_OVER);
    let describe = |what: String| format!("{what}\nafter: {}", future.how);
    let failed = |error: Error| describe(format!("the database does not open: {error}"));
    let db = open(setting, future, &disk).map_err(failed)?;
    for (client, history) in histories.iter().enumerate() {
        let bounds = future.bounds[client];
        client_finds_itself(&db, client, history, bounds).map_err(describe)?;
    }
    use_it(&db).map_err(|error| describe(format!("the recovered database fails: {error}")))?;
    Ok(recoveries)
}

fn open(setting: &Setting, future: &Future, disk: &SimVfs) -> rustdb::Result<Database> {
    let with = |key| Database::open_with(&future.directory, setting.options(disk.vfs(), key));
    let (first, others) = future.keys.split_first().expect("there always is a key");
    others
        .iter()
        .fold(with(*first), |opened, key| match opened {
            Err(error) if error.kind() == ErrorKind::Unsupported => with(*key),
            opened => opened,
        })
}

/// Whether a client finds one of its states from the one it was promised to the one it had begun.
pub(crate) fn client_finds_itself(
    db: &Database,
    client: usize,
    history: &[State],
    (promised, begun): (usize, usize),
) -> Result<(), String> {
    let begun = begun.min(history.len() - 1);
    let states: Vec<Option<Entries>> = history
        .iter()
        .map(|state| Some(state.as_ref()?.survivors()))
        .collect();
    let found = read(db, client)?;
    if states[promised..=begun].contains(&found) {
        return Ok(());
    }
    let elsewhere = states.iter().position(|state| *state == found);
    Err(format!(
        "client {client} was promised state {promised} and had begun {begun}, but finds {}",
        match elsewhere {
            Some(state) => format!("state {state}"),
            None => format!("none of its states: {}", difference(&found, &states[begun])),
        }
    ))
}

/// What a client finds, by scan, checked against point reads and the count.
fn read(db: &Database, client: usize) -> Result<Option<Entries>, String> {
    let Some(keyspace) = db.existing_keyspace(&client_name(client)) else {
        return Ok(None);
    };
    let fail = |error: Error| format!("client {client} cannot read: {error}");
    let mut map = Entries::new();
    for entry in keyspace.iter() {
        let (key, value) = entry.map_err(fail)?;
        let found = keyspace.get(&key).map_err(fail)?;
        if found.as_deref() != Some(&*value) {
            return Err(format!("client {client}: scan and get differ at {key:?}"));
        }
        map.insert(key.to_vec(), value.to_vec());
    }
    let count = keyspace.len().map_err(fail)?;
    if count != map.len() as u64 {
        return Err(format!(
            "client {client}: len is {count}, but there are {} keys",
            map.len()
        ));
    }
    Ok(Some(map))
}

/// A recovered database takes writes and closes in order.
fn use_it(db: &Database) -> rustdb::Result<()> {
    db.put("after recovery", "works")?;
    db.flush()?;
    db.get("after recovery")?;
    db.clone().close()
}

fn difference(found: &Option<Entries>, expected: &Option<Entries>) -> String {
    let (Some(found), Some(expected)) = (found, expected) else {
        return format!(
            "keyspace there: {}, expected: {}",
            found.is_some(),
            expected.is_some()
        );
    };
    let differs = |(key, value): &(&Vec<u8>, &Vec<u8>)| expected.get(*key) != Some(*value);
    let first = found
        .iter()
        .find(differs)
        .map(|(key, _)| String::from_utf8_lossy(key));
    let missing = expected.keys().find(|key| !found.contains_key(*key));
    let missing = missing.map(|key| String::from_utf8_lossy(key));
    format!(
        "{} keys for {}, first other {first:?}, first missing {missing:?}",
        found.len(),
        expected.len()
    )
}

/// The keyspace of a client.
pub(crate) fn client_name(client: usize) -> String {
    format!("client{client}")
}
