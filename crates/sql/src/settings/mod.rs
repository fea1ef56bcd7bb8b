//! What SET sets and SHOW shows.
//!
//! ```text
//! defaults ◀── SET, set_config (until rolled back) ◀── SET LOCAL (until the transaction ends)
//! ```
//!
//! The values are shared between a session and its running statements, because `set_config` is a
//! function. What a value means for statements is worked out when the next one begins.

mod list;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustdb_vfs::sync::Mutex;

use crate::error::{Error, Result, SqlState};
pub(crate) use list::{Kind, WORK_MEM_DEFAULT, definition, definitions};
use value::{canonical, kilobytes, milliseconds};
pub(crate) use value::{joined, names};

/// The parameters of a session.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    state: Mutex<State>,
    /// Counts the changes of the values. Every statement asks for it.
    version: AtomicU64,
}

#[derive(Clone, Debug, Default)]
struct State {
    values: Arc<Values>,
    transaction: Option<TransactionModes>,
}

/// What the transaction at hand is, as SHOW has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransactionModes {
    /// `transaction_isolation`.
    pub(crate) isolation: &'static str,
    /// `transaction_read_only`.
    pub(crate) is_read_only: bool,
    /// `transaction_deferrable`.
    pub(crate) is_deferrable: bool,
}

impl TransactionModes {
    /// The parameter of this name, if it is one of them.
    fn get(&self, key: &str) -> Option<&'static str> {
        let switch = |is_on| Some(if is_on { "on" } else { "off" });
        match key {
            "transaction_isolation" => Some(self.isolation),
            "transaction_read_only" => switch(self.is_read_only),
            "transaction_deferrable" => switch(self.is_deferrable),
            _ => None,
        }
    }
}

/// The parameter that says what this one is where there is no transaction.
pub(crate) fn default_of(key: &str) -> Option<&'static str> {
    match key {
        "transaction_isolation" => Some("default_transaction_isolation"),
        "transaction_read_only" => Some("default_transaction_read_only"),
        "transaction_deferrable" => Some("default_transaction_deferrable"),
        _ => None,
    }
}

/// What was set: by lower-case name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    session: BTreeMap<String, String>,
    local: BTreeMap<String, String>,
}

/// How long a value holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Until another one is set, or the transaction is rolled back.
    Session,
    /// Until the transaction ends.
    Local,
}

impl Parameters {
    /// Sets a value, or the default again.
    pub(crate) fn set(&self, name: &str, value: Option<&str>, scope: Scope) -> Result<()> {
        let key = name.to_lowercase();
        let value = match (definition(&key), value) {
            (None, _) if !is_custom(name) => return Err(unknown(name)),
            (None, value) => value.map(str::to_owned),
            (Some(definition), _) if definition.is_fixed() => {
                let message = format!("parameter \"{}\" cannot be changed", definition.name);
                return Err(Error::new(SqlState::CANT_CHANGE_RUNTIME_PARAM, message));
            }
            (Some(definition), Some(value)) => {
                let current = self.get(definition.name).unwrap_or_default();
                Some(canonical(definition, value, &current)?)
            }
            (Some(_), None) => None,
        };
        let mut state = self.state.lock();
        self.note_change();
        let values = Arc::make_mut(&mut state.values);
        match (scope, value) {
            (Scope::Session, Some(value)) => {
                values.local.remove(&key);
                values.session.insert(key, value);
            }
            (Scope::Session, None) => {
                values.local.remove(&key);
                values.session.remove(&key);
            }
            (Scope::Local, Some(value)) => {
                values.local.insert(key, value);
            }
            (Scope::Local, None) => {
                let default = definition(&key).map_or("", |definition| definition.default);
                values.local.insert(key, default.to_owned());
            }
        }
        Ok(())
    }

    /// All are as they were at first.
    pub(crate) fn reset_all(&self) {
        let mut state = self.state.lock();
        self.note_change();
        state.values = Arc::default();
    }

