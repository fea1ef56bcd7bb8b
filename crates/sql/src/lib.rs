//! SQL in PostgreSQL's dialect.
//!
//! ```text
//! text ─▶ parse ─▶ bind ─▶ plan ─▶ exec ─▶ rows
//!                   names,   what     batches
//!                   types    to do
//! ```
//!
//! PostgreSQL 15 is the reference, down to the words of errors. What is not supported says so, by
//! name; nothing is silently ignored.

#![forbid(unsafe_code)]

mod bind;
mod copy;
mod database;
mod databases;
mod define;
mod error;
mod exec;
mod explain;
mod expr;
mod expressions;
mod notice;
mod parameters;
mod parse;
mod plan;
mod rewrite;
mod row_set;
mod session;
mod sessions;
mod settings;
mod statistics;
mod system;

pub use error::{Error, Position, Result, SqlState};
pub use notice::{Notice, Severity};
pub use parse::{parse, parse_expression};

pub use bind::OutputColumn;
pub use database::Database;
pub use parameters::type_of;
pub use plan::Methods;
pub use row_set::{RowBlock, RowSet};
pub use rustdb_catalog::FIRST_DATABASE_NAME;
pub use session::{Answer, Append, Cursor, Files, Prepared, Session, Tag};
