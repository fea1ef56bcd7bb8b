//! Locks and condition variables that a simulation can schedule.
//!
//! Outside a [`Simulation`](crate::Simulation) these are `parking_lot`'s, after a look at one
//! thread-local byte. Inside, taking and releasing a lock, waiting and notifying are yield points;
//! waiting takes simulated time; and a condition variable may wake a waiter for no reason.
//!
//! A lock must not be shared between threads inside a simulation and threads outside.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::time::Duration;

use crate::schedule;

/// A mutual exclusion lock without poisoning.
#[derive(Debug, Default)]
pub struct Mutex<T: ?Sized>(parking_lot::Mutex<T>);

/// Access to the contents of a locked [`Mutex`].
pub struct MutexGuard<'a, T: ?Sized> {
    // Fields are dropped in this order: the lock is free when the schedule hears of it.
    inner: parking_lot::MutexGuard<'a, T>,
    _release: Release,
}

impl<T> Mutex<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(parking_lot::Mutex::new(value))
    }

    /// Unwraps the value.
    pub fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock.
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        if schedule::is_simulated() {
            return self.lock_simulated();
        }
        self.guard(self.0.lock())
    }

    /// Takes the lock if it is free.
    #[inline]
    #[track_caller]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        if schedule::is_simulated() {
            return self.try_lock_simulated();
        }
        self.0.try_lock().map(|inner| self.guard(inner))
    }

    /// Access without locking, for the only owner.
    pub fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }

    #[inline]
    fn guard<'a>(&'a self, inner: parking_lot::MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        MutexGuard {
            inner,
            _release: Release(address(&self.0)),
        }
    }

    #[cold]
    #[track_caller]
    fn lock_simulated(&self) -> MutexGuard<'_, T> {
        self.guard(schedule::lock(
            address(&self.0),
            || self.0.try_lock(),
            || self.0.lock(),
        ))
    }

    #[cold]
    #[track_caller]
    fn try_lock_simulated(&self) -> Option<MutexGuard<'_, T>> {
        let inner = schedule::try_lock(address(&self.0), || self.0.try_lock())?;
        Some(self.guard(inner))
    }
}

/// What the schedule knows a lock or condition variable by.
#[inline]
fn address<T: ?Sized>(of: &T) -> usize {
    std::ptr::from_ref(of).addr()
}

/// Tells the schedule that the lock at this address was released.
struct Release(usize);

impl Drop for Release {
    #[inline]
    fn drop(&mut self) {
        if schedule::is_simulated() {
            schedule::unlocked(self.0);
        }
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// A condition variable.
#[derive(Debug, Default)]
pub struct Condvar(parking_lot::Condvar);

impl Condvar {
    /// Creates one.
    pub const fn new() -> Self {
        Self(parking_lot::Condvar::new())
    }

    /// Releases the lock, waits for a notification (or nothing at all), takes the lock again.
    #[track_caller]
    pub fn wait<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>) {
        if schedule::is_simulated() {
            self.wait_simulated(guard, None);
        } else {
            self.0.wait(&mut guard.inner);
        }
    }

    /// As [`Condvar::wait`], for at most `timeout`; returns whether the time ran out.
    #[track_caller]
    pub fn wait_for<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>, timeout: Duration) -> bool {
        if schedule::is_simulated() {
            self.wait_simulated(guard, Some(timeout))
        } else {
            self.0.wait_for(&mut guard.inner, timeout).timed_out()
        }
    }

    /// Wakes one waiter.
    pub fn notify_one(&self) {
        if schedule::is_simulated() {
            schedule::notify(address(self), false);
        } else {
            self.0.notify_one();
        }
    }

    /// Wakes all waiters.
    pub fn notify_all(&self) {
        if schedule::is_simulated() {
            schedule::notify(address(self), true);
        } else {
            self.0.notify_all();
        }
    }

    #[cold]
    #[track_caller]
    fn wait_simulated<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        timeout: Option<Duration>,
    ) -> bool {
        let location = Location::caller();
        let mutex = parking_lot::MutexGuard::mutex(&guard.inner);
        parking_lot::MutexGuard::unlocked(&mut guard.inner, || {
            let is_locked = || mutex.is_locked();
            schedule::wait(address(self), address(mutex), is_locked, timeout, location)
        })
    }
}

/// Lets other threads of the simulation run; nothing outside of one. To be called in loops that
/// wait for others without blocking.
#[track_caller]
pub fn yield_point() {
    if schedule::is_simulated() {
        schedule::yield_point();
    }
}
