//! The line editor: prompt, history and completion.

use std::borrow::Cow;
use std::io::{self, IsTerminal};
use std::path::Path;

use reedline::{
    ColumnarMenu, Completer, DefaultHinter, Emacs, FileBackedHistory, KeyCode, KeyModifiers,
    MenuBuilder, Prompt, PromptEditMode, PromptHistorySearch, Reedline, ReedlineEvent,
    ReedlineMenu, Signal, Span, Suggestion, default_emacs_keybindings,
};
use rustdb::Database;

use super::command::FORMS;
use crate::failure::{Failure, Result};

/// Lines of history that are kept.
const HISTORY_LINES_MAX: usize = 10_000;

/// The file of the history, in the database's directory.
const HISTORY_FILE: &str = ".rustdb_history";

/// Commands whose argument is the name of a keyspace.
const TAKE_KEYSPACE: [&str; 2] = ["use", "drop"];

/// Reads lines from a terminal.
pub struct Editor {
    reedline: Reedline,
    keeps_history: bool,
}

/// What came of reading a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    Text(String),
    /// Ctrl-C: the line is forgotten.
    Cleared,
    /// Ctrl-D, or the terminal is gone.
    End,
}

impl Editor {
    /// An editor with the history of `directory`; without one, the history ends with the process.
    pub fn new(database: &Database, directory: Option<&Path>) -> Result<Self> {
        let colours = has_colours();
        let mut keybindings = default_emacs_keybindings();
        let complete = ReedlineEvent::UntilFound(vec![
            ReedlineEvent::Menu("completion".to_owned()),
            ReedlineEvent::MenuNext,
        ]);
        keybindings.add_binding(KeyModifiers::NONE, KeyCode::Tab, complete);
        let menu = ColumnarMenu::default().with_name("completion");
        let mut reedline = Reedline::create()
            .with_ansi_colors(colours)
            .with_edit_mode(Box::new(Emacs::new(keybindings)))
            .with_completer(Box::new(Names {
                database: database.clone(),
            }))
            .with_quick_completions(true)
            .with_partial_completions(true)
            .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)));
        if colours {
            reedline = reedline.with_hinter(Box::new(DefaultHinter::default()));
        }
        if let Some(directory) = directory {
            reedline = reedline.with_history(Box::new(history_of(directory)?));
        }
        Ok(Self {
            reedline,
            keeps_history: directory.is_some(),
        })
    }

    /// Reads a line. It is in the history file when this returns.
    pub fn read(&mut self, keyspace: &str) -> Result<Typed> {
        let prompt = NamedPrompt(prompt(keyspace));
        read_signal(&mut self.reedline, &prompt, self.keeps_history)
    }
}

/// Reads from a terminal. What was read is in the history file when this returns.
pub fn read_signal(
    reedline: &mut Reedline,
    prompt: &dyn Prompt,
    keeps_history: bool,
) -> Result<Typed> {
    let signal = reedline.read_line(prompt);
    if keeps_history {
        reedline
            .sync_history()
            .map_err(|error| Failure::file("write", HISTORY_FILE, &error))?;
    }
    Ok(match signal {
        Ok(Signal::Success(text)) => Typed::Text(text),
        Ok(Signal::CtrlC) => Typed::Cleared,
        Ok(Signal::CtrlD) => Typed::End,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Typed::End,
        Err(error) => {
            return Err(Failure::stream("read from", "the terminal", &error)
                .hint("with `TERM=dumb` lines are read as they come"));
        }
    })
}

/// Whether lines can be edited: on a terminal that can move its cursor and tell where it is.
pub fn is_possible() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
    !is_dumb && io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Whether to colour: on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
pub fn has_colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && io::stdout().is_terminal()
}

fn prompt(keyspace: &str) -> String {
    match keyspace {
        "default" => "rustdb".to_owned(),
        other => format!("rustdb:{other}"),
    }
}

/// Opens the history of a database, which nobody else may read: it holds keys and values.
pub fn history_of(directory: &Path) -> Result<FileBackedHistory> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = &directory.join(HISTORY_FILE);
    let told = |error: &io::Error| Failure::file("open", &path.display().to_string(), error);
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| told(&error))?;
    FileBackedHistory::with_file(HISTORY_LINES_MAX, path.to_owned())
        .map_err(|error| told(&io::Error::other(error.to_string())))
}

struct NamedPrompt(String);

impl Prompt for NamedPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("> ")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("... ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!(" (search: {}) ", search.term))
    }
}

/// Completes the names of commands and, after `use` and `drop`, of keyspaces.
struct Names {
    database: Database,
}

impl Completer for Names {
    fn complete(&mut self, line: &str, position: usize) -> Vec<Suggestion> {
        let line = &line[..position.min(line.len())];
        let start = line.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let typed = &line[start..];
        let names: Vec<String> = match line[..start].split_whitespace().next() {
            None => FORMS.iter().map(|form| form.names[0].to_owned()).collect(),
            Some(command) if TAKE_KEYSPACE.contains(&command.to_lowercase().as_str()) => {
                self.database.keyspaces()
            }
            Some(_) => Vec::new(),
        };
        let is_command = start == 0;
        let fits = |name: &String| match is_command {
            true => name.starts_with(&typed.to_lowercase()),
            false => name.starts_with(typed),
        };
        names
            .into_iter()
            .filter(fits)
            .map(|value| Suggestion {
                value,
                span: Span::new(start, position),
                append_whitespace: true,
                ..Suggestion::default()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completions(line: &str) -> Vec<String> {
        let database = Database::in_memory().unwrap();
        database.keyspace("packages").unwrap();
        let mut names = Names { database };
        let suggestions = names.complete(line, line.len());
        suggestions
            .into_iter()
            .map(|suggestion| suggestion.value)
            .collect()
    }

    #[test]
    fn commands_are_completed_first_and_keyspaces_after_use_and_drop() {
        assert_eq!(completions("ke"), ["keyspaces"]);
        assert_eq!(completions("CO"), ["count", "compact"]);
        assert_eq!(completions("use pa"), ["packages"]);
        assert_eq!(completions("drop "), ["default", "packages"]);
        assert!(completions("get pa").is_empty());
    }
}
