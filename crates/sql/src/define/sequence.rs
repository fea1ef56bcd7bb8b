//! Sequences.

use std::sync::Arc;

use rustdb_catalog::{Column, Generated, Object, Sequence, Table};
use rustdb_types::{Base, Oid, SqlState};

use super::Definer;
use crate::error::{Error, Result};

impl Definer<'_> {
    /// The sequence of a SERIAL or IDENTITY column.
    pub(super) fn serial_sequence(
        &mut self,
        schema: Oid,
        table: &str,
        column: &Column,
    ) -> Result<Oid> {
        let max = match column.column_type.base() {
            Some(Base::Int2) => i64::from(i16::MAX),
            Some(Base::Int4) => i64::from(i32::MAX),
            Some(Base::Int8) => i64::MAX,
            _ => {
                let message = "identity column type must be smallint, integer, or bigint";
                return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
            }
        };
        let mut name = format!("{table}_{}_seq", column.name);
        let mut next = 1;
        while self.change.view().relation(schema, &name).is_some() {
            name = format!("{table}_{}_seq{next}", column.name);
            next += 1;
        }
        let sequence = Sequence {
            oid: Oid(0),
            schema,
            name,
            data_type: column.column_type.clone(),
            start: 1,
            increment: 1,
            minimum: 1,
            maximum: max,
            cache: 1,
            cycle: false,
            owned_by: None,
            storage: Oid(0),
            temporary: false,
        };
        Ok(self.change.create_sequence(self.transaction, sequence)?.oid)
    }

    /// Sequences of columns go with their table.
    pub(super) fn own_sequences(&mut self, table: &Arc<Table>) -> Result<()> {
        for column in &table.columns {
            let Some(Generated::Identity { sequence, .. }) = &column.generated else {
                continue;
            };
            let Some(found) = self.change.view().sequence(*sequence).cloned() else {
                continue;
            };
            let mut owned = Sequence::clone(&found);
            owned.owned_by = Some((table.oid, column.id));
            self.change.set(Object::Sequence(Arc::new(owned)));
        }
        Ok(())
    }
}
