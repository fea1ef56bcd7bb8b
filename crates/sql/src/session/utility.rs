//! Statements that the syntax tree has no node for: see [`crate::parse::utility`].

use sqlparser::ast::{Statement, UserDefinedTypeRepresentation};

use super::{Answer, Session, done};
use crate::error::{Error, Result, SqlState};
use crate::parse::utility::{DatabaseStatement, Utility, utility};

/// What a statement is called that is not there.
fn unknown(statement: &Statement) -> &'static str {
    use UserDefinedTypeRepresentation as Kind;
    let Statement::CreateType { representation, .. } = statement else {
        return "LOAD";
    };
    match representation {
        Some(Kind::Composite { .. }) => "CREATE TYPE ... AS of a composite type",
        Some(Kind::Range { .. }) => "CREATE TYPE ... AS RANGE",
        Some(Kind::SqlDefinition { .. } | Kind::Enum { .. }) => "CREATE TYPE of a base type",
        None => "CREATE TYPE of a shell type",
    }
}

impl Session {
    pub(super) fn utility(&mut self, statement: &Statement) -> Result<Answer> {
        match statement {
            Statement::CreateType {
                name,
                representation: Some(UserDefinedTypeRepresentation::Enum { labels }),
            } => return self.define(|definer| definer.create_enum(name, labels)),
            Statement::DropDomain(drop) => {
                return self.define(|definer| definer.drop_domain(drop));
            }
            Statement::Lock(lock) => return self.lock_tables(lock),
            _ => (),
        }
        let Some(utility) = utility(statement) else {
            return Err(Error::unsupported(unknown(statement)));
        };
        match utility? {
            Utility::AlterTable(alter) => self.define(|definer| definer.alter_table(&alter)),
            Utility::Alter(alter) => self.define(|definer| definer.alter_object(&alter)),
            Utility::CreateSequence(create) => {
                self.define(|definer| definer.create_sequence(&create))
            }
            Utility::AlterSequence {
                if_exists,
                name,
                options,
            } => self.define(|definer| definer.alter_sequence(&name, if_exists, &options)),
            Utility::AlterType(name, action) => {
                self.define(|definer| definer.alter_type(&name, &action))
            }
            Utility::CreateDomain(create) => self.define(|definer| definer.create_domain(&create)),
            Utility::AlterDomain(name, action) => {
                self.define(|definer| definer.alter_domain(&name, &action))
            }
            Utility::Copy(copy) => self.copy_file(&copy),
            Utility::SetConstraints(set) => self.set_constraints(&set),
            Utility::Comment(comment) => self.define(|definer| definer.comment(&comment)),
            Utility::Database(statement) => self.database_statement(&statement),
            Utility::Transaction(modes) => self.set_deferrable(&modes),
        }
    }

    /// CREATE, ALTER and DROP DATABASE, which are no part of a transaction.
    fn database_statement(&mut self, statement: &DatabaseStatement) -> Result<Answer> {
        if self.is_in_transaction() {
            let what = match statement {
                DatabaseStatement::Create(_) => "CREATE DATABASE",
                DatabaseStatement::Drop { .. } => "DROP DATABASE",
                DatabaseStatement::Rename { .. } => {
                    return Err(Error::unsupported("ALTER DATABASE in a transaction block"));
                }
            };
            let message = format!("{what} cannot run inside a transaction block");
            return Err(Error::new(SqlState::ACTIVE_TRANSACTION, message));
        }
        let names = self.names.clone();
        let database = self.database.clone();
        let (tag, notices) =
            database.run_database_statement(statement, &names.database, &names.user)?;
        Ok(Answer {
            notices,
            ..done(tag)
        })
    }
}
