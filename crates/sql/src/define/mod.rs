//! Definitions: CREATE and DROP of tables, schemas, views and sequences.
//!
//! Syntax becomes what the catalog's verbs take. Expressions are kept as text; they are bound here
//! once, so that what is wrong with them is told now.

mod drop;
mod index;

use std::sync::Arc;

use rustdb_catalog::{
    Action, CatalogChange, Column, ColumnId, ConstraintDefinition, ConstraintDefinitionKind,
    Expression, ForeignKeyDefinition, Generated, Object, PUBLIC, Sequence, Table, TableDefinition,
    View, ViewColumn,
};
use rustdb_txn::{ObjectMode, Transaction, Wait};
use rustdb_types::{Base, Oid, SqlState, Type};
use sqlparser::ast;
use sqlparser::ast::{ColumnOption, TableConstraint};

use crate::bind::{
    Binder, Surroundings, bind_column_expression, bind_table_expression, name_of, object_name,
    schema_named,
};
use crate::error::{Error, Result};

/// A transaction that defines something.
pub(crate) struct Definer<'a> {
    pub(crate) around: Surroundings<'a>,
    pub(crate) transaction: &'a mut Transaction,
    pub(crate) change: &'a mut CatalogChange,
}

/// What a definition says when it is done: its tag, and what it has to say besides.
pub(crate) struct Defined {
    pub(crate) tag: &'static str,
    pub(crate) notice: Option<String>,
}

impl Defined {
    fn new(tag: &'static str) -> Defined {
        Defined { tag, notice: None }
    }
}

