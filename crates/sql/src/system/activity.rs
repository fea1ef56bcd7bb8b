//! What goes on: `pg_stat_activity` and `pg_locks`.
//!
//! A session is one process to PostgreSQL's clients; its number is the one that the lock table
//! knows it by. Transactions that are no session's, those of keys and values, have locks too.

use std::collections::{BTreeSet, HashMap};

use rustdb_catalog::Object;
use rustdb_txn::{KeyspaceId, LockInfo, LockTarget, ObjectMode, OwnerId, RowMode};
use rustdb_types::{Oid, Value};

use super::Around;
use super::classes::OWNER;
use super::sheet::Sheet;
use crate::error::Result;

/// `pg_stat_activity`.
pub(super) fn activity(around: &Around<'_>, sheet: &mut Sheet) {
    sheet
        .always("usesysid", OWNER)
        .always("usename", &around.names.user)
        .always("application_name", "")
        .always("backend_type", "client backend");
    sheet.names(
        "datid datname pid backend_start xact_start query_start state_change wait_event_type \
         wait_event state query",
    );
    let Some(own) = around.activity else {
        return;
    };
    let waiting: HashMap<OwnerId, &str> = around
        .store
        .manager()
        .locks()
        .list()
        .into_iter()
        .filter(|lock| !lock.granted)
        .map(|lock| (lock.owner, kind_of(around, &lock)))
        .collect();
    for session in own.sessions() {
        let wait = match waiting.get(&session.owner) {
            Some(kind) => Some(("Lock", *kind)),
            None if !session.is_busy() => Some(("Client", "ClientRead")),
            None => None,
        };
        sheet.row([
            session.database.into(),
            (&*session.database_name).into(),
            process(session.owner).into(),
            Value::Timestamptz(session.began).into(),
            session.transaction_began().map(Value::Timestamptz).into(),
            session.query_began().map(Value::Timestamptz).into(),
            session.query_began().map(Value::Timestamptz).into(),
            wait.map(|(of, _)| of).into(),
            wait.map(|(_, event)| event).into(),
            session.state().into(),
            session.query().into(),
        ]);
    }
}

/// `pg_locks`: a row for each mode of each holder.
pub(super) fn locks(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.always("fastpath", false);
    sheet.names(
        "locktype database relation classid objid objsubid virtualtransaction pid mode granted",
    );
    let tables: HashMap<KeyspaceId, Oid> = around
        .catalog
        .tables()
        .iter()
        .flat_map(|table| table.keyspaces().map(|keyspace| (keyspace, table.oid)))
        .collect();
    for lock in around.store.manager().locks().list() {
        let target = target(around, &lock, &tables);
        for mode in lock.modes.split('+') {
            sheet.row([
                kind_of(around, &lock).into(),
                target.database.into(),
                target.relation.into(),
                target.class.into(),
                target.object.into(),
                target.part.into(),
                format!("{}/0", lock.owner).into(),
                process(lock.owner).into(),
                mode_name(&lock, mode).into(),
                lock.granted.into(),
            ]);
        }
    }
}

/// `pg_blocking_pids`: the sessions that hold what another one waits for.
pub(super) fn blocking(arguments: &[Value], around: &Around<'_>) -> Result<Value> {
    let Some(waiting) = arguments[0].as_integer() else {
        return Ok(Value::Null);
    };
    let locks = around.store.manager().locks().list();
    let of = |lock: &LockInfo| i64::from(process(lock.owner)) == waiting;
    let wanted: Vec<&LockInfo> = locks
        .iter()
        .filter(|lock| !lock.granted && of(lock))
        .collect();
    let is_in_the_way = |held: &LockInfo| {
        let mut wanted = wanted.iter();
        held.granted && !of(held) && wanted.any(|wanted| conflict(wanted, held))
    };
    let holders = locks.iter().filter(|held| is_in_the_way(held));
    let holders: BTreeSet<i32> = holders.map(|held| process(held.owner)).collect();
    Ok(super::sheet::array(holders.into_iter().map(Value::Int4)))
}

