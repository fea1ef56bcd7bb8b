//! Threads inside a simulation.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustdb_vfs::sync::{Condvar, Mutex, yield_point};
use rustdb_vfs::{
    FailureKind, FileExt, JoinHandle, OpenMode, OsVfs, Outcome, PowerLoss, SimVfs, Simulation,
    SimulationFailure, Vfs,
};

use crate::create;

fn spawn(machine: &SimVfs, name: &str, body: impl FnOnce() + Send + 'static) -> JoinHandle {
    machine.spawn(name, Box::new(body)).unwrap()
}

/// Three threads that append their names to a list, under a lock, twice each.
fn append_names(machine: &SimVfs) -> String {
    let list = Arc::new(Mutex::new(String::new()));
    let threads = ["a", "b", "c"].map(|name| {
        let list = Arc::clone(&list);
        spawn(machine, name, move || {
            for _ in 0..2 {
                list.lock().push_str(name);
            }
        })
    });
    assert!(threads.into_iter().all(JoinHandle::join));
    list.lock().clone()
}

#[test]
fn a_seed_fixes_the_schedule() {
    let mut orders = BTreeSet::new();
    let mut traces = BTreeSet::new();
    for seed in 0..40 {
        let run = || Simulation::new(seed).run(|machine| append_names(&machine));
        let (first, second) = (run(), run());
        assert_eq!(first.value, second.value, "seed {seed}");
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!(first.steps, second.steps, "seed {seed}");
        assert_eq!(first.clock, second.clock, "seed {seed}");
        assert!(first.left_behind.is_empty());
        orders.insert(first.value);
        traces.insert(first.trace);
    }
    assert_eq!(traces.len(), 40);
    assert!(orders.len() > 10, "only {orders:?}");
}

/// Runs seeds until one fails.
fn find_failure<R: Send + 'static>(
    seeds: u64,
    body: impl Fn(SimVfs) -> R + Clone + Send + 'static,
) -> Option<SimulationFailure> {
    (0..seeds).find_map(|seed| Simulation::new(seed).try_run(body.clone()).err())
}

#[test]
fn a_lost_update_is_found() {
    let body = |machine: SimVfs| {
        let counter = Arc::new(Mutex::new(0));
        let threads = [(); 2].map(|()| {
            let counter = Arc::clone(&counter);
            spawn(&machine, "adder", move || {
                let read = *counter.lock();
                *counter.lock() = read + 1;
            })
        });
        assert!(threads.into_iter().all(JoinHandle::join));
        assert_eq!(*counter.lock(), 2, "an update was lost");
    };
    let failure = find_failure(50, body).expect("the race is easy");
    assert_eq!(failure.kind, FailureKind::Panic);
    assert!(failure.message.contains("`main` panicked"), "{failure}");
    assert!(failure.message.contains("an update was lost"), "{failure}");
    // The seed shows it again.
    let again = Simulation::new(failure.seed)
        .try_run(body)
        .map(|o: Outcome<()>| o.value);
    assert_eq!(again.unwrap_err().message, failure.message);
}

#[test]
fn a_lost_update_between_file_operations_is_found() {
    let body = |machine: SimVfs| {
        create(&machine, "/counter", &[0]);
        let threads = [(); 2].map(|()| {
            let vfs = machine.clone();
            spawn(&machine, "adder", move || {
                let file = vfs
                    .open(Path::new("/counter"), OpenMode::ReadWrite)
                    .unwrap();
                let mut byte = [0];
                file.read_exact_at(&mut byte, 0).unwrap();
                file.write_all_at(&[byte[0] + 1], 0).unwrap();
            })
        });
        assert!(threads.into_iter().all(JoinHandle::join));
        assert_eq!(machine.contents(Path::new("/counter")).unwrap(), [2]);
    };
    assert!(find_failure(50, body).is_some());
}

#[test]
fn a_deadlock_is_found_and_told() {
    let body = |machine: SimVfs| {
        let locks = Arc::new((Mutex::new(()), Mutex::new(())));
        let other = Arc::clone(&locks);
        let backwards = spawn(&machine, "backwards", move || {
            let _second = other.1.lock();
            let _first = other.0.lock();
        });
        {
            let _first = locks.0.lock();
            let _second = locks.1.lock();
        }
        backwards.join()
    };
    let failure = find_failure(200, body).expect("the deadlock is easy");
    assert_eq!(failure.kind, FailureKind::Deadlock);
    let text = failure.to_string();
    assert!(text.contains(&format!("seed {}", failure.seed)), "{text}");
    assert!(
        text.contains("`main` waits for the lock that `backwards` took at"),
        "{text}"
    );
    assert!(
        text.contains("`backwards` waits for the lock that `main` took at"),
        "{text}"
    );
    assert!(text.contains("simulation.rs"), "{text}");
}

