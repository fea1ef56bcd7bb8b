//! `\copy`: a table or a query into a file, a file into a table.

use super::session::Shell;
use crate::failure::{Failure, Result};

/// Runs `\copy` with these arguments.
pub fn run(_session: &mut Shell, _arguments: &str) -> Result<()> {
    Err(Failure::new("\\copy is not there yet"))
}
