//! The rules of the lock table, with real threads where a rule is about waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustdb_storage::KeyspaceId;

use super::{
    AdvisoryKey, LockError, LockOwner, LockTable, ObjectMode, OwnerId, Party, RowMode,
    SessionLocks, Wait,
};

const KS: KeyspaceId = KeyspaceId::DEFAULT;

fn table() -> Arc<LockTable> {
    table_of(1000)
}

fn table_of(locks_max: usize) -> Arc<LockTable> {
    Arc::new(LockTable::new(locks_max, 7))
}

fn owner(table: &Arc<LockTable>, id: OwnerId) -> LockOwner {
    LockOwner::new(table.clone(), id)
}

/// Returns once `owner` sleeps on a lock.
fn until_waiting(table: &LockTable, owner: OwnerId) {
    while !table.is_waiting(owner) {
        std::thread::yield_now();
    }
}

#[test]
fn row_modes_exclude_as_the_table_says() {
    for held in RowMode::ALL {
        for wanted in RowMode::ALL {
            let table = table();
            let (mut a, mut b) = (owner(&table, 1), owner(&table, 2));
            a.lock_row(KS, b"k", held, Wait::No).unwrap();
            let granted = b.lock_row(KS, b"k", wanted, Wait::No).is_ok();
            assert_eq!(
                granted,
                !held.conflicts_with(wanted),
                "{held:?} then {wanted:?}"
            );
        }
    }
}

#[test]
fn different_keys_keyspaces_and_objects_do_not_meet() {
    let table = table();
    let (mut a, mut b) = (owner(&table, 1), owner(&table, 2));
    a.lock_row(KS, b"k", RowMode::Update, Wait::No).unwrap();
    a.lock_object(7, ObjectMode::AccessExclusive, Wait::No)
        .unwrap();
    b.lock_row(KS, b"l", RowMode::Update, Wait::No).unwrap();
    b.lock_row(KeyspaceId(9), b"k", RowMode::Update, Wait::No)
        .unwrap();
    b.lock_object(8, ObjectMode::AccessExclusive, Wait::No)
        .unwrap();
}

#[test]
fn weaker_mode_of_a_held_row_is_no_new_lock() {
    let table = table();
    let mut a = owner(&table, 1);
    a.lock_row(KS, b"k", RowMode::Update, Wait::No).unwrap();
    a.lock_row(KS, b"k", RowMode::KeyShare, Wait::No).unwrap();
    assert_eq!(a.len(), 1);
    assert!(a.holds_row(KS, b"k", RowMode::Share));
}

#[test]
fn optimistic_writers_see_locks_of_others_only() {
    let table = table();
    let mut a = owner(&table, 1);
    assert!(!table.has_row_locks());
    a.lock_row(KS, b"k", RowMode::KeyShare, Wait::No).unwrap();
    assert!(table.is_row_locked_by_other(2, KS, b"k"));
    assert!(!table.is_row_locked_by_other(1, KS, b"k"));
    assert!(!table.is_row_locked_by_other(2, KS, b"l"));
    assert!(table.any_row_locked_by_other(2, |_, key| key == b"k"));
    assert!(!table.any_row_locked_by_other(2, |_, key| key == b"l"));
    a.release_all();
    assert!(!table.has_row_locks());
    assert!(!table.is_row_locked_by_other(2, KS, b"k"));
}

#[test]
fn drop_releases_and_wakes() {
    let table = table();
    let mut a = owner(&table, 1);
    a.lock_row(KS, b"k", RowMode::Update, Wait::No).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut b = owner(&table, 2);
            b.lock_row(KS, b"k", RowMode::Update, Wait::Forever)
        });
        until_waiting(&table, 2);
        drop(a);
        assert_eq!(waiter.join().unwrap(), Ok(()));
    });
    assert_eq!(table.stats().used, 0);
    assert!(table.list().is_empty());
}

#[test]
fn first_come_first_served_even_for_modes_that_would_fit() {
    let table = table();
    let (mut a, mut c) = (owner(&table, 1), owner(&table, 3));
    a.lock_row(KS, b"k", RowMode::Share, Wait::No).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut b = owner(&table, 2);
            b.lock_row(KS, b"k", RowMode::Update, Wait::Forever)
        });
        until_waiting(&table, 2);
        // A share lock would fit beside the holder, but not before the waiting writer.
        let refused = c.lock_row(KS, b"k", RowMode::Share, Wait::No);
        assert_eq!(refused, Err(LockError::NotAvailable));
        a.release_all();
        assert_eq!(writer.join().unwrap(), Ok(()));
    });
    c.lock_row(KS, b"k", RowMode::Share, Wait::No).unwrap();
}

