//! Sequences: those that are created, and those of SERIAL and IDENTITY columns.

use std::sync::Arc;

use rustdb_catalog::{Column, Dependency, Expression, Generated, Object, Relation, Sequence};
use rustdb_types::{Base, Oid, SqlState, Type};
use sqlparser::ast;

use super::{Defined, Definer, relation_exists, relation_missing};
use crate::bind::{Binder, missing_relation, object_name};
use crate::error::{Error, Result};
use crate::parse::utility::{CreateSequence, SequenceOption};

/// A column whose values come from a sequence that is made with it.
pub(super) struct Serial {
    /// The column's place.
    pub(super) place: usize,
    /// Whether it is an identity column, and then whether always; else SERIAL.
    pub(super) identity: Option<bool>,
    /// Options of the sequence.
    pub(super) options: Vec<SequenceOption>,
}

impl Definer<'_> {
    pub(crate) fn create_sequence(&mut self, create: &CreateSequence) -> Result<Defined> {
        let (schema, name) = self.new_name(&create.name, create.temporary)?;
        if create.if_not_exists && self.is_taken(schema, &name)? {
            return Ok(self.noted("CREATE SEQUENCE", relation_exists(&name)));
        }
        let mut sequence = plain_sequence(schema, name, Type::INT8, create.temporary);
        self.apply(&mut sequence, &create.options, true)?;
        if let Some(owner) = owned_by(&create.options) {
            sequence.owned_by = self.owner(owner, &sequence)?;
        }
        self.change.create_sequence(self.transaction, sequence)?;
        Ok(Defined::new("CREATE SEQUENCE"))
    }

    pub(crate) fn alter_sequence(
        &mut self,
        name: &ast::ObjectName,
        if_exists: bool,
        options: &[SequenceOption],
    ) -> Result<Defined> {
        let names = object_name(name)?;
        self.around.catalog = self.change.view();
        let found = Binder::for_statement(&self.around).find_relation(&names)?;
        if found.is_none() && if_exists {
            let short = names.last().cloned().unwrap_or_default();
            return Ok(self.noted("ALTER SEQUENCE", relation_missing(&short)));
        }
        let oid = crate::exec::sequence_of(found, &names)?;
        self.change_sequence(oid, options)?;
        Ok(Defined::new("ALTER SEQUENCE"))
    }

    /// Changes a sequence by options.
    pub(super) fn change_sequence(&mut self, oid: Oid, options: &[SequenceOption]) -> Result<()> {
        self.lock(oid, rustdb_txn::ObjectMode::ShareRowExclusive)?;
        let view = self.change.view();
        let found = view.sequence(oid);
        let found = found.ok_or_else(|| missing_relation(&[oid.to_string()]))?;
        let mut sequence = Sequence::clone(found);
        self.apply(&mut sequence, options, false)?;
        let restart = options.iter().find_map(|option| match option {
            SequenceOption::Restart(at) => Some(at.unwrap_or(sequence.start)),
            _ => None,
        });
        let (last, _) = self.change.store().sequences().state(found)?;
        if restart.is_none() {
            check_range("RESTART", last, &sequence)?;
        }
        if let Some(owner) = owned_by(options) {
            if self.is_identity(found) {
                let message = "cannot change ownership of identity sequence";
                let table = found.owned_by.and_then(|(table, _)| view.table(table));
                return Err(
                    Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).with_detail(format!(
                        "Sequence \"{}\" is linked to table \"{}\".",
                        found.name,
                        table.map_or("", |table| &table.name)
                    )),
                );
            }
            sequence.owned_by = self.owner(owner, &sequence)?;
        }
        self.change.set(Object::Sequence(Arc::new(sequence)));
        if let Some(restart) = restart {
            self.change.restart_sequence(oid, restart)?;
        }
        Ok(())
    }

    fn is_identity(&self, sequence: &Sequence) -> bool {
        let owner = sequence.owned_by.and_then(|(table, column)| {
            let table = self.around.catalog.table(table)?;
            table.column(column)
        });
        owner.is_some_and(|column| matches!(column.generated, Some(Generated::Identity { .. })))
    }

    /// Takes up options; those of a new sequence, or of one that changes.
    fn apply(
        &mut self,
        sequence: &mut Sequence,
        options: &[SequenceOption],
        is_new: bool,
    ) -> Result<()> {
        refuse_twice(options)?;
        let old_limits = limits(&sequence.data_type)?;
        for option in options {
            if let SequenceOption::Type(written) = option {
                sequence.data_type = Binder::for_statement(&self.around).type_named(written)?;
            }
        }
        let (least, greatest) = limits(&sequence.data_type)?;
        for option in options {
            match option {
                SequenceOption::Increment(0) => return Err(invalid("INCREMENT must not be zero")),
                SequenceOption::Increment(by) => sequence.increment = *by,
                SequenceOption::Cycle(cycle) => sequence.cycle = *cycle,
                SequenceOption::Cache(count) if *count < 1 => {
                    return Err(invalid(format!(
                        "CACHE ({count}) must be greater than zero"
                    )));
                }
                SequenceOption::Cache(count) => sequence.cache = *count,
                _ => (),
            }
        }
        let is_retyped = !is_new && old_limits != (least, greatest);
        set_ends(
            sequence,
            options,
            is_new,
            is_retyped.then_some(old_limits),
            (least, greatest),
        );
        let is_upwards = sequence.increment > 0;
        let name = sequence.data_type.name();
        for (word, value) in [
            ("MAXVALUE", sequence.maximum),
            ("MINVALUE", sequence.minimum),
        ] {
            if !(least..=greatest).contains(&value) {
                return Err(invalid(format!(
                    "{word} ({value}) is out of range for sequence data type {name}"
                )));
            }
        }
        if sequence.minimum >= sequence.maximum {
            return Err(invalid(format!(
                "MINVALUE ({}) must be less than MAXVALUE ({})",
                sequence.minimum, sequence.maximum
            )));
        }
        let start = options.iter().find_map(|option| match option {
            SequenceOption::Start(start) => Some(*start),
            _ => None,
        });
        sequence.start = match start {
            Some(start) => start,
            None if !is_new => sequence.start,
            None if is_upwards => sequence.minimum,
            None => sequence.maximum,
        };
        check_range("START", sequence.start, sequence)
    }

    /// The column that OWNED BY names.
    fn owner(
        &mut self,
        name: Option<&ast::ObjectName>,
        sequence: &Sequence,
    ) -> Result<Option<(Oid, u32)>> {
        let Some(name) = name else {
            return Ok(None);
        };
        let mut names = object_name(name)?;
        let column = names.pop().unwrap_or_default();
        if names.is_empty() {
            return Err(
                Error::new(SqlState::SYNTAX_ERROR, "invalid OWNED BY option")
                    .with_hint("Specify OWNED BY table.column or OWNED BY NONE."),
            );
        }
        self.around.catalog = self.change.view();
        let found = Binder::for_statement(&self.around).find_relation(&names)?;
        let table = match found {
            Some(Relation::Table(table)) => table,
            Some(_) => {
                let short = names.last().cloned().unwrap_or_default();
                let message = format!("sequence cannot be owned by relation \"{short}\"");
                return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
            }
            None => return Err(missing_relation(&names)),
        };
        if table.schema != sequence.schema {
            let message = "sequence must be in same schema as table it is linked to";
            return Err(Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                message,
            ));
        }
        match table.column_named(&column) {
            Some(found) => Ok(Some((table.oid, found.id))),
            None => Err(Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!(
                    "column \"{column}\" of relation \"{}\" does not exist",
                    table.name
                ),
            )),
        }
    }

    // ------------------------------------------------------------------- columns with sequences

    /// Makes the sequence of a SERIAL or IDENTITY column, and has the column take its values.
    pub(super) fn serial(
        &mut self,
        schema: Oid,
        table: &str,
        column: &mut Column,
        serial: &Serial,
        temporary: bool,
    ) -> Result<Oid> {
        let is_whole = [Base::Int2, Base::Int4, Base::Int8].map(Some);
        if !is_whole.contains(&column.column_type.base()) {
            return Err(invalid(
                "identity column type must be smallint, integer, or bigint",
            ));
        }
        let name = self.sequence_name(schema, table, &column.name);
        let mut sequence = plain_sequence(schema, name, column.column_type.clone(), temporary);
        self.apply(&mut sequence, &serial.options, true)?;
        let made = self.change.create_sequence(self.transaction, sequence)?;
        match serial.identity {
            Some(always) => {
                column.generated = Some(Generated::Identity {
                    always,
                    sequence: made.oid,
                });
            }
            None => {
                column.default = Some(Expression {
                    text: format!("nextval('{}'::regclass)", made.oid),
                    depends_on: vec![Dependency {
                        object: made.oid,
                        column: None,
                    }],
                });
            }
        }
        Ok(made.oid)
    }

    fn sequence_name(&mut self, schema: Oid, table: &str, column: &str) -> String {
        let view = self.change.view();
        rustdb_catalog::choose_name(table, column, "seq", |name| {
            view.relation(schema, name).is_some()
        })
    }

    /// Has columns own the sequences that were made for them.
    pub(super) fn own_sequences(&mut self, table: Oid, made: &[(usize, Oid)]) {
        for (place, sequence) in made {
            if let Some(found) = self.change.view().sequence(*sequence) {
                let mut owned = Sequence::clone(found);
                owned.owned_by = Some((table, super::constraint::number(*place)));
                self.change.set(Object::Sequence(Arc::new(owned)));
            }
        }
    }
}

