//! Schemas, views, sequences and types.

use std::sync::Arc;

use rustdb_txn::Transaction;
use rustdb_types::{Oid, SqlState};

use crate::change::CatalogChange;
use crate::descriptor::{Object, Schema, Sequence, TypeObject, View};
use crate::error::{Error, Result};

impl CatalogChange {
    /// `CREATE SCHEMA`.
    pub fn create_schema(
        &mut self,
        transaction: &mut Transaction,
        name: &str,
        temporary: bool,
    ) -> Result<Arc<Schema>> {
        self.lock_name(transaction, Oid(0), name)?;
        if self.view().schema_named(name).is_some() {
            return Err(Error::new(
                SqlState::DUPLICATE_SCHEMA,
                format!("schema \"{name}\" already exists"),
            ));
        }
        let schema = Arc::new(Schema {
            oid: self.new_oid()?,
            name: name.to_owned(),
            temporary,
        });
        self.set(Object::Schema(schema.clone()));
        Ok(schema)
    }

    /// `CREATE VIEW`. The number is given here.
    pub fn create_view(&mut self, transaction: &mut Transaction, mut view: View) -> Result<Oid> {
        self.claim_relation(transaction, view.schema, &view.name)?;
        view.oid = self.new_oid()?;
        let oid = view.oid;
        self.set(Object::View(Arc::new(view)));
        Ok(oid)
    }

    /// `CREATE SEQUENCE`. The numbers are given here.
    pub fn create_sequence(
        &mut self,
        transaction: &mut Transaction,
        mut sequence: Sequence,
    ) -> Result<Arc<Sequence>> {
        self.claim_relation(transaction, sequence.schema, &sequence.name)?;
        sequence.oid = self.new_oid()?;
        sequence.storage = sequence.oid;
        let sequence = Arc::new(sequence);
        self.set(Object::Sequence(sequence.clone()));
        Ok(sequence)
    }

    /// `ALTER SEQUENCE ... RESTART`: the next value is `value`, unless this is rolled back.
    pub fn restart_sequence(&mut self, oid: Oid, value: i64) -> Result<()> {
        let view = self.view();
        let Some(sequence) = view.sequence(oid) else {
            return Err(Error::internal(format!("there is no sequence {oid}")));
        };
        let (least, greatest) = (sequence.minimum, sequence.maximum);
        if value < least || value > greatest {
            let (side, limit) = match value < least {
                true => ("less than MINVALUE", least),
                false => ("greater than MAXVALUE", greatest),
            };
            return Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("RESTART value ({value}) cannot be {side} ({limit})"),
            ));
        }
        let storage = self.new_oid()?;
        self.store.sequences().begin_at(storage, value)?;
        self.replace_sequence_value(sequence.storage, storage);
        let mut sequence = Sequence::clone(sequence);
        sequence.storage = storage;
        self.set(Object::Sequence(Arc::new(sequence)));
        Ok(())
    }

    /// `CREATE TYPE` and `CREATE DOMAIN`. The caller has taken the numbers.
    pub fn create_type(
        &mut self,
        transaction: &mut Transaction,
        object: TypeObject,
    ) -> Result<Arc<TypeObject>> {
        self.lock_name(transaction, object.schema, object.name())?;
        if self
            .view()
            .type_named(object.schema, object.name())
            .is_some()
        {
            return Err(Error::new(
                SqlState::DUPLICATE_OBJECT,
                format!("type \"{}\" already exists", object.name()),
            ));
        }
        let object = Arc::new(object);
        self.set(Object::Type(object.clone()));
        Ok(object)
    }
}