#[test]
fn locking_twice_is_a_deadlock() {
    let failure = Simulation::new(1).try_run(|_| {
        let lock = Mutex::new(());
        let _first = lock.lock();
        let _second = lock.lock();
    });
    let text = failure.unwrap_err().to_string();
    assert!(
        text.contains("`main` waits for the lock that `main` took"),
        "{text}"
    );
}

/// A queue of one whose consumer checks for work either under the lock or, wrongly, before it.
fn hand_over(machine: &SimVfs, checks_under_lock: bool) {
    let shared = Arc::new((Mutex::new(()), Condvar::new(), AtomicBool::new(false)));
    let producer = Arc::clone(&shared);
    let thread = spawn(machine, "producer", move || {
        let (lock, ready, full) = &*producer;
        if checks_under_lock {
            let _guard = lock.lock();
            full.store(true, Ordering::SeqCst);
        } else {
            full.store(true, Ordering::SeqCst);
        }
        ready.notify_one();
    });
    let (lock, ready, full) = &*shared;
    if checks_under_lock {
        let mut guard = lock.lock();
        while !full.load(Ordering::SeqCst) {
            ready.wait(&mut guard);
        }
    } else if !full.load(Ordering::SeqCst) {
        let mut guard = lock.lock();
        ready.wait(&mut guard);
    }
    assert!(thread.join());
}

#[test]
fn a_missed_notification_is_found() {
    let failure = find_failure(200, |machine| hand_over(&machine, false));
    let failure = failure.expect("the window is between the check and the lock");
    assert_eq!(failure.kind, FailureKind::Deadlock);
    assert!(
        failure.message.contains("`main` waits for a notification"),
        "{failure}"
    );
    assert!(find_failure(200, |machine| hand_over(&machine, true)).is_none());
}

#[test]
fn a_wait_without_a_loop_is_found() {
    let body = |machine: SimVfs| {
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let other = Arc::clone(&shared);
        let setter = spawn(&machine, "setter", move || {
            *other.0.lock() = true;
            other.1.notify_all();
        });
        let mut guard = shared.0.lock();
        if !*guard {
            shared.1.wait(&mut guard);
        }
        assert!(*guard, "woken for no reason");
        drop(guard);
        setter.join()
    };
    let failure = find_failure(500, body).expect("waits end for no reason at times");
    assert!(failure.message.contains("woken for no reason"), "{failure}");
}

#[test]
fn notify_one_wakes_one_and_notify_all_wakes_all() {
    for seed in 0..30 {
        Simulation::new(seed).run(|machine| {
            let shared = Arc::new((Mutex::new((0, 0)), Condvar::new()));
            let waiters: Vec<_> = (0..3)
                .map(|_| {
                    let shared = Arc::clone(&shared);
                    spawn(&machine, "waiter", move || {
                        let mut guard = shared.0.lock();
                        while guard.0 == 0 {
                            shared.1.wait(&mut guard);
                        }
                        guard.0 -= 1;
                        guard.1 += 1;
                    })
                })
                .collect();
            shared.0.lock().0 = 1;
            shared.1.notify_one();
            machine.sleep(Duration::from_millis(1));
            assert_eq!(shared.0.lock().1, 1);
            shared.0.lock().0 = 2;
            shared.1.notify_all();
            assert!(waiters.into_iter().all(JoinHandle::join));
        });
    }
}

#[test]
fn time_jumps_when_everybody_waits() {
    let outcome = Simulation::new(1).run(|machine| {
        let start = machine.monotonic();
        let sleeper = {
            let vfs = machine.clone();
            spawn(&machine, "sleeper", move || {
                vfs.sleep(Duration::from_secs(3600))
            })
        };
        let (lock, never) = (Mutex::new(()), Condvar::new());
        let mut guard = lock.lock();
        while !never.wait_for(&mut guard, Duration::from_secs(60)) {}
        let waited = machine.monotonic() - start;
        assert!(waited >= Duration::from_secs(60) && waited < Duration::from_secs(61));
        assert!(sleeper.join());
        machine.monotonic() - start
    });
    assert!(outcome.value >= Duration::from_secs(3600));
    assert!(outcome.value < Duration::from_secs(3601));
}

#[test]
fn a_notification_in_time_is_not_a_timeout() {
    for seed in 0..30 {
        Simulation::new(seed).run(|machine| {
            let shared = Arc::new((Mutex::new(false), Condvar::new()));
            let other = Arc::clone(&shared);
            let setter = spawn(&machine, "setter", move || {
                *other.0.lock() = true;
                other.1.notify_one();
            });
            let mut guard = shared.0.lock();
            while !*guard {
                assert!(!shared.1.wait_for(&mut guard, Duration::from_secs(3600)));
            }
            drop(guard);
            assert!(setter.join());
        });
    }
}

