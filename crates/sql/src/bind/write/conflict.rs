//! ON CONFLICT: which unique indexes are meant, and what is done with the row in the way.

use rustdb_catalog::{Index, IndexKey, IndexState, Table as Definition};
use rustdb_types::Oid;
use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::super::expression::Place;
use super::super::scope::{FromNames, NamedColumn, Relation, Scope};
use super::super::{Binder, bind_table_expression, name_of};
use super::{Assigned, Assignment};
use crate::error::{Error, Result, SqlState};
use crate::expr::{ColumnId, Expr};
use crate::parse::{InsertClauses, place};
use crate::plan::Plan;
use rustdb_catalog::Column;

/// What an INSERT does about rows in its way.
#[derive(Clone, Debug)]
pub struct OnConflict {
    /// The unique indexes it is about; a conflict in another one is an error.
    pub arbiters: Vec<Oid>,
    /// What is done with the row in the way; nothing, if there is none.
    pub update: Option<ConflictUpdate>,
}

/// `DO UPDATE`.
#[derive(Clone, Debug)]
pub struct ConflictUpdate {
    /// The columns of the row in the way, one for each place, then those of the row that was to be
    /// inserted.
    pub columns: Vec<ColumnId>,
    /// New values for some places.
    pub assignments: Vec<Assignment>,
    /// What has to hold.
    pub conditions: Vec<Expr>,
}

