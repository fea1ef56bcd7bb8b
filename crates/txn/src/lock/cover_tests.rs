//! What others see of locks that became one, and what becomes of it.

use std::sync::Arc;

use rustdb_storage::KeyspaceId;

use super::{LockError, LockOwner, LockTable, LockTarget, RowMode, Wait};

const KS: KeyspaceId = KeyspaceId::DEFAULT;

/// Who has more than 50 locks gives them for a cover.
const LOCKS_MAX: usize = 100;

fn owners() -> (Arc<LockTable>, LockOwner, LockOwner) {
    let table = Arc::new(LockTable::new(LOCKS_MAX, 7));
    let owner = |id| LockOwner::new(table.clone(), id);
    let (one, two) = (owner(1), owner(2));
    (table, one, two)
}

fn key(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

/// Locks every tenth row from `first` on.
fn lock_many(owner: &mut LockOwner, first: u32, count: u32, mode: RowMode) {
    for number in 0..count {
        owner
            .lock_row(KS, &key(first + 10 * number), mode, Wait::No)
            .unwrap();
    }
}

fn refused(owner: &mut LockOwner, number: u32, mode: RowMode) -> bool {
    match owner.lock_row(KS, &key(number), mode, Wait::No) {
        Ok(()) => false,
        Err(error) => {
            assert_eq!(error, LockError::NotAvailable);
            true
        }
    }
}

#[test]
fn more_rows_than_there_are_locks_can_be_locked() {
    let (table, mut a, mut b) = owners();
    lock_many(&mut a, 1000, 10 * LOCKS_MAX as u32, RowMode::Update);
    assert!(table.stats().used <= LOCKS_MAX, "{:?}", table.stats());
    assert!(a.holds_row(KS, &key(1000), RowMode::Update));
    // All rows between those that became one, and none outside.
    assert!(refused(&mut b, 1000, RowMode::KeyShare));
    assert!(refused(&mut b, 1001, RowMode::Update));
    assert!(!refused(&mut b, 999, RowMode::Update));
    assert!(!refused(&mut b, 100_000, RowMode::Update));
    let other = KeyspaceId(KS.0 + 7);
    b.lock_row(other, &key(1000), RowMode::Update, Wait::No)
        .unwrap();
    for (number, expected) in [(1000, true), (1001, true), (999, false)] {
        let by_other = table.is_row_locked_by_other(2, KS, &key(number));
        assert_eq!(by_other, expected, "{number}");
    }
    assert!(table.any_cover_of_other(2, |_, _| true));
    assert!(!table.any_cover_of_other(1, |_, _| true));
    let rows = LockTarget::Rows(KS);
    assert!(
        table
            .list()
            .iter()
            .any(|lock| lock.target == rows && lock.owner == 1)
    );
    a.release_all();
    assert!(!refused(&mut b, 1001, RowMode::Update));
    assert!(!table.is_row_locked_by_other(2, KS, &key(1001)));
    drop((a, b));
    assert_eq!((table.stats().used, table.row_locks()), (0, 0));
    assert!(table.list().is_empty());
}

#[test]
fn who_holds_a_row_or_waits_for_it_is_waited_for() {
    let (table, mut a, mut b) = owners();
    b.lock_row(KS, &key(1505), RowMode::KeyShare, Wait::No)
        .unwrap();
    lock_many(&mut a, 1000, 200, RowMode::Update);
    // Held since before: its owner keeps it, and may not have more.
    assert!(refused(&mut a, 1505, RowMode::Update));
    assert!(!refused(&mut a, 1505, RowMode::NoKeyUpdate));
    assert!(!refused(&mut b, 1505, RowMode::KeyShare));
    assert!(refused(&mut b, 1505, RowMode::Update));
    // Who has a lock that keeps the other out may write.
    let mut c = LockOwner::new(table.clone(), 3);
    c.lock_row(KS, &key(5000), RowMode::Update, Wait::No)
        .unwrap();
    lock_many(&mut a, 4001, 200, RowMode::Update);
    assert!(!table.is_row_locked_by_other(3, KS, &key(5000)));
    assert!(table.is_row_locked_by_other(3, KS, &key(5002)));
    assert!(refused(&mut a, 5000, RowMode::Update));
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut d = LockOwner::new(table.clone(), 4);
            d.lock_row(KS, &key(1001), RowMode::Update, Wait::Forever)
        });
        while !table.is_waiting(4) {
            std::thread::yield_now();
        }
        a.release_all();
        assert_eq!(waiter.join().unwrap(), Ok(()));
    });
}

#[test]
fn modes_that_fit_are_covered_side_by_side() {
    let (table, mut a, mut b) = owners();
    lock_many(&mut a, 1000, 60, RowMode::KeyShare);
    assert!(!refused(&mut b, 1001, RowMode::NoKeyUpdate));
    assert!(refused(&mut b, 1002, RowMode::Update));
    lock_many(&mut b, 1003, 60, RowMode::KeyShare);
    assert!(table.stats().used < 60);
    // A stronger cover has to fit as well; until it does, rows are locked one by one.
    lock_many(&mut a, 900, 3, RowMode::Update);
    assert!(refused(&mut a, 1003, RowMode::Update));
    b.release_all();
    assert!(!refused(&mut a, 1003, RowMode::Update));
}

#[test]
fn a_circle_through_a_cover_is_found() {
    let (table, mut a, mut b) = owners();
    b.lock_row(KS, &key(1505), RowMode::Update, Wait::No)
        .unwrap();
    lock_many(&mut a, 1000, 60, RowMode::Update);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            let granted = b.lock_row(KS, &key(1001), RowMode::Update, Wait::Forever);
            drop(b);
            granted
        });
        while !table.is_waiting(2) {
            std::thread::yield_now();
        }
        let refused = a.lock_row(KS, &key(1505), RowMode::Update, Wait::Forever);
        assert_eq!(refused, Err(LockError::Deadlock));
        a.release_all();
        assert_eq!(waiter.join().unwrap(), Ok(()));
    });
    assert_eq!(table.stats().used, 0);
}

#[test]
fn a_cover_stays_as_long_as_the_oldest_lock_in_it() {
    let (_table, mut a, mut b) = owners();
    lock_many(&mut a, 1000, 20, RowMode::NoKeyUpdate);
    let mark = a.mark();
    lock_many(&mut a, 2000, 60, RowMode::NoKeyUpdate);
    let later = a.mark();
    lock_many(&mut a, 1500, 60, RowMode::Update);
    a.release_since(later);
    assert!(refused(&mut b, 1000, RowMode::NoKeyUpdate));
    a.release_since(mark);
    assert!(refused(&mut b, 1000, RowMode::NoKeyUpdate));
    assert!(a.holds_row(KS, &key(1000), RowMode::NoKeyUpdate));
    a.release_all();
    assert!(!refused(&mut b, 1000, RowMode::Update));

    // One that is younger than a moment goes with what came after it.
    let mark = a.mark();
    lock_many(&mut a, 5000, 60, RowMode::Update);
    assert!(refused(&mut b, 5001, RowMode::Update));
    a.release_since(mark);
    assert!(a.is_empty());
    assert!(!refused(&mut b, 5001, RowMode::Update));
}