#[test]
fn try_lock_fails_while_another_holds_the_lock() {
    let mut seen = BTreeSet::new();
    for seed in 0..100 {
        let outcome = Simulation::new(seed).run(|machine| {
            let lock = Arc::new(Mutex::new(()));
            let other = Arc::clone(&lock);
            let vfs = machine.clone();
            let holder = spawn(&machine, "holder", move || {
                let _guard = other.lock();
                vfs.sleep(Duration::from_millis(1));
            });
            let free = lock.try_lock().is_some();
            assert!(holder.join());
            assert!(lock.try_lock().is_some());
            free
        });
        seen.insert(outcome.value);
    }
    assert_eq!(seen, BTreeSet::from([false, true]));
}

#[test]
fn threads_see_the_clock_being_moved() {
    Simulation::new(1).run(|machine| {
        let vfs = machine.clone();
        let sleeper = spawn(&machine, "sleeper", move || {
            vfs.sleep(Duration::from_secs(3600))
        });
        machine.sleep(Duration::from_secs(1));
        machine.advance(Duration::from_secs(3600));
        assert!(sleeper.join());
        assert!(machine.monotonic() < Duration::from_secs(3602));
    });
}

#[test]
fn a_failure_tells_the_last_operations() {
    let failure = Simulation::new(1).try_run(|machine| {
        create(&machine, "/telling", b"x").sync_data().unwrap();
        panic!("planted");
    });
    let failure: SimulationFailure = failure.map(|o: Outcome<()>| o.value).unwrap_err();
    assert!(
        failure.message.contains("`main`: Sync of /telling"),
        "{failure}"
    );
}

#[test]
fn spinning_with_yield_points_ends() {
    for seed in 0..50 {
        Simulation::new(seed).steps_max(10_000).run(|machine| {
            let flag = Arc::new(AtomicBool::new(false));
            let other = Arc::clone(&flag);
            let setter = spawn(&machine, "setter", move || {
                other.store(true, Ordering::SeqCst)
            });
            while !flag.load(Ordering::SeqCst) {
                yield_point();
            }
            assert!(setter.join());
        });
    }
}

#[test]
fn endless_runs_fail() {
    let failure = Simulation::new(1).steps_max(1_000).try_run(|_| {
        loop {
            yield_point();
        }
    });
    let failure: SimulationFailure = failure.map(|o: Outcome<()>| o.value).unwrap_err();
    assert_eq!(failure.kind, FailureKind::TooManySteps);
}

#[test]
fn threads_that_reach_no_yield_point_are_reported() {
    let run = Simulation::new(1)
        .stuck_after(Duration::from_millis(50))
        .try_run(|machine| {
            let spinner = spawn(&machine, "spinner", || {
                let real = OsVfs::new();
                while real.monotonic() < Duration::from_millis(500) {
                    std::hint::spin_loop();
                }
            });
            spinner.join()
        });
    let failure = run.map(|outcome| outcome.value).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Stuck);
    assert!(failure.message.contains("`spinner`"), "{failure}");
}

#[test]
fn panics_fail_the_run_unless_they_are_tolerated() {
    let body = |machine: SimVfs| {
        let lock = Arc::new(Mutex::new(0));
        let other = Arc::clone(&lock);
        let thread = spawn(&machine, "unlucky", move || {
            let _guard = other.lock();
            panic!("planted");
        });
        let success = thread.join();
        // The lock was released on the way out.
        *lock.lock() += 1;
        success
    };
    let failure = Simulation::new(1)
        .try_run(body)
        .map(|o| o.value)
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Panic);
    assert!(
        failure.message.contains("`unlucky` panicked: planted"),
        "{failure}"
    );
    assert!(!Simulation::new(1).tolerate_panics().run(body).value);
}

#[test]
#[should_panic(expected = "simulation with seed 5 failed: panic")]
fn run_panics_with_the_seed() {
    Simulation::new(5).run(|machine| assert!(machine.files().len() > 1, "planted"));
}

/// Something that takes a lock and joins a thread when it is dropped, as a database does.
struct Closer {
    lock: Arc<Mutex<u64>>,
    thread: Option<JoinHandle>,
    closed: Arc<AtomicU64>,
}

