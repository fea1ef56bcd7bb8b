//! Statements that the syntax tree has no node for: see [`crate::parse::utility`].

use sqlparser::ast::{Statement, UserDefinedTypeRepresentation};

use super::{Answer, Session};
use crate::error::{Error, Result};
use crate::parse::utility::{Utility, utility};

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
            return Err(Error::unsupported("this form of LOAD or CREATE TYPE"));
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
        }
    }
}