/// Whether a lock cannot be had because another one is held.
fn conflict(wanted: &LockInfo, held: &LockInfo) -> bool {
    if wanted.target != held.target {
        return false;
    }
    match wanted.target {
        LockTarget::Row(..) | LockTarget::Rows(_) => {
            let (wanted, held) = (named(&RowMode::ALL, wanted), named(&RowMode::ALL, held));
            any_pair(&wanted, &held, RowMode::conflicts_with)
        }
        LockTarget::Object(_) | LockTarget::Advisory(_) => {
            let all = &ObjectMode::ALL;
            any_pair(
                &named(all, wanted),
                &named(all, held),
                ObjectMode::conflicts_with,
            )
        }
    }
}

/// The modes of a lock, which are told by name.
fn named<M: Copy + std::fmt::Debug>(all: &[M], lock: &LockInfo) -> Vec<M> {
    let is_named = |mode: &M| {
        let name = format!("{mode:?}");
        lock.modes.split('+').any(|each| each == name)
    };
    all.iter().copied().filter(is_named).collect()
}

fn any_pair<M: Copy>(wanted: &[M], held: &[M], conflicts: impl Fn(M, M) -> bool) -> bool {
    let mut wanted = wanted.iter();
    wanted.any(|wanted| held.iter().any(|held| conflicts(*wanted, *held)))
}

/// The number of a session as processes have it.
pub(crate) fn process(owner: OwnerId) -> i32 {
    (owner & 0x7fff_ffff) as i32
}

#[derive(Default)]
struct Columns {
    database: Option<Oid>,
    relation: Option<Oid>,
    class: Option<Oid>,
    object: Option<Oid>,
    part: Option<i16>,
}

fn target(around: &Around<'_>, lock: &LockInfo, tables: &HashMap<KeyspaceId, Oid>) -> Columns {
    let database = Some(around.store.database());
    match &lock.target {
        LockTarget::Row(keyspace, _) | LockTarget::Rows(keyspace) => Columns {
            database,
            relation: tables.get(keyspace).copied(),
            ..Columns::default()
        },
        LockTarget::Object(number) => {
            let oid = u32::try_from(*number).ok().map(Oid);
            match oid.filter(|oid| is_relation(around, *oid)) {
                Some(relation) => Columns {
                    database,
                    relation: Some(relation),
                    ..Columns::default()
                },
                // A name that is locked has no number.
                None => Columns {
                    database,
                    object: oid,
                    ..Columns::default()
                },
            }
        }
        LockTarget::Advisory(key) => Columns {
            database: Some(Oid(key.database)),
            class: Some(Oid((key.key >> 32) as u32)),
            object: Some(Oid(key.key as u32)),
            part: Some(if key.is_pair { 2 } else { 1 }),
            ..Columns::default()
        },
    }
}

fn is_relation(around: &Around<'_>, oid: Oid) -> bool {
    matches!(
        around.catalog.object(oid),
        Some(Object::Table(_) | Object::View(_) | Object::Sequence(_))
    )
}

fn kind_of(around: &Around<'_>, lock: &LockInfo) -> &'static str {
    match &lock.target {
        // Rows that are locked together have no number either.
        LockTarget::Row(..) | LockTarget::Rows(_) => "tuple",
        LockTarget::Advisory(_) => "advisory",
        LockTarget::Object(number) => match u32::try_from(*number) {
            Ok(oid) if is_relation(around, Oid(oid)) => "relation",
            _ => "object",
        },
    }
}

/// PostgreSQL's name of a mode. Its modes of rows are those of objects in a queue for them.
fn mode_name(lock: &LockInfo, mode: &str) -> String {
    let name = match (&lock.target, mode) {
        (LockTarget::Row(..) | LockTarget::Rows(_), "Presence" | "KeyShare") => "AccessShare",
        (LockTarget::Row(..) | LockTarget::Rows(_), "Share") => "RowShare",
        (LockTarget::Row(..) | LockTarget::Rows(_), "NoKeyUpdate") => "Exclusive",
        (LockTarget::Row(..) | LockTarget::Rows(_), _) => "AccessExclusive",
        (_, other) => other,
    };
    format!("{name}Lock")
}