impl Drop for Closer {
    fn drop(&mut self) {
        *self.lock.lock() += 1;
        if let Some(thread) = self.thread.take() {
            thread.join();
        }
        self.closed.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn destructors_run_when_a_run_fails() {
    let closed = Arc::new(AtomicU64::new(0));
    for seed in 0..20 {
        let count = Arc::clone(&closed);
        let result = Simulation::new(seed).try_run(move |machine| {
            let shared = Arc::new((Mutex::new(0), Condvar::new()));
            let other = Arc::clone(&shared);
            let lock = Arc::new(Mutex::new(0));
            let thread = spawn(&machine, "background", move || {
                let mut guard = other.0.lock();
                while *guard == 0 {
                    other.1.wait(&mut guard);
                }
            });
            let _closer = Closer {
                lock,
                thread: Some(thread),
                closed: count,
            };
            machine.sleep(Duration::from_secs(1));
            panic!("planted");
        });
        assert!(result.map(|o: Outcome<()>| o.value).is_err());
    }
    assert_eq!(closed.load(Ordering::SeqCst), 20);
}

#[test]
fn threads_left_behind_are_told_and_unwound() {
    let dropped = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&dropped);
    let outcome = Simulation::new(1).run(move |machine| {
        let closer = |thread| Closer {
            lock: Arc::default(),
            thread,
            closed: Arc::clone(&count),
        };
        let (waits, ticks, ends) = (closer(None), closer(None), closer(None));
        spawn(&machine, "waits", move || {
            let _waits = waits;
            let lock = Mutex::new(());
            Condvar::new().wait(&mut lock.lock());
            // The first wake may be for no reason, the second is hardly so.
            loop {
                Condvar::new().wait(&mut lock.lock());
            }
        });
        let vfs = machine.clone();
        spawn(&machine, "ticks", move || {
            let _ticks = ticks;
            loop {
                vfs.sleep(Duration::from_secs(1));
            }
        });
        let vfs = machine.clone();
        spawn(&machine, "ends", move || {
            let _ends = ends;
            vfs.sleep(Duration::from_secs(1));
        });
    });
    assert_eq!(outcome.left_behind, ["waits", "ticks"]);
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
}

#[test]
fn a_power_loss_reaches_threads_inside() {
    for seed in 0..30 {
        Simulation::new(seed).run(move |machine| {
            let file = create(&machine, "/log", b"");
            machine.sync_dir(Path::new("/")).unwrap();
            let acknowledged = Arc::new(AtomicU64::new(0));
            let counter = Arc::clone(&acknowledged);
            let writer = spawn(&machine, "writer", move || {
                for n in 0_u64.. {
                    let append = file.write_all_at(&n.to_le_bytes(), n * 8);
                    if append.and_then(|()| file.sync_data()).is_err() {
                        return;
                    }
                    counter.store(n + 1, Ordering::SeqCst);
                }
            });
            machine.sleep(Duration::from_millis(5));
            let after = machine.power_loss(PowerLoss::Seeded(seed));
            assert!(writer.join());
            let written = acknowledged.load(Ordering::SeqCst);
            assert!(written > 0);
            let found = after.contents(Path::new("/log")).unwrap();
            assert!(found.len() as u64 >= written * 8);
            for (n, bytes) in found.chunks(8).take(written as usize).enumerate() {
                assert_eq!(bytes, (n as u64).to_le_bytes());
            }
            // The clock goes on after the power is back.
            assert!(after.monotonic() >= machine.monotonic());
            let slept = after.monotonic();
            after.sleep(Duration::from_secs(5));
            assert!(after.monotonic() - slept >= Duration::from_secs(5));
        });
    }
}

#[test]
fn a_run_starts_from_a_prepared_machine() {
    let prepared = SimVfs::new(1);
    create(&prepared, "/f", b"x");
    prepared.advance(Duration::from_secs(7));
    for seed in 0..3 {
        Simulation::new(seed).on(&prepared).run(|machine| {
            assert_eq!(machine.contents(Path::new("/f")).unwrap(), b"x");
            assert!(machine.monotonic() >= Duration::from_secs(7));
            machine.remove_file(Path::new("/f")).unwrap();
        });
    }
    assert_eq!(prepared.files().len(), 1);
}

#[test]
fn locks_work_outside_of_simulations() {
    let shared = Arc::new((Mutex::new(0), Condvar::new()));
    let machine = SimVfs::new(1);
    let other = Arc::clone(&shared);
    let thread = spawn(&machine, "real", move || {
        *other.0.lock() += 1;
        other.1.notify_one();
    });
    let mut guard = shared.0.lock();
    while *guard == 0 {
        shared.1.wait(&mut guard);
    }
    assert!(shared.0.try_lock().is_none());
    assert!(shared.1.wait_for(&mut guard, Duration::from_millis(1)));
    drop(guard);
    assert!(shared.0.try_lock().is_some());
    yield_point();
    assert!(thread.join());
}