impl Binder<'_> {
    /// `excluded` are the columns of the row that is to be inserted, one for each place; `target`
    /// the names of the table.
    pub(super) fn on_conflict(
        &mut self,
        insert: &ast::Insert,
        definition: &std::sync::Arc<Definition>,
        excluded: &[ColumnId],
    ) -> Result<Option<OnConflict>> {
        let written = match &insert.on {
            None => return Ok(None),
            Some(ast::OnInsert::OnConflict(written)) => written,
            Some(_) => return Err(Error::unsupported("ON DUPLICATE KEY UPDATE")),
        };
        let clauses = InsertClauses::of(insert);
        if let (None, ast::OnConflictAction::DoUpdate(_)) =
            (&written.conflict_target, &written.action)
        {
            let message =
                "ON CONFLICT DO UPDATE requires inference specification or constraint name";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message)
                .with_hint("For example, ON CONFLICT (column_name)."));
        }
        let arbiters = self.arbiters(written, &clauses, definition)?;
        let update = match &written.action {
            ast::OnConflictAction::DoNothing => None,
            ast::OnConflictAction::DoUpdate(update) => {
                let alias = insert.table_alias.as_ref();
                let alias = alias.map(|alias| name_of(&alias.alias));
                Some(self.conflict_update(update, alias, definition, excluded)?)
            }
        };
        Ok(Some(OnConflict { arbiters, update }))
    }

    fn conflict_update(
        &mut self,
        written: &ast::DoUpdate,
        alias: Option<String>,
        definition: &std::sync::Arc<Definition>,
        excluded: &[ColumnId],
    ) -> Result<ConflictUpdate> {
        let (scan, mut relation) = self.scan(definition)?;
        let Plan::Scan(mut scan) = scan else {
            return Err(Error::internal("a table is not read by a scan"));
        };
        let mut columns = self.all_places(&mut scan, definition.columns.len());
        if let Some(alias) = alias {
            relation.name = alias;
            relation.schema = None;
        }
        let proposed = definition.columns.iter().zip(excluded);
        let proposed = proposed.filter(|(column, _)| !column.dropped);
        let proposed = Relation {
            name: "excluded".to_owned(),
            schema: None,
            alias_of: None,
            columns: proposed
                .map(|(column, id)| NamedColumn {
                    name: column.name.clone(),
                    id: *id,
                    of: column.column_type.clone(),
                })
                .collect(),
        };
        let scope = Scope {
            parent: None,
            from: FromNames::of(relation).join(FromNames::of(proposed))?,
        };
        let mut assignments = Vec::new();
        let target = Assigned {
            definition,
            columns: &columns,
            through: None,
        };
        for assignment in &written.assignments {
            self.assignments(assignment, &target, &scope, &mut assignments)?;
        }
        self.generated_assignments(definition, &columns, &mut assignments)?;
        let mut conditions = Vec::new();
        if let Some(condition) = &written.selection {
            let condition = self.expression(condition, &mut Place::new(&scope, "WHERE"))?;
            conditions = self.coerce_to_bool(condition, "WHERE")?.conjuncts();
        }
        columns.extend_from_slice(excluded);
        Ok(ConflictUpdate {
            columns,
            assignments,
            conditions,
        })
    }

    /// The unique indexes that an ON CONFLICT is about.
    fn arbiters(
        &self,
        written: &ast::OnConflict,
        clauses: &InsertClauses<'_>,
        definition: &Definition,
    ) -> Result<Vec<Oid>> {
        let unique = definition.indexes.iter().filter(|index| index.unique);
        match &written.conflict_target {
            None => {
                let kept_up = unique.filter(|index| index.state != IndexState::Invalid);
                Ok(kept_up.map(|index| index.oid).collect())
            }
            Some(ast::ConflictTarget::OnConstraint(name)) => {
                let name = super::super::object_name(name)?.concat();
                let constraint = definition.constraint_named(&name).ok_or_else(|| {
                    let message = format!(
                        "constraint \"{name}\" for table \"{}\" does not exist",
                        definition.name
                    );
                    Error::new(SqlState::UNDEFINED_OBJECT, message)
                })?;
                let index = constraint.kind.index().ok_or_else(|| {
                    let message = "constraint in ON CONFLICT clause has no associated index";
                    Error::new(SqlState::WRONG_OBJECT_TYPE, message)
                })?;
                Ok(vec![index])
            }
            Some(ast::ConflictTarget::Columns(_)) => {
                let mut wanted = Vec::with_capacity(clauses.target.len());
                for item in &clauses.target {
                    let of_table = self.of_table(&item.to_string(), definition);
                    wanted.push(
                        of_table.map_err(|error| error.at_word_before(place(item.span()), "("))?,
                    );
                }
                let given = match clauses.predicate {
                    Some(predicate) => self
                        .of_table(&predicate.to_string(), definition)?
                        .conjuncts(),
                    None => Vec::new(),
                };
                let mut arbiters = Vec::new();
                for index in unique.filter(|index| index.state == IndexState::Public) {
                    if self.is_meant(index, &wanted, &given, definition)? {
                        arbiters.push(index.oid);
                    }
                }
                match arbiters.is_empty() {
                    false => Ok(arbiters),
                    true => Err(Error::new(
                        SqlState::INVALID_COLUMN_REFERENCE,
                        "there is no unique or exclusion constraint matching the ON CONFLICT specification",
                    )),
                }
            }
        }
    }

    /// Whether an index has exactly these columns, and holds all rows of which `given` is true.
    fn is_meant(
        &self,
        index: &Index,
        wanted: &[Expr],
        given: &[Expr],
        definition: &Definition,
    ) -> Result<bool> {
        let mut keys = Vec::with_capacity(index.columns.len());
        for column in &index.columns {
            keys.push(match &column.key {
                IndexKey::Column(id) => Expr::Input(Column::place(*id).unwrap_or_default()),
                IndexKey::Expression { expression, .. } => {
                    self.of_table(&expression.text, definition)?
                }
            });
        }
        let same = wanted.iter().all(|item| keys.contains(item))
            && keys.iter().all(|key| wanted.contains(key));
        let Some(predicate) = index.predicate.as_ref().filter(|_| same) else {
            return Ok(same);
        };
        let needed = self.of_table(&predicate.text, definition)?.conjuncts();
        Ok(needed.iter().all(|condition| given.contains(condition)))
    }

    fn of_table(&self, text: &str, definition: &Definition) -> Result<Expr> {
        Ok(bind_table_expression(text, definition, self.settings, self.catalog.as_ref())?.expr)
    }
}