/// A sequence of which nothing else is said: 1, 2, 3.
fn plain_sequence(schema: Oid, name: String, data_type: Type, temporary: bool) -> Sequence {
    Sequence {
        oid: Oid(0),
        schema,
        name,
        data_type,
        start: 1,
        increment: 1,
        minimum: 1,
        maximum: i64::MAX,
        cache: 1,
        cycle: false,
        owned_by: None,
        storage: Oid(0),
        temporary,
    }
}

/// Sets the ends of a sequence: what is said, else what they were, else those of its type. Ends
/// that were those of the type it had become those of the type it has.
fn set_ends(
    sequence: &mut Sequence,
    options: &[SequenceOption],
    is_new: bool,
    old_limits: Option<(i64, i64)>,
    (least, greatest): (i64, i64),
) {
    let is_upwards = sequence.increment > 0;
    let maximum = options.iter().find_map(|option| match option {
        SequenceOption::Maximum(maximum) => Some(*maximum),
        _ => None,
    });
    let minimum = options.iter().find_map(|option| match option {
        SequenceOption::Minimum(minimum) => Some(*minimum),
        _ => None,
    });
    let was_greatest = old_limits.is_some_and(|(_, old)| sequence.maximum == old);
    let was_least = old_limits.is_some_and(|(old, _)| sequence.minimum == old);
    sequence.maximum = match maximum {
        Some(Some(maximum)) => maximum,
        None if !is_new && !was_greatest => sequence.maximum,
        Some(None) | None if is_upwards => greatest,
        Some(None) | None => -1,
    };
    sequence.minimum = match minimum {
        Some(Some(minimum)) => minimum,
        None if !is_new && !was_least => sequence.minimum,
        Some(None) | None if is_upwards => 1,
        Some(None) | None => least,
    };
}

