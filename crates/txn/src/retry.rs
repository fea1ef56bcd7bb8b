//! Running a transaction until it goes through.

use std::time::Duration;

use rustdb_storage::SequenceNumber;

use crate::error::{Conflict, Error, Result};
use crate::manager::TransactionManager;
use crate::transaction::{Access, IsolationLevel, Transaction};
use rustdb_storage::engine::Durability;

/// The pause after the first conflict; it doubles with every further one.
const PAUSE_MIN: Duration = Duration::from_micros(50);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// An error type that can say whether it comes from a conflict, in which case the transaction is
/// worth another try.
pub trait Retryable: From<Error> {
    /// The error of the transaction layer in it, if that is what it is.
    fn transaction_error(&self) -> Option<&Error>;
}

impl Retryable for Error {
    fn transaction_error(&self) -> Option<&Error> {
        Some(self)
    }
}

impl TransactionManager {
    /// Runs `body` in a transaction and commits it. After a conflict or a deadlock all of it is
    /// run again, with growing pauses, until the limit of attempts is reached.
    ///
    /// `body` must not have effects outside of the transaction that cannot be repeated.
    pub fn run<T, E: Retryable>(
        &self,
        isolation: IsolationLevel,
        durability: Durability,
        body: impl FnMut(&mut Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        self.run_retrying(isolation, durability, body)
            .map(|(_, result)| result)
    }

    /// As `run`; returns the commit as well.
    pub(crate) fn run_retrying<T, E: Retryable>(
        &self,
        isolation: IsolationLevel,
        durability: Durability,
        mut body: impl FnMut(&mut Transaction) -> Result<T, E>,
    ) -> Result<(SequenceNumber, T), E> {
        self.run_owned(isolation, durability, |mut transaction| {
            let result = body(&mut transaction);
            (transaction, result)
        })
    }

    /// As [`TransactionManager::run`], for a body that wraps the transaction: it gets it and gives
    /// it back. Returns the commit as well.
    pub fn run_owned<T, E: Retryable>(
        &self,
        isolation: IsolationLevel,
        durability: Durability,
        mut body: impl FnMut(Transaction) -> (Transaction, Result<T, E>),
    ) -> Result<(SequenceNumber, T), E> {
        let mut attempt = 0;
        let mut needs_watch = false;
        loop {
            attempt += 1;
            let transaction = match needs_watch {
                true => Transaction::begin_watching(self.shared_arc().clone(), isolation)?,
                false => self.begin(isolation, Access::ReadWrite)?,
            };
            let (transaction, result) = body(transaction);
            let outcome = result.and_then(|result| {
                let sequence = transaction.commit(durability)?;
                Ok((sequence, result))
            });
            let error = match outcome {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            match error.transaction_error() {
                Some(cause)
                    if cause.is_retryable() && attempt < self.shared().options.attempts_max =>
                {
                    needs_watch |= matches!(cause, Error::Conflict(Conflict::Range));
                }
                _ => return Err(error),
            }
            self.pause(attempt);
        }
    }

    /// Sleeps for a random time that grows with the number of attempts.
    fn pause(&self, attempt: u32) {
        let limit = PAUSE_MIN
            .saturating_mul(1 << attempt.min(16))
            .min(PAUSE_MAX);
        let mut random = [0; 4];
        let vfs = self.engine().vfs();
        if vfs.fill_random(&mut random).is_ok() {
            let fraction = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
            vfs.sleep(limit.mul_f64(fraction));
        }
    }
}
