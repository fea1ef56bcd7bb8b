//! ON CONFLICT: which unique indexes are meant, and what is done with the row in the way.

use std::sync::Arc;

use rustdb_catalog::{Column, Index, IndexKey, IndexState, Table as Definition, View};
use rustdb_types::Oid;
use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::super::expression::Place;
use super::super::scope::{FromNames, NamedColumn, Relation, Scope, TableOid};
use super::super::{Binder, bind_table_expression, name_of};
use super::through::{Through, Verb};
use super::{Assigned, Assignment};
use crate::error::{Error, Result, SqlState};
use crate::expr::{ColumnId, Expr};
use crate::parse::{InsertClauses, place};
use crate::plan::Plan;

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
    /// `excluded` are the columns of the row that is to be inserted, one for each place; `views`
    /// those through which it is.
    pub(super) fn on_conflict(
        &mut self,
        insert: &ast::Insert,
        definition: &Arc<Definition>,
        excluded: &[ColumnId],
        views: &[Arc<View>],
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
        let arbiters = self.arbiters(written, &clauses, definition, views)?;
        let update = match &written.action {
            ast::OnConflictAction::DoNothing => None,
            ast::OnConflictAction::DoUpdate(update) => {
                let alias = insert.table_alias.as_ref();
                let alias = alias.map(|alias| name_of(&alias.alias));
                Some(self.conflict_update(update, alias, definition, excluded, views)?)
            }
        };
        Ok(Some(OnConflict { arbiters, update }))
    }

    fn conflict_update(
        &mut self,
        written: &ast::DoUpdate,
        alias: Option<String>,
        definition: &Arc<Definition>,
        excluded: &[ColumnId],
        views: &[Arc<View>],
    ) -> Result<ConflictUpdate> {
        let (scan, mut relation) = self.scan(definition)?;
        relation.tableoid = Some(TableOid::Known(definition.oid));
        let Plan::Scan(mut scan) = scan else {
            return Err(Error::internal("a table is not read by a scan"));
        };
        let mut columns = self.all_places(&mut scan, definition.columns.len());
        let through = match views.is_empty() {
            true => None,
            false => Some(self.through(views, relation.clone(), &scan.columns, Verb::Update)?),
        };
        if let Some(through) = &through {
            relation = through.relation.clone();
        }
        if let Some(alias) = alias {
            relation.name = alias;
            relation.schema = None;
        }
        let (proposed, of_proposed) = self.proposed(definition, excluded, views)?;
        let scope = Scope {
            parent: None,
            from: FromNames::of(relation).join(FromNames::of(proposed))?,
        };
        let mut assignments = Vec::new();
        let target = Assigned {
            definition,
            columns: &columns,
            through: through.as_ref(),
            verb: Verb::Insert,
        };
        for assignment in &written.assignments {
            self.assignments(assignment, &target, &scope, &mut assignments)?;
        }
        let mut conditions = Vec::new();
        if let Some(condition) = &written.selection {
            let condition = self.expression(condition, &mut Place::new(&scope, "WHERE"))?;
            conditions = self.coerce_to_bool(condition, "WHERE")?.conjuncts();
        }
        for through in through.iter().chain(&of_proposed) {
            let values = assignments
                .iter_mut()
                .map(|assignment| &mut assignment.value);
            values
                .chain(&mut conditions)
                .for_each(|expr| through.settle(expr));
        }
        self.generated_assignments(definition, &columns, &mut assignments)?;
        columns.extend_from_slice(excluded);
        Ok(ConflictUpdate {
            columns,
            assignments,
            conditions,
        })
    }

    /// The row that was to be inserted, as `excluded`, and what views make of it.
    fn proposed(
        &mut self,
        definition: &Arc<Definition>,
        excluded: &[ColumnId],
        views: &[Arc<View>],
    ) -> Result<(Relation, Option<Through>)> {
        let columns = definition.columns.iter().zip(excluded);
        let columns = columns.filter(|(column, _)| !column.dropped);
        let mut proposed = Relation {
            name: "excluded".to_owned(),
            schema: None,
            alias_of: None,
            columns: columns
                .map(|(column, id)| NamedColumn {
                    name: column.name.clone(),
                    id: *id,
                    of: column.column_type.clone(),
                })
                .collect(),
            tableoid: None,
            is_scalar: false,
        };
        if views.is_empty() {
            return Ok((proposed, None));
        }
        let given: Vec<(ColumnId, usize)> = excluded.iter().copied().zip(0..).collect();
        let through = self.through(views, proposed.clone(), &given, Verb::Update)?;
        proposed.columns.clone_from(&through.relation.columns);
        Ok((proposed, Some(through)))
    }

    /// The unique indexes that an ON CONFLICT is about.
    fn arbiters(
        &mut self,
        written: &ast::OnConflict,
        clauses: &InsertClauses<'_>,
        definition: &Arc<Definition>,
        views: &[Arc<View>],
    ) -> Result<Vec<Oid>> {
        let unique = definition.indexes.iter().filter(|index| index.unique);
        match &written.conflict_target {
            None => {
                let kept_up = unique.filter(|index| index.state != IndexState::Invalid);
                Ok(kept_up.map(|index| index.oid).collect())
            }
            Some(ast::ConflictTarget::OnConstraint(name)) => {
                let name = super::super::object_name(name)?.concat();
                let constraint = definition.constraint_named(&name);
                let constraint = constraint.filter(|_| views.is_empty()).ok_or_else(|| {
                    let table = views.first().map_or(&definition.name, |view| &view.name);
                    let message =
                        format!("constraint \"{name}\" for table \"{table}\" does not exist");
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
                    let of_table = match views.is_empty() {
                        true => self.of_table(&item.to_string(), definition),
                        false => self.of_views(item, definition, views),
                    };
                    wanted.push(
                        of_table.map_err(|error| error.at_word_before(place(item.span()), "("))?,
                    );
                }
                let given = match clauses.predicate {
                    Some(predicate) if !views.is_empty() => {
                        self.of_views(predicate, definition, views)?.conjuncts()
                    }
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

    /// An expression over the columns of a view as one over the places of the table's rows.
    fn of_views(
        &mut self,
        written: &ast::Expr,
        definition: &Arc<Definition>,
        views: &[Arc<View>],
    ) -> Result<Expr> {
        let (scan, mut relation) = self.scan(definition)?;
        relation.tableoid = Some(TableOid::Known(definition.oid));
        let Plan::Scan(scan) = scan else {
            return Err(Error::internal("a table is not read by a scan"));
        };
        let through = self.through(views, relation, &scan.columns, Verb::Insert)?;
        let scope = Scope {
            parent: None,
            from: FromNames::of(through.relation.clone()),
        };
        let typed = self.expression(written, &mut Place::new(&scope, "ON CONFLICT"))?;
        let mut expr = typed.expr;
        through.settle(&mut expr);
        expr.rewrite(&mut |part| match part {
            Expr::Column(id) => {
                let found = scan.columns.iter().find(|(column, _)| column == id);
                found.map(|(_, place)| Expr::Input(*place))
            }
            _ => None,
        });
        Ok(expr)
    }

    fn of_table(&self, text: &str, definition: &Definition) -> Result<Expr> {
        Ok(bind_table_expression(text, definition, self.settings, self.catalog.as_ref())?.expr)
    }
}