impl Definer<'_> {
    /// The schema and the short name of something that is to be made.
    fn new_name(&mut self, name: &ast::ObjectName) -> Result<(Oid, String)> {
        let names = object_name(name)?;
        match &names[..] {
            [name] => Ok((PUBLIC, name.clone())),
            [schema, name] | [_, schema, name] => {
                let schema = schema_named(&self.change.view(), schema)?;
                Ok((schema, name.clone()))
            }
            _ => Err(Error::unsupported(format!("the name {name}"))),
        }
    }

    // ---------------------------------------------------------------------------------- tables

    pub(crate) fn create_table(&mut self, create: &ast::CreateTable) -> Result<Defined> {
        refuse_create_table(create)?;
        let (schema, name) = self.new_name(&create.name)?;
        if create.if_not_exists && self.change.view().relation(schema, &name).is_some() {
            return Ok(Defined {
                tag: "CREATE TABLE",
                notice: Some(format!("relation \"{name}\" already exists, skipping")),
            });
        }
        let mut columns = Vec::with_capacity(create.columns.len());
        let mut constraints = Vec::new();
        let mut serials = Vec::new();
        for (place, written) in create.columns.iter().enumerate() {
            let column = self.column(written, place, &mut constraints, &mut serials)?;
            columns.push(column);
        }
        for written in &create.constraints {
            constraints.push(self.constraint(written, &columns)?);
        }
        mark_primary_key(&mut columns, &constraints)?;
        for (place, always) in serials {
            let column = &columns[place];
            let sequence = self.serial_sequence(schema, &name, column)?;
            columns[place].generated = Some(Generated::Identity { always, sequence });
        }
        let definition = TableDefinition {
            schema,
            name,
            columns,
            constraints,
            flexible: false,
            temporary: false,
        };
        let table = self.change.create_table(self.transaction, definition)?;
        self.own_sequences(&table)?;
        self.check_expressions(&table)?;
        Ok(Defined::new("CREATE TABLE"))
    }

    fn column(
        &mut self,
        written: &ast::ColumnDef,
        place: usize,
        constraints: &mut Vec<ConstraintDefinition>,
        serials: &mut Vec<(usize, bool)>,
    ) -> Result<Column> {
        let name = name_of(&written.name);
        let serial = serial_type(&written.data_type);
        let column_type = match serial {
            Some(base) => Type::of(base),
            None => Binder::for_statement(&self.around).type_named(&written.data_type)?,
        };
        let mut column = Column::new(number(place), name, column_type);
        if serial.is_some() {
            column.not_null = true;
            serials.push((place, false));
        }
        for option in &written.options {
            self.column_option(option, &mut column, constraints, serials)?;
        }
        Ok(column)
    }

    /// Takes up an option of a column.
    fn column_option(
        &mut self,
        option: &ast::ColumnOptionDef,
        column: &mut Column,
        constraints: &mut Vec<ConstraintDefinition>,
        serials: &mut Vec<(usize, bool)>,
    ) -> Result<()> {
        let constraint_name = option.name.as_ref().map(name_of);
        let mut add = |kind: ConstraintDefinitionKind| {
            let mut constraint = ConstraintDefinition::new(kind);
            constraint.name.clone_from(&constraint_name);
            constraints.push(constraint);
        };
        match &option.option {
            ColumnOption::Null => (),
            ColumnOption::NotNull => column.not_null = true,
            ColumnOption::Default(default) => {
                column.default = Some(Expression::new(default.to_string()));
            }
            ColumnOption::PrimaryKey(_) => {
                column.not_null = true;
                add(ConstraintDefinitionKind::PrimaryKey {
                    columns: vec![column.id],
                    include: Vec::new(),
                });
            }
            ColumnOption::Unique(unique) => add(ConstraintDefinitionKind::Unique {
                columns: vec![column.id],
                include: Vec::new(),
                nulls_not_distinct: unique.nulls_distinct == ast::NullsDistinctOption::NotDistinct,
            }),
            ColumnOption::Check(check) => add(ConstraintDefinitionKind::Check {
                expression: Expression::new(check.expr.to_string()),
                columns: vec![column.id],
            }),
            ColumnOption::ForeignKey(key) => {
                let kind = self.foreign_key(key, vec![column.id])?;
                let mut constraint = ConstraintDefinition::new(kind);
                constraint.name = constraint_name;
                set_deferral(&mut constraint, key.characteristics.as_ref());
                constraints.push(constraint);
            }
            ColumnOption::Generated {
                generated_as: ast::GeneratedAs::ExpStored | ast::GeneratedAs::Always,
                generation_expr: Some(expr),
                ..
            } => {
                let expression = Expression::new(expr.to_string());
                column.generated = Some(Generated::Stored(expression));
            }
            ColumnOption::Generated {
                generated_as,
                generation_expr: None,
                ..
            } => {
                column.not_null = true;
                let always = matches!(generated_as, ast::GeneratedAs::Always);
                serials.push((Column::place(column.id).unwrap_or_default(), always));
            }
            ColumnOption::Collation(collation) => {
                let name = collation.to_string().replace('"', "");
                if !["C", "POSIX", "default"].contains(&name.as_str()) {
                    return Err(Error::unsupported(format!("the collation {collation}")));
                }
            }
            other => return Err(Error::unsupported(format!("`{other}` of a column"))),
        }
        Ok(())
    }

    fn constraint(
        &mut self,
        written: &TableConstraint,
        columns: &[Column],
    ) -> Result<ConstraintDefinition> {
        let (name, kind, characteristics) = match written {
            TableConstraint::PrimaryKey(key) => {
                let kind = ConstraintDefinitionKind::PrimaryKey {
                    columns: key_columns(&key.columns, columns)?,
                    include: column_ids(&key.include, columns)?,
                };
                (&key.name, kind, key.characteristics.as_ref())
            }
            TableConstraint::Unique(unique) => {
                let kind = ConstraintDefinitionKind::Unique {
                    columns: key_columns(&unique.columns, columns)?,
                    include: column_ids(&unique.include, columns)?,
                    nulls_not_distinct: unique.nulls_distinct
                        == ast::NullsDistinctOption::NotDistinct,
                };
                (&unique.name, kind, unique.characteristics.as_ref())
            }
            TableConstraint::Check(check) => {
                let kind = ConstraintDefinitionKind::Check {
                    expression: Expression::new(check.expr.to_string()),
                    columns: Vec::new(),
                };
                (&check.name, kind, None)
            }
            TableConstraint::ForeignKey(key) => {
                let kind = self.foreign_key(key, column_ids(&key.columns, columns)?)?;
                (&key.name, kind, key.characteristics.as_ref())
            }
            other => return Err(Error::unsupported(format!("`{other}`"))),
        };
        let mut constraint = ConstraintDefinition::new(kind);
        constraint.name = name.as_ref().map(name_of);
        set_deferral(&mut constraint, characteristics);
        Ok(constraint)
    }

    fn foreign_key(
        &mut self,
        key: &ast::ForeignKeyConstraint,
        columns: Vec<ColumnId>,
    ) -> Result<ConstraintDefinitionKind> {
        if key
            .match_kind
            .as_ref()
            .is_some_and(|kind| kind.to_string() != "MATCH SIMPLE")
        {
            return Err(Error::unsupported(format!("`{key}`")));
        }
        let names = object_name(&key.foreign_table)?;
        self.change.view();
        self.around.catalog = self.change.view();
        let parent = Binder::for_statement(&self.around).target_table(&names)?;
        let referred: Vec<ast::Ident> = key.referred_columns.clone();
        Ok(ConstraintDefinitionKind::ForeignKey(ForeignKeyDefinition {
            columns,
            parent_columns: column_ids(&referred, &parent.columns)?,
            parent: Some(parent.oid),
            on_delete: action(key.on_delete),
            on_update: action(key.on_update),
            ..ForeignKeyDefinition::default()
        }))
    }

    /// The sequence of a SERIAL or IDENTITY column.
    fn serial_sequence(&mut self, schema: Oid, table: &str, column: &Column) -> Result<Oid> {
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
    fn own_sequences(&mut self, table: &Arc<Table>) -> Result<()> {
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

    /// Binds the table's expressions, to tell at once what is wrong with them.
    fn check_expressions(&self, table: &Table) -> Result<()> {
        let settings = self.around.settings;
        for column in &table.columns {
            if let Some(Generated::Stored(expression)) = &column.generated {
                bind_column_expression(&expression.text, table, column, settings)?;
            }
            if let Some(default) = &column.default {
                let bare = Table {
                    columns: Vec::new(),
                    ..table.clone()
                };
                bind_column_expression(&default.text, &bare, column, settings).map_err(
                    |error| match error.state() == SqlState::UNDEFINED_COLUMN {
                        true => Error::new(
                            SqlState::FEATURE_NOT_SUPPORTED,
                            "cannot use column reference in DEFAULT expression",
                        ),
                        false => error,
                    },
                )?;
            }
        }
        for constraint in &table.constraints {
            if let rustdb_catalog::ConstraintKind::Check { expression, .. } = &constraint.kind {
                let typed = bind_table_expression(&expression.text, table, settings)?;
                if typed.of != Type::BOOL {
                    let message = format!(
                        "argument of CHECK must be type boolean, not type {}",
                        typed.of.name()
                    );
                    return Err(Error::new(SqlState::DATATYPE_MISMATCH, message));
                }
            }
        }
        Ok(())
    }

    fn lock(&mut self, oid: Oid, mode: ObjectMode) -> Result<()> {
        let number = rustdb_catalog::lock::object(oid);
        Ok(self.transaction.lock_object(number, mode, Wait::Forever)?)
    }

    // ----------------------------------------------------------------------------- the others

    pub(crate) fn create_schema(
        &mut self,
        name: &ast::SchemaName,
        if_not_exists: bool,
    ) -> Result<Defined> {
        let ast::SchemaName::Simple(name) = name else {
            return Err(Error::unsupported("CREATE SCHEMA ... AUTHORIZATION"));
        };
        let names = object_name(name)?;
        let [name] = &names[..] else {
            return Err(Error::unsupported(format!("the schema {name}")));
        };
        if if_not_exists && self.change.view().schema_named(name).is_some() {
            return Ok(Defined {
                tag: "CREATE SCHEMA",
                notice: Some(format!("schema \"{name}\" already exists, skipping")),
            });
        }
        self.change.create_schema(self.transaction, name, false)?;
        Ok(Defined::new("CREATE SCHEMA"))
    }

    pub(crate) fn create_view(&mut self, create: &ast::CreateView) -> Result<Defined> {
        if create.materialized || create.temporary || create.or_replace {
            return Err(Error::unsupported("this form of CREATE VIEW"));
        }
        let (schema, name) = self.new_name(&create.name)?;
        self.around.catalog = self.change.view();
        let mut binder = Binder::for_statement(&self.around);
        let bound = binder.statement_query(&create.query)?;
        let names: Vec<String> = create
            .columns
            .iter()
            .map(|column| name_of(&column.name))
            .collect();
        if names.len() > bound.columns.len() {
            let message = "CREATE VIEW specifies more column names than columns";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
        let columns = bound
            .columns
            .iter()
            .enumerate()
            .map(|(place, column)| ViewColumn {
                name: names.get(place).unwrap_or(&column.name).clone(),
                column_type: column.of.clone(),
            });
        let depends_on = binder
            .tables()
            .keys()
            .map(|table| rustdb_catalog::Dependency {
                object: *table,
                column: None,
            });
        let view = View {
            oid: Oid(0),
            schema,
            name,
            columns: columns.collect(),
            query: Expression {
                text: create.query.to_string(),
                depends_on: depends_on.collect(),
            },
            temporary: false,
        };
        self.change.create_view(self.transaction, view)?;
        Ok(Defined::new("CREATE VIEW"))
    }
}

/// The number of the column at a place.
fn number(place: usize) -> ColumnId {
    ColumnId::try_from(place + 1).unwrap_or(ColumnId::MAX)
}

fn serial_type(of: &ast::DataType) -> Option<Base> {
    let ast::DataType::Custom(name, _) = of else {
        return None;
    };
    let names = object_name(name).ok()?;
    match names.last()?.as_str() {
        "serial" | "serial4" => Some(Base::Int4),
        "bigserial" | "serial8" => Some(Base::Int8),
        "smallserial" | "serial2" => Some(Base::Int2),
        _ => None,
    }
}

fn column_ids(names: &[ast::Ident], columns: &[Column]) -> Result<Vec<ColumnId>> {
    let ids = names.iter().map(|name| {
        let name = name_of(name);
        let mut live = columns
            .iter()
            .enumerate()
            .filter(|(_, column)| !column.dropped);
        let found = live.find(|(_, column)| column.name == name);
        found.map(|(place, _)| number(place)).ok_or_else(|| {
            let message = format!("column \"{name}\" named in key does not exist");
            Error::new(SqlState::UNDEFINED_COLUMN, message)
        })
    });
    ids.collect()
}

fn key_columns(written: &[ast::IndexColumn], columns: &[Column]) -> Result<Vec<ColumnId>> {
    let mut names = Vec::with_capacity(written.len());
    for column in written {
        match &column.column.expr {
            ast::Expr::Identifier(name) => names.push(name.clone()),
            other => return Err(Error::unsupported(format!("the key column `{other}`"))),
        }
    }
    column_ids(&names, columns)
}

/// Columns of the primary key are NOT NULL; there is one primary key at most.
fn mark_primary_key(columns: &mut [Column], constraints: &[ConstraintDefinition]) -> Result<()> {
    let mut keys = constraints
        .iter()
        .filter_map(|constraint| match &constraint.kind {
            ConstraintDefinitionKind::PrimaryKey { columns, .. } => Some(columns),
            _ => None,
        });
    if let Some(key) = keys.next() {
        for id in key {
            if let Some(column) = Column::place(*id).and_then(|place| columns.get_mut(place)) {
                column.not_null = true;
            }
        }
    }
    match keys.next() {
        None => Ok(()),
        Some(_) => Err(Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            "multiple primary keys for a table are not allowed",
        )),
    }
}

fn set_deferral(
    constraint: &mut ConstraintDefinition,
    characteristics: Option<&ast::ConstraintCharacteristics>,
) {
    let Some(characteristics) = characteristics else {
        return;
    };
    let deferred = characteristics.initially == Some(ast::DeferrableInitial::Deferred);
    constraint.initially_deferred = deferred;
    constraint.deferrable = characteristics.deferrable.unwrap_or(deferred);
}

fn action(written: Option<ast::ReferentialAction>) -> Action {
    match written {
        None | Some(ast::ReferentialAction::NoAction) => Action::NoAction,
        Some(ast::ReferentialAction::Restrict) => Action::Restrict,
        Some(ast::ReferentialAction::Cascade) => Action::Cascade,
        Some(ast::ReferentialAction::SetNull) => Action::SetNull,
        Some(ast::ReferentialAction::SetDefault) => Action::SetDefault,
    }
}

fn refuse_create_table(create: &ast::CreateTable) -> Result<()> {
    let what = if create.temporary {
        "CREATE TEMPORARY TABLE"
    } else if create.unlogged || create.external || create.or_replace || create.transient {
        "this kind of CREATE TABLE"
    } else if create.query.is_some() {
        "CREATE TABLE AS"
    } else if create.like.is_some() || create.clone.is_some() {
        "CREATE TABLE LIKE"
    } else if create.inherits.is_some() || create.partition_of.is_some() {
        "inheritance"
    } else if create.partition_by.is_some() {
        "partitioning"
    } else if !matches!(create.table_options, ast::CreateTableOptions::None) {
        "an option of CREATE TABLE"
    } else {
        return Ok(());
    };
    Err(Error::unsupported(what))
}
