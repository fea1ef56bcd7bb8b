//! Logs that go to the disk as they grow.

use super::*;

#[test]
fn flushed_logs_are_written_back_as_they_grow_and_synced_ones_are_not() {
    let (vfs, security) = setup();
    let mut log = writer(&vfs, &security);
    let payload = [7; 100_000];
    let mut longest = 0;
    for _ in 0..50 {
        log.append(1, &payload).unwrap();
        log.flush().unwrap();
        assert!(log.written_back() <= log.flushed());
        longest = longest.max(log.flushed() - log.written_back());
    }
    assert!(
        (1 << 20..2 << 20).contains(&longest),
        "{longest} bytes are left to a sync"
    );
    let before = log.written_back();
    for _ in 0..50 {
        log.append(1, &payload).unwrap();
        log.sync().unwrap();
    }
    log.append(1, &payload).unwrap();
    log.flush().unwrap();
    assert_eq!(log.written_back(), before);
    assert_eq!(read(&vfs, &security, Expect::Open).unwrap().0.len(), 101);
}