    /// What a parameter is.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let key = name.to_lowercase();
        let state = self.state.lock();
        let of_transaction = state.transaction.and_then(|modes| modes.get(&key));
        if let Some(value) = of_transaction {
            return Some(value.to_owned());
        }
        if let Some(default) = default_of(&key) {
            drop(state);
            return self.get(default);
        }
        let values = &state.values;
        let own = values.local.get(&key).or_else(|| values.session.get(&key));
        match own {
            Some(value) => Some(value.clone()),
            None => definition(&key).map(|definition| definition.default.to_owned()),
        }
    }

    /// As [`Parameters::get`]; 42704 if there is no such parameter.
    pub(crate) fn show(&self, name: &str) -> Result<String> {
        self.get(name).ok_or_else(|| unknown(name))
    }

    /// A number of milliseconds; 0 means none.
    pub(crate) fn timeout(&self, name: &str) -> u64 {
        let value = self.get(name);
        value.and_then(|value| milliseconds(&value)).unwrap_or(0)
    }

    /// An amount of memory, in bytes.
    pub(crate) fn bytes(&self, name: &str) -> usize {
        let value = self.get(name).and_then(|value| kilobytes(&value));
        let bytes = value.unwrap_or(0).saturating_mul(1024);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// A number that cannot be less than zero.
    pub(crate) fn number(&self, name: &str) -> usize {
        let value = self.get(name).and_then(|value| value.parse().ok());
        value.unwrap_or(0)
    }

    /// Whether a switch is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name).as_deref() == Some("on")
    }

    /// Grows with every change.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The values change, or have just done so. Their lock is held.
    fn note_change(&self) {
        self.version.fetch_add(1, Ordering::Release);
    }

    // ----------------------------------------------------------------------- transactions

    /// The values as they are, to return to.
    pub(crate) fn mark(&self) -> Arc<Values> {
        self.state.lock().values.clone()
    }

    /// Returns to what was.
    pub(crate) fn return_to(&self, mark: &Arc<Values>) {
        self.return_from(&mut self.state.lock(), mark);
    }

    /// A transaction begins. Gives what is set now.
    pub(crate) fn begin_transaction(&self, modes: TransactionModes) -> Arc<Values> {
        let mut state = self.state.lock();
        state.transaction = Some(modes);
        state.values.clone()
    }

    /// The modes of the transaction at hand are others now.
    pub(crate) fn note_modes(&self, modes: TransactionModes) {
        self.state.lock().transaction = Some(modes);
    }

    /// Whether a value means yes to a parameter that is yes or no.
    pub(crate) fn is_yes(&self, name: &str, value: &str) -> Result<bool> {
        let definition = definition(&name.to_lowercase()).ok_or_else(|| unknown(name))?;
        Ok(canonical(definition, value, "off")? == "on")
    }

    /// A transaction was committed: what was set for it alone ends.
    pub(crate) fn end_transaction(&self) {
        let mut state = self.state.lock();
        state.transaction = None;
        if !state.values.local.is_empty() {
            self.note_change();
            Arc::make_mut(&mut state.values).local.clear();
        }
    }

    /// A transaction was rolled back: what was set in it is undone.
    pub(crate) fn undo_transaction(&self, before: &Arc<Values>) {
        let mut state = self.state.lock();
        if state.transaction.take().is_some() {
            self.return_from(&mut state, before);
        }
    }

    fn return_from(&self, state: &mut State, mark: &Arc<Values>) {
        if !Arc::ptr_eq(&state.values, mark) {
            self.note_change();
            state.values = mark.clone();
        }
    }
}

/// `a.b`: names of applications, which take any value.
fn is_custom(name: &str) -> bool {
    let is_part = |part: &str| {
        let is_name = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
        part.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
            && part.chars().all(is_name)
    };
    name.contains('.') && name.split('.').all(is_part)
}

fn unknown(name: &str) -> Error {
    let message = format!("unrecognized configuration parameter \"{name}\"");
    Error::new(SqlState::UNDEFINED_OBJECT, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_values_hide_those_of_the_session_until_they_end() {
        let parameters = Parameters::default();
        parameters.set("a.b", Some("1"), Scope::Session).unwrap();
        let mark = parameters.mark();
        parameters.set("A.B", Some("2"), Scope::Local).unwrap();
        assert_eq!(parameters.get("a.b").as_deref(), Some("2"));
        parameters.end_transaction();
        assert_eq!(parameters.get("a.b").as_deref(), Some("1"));
        parameters.set("a.b", Some("3"), Scope::Session).unwrap();
        parameters.return_to(&mark);
        assert_eq!(parameters.get("a.b").as_deref(), Some("1"));
    }

    #[test]
    fn unknown_names_and_fixed_ones_are_refused() {
        let parameters = Parameters::default();
        let state = |name: &str| {
            let error = parameters.set(name, Some("1"), Scope::Session).unwrap_err();
            error.state()
        };
        assert_eq!(state("nothing"), SqlState::UNDEFINED_OBJECT);
        assert_eq!(state("server_version"), SqlState::CANT_CHANGE_RUNTIME_PARAM);
        assert!(parameters.show("a.b").is_err());
    }
}
