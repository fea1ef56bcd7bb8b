//! Names: what a column reference in a query means.

use rustdb_types::{Oid, Type};

use super::search::written_name;
use crate::error::{Error, Position, Result, SqlState};
use crate::expr::ColumnId;

/// What can be named at some place of a query: relations, and around them those of outer queries.
#[derive(Debug, Default)]
pub(crate) struct Scope<'p> {
    /// The outer query's names.
    pub(crate) parent: Option<&'p Scope<'p>>,
    /// What stands in FROM.
    pub(crate) from: FromNames,
}

/// The names of a FROM item, or of several side by side.
#[derive(Clone, Debug, Default)]
pub(crate) struct FromNames {
    /// The relations, for names with a dot.
    pub(crate) relations: Vec<Relation>,
    /// The columns without a dot, and of `*`: a pair that USING merges is here once.
    pub(crate) visible: Vec<NamedColumn>,
    /// The tables whose system columns need no dot: those that are not joined.
    pub(crate) tables: Vec<TableOid>,
}

/// A relation in FROM.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    /// Its alias, or its name.
    pub(crate) name: String,
    /// The schema, if the relation has no alias.
    pub(crate) schema: Option<String>,
    /// The name that the alias hides.
    pub(crate) alias_of: Option<String>,
    /// Its columns.
    pub(crate) columns: Vec<NamedColumn>,
    /// Its number, if it is a table: then it has system columns.
    pub(crate) tableoid: Option<TableOid>,
    /// Whether it is a function whose rows are plain values: its name stands for the value.
    pub(crate) is_scalar: bool,
}

impl Relation {
    /// Columns that have no name in common yet.
    pub(crate) fn unnamed(columns: Vec<NamedColumn>) -> Relation {
        Relation {
            name: String::new(),
            schema: None,
            alias_of: None,
            columns,
            tableoid: None,
            is_scalar: false,
        }
    }
}

/// How a statement gets the number of a table whose rows it reads or writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum TableOid {
    /// The statement writes the table, which is there in every row.
    Known(Oid),
    /// From a column that is computed if it is asked for: where an outer join finds no row of the
    /// table, it has no number.
    Column(ColumnId),
}

/// A column with its name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NamedColumn {
    /// The name.
    pub(crate) name: String,
    /// The column.
    pub(crate) id: ColumnId,
    /// Its type.
    pub(crate) of: Type,
}

impl NamedColumn {
    /// Whether a name means it.
    fn is_called(&self, name: &str) -> bool {
        self.name == name || written_name(&self.name) == Some(name)
    }
}

/// What a name with a dot before `*` or a column can fail with.
fn missing_relation(name: &str, place: Option<Position>) -> Error {
    let message = format!("missing FROM-clause entry for table \"{name}\"");
    Error::new(SqlState::UNDEFINED_TABLE, message).at(place)
}

/// A relation is named as it is called outside of the query, which gave it another name.
fn hidden_relation(name: &str, alias: &str) -> Error {
    let message = format!("invalid reference to FROM-clause entry for table \"{name}\"");
    Error::new(SqlState::UNDEFINED_TABLE, message).with_hint(format!(
        "Perhaps you meant to reference the table alias \"{alias}\"."
    ))
}

impl FromNames {
    /// The names of one relation.
    pub(crate) fn of(relation: Relation) -> FromNames {
        FromNames {
            visible: relation.columns.clone(),
            tables: relation.tableoid.into_iter().collect(),
            relations: vec![relation],
        }
    }

    /// Both sides' names. A relation's name may be there once only.
    pub(crate) fn join(mut self, other: FromNames) -> Result<FromNames> {
        for relation in &other.relations {
            let same = |mine: &&Relation| {
                mine.name == relation.name
                    && (mine.schema == relation.schema
                        || mine.schema.is_none()
                        || relation.schema.is_none())
            };
            if !relation.name.is_empty() && self.relations.iter().any(|mine| same(&mine)) {
                let name = &relation.name;
                let message = format!("table name \"{name}\" specified more than once");
                return Err(Error::new(SqlState::DUPLICATE_ALIAS, message));
            }
        }
        self.relations.extend(other.relations);
        self.visible.extend(other.visible);
        self.tables.extend(other.tables);
        Ok(self)
    }