#[test]
fn upgrade_goes_before_those_it_blocks() {
    let table = table();
    let mut a = owner(&table, 1);
    a.lock_row(KS, b"k", RowMode::Share, Wait::No).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut b = owner(&table, 2);
            b.lock_row(KS, b"k", RowMode::Update, Wait::Forever)
        });
        until_waiting(&table, 2);
        a.lock_row(KS, b"k", RowMode::Update, Wait::No).unwrap();
        a.release_all();
        assert_eq!(writer.join().unwrap(), Ok(()));
    });
}

#[test]
fn two_upgrades_of_one_row_are_a_deadlock() {
    let table = table();
    let (mut a, mut b) = (owner(&table, 1), owner(&table, 2));
    a.lock_row(KS, b"k", RowMode::Share, Wait::No).unwrap();
    b.lock_row(KS, b"k", RowMode::Share, Wait::No).unwrap();
    std::thread::scope(|scope| {
        let first = scope.spawn(move || {
            let got = a.lock_row(KS, b"k", RowMode::Update, Wait::Forever);
            (a, got)
        });
        until_waiting(&table, 1);
        let second = b.lock_row(KS, b"k", RowMode::Update, Wait::Forever);
        assert_eq!(second, Err(LockError::Deadlock));
        b.release_all();
        assert_eq!(first.join().unwrap().1, Ok(()));
    });
    assert_eq!(table.stats().deadlocks, 1);
}

/// 2 waits for a row of 1's, 3 for the object that 2 holds; 1 wants the object behind 3.
#[test]
fn a_request_goes_before_one_that_would_make_its_wait_a_circle() {
    let table = table();
    let (mut a, mut b, mut c) = (owner(&table, 1), owner(&table, 2), owner(&table, 3));
    a.lock_row(KS, b"k", RowMode::Update, Wait::No).unwrap();
    b.lock_object(7, ObjectMode::RowExclusive, Wait::No)
        .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            b.lock_row(KS, b"k", RowMode::Update, Wait::Forever)
                .unwrap()
        });
        until_waiting(&table, 2);
        scope.spawn(move || c.lock_object(7, ObjectMode::Share, Wait::Forever).unwrap());
        until_waiting(&table, 3);
        a.lock_object(7, ObjectMode::RowExclusive, Wait::Forever)
            .unwrap();
        a.release_all();
    });
    assert_eq!(table.stats().deadlocks, 0);
    assert_eq!(table.stats().used, 0);
}

#[test]
fn who_only_outlasts_others_keeps_nobody_out() {
    let table = table();
    let [mut a, mut b, mut c] = [1, 2, 3].map(|id| owner(&table, id));
    a.lock_object(7, ObjectMode::RowExclusive, Wait::No)
        .unwrap();
    c.outlast_object(7, ObjectMode::AccessExclusive, Wait::No)
        .unwrap_err();
    c.outlast_object(7, ObjectMode::AccessShare, Wait::Forever)
        .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            c.outlast_object(7, ObjectMode::Share, Wait::Forever)
                .unwrap()
        });
        until_waiting(&table, 3);
        b.lock_object(7, ObjectMode::RowExclusive, Wait::No)
            .unwrap();
        // Who comes later need not be waited for, nor the first one when it is back.
        a.release_all();
        a.lock_object(7, ObjectMode::RowExclusive, Wait::No)
            .unwrap();
    });
    assert!(c.is_empty());
    drop((a, b));
    assert_eq!(table.stats().used, 0);
}

#[test]
fn the_presence_of_a_row_is_in_doubt_for_as_long_as_somebody_takes_it_away() {
    let table = table();
    let [mut a, mut b] = [1, 2].map(|id| owner(&table, id));
    a.lock_row(KS, b"k", RowMode::Reserve, Wait::No).unwrap();
    b.outlast_row(KS, b"k", RowMode::Presence, Wait::No)
        .unwrap();
    b.lock_row(KS, b"k", RowMode::KeyShare, Wait::No)
        .unwrap_err();
    let mark = a.mark();
    a.lock_row(KS, b"k", RowMode::Update, Wait::No).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            b.outlast_row(KS, b"k", RowMode::Presence, Wait::Forever)
                .unwrap()
        });
        until_waiting(&table, 2);
        a.release_since(mark);
    });
    assert!(b.is_empty());
    assert!(a.holds_row(KS, b"k", RowMode::Reserve));
    assert!(!a.holds_row(KS, b"k", RowMode::Update));
}