/// What OWNED BY says, if it is there.
fn owned_by(options: &[SequenceOption]) -> Option<Option<&ast::ObjectName>> {
    options.iter().find_map(|option| match option {
        SequenceOption::OwnedBy(owner) => Some(owner.as_ref()),
        _ => None,
    })
}

fn refuse_twice(options: &[SequenceOption]) -> Result<()> {
    for (place, option) in options.iter().enumerate() {
        let same = |other: &SequenceOption| {
            std::mem::discriminant(option) == std::mem::discriminant(other)
        };
        if options[..place].iter().any(same) {
            let message = "conflicting or redundant options";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
    }
    Ok(())
}

/// The least and the greatest value of a type.
fn limits(of: &Type) -> Result<(i64, i64)> {
    match of.base() {
        Some(Base::Int2) => Ok((i64::from(i16::MIN), i64::from(i16::MAX))),
        Some(Base::Int4) => Ok((i64::from(i32::MIN), i64::from(i32::MAX))),
        Some(Base::Int8) => Ok((i64::MIN, i64::MAX)),
        _ => Err(invalid(
            "sequence type must be smallint, integer, or bigint",
        )),
    }
}

fn check_range(word: &str, value: i64, sequence: &Sequence) -> Result<()> {
    let (least, greatest) = (sequence.minimum, sequence.maximum);
    if value < least {
        return Err(invalid(format!(
            "{word} value ({value}) cannot be less than MINVALUE ({least})"
        )));
    }
    if value > greatest {
        return Err(invalid(format!(
            "{word} value ({value}) cannot be greater than MAXVALUE ({greatest})"
        )));
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}
