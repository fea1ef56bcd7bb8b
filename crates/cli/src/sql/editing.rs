//! `\e`: the editor that the environment names, on the statement or on a file.

use std::path::PathBuf;
use std::process::Stdio;

use super::input::is_complete;
use super::session::Shell;
use super::target::shell;
use crate::failure::{Failure, Result};
use crate::signals::Working;

/// Has a person edit a text. It is run if it ends with a semicolon, and else stands at the prompt.
pub fn edit_text(session: &mut Shell, text: &str) -> Result<()> {
    let path = std::env::temp_dir().join(format!("rustdb-{}.sql", std::process::id()));
    let name = path.display().to_string();
    let file = Temporary(path);
    let told = |doing, error: std::io::Error| Failure::file(doing, &name, &error);
    let before = match text.trim_end() {
        "" => String::new(),
        text => format!("{text};\n"),
    };
    write_private(&file.0, &before).map_err(|error| told("write", error))?;
    edit(&name)?;
    let after = std::fs::read_to_string(&file.0).map_err(|error| told("read", error))?;
    drop(file);
    if after.trim().is_empty() || after == before {
        return Ok(());
    }
    if !is_complete(&after) {
        session.prefilled = Some(after.trim_end().to_owned());
        return Ok(());
    }
    session.output.line(after.trim_end())?;
    session.run_typed(&after).map(|_| ())
}

/// Has a person edit a file, and runs it.
pub fn edit_file(session: &mut Shell, name: &str) -> Result<()> {
    edit(name)?;
    let text =
        std::fs::read_to_string(name).map_err(|error| Failure::file("read", name, &error))?;
    session.run_typed(&text).map(|_| ())
}

/// Nobody else may read what is in a statement.
fn write_private(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text.as_bytes())
}

fn edit(file: &str) -> Result<()> {
    let named = ["PSQL_EDITOR", "EDITOR", "VISUAL"]
        .iter()
        .find_map(|name| std::env::var(name).ok());
    let editor = named.unwrap_or_else(|| "vi".to_owned());
    let _working = Working::begin();
    let mut child = shell(
        &format!("exec {editor} '{}'", file.replace('\'', "'\\''")),
        Stdio::inherit(),
    )?;
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Failure::new(format!("the editor `{editor}` failed"))
            .hint("the variable EDITOR names another one")),
        Err(error) => Err(Failure::file("run", &editor, &error)),
    }
}

/// A file that is removed when nobody needs it.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _nobody_needs_it = std::fs::remove_file(&self.0);
    }
}