    /// The one visible column of this name; an error if there are several.
    pub(crate) fn find(&self, name: &str, place: Option<Position>) -> Result<Option<&NamedColumn>> {
        let mut found = self.visible.iter().filter(|column| column.is_called(name));
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(ambiguous(name, place)),
            (first, _) => Ok(first),
        }
    }
}

pub(super) fn ambiguous(name: &str, place: Option<Position>) -> Error {
    let message = format!("column reference \"{name}\" is ambiguous");
    Error::new(SqlState::AMBIGUOUS_COLUMN, message).at(place)
}

impl Scope<'_> {
    pub(super) fn outward(&self) -> impl Iterator<Item = &FromNames> {
        std::iter::successors(Some(self), |scope| scope.parent).map(|scope| &scope.from)
    }

    /// The column that a name without a dot means; the innermost query that has it wins.
    pub(crate) fn column(&self, name: &str, place: Option<Position>) -> Result<NamedColumn> {
        for names in self.outward() {
            if let Some(column) = names.find(name, place)? {
                return Ok(column.clone());
            }
        }
        let message = format!("column \"{name}\" does not exist");
        Err(Error::new(SqlState::UNDEFINED_COLUMN, message).at(place))
    }

    /// The error with names that are like the one that is not there.
    pub(crate) fn with_alike(&self, error: Error, relation: Option<&str>, name: &str) -> Error {
        if error.state() != SqlState::UNDEFINED_COLUMN {
            return error;
        }
        match super::likeness::hint(self.outward(), relation, name) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// The relation of this name, as `t.*` and `t.c` need it.
    pub(crate) fn relation(
        &self,
        schema: Option<&str>,
        name: &str,
        place: Option<Position>,
    ) -> Result<&Relation> {
        for names in self.outward() {
            let fits = |relation: &&Relation| {
                let schema_fits = schema.is_none() || relation.schema.as_deref() == schema;
                relation.name == name && schema_fits
            };
            let mut found = names.relations.iter().filter(fits);
            match (found.next(), found.next()) {
                (Some(_), Some(_)) => {
                    let message = format!("table reference \"{name}\" is ambiguous");
                    return Err(Error::new(SqlState::AMBIGUOUS_ALIAS, message).at(place));
                }
                (Some(relation), None) => return Ok(relation),
                (None, _) => (),
            }
        }
        let mut around = self.outward().flat_map(|names| &names.relations);
        Err(
            match around.find(|one| one.alias_of.as_deref() == Some(name)) {
                Some(aliased) => hidden_relation(name, &aliased.name).at(place),
                None => missing_relation(name, place),
            },
        )
    }

    /// Whether a relation of this name is there.
    pub(crate) fn has_relation(&self, name: &str) -> bool {
        self.relation(None, name, None).is_ok()
    }

    /// The column that `relation.name` means.
    pub(crate) fn qualified(
        &self,
        schema: Option<&str>,
        relation: &str,
        name: &str,
        place: Option<Position>,
    ) -> Result<NamedColumn> {
        let relation = self.relation(schema, relation, place)?;
        let mut found = relation
            .columns
            .iter()
            .filter(|column| column.is_called(name));
        match (found.next(), found.next()) {
            (Some(column), None) => Ok(column.clone()),
            (Some(_), Some(_)) => Err(ambiguous(name, place)),
            (None, _) => {
                let message = format!("column {}.{name} does not exist", relation.name);
                Err(Error::new(SqlState::UNDEFINED_COLUMN, message).at(place))
            }
        }
    }
}