#[test]
fn many_locks_are_given_back_at_once_and_those_of_others_stay() {
    let table = table_of(10_000);
    let [mut a, mut b, mut c] = [1, 2, 3].map(|id| owner(&table, id));
    let key = |number: u32| number.to_be_bytes();
    for number in 0..3000 {
        a.lock_row(KS, &key(number), RowMode::KeyShare, Wait::No)
            .unwrap();
        // The stronger one is another grant.
        a.lock_row(KS, &key(number), RowMode::NoKeyUpdate, Wait::No)
            .unwrap();
    }
    for number in [7, 2999, 3001] {
        b.lock_row(KS, &key(number), RowMode::KeyShare, Wait::No)
            .unwrap();
    }
    for (object, mode) in [
        (1, ObjectMode::RowExclusive),
        (2, ObjectMode::AccessExclusive),
    ] {
        a.lock_object(object, mode, Wait::No).unwrap();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            c.lock_row(KS, &key(5), RowMode::Update, Wait::Forever)
                .unwrap()
        });
        until_waiting(&table, 3);
        a.release_all();
    });
    assert!(c.holds_row(KS, &key(5), RowMode::Update));
    assert_eq!((table.row_locks(), table.stats().used), (4, 4));
    assert!(!table.has_exclusive_objects());
    c.lock_row(KS, &key(8), RowMode::Update, Wait::No).unwrap();
    c.lock_row(KS, &key(7), RowMode::Update, Wait::No)
        .unwrap_err();
    drop((b, c));
    assert_eq!((table.row_locks(), table.stats().used), (0, 0));
    assert!(table.list().is_empty());
}

#[test]
fn circle_of_three_is_found_by_the_one_that_closes_it() {
    let table = table();
    let mut owners: Vec<LockOwner> = (1..=3).map(|id| owner(&table, id)).collect();
    for (n, o) in owners.iter_mut().enumerate() {
        o.lock_row(KS, &[n as u8], RowMode::Update, Wait::No)
            .unwrap();
    }
    let mut last = owners.pop().unwrap();
    std::thread::scope(|scope| {
        for (n, mut o) in owners.into_iter().enumerate() {
            let id = o.id();
            scope.spawn(move || o.lock_row(KS, &[n as u8 + 1], RowMode::Update, Wait::Forever));
            until_waiting(&table, id);
        }
        let refused = last.lock_row(KS, &[0], RowMode::Update, Wait::Forever);
        assert_eq!(refused, Err(LockError::Deadlock));
        drop(last);
    });
    assert_eq!(table.stats().used, 0);
}

#[test]
fn timeout_leaves_no_trace_and_lets_those_behind_pass() {
    let table = table();
    let mut a = owner(&table, 1);
    a.lock_row(KS, b"k", RowMode::Share, Wait::No).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut b = owner(&table, 2);
            b.lock_row(
                KS,
                b"k",
                RowMode::Update,
                Wait::AtMost(Duration::from_millis(50)),
            )
        });
        until_waiting(&table, 2);
        let reader = scope.spawn(|| {
            let mut c = owner(&table, 3);
            c.lock_row(KS, b"k", RowMode::Share, Wait::Forever)
        });
        assert_eq!(writer.join().unwrap(), Err(LockError::Timeout));
        assert_eq!(reader.join().unwrap(), Ok(()));
    });
    assert_eq!(table.stats().timeouts, 1);
    assert_eq!(table.stats().used, 1);
}

#[test]
fn cancel_ends_a_wait() {
    let table = table();
    let mut a = owner(&table, 1);
    a.lock_row(KS, b"k", RowMode::Update, Wait::No).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut b = owner(&table, 2);
            b.lock_row(KS, b"k", RowMode::Update, Wait::Forever)
        });
        until_waiting(&table, 2);
        table.cancel(2);
        assert_eq!(waiter.join().unwrap(), Err(LockError::Cancelled));
    });
    table.cancel(99);
}

#[test]
fn a_party_that_is_told_to_stop_waits_no_longer() {
    let table = table();
    let mut a = owner(&table, 1);
    a.lock_row(KS, b"k", RowMode::Update, Wait::No).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let party = Party::new(2, Some(stop.clone()));
            let mut b = LockOwner::of(table.clone(), party);
            b.lock_row(KS, b"k", RowMode::Update, Wait::Forever)
        });
        until_waiting(&table, 2);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(waiter.join().unwrap(), Err(LockError::Cancelled));
    });
    assert!(!table.is_waiting(2));
    assert_eq!(table.stats().used, 1);
}

/// A key that no other test knows.
const KEY: AdvisoryKey = AdvisoryKey {
    database: 1,
    key: 7,
    is_pair: false,
};

