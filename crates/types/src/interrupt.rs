//! Stopping work that takes long within one evaluation.
//!
//! An executor looks between rows whether its statement shall stop. One call of a function can take
//! minutes by itself: a pattern that backtracks, numbers of a hundred thousand digits. Loops of this
//! crate whose length a user decides therefore say how much they do ([`spend`]), and who runs
//! statements says beforehand whom to ask ([`watched`]). The watch belongs to the thread, so that
//! nothing has to be passed down; where there is none, nothing is asked.
//!
//! One unit of work is about a nanosecond: a letter compared, two digits multiplied. The watch is
//! asked once in [`SPELL`] of them.
//!
//! Some loops cannot fail where they are. They ask [`is_stopped`], leave with whatever they have,
//! and what is made of that fails ([`check`]); a statement that was stopped remembers it.
//!
//! What stopped work has collected it [leaves](leave) to the watch.

use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::error::{Error, Result, SqlState};

/// The units of work between two questions.
const SPELL: u64 = 1 << 18;

/// What a row of a table counts that is read or written.
pub const ROW_UNITS: usize = 1 << 10;

/// Who knows whether the work of a thread shall stop.
pub trait Watch: Send + Sync {
    /// Why the work shall stop, if it shall.
    fn ask(&self) -> Result<()>;

    /// Takes what stopped work leaves behind, to free it when nobody waits for that.
    fn leave(&self, thing: Box<dyn Send>) {
        drop(thing);
    }
}

thread_local! {
    static WATCH: RefCell<Option<Arc<dyn Watch>>> = const { RefCell::new(None) };
    static LEFT: Cell<u64> = const { Cell::new(SPELL) };
    static IS_STOPPED: Cell<bool> = const { Cell::new(false) };
}

/// Does something under a watch, which is given back: whoever does this often need not count owners.
pub fn watched<T>(watch: Arc<dyn Watch>, body: impl FnOnce() -> T) -> (Option<Arc<dyn Watch>>, T) {
    struct Restore {
        outer: Option<Arc<dyn Watch>>,
        was_stopped: bool,
    }
    impl Restore {
        fn restore(&mut self) -> Option<Arc<dyn Watch>> {
            IS_STOPPED.set(self.was_stopped);
            WATCH.replace(self.outer.take())
        }
    }
    impl Drop for Restore {
        fn drop(&mut self) {
            if std::thread::panicking() {
                self.restore();
            }
        }
    }
    let mut guard = Restore {
        outer: WATCH.replace(Some(watch)),
        was_stopped: IS_STOPPED.replace(false),
    };
    let result = body();
    (guard.restore(), result)
}

/// Counts work that is done; an error if it shall stop.
#[inline]
pub fn spend(units: usize) -> Result<()> {
    match is_spent(units) {
        true => check(),
        false => Ok(()),
    }
}

/// As [`spend`], for what cannot fail: whether to leave off.
#[inline]
pub fn is_stopped(units: usize) -> bool {
    if is_spent(units) {
        return check().is_err();
    }
    IS_STOPPED.get()
}

/// An error if the work shall stop.
#[cold]
pub fn check() -> Result<()> {
    let asked = WATCH.with_borrow(|watch| watch.as_ref().map_or(Ok(()), |watch| watch.ask()));
    match asked {
        Ok(()) if !IS_STOPPED.get() => Ok(()),
        Ok(()) => Err(Error::new(
            SqlState::QUERY_CANCELED,
            "canceling statement due to user request",
        )),
        Err(error) => {
            IS_STOPPED.set(true);
            Err(error)
        }
    }
}

/// Gives away what stopped work has collected: to free millions of values takes longer than whoever
/// stopped the work wants to wait. Where there is no watch it is freed at once.
pub fn leave(thing: impl Send + 'static) {
    let watch = WATCH.with_borrow(Option::clone);
    if let Some(watch) = watch {
        watch.leave(Box::new(thing));
    }
}

/// What work collects, which is [left](leave) if the work shall stop when it is dropped.
#[derive(Debug)]
pub struct Held<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Held<T> {
    /// Holds something.
    pub fn new(thing: T) -> Held<T> {
        Held(Some(thing))
    }

    /// What is held: the work is done.
    pub fn into_inner(mut self) -> T {
        self.0.take().expect("it is taken once")
    }
}

impl<T: Default + Send + 'static> Default for Held<T> {
    fn default() -> Self {
        Held::new(T::default())
    }
}

impl<T: Send + 'static> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is there until it is taken")
    }
}

impl<T: Send + 'static> DerefMut for Held<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("it is there until it is taken")
    }
}

impl<T: Send + 'static> Drop for Held<T> {
    fn drop(&mut self) {
        if let Some(thing) = self.0.take()
            && check().is_err()
        {
            leave(thing);
        }
    }
}

/// An error if something was left off because the work shall stop.
#[inline]
pub fn finish() -> Result<()> {
    match IS_STOPPED.get() {
        true => check(),
        false => Ok(()),
    }
}

#[inline]
fn is_spent(units: usize) -> bool {
    let left = LEFT.get().saturating_sub(units as u64);
    LEFT.set(if left == 0 { SPELL } else { left });
    left == 0
}

/// A text in pieces, which are counted as they are taken.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = Result<&str>> {
    /// So many bytes are worked on without a question.
    const PIECE_BYTES: usize = 1 << 16;
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES));
        rest = after;
        Some(spend(piece.len()).map(|()| piece))
    })
}

