//! The line editor of the SQL shell: statements of many lines, history, completion, colours.
//!
//! Enter ends the input when it is a whole statement, a backslash command or a line of rustty's,
//! and else begins another line of it, so that a statement can be edited as a whole and is one
//! entry of the history.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use reedline::{
    ColumnarMenu, Completer, DefaultHinter, EditCommand, Emacs, KeyCode, KeyModifiers, MenuBuilder,
    Prompt, PromptEditMode, PromptHistorySearch, Reedline, ReedlineEvent, ReedlineMenu, Span,
    Suggestion, ValidationResult, Validator, default_emacs_keybindings,
};
use rustdb::Database;

use super::highlight::Colours;
use super::input::is_complete;
use super::names::Names;
use super::rustty;
use crate::failure::Result;
use crate::shell::{Typed, has_colours, history_of, read_signal};

/// Reads statements from a terminal.
pub struct Editor {
    reedline: Reedline,
    names: Shared,
    /// The database that statements go to.
    database: String,
    keeps_history: bool,
}

/// Shared by the parts of the editor that ask for names.
type Shared = Arc<Mutex<Names>>;

impl Editor {
    /// An editor with the history of `directory`; without one, the history ends with the process.
    pub fn new(directory: Option<&Path>) -> Result<Self> {
        let names: Shared = Arc::default();
        let colours = has_colours();
        let mut keybindings = default_emacs_keybindings();
        let complete = ReedlineEvent::UntilFound(vec![
            ReedlineEvent::Menu("completion".to_owned()),
            ReedlineEvent::MenuNext,
        ]);
        keybindings.add_binding(KeyModifiers::NONE, KeyCode::Tab, complete);
        let newline = ReedlineEvent::Edit(vec![EditCommand::InsertNewline]);
        keybindings.add_binding(KeyModifiers::ALT, KeyCode::Enter, newline);
        let menu = ColumnarMenu::default().with_name("completion");
        let mut reedline = Reedline::create()
            .with_ansi_colors(colours)
            .with_edit_mode(Box::new(Emacs::new(keybindings)))
            .with_completer(Box::new(Completions(names.clone())))
            .with_validator(Box::new(Whole(names.clone())))
            .with_quick_completions(true)
            .with_partial_completions(true)
            .use_bracketed_paste(true)
            .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)));
        if colours {
            reedline = reedline
                .with_hinter(Box::new(DefaultHinter::default()))
                .with_highlighter(Box::new(Colours));
        }
        if let Some(directory) = directory {
            reedline = reedline.with_history(Box::new(history_of(directory)?));
        }
        Ok(Self {
            reedline,
            names,
            database: String::new(),
            keeps_history: directory.is_some(),
        })
    }

    /// Goes over to the database of this name.
    pub fn follow(&mut self, database: &Database, name: &str) {
        if self.database != name {
            name.clone_into(&mut self.database);
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.connect_to(database, name);
        }
    }

    /// Reads statements, beginning with what is `prefilled`. They are in the history file when
    /// this returns.
    pub fn read(&mut self, is_in_transaction: bool, prefilled: Option<String>) -> Result<Typed> {
        if let Some(text) = prefilled {
            self.reedline
                .run_edit_commands(&[EditCommand::InsertString(text)]);
        }
        let prompt = Mark {
            database: self.database.clone(),
            is_in_transaction,
        };
        read_signal(&mut self.reedline, &prompt, self.keeps_history)
    }
}

/// The prompt: a star says that a transaction is open.
struct Mark {
    database: String,
    is_in_transaction: bool,
}

impl Prompt for Mark {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.database)
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed(if self.is_in_transaction { "*> " } else { "> " })
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Owned(format!("{}-> ", self.database))
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!(" (search: {}) ", search.term))
    }
}

/// Says whether Enter ends the input.
struct Whole(Shared);

impl Validator for Whole {
    fn validate(&self, text: &str) -> ValidationResult {
        let is_whole = is_complete(text) || {
            let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            !text.contains('\n') && rustty::asked(text, &mut |it| names.is_flexible(it)).is_some()
        };
        match is_whole {
            true => ValidationResult::Complete,
            false => ValidationResult::Incomplete,
        }
    }
}

/// Completes the word before the cursor.
struct Completions(Shared);

impl Completer for Completions {
    fn complete(&mut self, line: &str, position: usize) -> Vec<Suggestion> {
        let line = &line[..position.min(line.len())];
        let is_word = |it: char| it.is_alphanumeric() || it == '_' || it == '\\';
        let start = line.rfind(|it| !is_word(it)).map_or(0, |at| {
            at + line[at..].chars().next().map_or(1, char::len_utf8)
        });
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.refresh();
        let found = names.completions(&line[..start], &line[start..]);
        found
            .into_iter()
            .map(|value| Suggestion {
                value,
                span: Span::new(start, position),
                append_whitespace: true,
                ..Suggestion::default()
            })
            .collect()
    }
}
