//! Where results go: standard output, through a pager if they are long, or a file or a command
//! that `\o` and `\g` name.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::{Child, Command, Stdio};

use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::signals::Working;

/// What `\o` names.
#[derive(Debug)]
pub enum Target {
    File { name: String, file: BufWriter<File> },
    Command { child: Child, name: String },
}

impl Target {
    /// `FILE`, or `|COMMAND`.
    pub fn open(name: &str) -> Result<Target> {
        if let Some(command) = name.strip_prefix('|') {
            let child = shell(command, Stdio::piped())?;
            let name = command.to_owned();
            return Ok(Target::Command { child, name });
        }
        Target::create(&expanded(name))
    }

    /// A file, of whatever name.
    pub fn create(path: &str) -> Result<Target> {
        let path = path.to_owned();
        let file = File::create(&path).map_err(|error| Failure::file("create", &path, &error))?;
        Ok(Target::File {
            name: path,
            file: BufWriter::new(file),
        })
    }

    /// Writes a result, or a part of it.
    pub fn put(&mut self, text: &[u8]) -> Result<()> {
        let (written, name) = match self {
            Target::File { name, file } => (file.write_all(text), name),
            Target::Command { child, name } => match &mut child.stdin {
                Some(input) => (input.write_all(text), name),
                None => return Ok(()),
            },
        };
        written.map_err(|error| Failure::file("write", name, &error))
    }

    /// Ends it: the file is written, the command has ended.
    pub fn close(self) -> Result<()> {
        match self {
            Target::File { name, mut file } => file
                .flush()
                .map_err(|error| Failure::file("write", &name, &error)),
            Target::Command { mut child, name } => {
                drop(child.stdin.take());
                let ended = child.wait();
                ended
                    .map(|_| ())
                    .map_err(|error| Failure::file("run", &name, &error))
            }
        }
    }
}

/// A command line, run by the system's shell.
pub fn shell(command: &str, input: Stdio) -> Result<Child> {
    Command::new("sh")
        .arg("-c")
        .arg(command)
        .stdin(input)
        .spawn()
        .map_err(|error| Failure::file("run", command, &error))
}

/// A command line whose output is read.
pub fn reading(command: &str) -> Result<Child> {
    Command::new("sh")
        .arg("-c")
        .arg(command)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::file("run", command, &error))
}

impl Write for Target {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Target::File { file, .. } => file.write(buffer),
            Target::Command { child, .. } => match &mut child.stdin {
                Some(input) => input.write(buffer),
                None => Ok(buffer.len()),
            },
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::File { file, .. } => file.flush(),
            Target::Command { .. } => Ok(()),
        }
    }
}

/// A path whose `~` is the home directory.
pub fn expanded(path: &str) -> String {
    match (path.strip_prefix("~/"), std::env::var("HOME")) {
        (Some(rest), Ok(home)) => format!("{home}/{rest}"),
        _ => path.to_owned(),
    }
}

/// Shows a text on standard output, through a pager if it does not fit on the terminal.
pub fn show(text: &[u8], is_paged: bool, output: &mut Output) -> Result<()> {
    output.flush()?;
    if is_paged
        && let Some(pager) = pager()
        && !fits(text)
        && let Ok(mut child) = shell(&pager, Stdio::piped())
    {
        // Ctrl-C is for the pager then.
        let _working = Working::begin();
        if let Some(mut input) = child.stdin.take() {
            let _it_may_be_left_early = input.write_all(text);
        }
        let _its_status_means_nothing = child.wait();
        return Ok(());
    }
    output.writer().write_all(text)?;
    output.flush()
}

/// The pager that the environment names, or `less`, which shows wide tables uncut.
pub fn pager() -> Option<String> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return None;
    }
    let named = ["RUSTDB_PAGER", "PSQL_PAGER", "PAGER"]
        .iter()
        .find_map(|name| std::env::var(name).ok());
    match named {
        Some(text) if text.trim().is_empty() => None,
        Some(text) => Some(text),
        None => Some("less -FRSX 2>/dev/null || cat".to_owned()),
    }
}

/// Whether a text fits on the terminal.
fn fits(text: &[u8]) -> bool {
    let Ok((columns, rows)) = crossterm::terminal::size() else {
        return true;
    };
    let lines = text.split(|&byte| byte == b'\n');
    let mut count = 0;
    for line in lines {
        count += 1;
        if line.len() > usize::from(columns) && line.is_ascii() || count >= usize::from(rows) {
            return false;
        }
    }
    true
}