/// The letters of a text.
pub(crate) fn letters(text: &str) -> Result<Vec<char>> {
    let mut letters = Vec::new();
    for (place, letter) in text.chars().enumerate() {
        if place % (1 << 16) == 0 {
            spend(1 << 16)?;
        }
        letters.push(letter);
    }
    Ok(letters)
}

/// Sorts as [`slice::sort_by`] does, in parts.
pub fn sort_by<T>(values: &mut Vec<T>, order: impl Fn(&T, &T) -> std::cmp::Ordering) -> Result<()> {
    /// So many are sorted, or merged, without a question.
    const PART: usize = 1 << 15;
    if values.len() <= PART {
        values.sort_by(|left, right| order(left, right));
        return Ok(());
    }
    let mut rest = std::mem::take(values).into_iter();
    let mut runs: Vec<Vec<T>> = Vec::new();
    loop {
        let mut run: Vec<T> = rest.by_ref().take(PART).collect();
        if run.is_empty() {
            break;
        }
        check()?;
        run.sort_by(|left, right| order(left, right));
        runs.push(run);
    }
    while runs.len() > 1 {
        let mut merged = Vec::with_capacity(runs.len().div_ceil(2));
        let mut pairs = runs.into_iter();
        while let Some(left) = pairs.next() {
            merged.push(match pairs.next() {
                Some(right) => merge(left, right, &order)?,
                None => left,
            });
        }
        runs = merged;
    }
    *values = runs.pop().unwrap_or_default();
    Ok(())
}

/// Two sorted lists as one; of equals the left one's come first.
fn merge<T>(
    left: Vec<T>,
    right: Vec<T>,
    order: impl Fn(&T, &T) -> std::cmp::Ordering,
) -> Result<Vec<T>> {
    let mut out = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    loop {
        spend(64)?;
        let next = match (left.peek(), right.peek()) {
            (Some(one), Some(other)) if order(one, other).is_gt() => right.next(),
            (Some(_), _) => left.next(),
            (None, _) => right.next(),
        };
        match next {
            Some(value) => out.push(value),
            None => return Ok(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Says so often that the work may go on.
    struct Patience(AtomicUsize);

    impl Watch for Patience {
        fn ask(&self) -> Result<()> {
            let left = self.0.load(Ordering::Relaxed);
            self.0.store(left.saturating_sub(1), Ordering::Relaxed);
            match left {
                0 => Err(Error::new(SqlState::QUERY_CANCELED, "enough")),
                _ => Ok(()),
            }
        }
    }

    fn patience(times: usize) -> Arc<dyn Watch> {
        Arc::new(Patience(AtomicUsize::new(times)))
    }

    #[test]
    fn work_is_stopped_once_the_watch_says_so() {
        assert_eq!(spend(SPELL as usize * 3), Ok(()), "nobody watches");
        let (watch, spells) = watched(patience(2), || {
            let mut spells = 0;
            while spend(SPELL as usize).is_ok() {
                spells += 1;
            }
            assert!(is_stopped(1), "it is remembered");
            assert_eq!(finish().unwrap_err().message(), "enough");
            spells
        });
        assert_eq!(spells, 2);
        assert!(watch.unwrap().ask().is_err());
        assert!(!is_stopped(1) && finish().is_ok(), "and then forgotten");
    }

    #[test]
    fn watches_are_nested_and_survive_a_panic() {
        let (_, inner) = watched(patience(usize::MAX), || {
            let inner = std::panic::catch_unwind(|| {
                watched(patience(0), || -> () {
                    assert!(check().is_err());
                    panic!("on purpose");
                })
            });
            assert!(check().is_ok());
            inner.is_err()
        });
        assert!(inner && check().is_ok());
    }

    /// Counts what is left to it.
    struct Heir(AtomicUsize, bool);

    impl Watch for Heir {
        fn ask(&self) -> Result<()> {
            match self.1 {
                true => Err(Error::new(SqlState::QUERY_CANCELED, "enough")),
                false => Ok(()),
            }
        }

        fn leave(&self, _: Box<dyn Send>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_stopped_work_has_collected_is_left_to_the_watch() {
        let left = |is_stopped| {
            let heir = Arc::new(Heir(AtomicUsize::new(0), is_stopped));
            let (_, done) = watched(heir.clone(), || {
                drop(Held::new(vec![1]));
                let mut held: Held<Vec<u8>> = Held::default();
                held.push(2);
                held.into_inner()
            });
            assert_eq!(done, [2]);
            heir.0.load(Ordering::Relaxed)
        };
        assert_eq!((left(false), left(true)), (0, 1));
    }

    #[test]
    fn a_sort_in_parts_is_a_stable_sort() {
        let mut seed = 7_u64;
        let mut values: Vec<(u64, usize)> = (0..100_000)
            .map(|place| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 54, place)
            })
            .collect();
        let mut expected = values.clone();
        expected.sort_by_key(|value| value.0);
        sort_by(&mut values, |left, right| left.0.cmp(&right.0)).unwrap();
        assert_eq!(values, expected);
        let (_, sorted) = watched(patience(1), || {
            sort_by(&mut values, |left, right| right.0.cmp(&left.0))
        });
        assert!(sorted.is_err());
    }
}
