//! Definitions that need more of the session than a transaction: CREATE TABLE AS, temporary tables
//! at the end of transactions and of the session, LOCK TABLE, DISCARD.

use rustdb_catalog::{DropBehavior, IndexState, Object, Part};
use rustdb_txn::{Access, Durability, IsolationLevel, ObjectMode};
use rustdb_types::{Oid, Type, Value};
use sqlparser::ast;
use sqlparser::ast::Statement;

use super::prepared::Prepared;
use super::{Answer, Open, Session, Tag, done};
use crate::error::{Error, Result, SqlState};
use crate::parse::insert_query;

impl Session {
    /// `CREATE TABLE ... AS`, and `SELECT ... INTO`.
    pub(super) fn create_table_as(
        &mut self,
        create: &ast::CreateTable,
        query: &ast::Query,
        types: &[Type],
        parameters: &[Value],
    ) -> Result<Answer> {
        let prepared = Prepared::new(Statement::Query(Box::new(query.clone())), types.to_vec());
        let planned = self.planned(&prepared)?;
        let columns = planned.columns.clone().unwrap_or_default();
        let mut made = None;
        let answer = self.define(|definer| {
            let (defined, name) = definer.create_table_of(create, &columns)?;
            made = name;
            Ok(defined)
        })?;
        let Some(name) = made else {
            return Ok(answer);
        };
        if create.with_data.as_ref().is_some_and(|with| !with.data) {
            return Ok(answer);
        }
        let insert = insert_query(name, query.clone());
        let filled = self.run_planned(&Prepared::new(insert, types.to_vec()), parameters)?;
        let count = filled.tag.count().unwrap_or(0);
        Ok(Answer {
            notices: answer.notices,
            ..done(Tag::counted("SELECT", count))
        })
    }

    /// `CREATE INDEX CONCURRENTLY`: in several transactions, beside writers. An index whose building
    /// fails is left behind, invalid, as PostgreSQL leaves it.
    pub(super) fn create_index_concurrently(
        &mut self,
        create: &ast::CreateIndex,
    ) -> Result<Answer> {
        if self.is_in_transaction() {
            let message = "CREATE INDEX CONCURRENTLY cannot run inside a transaction block";
            return Err(Error::new(SqlState::ACTIVE_TRANSACTION, message));
        }
        let mut made = None;
        let answer = self.define(|definer| {
            let mode = ObjectMode::ShareUpdateExclusive;
            let (defined, index) = definer.empty_index(create, mode)?;
            made = index;
            Ok(defined)
        })?;
        self.end_implicit()?;
        let Some(index) = made else {
            return Ok(answer);
        };
        if let Err(error) = self.build_beside_writers(index) {
            self.fail();
            self.define(|definer| definer.end_index(index, IndexState::Invalid))?;
            self.end_implicit()?;
            return Err(error);
        }
        Ok(answer)
    }

    fn build_beside_writers(&mut self, index: (Oid, Oid)) -> Result<()> {
        self.define(|definer| definer.wait_for_writers(index.0))?;
        self.end_implicit()?;
        let mut from = None;
        loop {
            rustdb_types::interrupt::check()?;
            self.define(|definer| definer.back_fill(index, &mut from))?;
            self.end_implicit()?;
            if from.is_none() {
                break;
            }
        }
        self.define(|definer| definer.end_index(index, IndexState::Public))?;
        self.end_implicit()
    }

    // ---------------------------------------------------------------------- temporary tables

    /// Does what ON COMMIT says, at the end of a transaction.
    pub(super) fn at_commit(&self, open: &mut Open) -> Result<()> {
        for (table, is_dropped) in self.kept_by_functions.at_commit() {
            let view = open.change.view();
            let Some(definition) = view.table(table) else {
                continue;
            };
            if is_dropped {
                let part = [Part::Object(table)];
                let (transaction, cascade) = (&mut open.transaction, DropBehavior::Cascade);
                open.change.drop_parts(transaction, &part, cascade, &[])?;
                continue;
            }
            let rows = self.database.table(definition, &view)?;
            let all = rustdb_table::KeyRange::all();
            let mut scan = open.transaction.scan_newest(rows.keyspace(), all)?;
            if scan.next(&open.transaction)?.is_some() {
                open.change.renew_storage(table, |_| Ok(()))?;
            }
        }
        self.kept_by_functions
            .forget_at_commit(|table| open.change.view().table(table).is_some());
        Ok(())
    }

    /// The schema of the session's temporary objects, if there is one.
    fn temporary_schema(&self, catalog: &rustdb_catalog::Catalog) -> Option<Oid> {
        let schema = catalog.schema_named(&self.names.temporary_schema);
        schema.map(|schema| schema.oid)
    }

    /// Drops the session's temporary objects, in a transaction of its own.
    pub(super) fn drop_temporary(&mut self) -> Result<()> {
        let shared = self.database.shared.clone();
        let Some(schema) = self.temporary_schema(&shared.catalog.current()) else {
            return Ok(());
        };
        let (isolation, access) = (IsolationLevel::ReadCommitted, Access::ReadWrite);
        let mut transaction = shared.manager.begin(isolation, access)?;
        let mut change = shared.catalog.begin_change();
        let part = [Part::Object(schema)];
        change.drop_parts(&mut transaction, &part, DropBehavior::Cascade, &[])?;
        change.commit(transaction, Durability::None)?;
        Ok(())
    }

    // --------------------------------------------------------------------------- LOCK, DISCARD

    pub(super) fn lock_tables(&mut self, lock: &ast::Lock) -> Result<Answer> {
        if !self.is_in_transaction() {
            let message = "LOCK TABLE can only be used in transaction blocks";
            return Err(Error::new(SqlState::NO_ACTIVE_TRANSACTION, message));
        }
        self.define(|definer| definer.lock_tables(lock))
    }

    /// `DISCARD TEMP`.
    pub(super) fn discard_temporary(&mut self) -> Result<Answer> {
        let name = self.names.temporary_schema.clone();
        let open = self.open()?;
        let view = open.change.view();
        if let Some(schema) = view.schema_named(&name) {
            let all = view.objects().into_iter();
            let parts: Vec<Part> = all
                .filter(|object| object.schema() == Some(schema.oid) && !is_owned(object))
                .map(|object| Part::Object(object.oid()))
                .collect();
            let (transaction, cascade) = (&mut open.transaction, DropBehavior::Cascade);
            open.change.drop_parts(transaction, &parts, cascade, &[])?;
        }
        Ok(done("DISCARD TEMP"))
    }
}

/// A sequence that goes with its table.
fn is_owned(object: &Object) -> bool {
    matches!(object, Object::Sequence(sequence) if sequence.owned_by.is_some())
}

impl Drop for Session {
    fn drop(&mut self) {
        self.freeing = super::watch::Freeing::default();
        // A block that is lent is rolled back, whether its time was over or not.
        let _was_late = self.wake().is_err();
        self.state = super::State::Idle;
        // What is left is gone when the database is opened again.
        let _is_gone_later = self.drop_temporary().is_err();
    }
}
