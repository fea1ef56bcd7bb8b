//! Names that the database chooses, as PostgreSQL chooses them, and names that are taken.

use rustdb_txn::{ObjectMode, Transaction, Wait};
use rustdb_types::{Oid, SqlState};

use crate::change::CatalogChange;
use crate::descriptor::Table;
use crate::error::{Error, Result};
use crate::lock;
use crate::snapshot::Catalog;

/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 63;

/// The name, cut to [`NAME_BYTES_MAX`] bytes at a letter's end.
pub fn truncate_name(name: &str) -> &str {
    &name[..letters_end(name, NAME_BYTES_MAX)]
}

/// The greatest end of a letter that is not above `limit`.
fn letters_end(text: &str, limit: usize) -> usize {
    let limit = limit.min(text.len());
    (0..=limit)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0)
}

/// `first_second_label`, the longer of the two parts cut until all of it fits.
fn joined(first: &str, second: &str, label: &str) -> String {
    let separators = 1 + usize::from(!second.is_empty());
    let room = NAME_BYTES_MAX.saturating_sub(label.len() + separators);
    let (mut one, mut two) = (first.len(), second.len());
    while one + two > room {
        match one > two {
            true => one -= 1,
            false => two -= 1,
        }
    }
    let first = &first[..letters_end(first, one)];
    let second = &second[..letters_end(second, two)];
    match second.is_empty() {
        true => format!("{first}_{label}"),
        false => format!("{first}_{second}_{label}"),
    }
}

/// The first of `first_second_label`, `..._label1`, `..._label2` that is not taken.
pub fn choose_name(
    first: &str,
    second: &str,
    label: &str,
    is_taken: impl Fn(&str) -> bool,
) -> String {
    let plain = joined(first, second, label);
    if !is_taken(&plain) {
        return plain;
    }
    let mut number = 1u32;
    loop {
        let name = joined(first, second, &format!("{label}{number}"));
        if !is_taken(&name) {
            return name;
        }
        number += 1;
    }
}

/// The columns' names, as names of constraints and indexes have them.
pub(super) fn column_part(names: &[&str]) -> String {
    let mut all = String::new();
    for name in names {
        if !all.is_empty() {
            all.push('_');
        }
        all.push_str(name);
        if all.len() >= NAME_BYTES_MAX {
            break;
        }
    }
    truncate_name(&all).to_owned()
}

/// Whether a name of a relation, or of a constraint of this table, is taken.
pub(super) fn is_taken(catalog: &Catalog, table: &Table, name: &str) -> bool {
    catalog.relation(table.schema, name).is_some()
        || table.name == name
        || table.constraint_named(name).is_some()
        || table.indexes.iter().any(|index| index.name == name)
}

impl CatalogChange {
    /// Locks a name of a table, index, view, sequence or type in a schema, or of a schema if
    /// `schema` is zero. Done by every verb that gives or takes a name.
    pub fn lock_name(
        &mut self,
        transaction: &mut Transaction,
        schema: Oid,
        name: &str,
    ) -> Result<()> {
        let number = lock::in_database(self.store.database(), lock::name(schema, name));
        transaction.lock_object(number, ObjectMode::Exclusive, self.wait)?;
        Ok(())
    }

    /// Locks the name of a relation that is to be made, which must be free.
    pub(super) fn claim_relation(
        &mut self,
        transaction: &mut Transaction,
        schema: Oid,
        name: &str,
    ) -> Result<()> {
        self.lock_name(transaction, schema, name)?;
        match self.view().relation(schema, name) {
            None => Ok(()),
            Some(_) => Err(Error::new(
                SqlState::DUPLICATE_TABLE,
                format!("relation \"{name}\" already exists"),
            )),
        }
    }

    /// How long a lock is waited for.
    pub fn set_wait(&mut self, wait: Wait) {
        self.wait = wait;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_chosen_as_postgresql_chooses_them() {
        assert_eq!(choose_name("t", "", "pkey", |_| false), "t_pkey");
        assert_eq!(choose_name("t", "a_b", "key", |_| false), "t_a_b_key");
        assert_eq!(
            choose_name("t", "a", "key", |name| name == "t_a_key"),
            "t_a_key1"
        );
        let long = "x".repeat(60);
        let name = choose_name(&long, &long, "fkey", |_| false);
        assert_eq!(name.len(), NAME_BYTES_MAX);
        assert_eq!(name, format!("{}_{}_fkey", &long[..29], &long[..28]));
    }

    #[test]
    fn names_are_cut_between_letters() {
        let long = "ü".repeat(40);
        assert_eq!(truncate_name(&long), "ü".repeat(31));
        assert_eq!(truncate_name("short"), "short");
    }
}
