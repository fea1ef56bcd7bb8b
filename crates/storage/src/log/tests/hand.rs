//! Logs whose writes another thread does.

use rustdb_vfs::{Effect, Failure, Fault, OpKind, SimVfs};

use super::super::LogHand;
use super::*;

/// Ends the thread also if the test fails.
struct Closing<'a>(&'a LogHand);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn appended(log: &mut LogWriter, count: u8) {
    for index in 0..count {
        log.append(1, &[index; 1000]).unwrap();
        log.flush_later().unwrap();
    }
}

fn payloads(vfs: &VfsRef, security: &Security) -> Vec<u8> {
    let (records, _) = read(vfs, security, Expect::Open).unwrap();
    records.iter().map(|(_, payload)| payload[0]).collect()
}

#[test]
fn what_another_thread_writes_is_there_in_order_after_a_flush() {
    let (vfs, security) = setup();
    let hand = LogHand::new();
    let mut log = writer(&vfs, &security).with_hand(Arc::clone(&hand));
    std::thread::scope(|scope| {
        scope.spawn(|| hand.serve(Transfer::run));
        let _closing = Closing(&hand);
        appended(&mut log, 200);
        log.flush().unwrap();
    });
    assert_eq!(log.flushed(), log.end());
    assert_eq!(payloads(&vfs, &security), (0..200).collect::<Vec<_>>());
    log.sync().unwrap();
    assert_eq!(log.synced(), log.end());
}

#[test]
fn without_the_thread_nothing_is_lost_and_nobody_waits() {
    let (vfs, security) = setup();
    let hand = LogHand::new();
    let mut log = writer(&vfs, &security).with_hand(Arc::clone(&hand));
    appended(&mut log, 20);
    assert!(log.flushed() < log.end(), "the thread has not begun");
    log.finish().unwrap();
    assert_eq!(payloads(&vfs, &security), (0..20).collect::<Vec<_>>());

    // Once it is closed, whoever appends writes.
    hand.close();
    let (vfs, security) = setup();
    let mut log = writer(&vfs, &security).with_hand(hand);
    appended(&mut log, 1);
    assert_eq!(log.flushed(), log.end());
}

#[test]
fn an_appender_that_is_far_ahead_waits() {
    let (vfs, security) = setup();
    let hand = LogHand::new();
    let mut log = writer(&vfs, &security).with_hand(hand);
    for _ in 0..100 {
        log.append(1, &[7; 100_000]).unwrap();
        log.flush_later().unwrap();
        assert!(log.buffered_bytes() < 2 << 20);
    }
    assert!(log.flushed() > 8 << 20);
}

#[test]
fn a_failed_write_of_the_thread_ends_the_log() {
    let sim = SimVfs::new(1);
    let vfs = sim.vfs();
    let security = Security::plain(Arc::clone(&vfs), [5; 16]);
    let hand = LogHand::new();
    let mut log = writer(&vfs, &security).with_hand(Arc::clone(&hand));
    log.append(1, b"confirmed").unwrap();
    log.sync().unwrap();
    sim.inject(Fault::new(Effect::Fail(Failure::Io)).on(OpKind::Write));
    std::thread::scope(|scope| {
        scope.spawn(|| hand.serve(Transfer::run));
        let _closing = Closing(&hand);
        log.append(1, b"lost").unwrap();
        log.flush_later().unwrap();
        assert!(log.flush().is_err());
    });
    assert!(log.is_poisoned());
    assert!(log.append(1, b"refused").is_err());
    assert!(log.flush_later().is_err());
}

#[test]
fn a_thread_that_dies_loses_nothing() {
    let (vfs, security) = setup();
    let hand = LogHand::new();
    let mut log = writer(&vfs, &security).with_hand(Arc::clone(&hand));
    appended(&mut log, 1);
    std::thread::scope(|scope| {
        let died = scope.spawn(|| hand.serve(|_| panic!("as if by a fault")));
        assert!(died.join().is_err());
    });
    appended(&mut log, 2);
    log.flush().unwrap();
    assert_eq!(payloads(&vfs, &security), [0, 0, 1]);
}