#[test]
fn a_session_and_its_transaction_hold_a_lock_each_for_itself() {
    use ObjectMode::{Exclusive, Share};
    let table = table();
    let party = Party::new(1, None);
    let mut other = owner(&table, 2);
    let mut is_free = |mode| {
        let mark = other.mark();
        let is_free = other.lock_advisory(KEY, mode, Wait::No).is_ok();
        other.release_since(mark);
        is_free
    };
    let mut session = SessionLocks::new(table.clone(), party.clone());
    for first_is_session in [true, false] {
        let mut transaction = LockOwner::of(table.clone(), party.clone());
        if first_is_session {
            session.lock(KEY, Exclusive, Wait::No).unwrap();
            transaction.lock_advisory(KEY, Share, Wait::No).unwrap();
        } else {
            transaction.lock_advisory(KEY, Exclusive, Wait::No).unwrap();
            session.lock(KEY, Exclusive, Wait::No).unwrap();
        }
        session.lock(KEY, Exclusive, Wait::No).unwrap();
        drop(transaction);
        assert!(!is_free(Share), "the session's is left");
        let mut transaction = LockOwner::of(table.clone(), party.clone());
        transaction.lock_advisory(KEY, Share, Wait::No).unwrap();
        assert!(session.unlock(KEY, Exclusive) && !is_free(Share));
        assert!(session.unlock(KEY, Exclusive) && !session.unlock(KEY, Exclusive));
        assert!(is_free(Share) && !is_free(Exclusive), "the transaction's");
        drop(transaction);
        assert!(is_free(Exclusive));
    }
    session.lock(KEY, Share, Wait::No).unwrap();
    session.lock(KEY, Exclusive, Wait::No).unwrap();
    drop(session);
    assert!(is_free(Exclusive));
    assert_eq!(table.stats().used, 0);
}

#[test]
fn rollback_to_a_mark_keeps_what_was_held_before() {
    let table = table();
    let (mut a, mut b) = (owner(&table, 1), owner(&table, 2));
    a.lock_row(KS, b"k", RowMode::KeyShare, Wait::No).unwrap();
    let mark = a.mark();
    a.lock_row(KS, b"k", RowMode::Update, Wait::No).unwrap();
    a.lock_row(KS, b"l", RowMode::Update, Wait::No).unwrap();
    a.release_since(mark);
    assert!(a.holds_row(KS, b"k", RowMode::KeyShare));
    assert!(!a.holds_row(KS, b"k", RowMode::Share));
    b.lock_row(KS, b"l", RowMode::Update, Wait::No).unwrap();
    b.lock_row(KS, b"k", RowMode::NoKeyUpdate, Wait::No)
        .unwrap();
    assert_eq!(
        b.lock_row(KS, b"k", RowMode::Update, Wait::No),
        Err(LockError::NotAvailable)
    );
}

#[test]
fn full_table_is_a_clear_error() {
    let table = Arc::new(LockTable::new(2, 7));
    let mut a = owner(&table, 1);
    a.lock_row(KS, b"a", RowMode::Update, Wait::No).unwrap();
    a.lock_object(1, ObjectMode::AccessShare, Wait::No).unwrap();
    let refused = a.lock_row(KS, b"b", RowMode::Update, Wait::No).unwrap_err();
    assert_eq!(refused, LockError::TooMany(2));
    assert!(refused.to_string().contains("hint:"), "{refused}");
    a.release_all();
    a.lock_row(KS, b"b", RowMode::Update, Wait::No).unwrap();
}

/// Many threads move between many locks; whatever the order, nobody may hold what another
/// excludes, nothing may hang, and nothing may be left.
#[test]
fn contended_locks_exclude_and_never_hang() {
    contend(&table(), 4, 3);
}

/// As before, where who has some locks gives them for one on all rows between them.
#[test]
fn contended_covers_exclude_and_never_hang() {
    for locks_max in [6, 10, 14] {
        contend(&table_of(locks_max), 12, 6);
    }
}

fn contend(table: &Arc<LockTable>, rows: usize, locks: usize) {
    use std::sync::atomic::AtomicI64;
    let inside: Vec<AtomicI64> = (0..rows).map(|_| AtomicI64::new(0)).collect();
    std::thread::scope(|scope| {
        for id in 1..=6u64 {
            let (table, inside) = (&table, &inside);
            scope.spawn(move || {
                let mut seed = id;
                for _ in 0..300 {
                    let mut me = owner(table, id);
                    let mut mine = Vec::new();
                    for _ in 0..locks {
                        seed = seed
                            .wrapping_mul(6364136223846793005)
                            .wrapping_add(1442695040888963407);
                        let row = (seed >> 33) as usize % inside.len();
                        if mine.contains(&row) {
                            continue;
                        }
                        match me.lock_row(KS, &[row as u8], RowMode::Update, Wait::Forever) {
                            Ok(()) => {
                                assert_eq!(inside[row].fetch_add(1, Ordering::SeqCst), 0);
                                mine.push(row);
                            }
                            Err(LockError::Deadlock | LockError::TooMany(_)) => break,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    for row in mine {
                        inside[row].fetch_sub(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    assert_eq!((table.stats().used, table.row_locks()), (0, 0));
    assert!(table.list().is_empty());
    assert!(!table.any_cover_of_other(0, |_, _| true));
}
