//! The commands of the shell: their names, and what a line asks for.

use clap::Parser;

use super::nearest::nearest;
use super::words::{self, Word};
use crate::arguments::CheckpointArguments;
use crate::failure::{Failure, Result};
use crate::transfer::{ExportArguments, ImportArguments};

/// What a line asks for.
#[derive(Debug)]
pub enum Command {
    Put {
        key: Vec<u8>,
        value: Vec<u8>,
    },
    Get {
        key: Vec<u8>,
    },
    Delete {
        key: Vec<u8>,
    },
    Scan(Scan),
    Count {
        prefix: Option<Vec<u8>>,
    },
    Use {
        keyspace: String,
    },
    Keyspaces,
    Create {
        keyspace: String,
        counted: bool,
    },
    Drop {
        keyspace: String,
    },
    Stats,
    Import(ImportArguments),
    Export(ExportArguments),
    Flush,
    Compact,
    Verify,
    Checkpoint(CheckpointArguments),
    /// About one command, or all of them.
    Help(Option<&'static Form>),
    /// The help of a command that has options of its own.
    LongHelp(String),
    Quit,
}

/// Which entries to print.
#[derive(Debug, PartialEq, Eq)]
pub struct Scan {
    pub range: KeyRange,
    pub limit: u64,
    pub is_reverse: bool,
}

/// A range of keys.
#[derive(Debug, PartialEq, Eq)]
pub enum KeyRange {
    Prefix(Vec<u8>),
    /// From the first key on, up to but without the second; an empty one is open.
    Between(Vec<u8>, Vec<u8>),
}

/// A command as the help shows it.
#[derive(Debug)]
pub struct Form {
    /// The names, the usual one first.
    pub names: &'static [&'static str],
    pub arguments: &'static str,
    pub meaning: &'static str,
    parse: fn(&str) -> Result<Command>,
}

impl Form {
    /// The name and the arguments.
    pub fn usage(&self) -> String {
        let usage = format!("{} {}", self.names[0], self.arguments);
        usage.trim_end().to_owned()
    }
}

/// Every command, in the order of the help.
pub const FORMS: &[Form] = &[
    form(
        &["put", "set"],
        "KEY VALUE",
        "write a value, which may contain spaces",
        put,
    ),
    form(&["get"], "KEY", "print a value", get),
    form(&["delete", "del"], "KEY", "delete a key", delete),
    form(
        &["scan"],
        "[PREFIX] [--limit N] [--reverse]",
        "print the entries whose keys start with PREFIX",
        scan,
    ),
    form(
        &["range"],
        "FROM TO [LIMIT]",
        "print the entries from FROM up to, without, TO",
        range,
    ),
    form(&["count"], "[PREFIX]", "count the keys", count),
    form(
        &["use"],
        "KEYSPACE",
        "work on another keyspace",
        use_keyspace,
    ),
    form(&["keyspaces"], "", "list the keyspaces", |rest| {
        alone(rest, Command::Keyspaces)
    }),
    form(
        &["create"],
        "KEYSPACE [--counted]",
        "create a keyspace; a counted one knows its size",
        create,
    ),
    form(
        &["drop"],
        "KEYSPACE",
        "delete a keyspace and everything in it",
        drop_keyspace,
    ),
    form(&["stats"], "", "print sizes and counters", |rest| {
        alone(rest, Command::Stats)
    }),
    form(
        &["import"],
        "FILE [OPTIONS]",
        "load a file; `import --help` tells more",
        import,
    ),
    form(
        &["export"],
        "FILE [OPTIONS]",
        "write the keyspace to a file; `export --help` tells more",
        export,
    ),
    form(
        &["flush"],
        "",
        "write what is in memory to tables",
        |rest| alone(rest, Command::Flush),
    ),
    form(
        &["compact"],
        "",
        "rewrite tables until only live data is left",
        |rest| alone(rest, Command::Compact),
    ),
    form(
        &["verify"],
        "",
        "read everything on disk and check it",
        |rest| alone(rest, Command::Verify),
    ),
    form(
        &["checkpoint"],
        "DIRECTORY [--copy]",
        "make a copy there that opens as a database",
        checkpoint,
    ),
    form(
        &["help", "?", "\\h"],
        "[COMMAND]",
        "print this text, or the line about one command",
        help,
    ),
    form(
        &["quit", "exit", "\\q"],
        "",
        "leave; so does Ctrl-D",
        |rest| alone(rest, Command::Quit),
    ),
];

const fn form(
    names: &'static [&'static str],
    arguments: &'static str,
    meaning: &'static str,
    parse: fn(&str) -> Result<Command>,
) -> Form {
    Form {
        names,
        arguments,
        meaning,
        parse,
    }
}

/// What `line` asks for; nothing if it is empty or a comment.
pub fn parse(line: &str) -> Result<Option<Command>> {
    let line = line.trim();
    let line = line.strip_suffix(';').unwrap_or(line).trim_end();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line.find(char::is_whitespace).unwrap_or(line.len());
    let (name, rest) = (line[..end].to_lowercase(), &line[end..]);
    match form_of(&name) {
        Some(form) => (form.parse)(rest)
            .map(Some)
            .map_err(|failure| with_usage(failure, form)),
        None => Err(unknown(&name)),
    }
}

fn form_of(name: &str) -> Option<&'static Form> {
    FORMS.iter().find(|form| form.names.contains(&name))
}

fn help(rest: &str) -> Result<Command> {
    let name = rest.trim().to_lowercase();
    if name.is_empty() {
        return Ok(Command::Help(None));
    }
    match form_of(&name) {
        Some(form) => Ok(Command::Help(Some(form))),
        None => Err(unknown(&name)),
    }
}

/// Words that statements of SQL begin with, and no command here.
const STATEMENTS: &[&str] = &[
    "select", "insert", "update", "create", "alter", "with", "begin", "commit", "rollback",
    "table", "values", "explain", "copy", "truncate",
];

fn unknown(name: &str) -> Failure {
    let failure = Failure::usage(format!("unknown command `{name}`"));
    if STATEMENTS.contains(&name) {
        return failure.hint("statements of SQL are for `rustdb sql`; `help` lists what is here");
    }
    match nearest(
        name,
        FORMS.iter().flat_map(|form| form.names.iter().copied()),
    ) {
        Some(near) => failure.hint(format!("did you mean `{near}`? `help` lists the commands")),
        None => failure.hint("`help` lists the commands"),
    }
}

/// A failure without a hint is told how the command is written.
fn with_usage(failure: Failure, form: &Form) -> Failure {
    match &failure {
        Failure::Told {
            hint: None,
            status: crate::failure::Status::Usage,
            ..
        } => failure.hint(format!("usage: {}", form.usage())),
        _ => failure,
    }
}

fn put(line: &str) -> Result<Command> {
    let Some((key, rest)) = words::next(line)? else {
        return Err(Failure::usage("`put` needs a key and a value"));
    };
    if rest.trim().is_empty() {
        return Err(Failure::usage("`put` needs a value").hint("an empty value is written `\"\"`"));
    }
    Ok(Command::Put {
        key: key.bytes,
        value: words::rest(rest)?,
    })
}

fn get(line: &str) -> Result<Command> {
    Ok(Command::Get {
        key: one_key(line)?,
    })
}

fn delete(line: &str) -> Result<Command> {
    Ok(Command::Delete {
        key: one_key(line)?,
    })
}

/// A key may contain spaces only in quotes, so that a forgotten quote is noticed.
fn one_key(line: &str) -> Result<Vec<u8>> {
    let words = words::all(line)?;
    match <[Word; 1]>::try_from(words) {
        Ok([key]) => Ok(key.bytes),
        Err(words) if words.is_empty() => Err(Failure::usage("a key is missing")),
        Err(_) => {
            Err(Failure::usage("one key is expected").hint("put a key with spaces in quotes"))
        }
    }
}

fn scan(line: &str) -> Result<Command> {
    let mut prefix = None;
    let (mut limit, mut is_reverse) = (u64::MAX, false);
    let mut words = words::all(line)?.into_iter();
    while let Some(word) = words.next() {
        match option(&word) {
            Some("--reverse") => is_reverse = true,
            Some("--limit") => {
                let number = words
                    .next()
                    .ok_or_else(|| Failure::usage("`--limit` needs a number"))?;
                limit = number_of(&number.bytes)?;
            }
            Some(text) => match text.strip_prefix("--limit=") {
                Some(number) => limit = number_of(number.as_bytes())?,
                None => return Err(unknown_option(text)),
            },
            None if prefix.is_none() => prefix = Some(word.bytes),
            None => return Err(Failure::usage("one prefix is expected")),
        }
    }
    let range = KeyRange::Prefix(prefix.unwrap_or_default());
    Ok(Command::Scan(Scan {
        range,
        limit,
        is_reverse,
    }))
}

fn range(line: &str) -> Result<Command> {
    let mut words = words::all(line)?.into_iter().map(|word| word.bytes);
    let (Some(from), Some(to)) = (words.next(), words.next()) else {
        return Err(Failure::usage("`range` needs two keys").hint("an open end is written `\"\"`"));
    };
    let limit = words
        .next()
        .map_or(Ok(u64::MAX), |number| number_of(&number))?;
    match words.next() {
        Some(_) => Err(Failure::usage("`range` takes two keys and a limit")),
        None => Ok(Command::Scan(Scan {
            range: KeyRange::Between(from, to),
            limit,
            is_reverse: false,
        })),
    }
}

fn count(line: &str) -> Result<Command> {
    let prefix = match line.trim() {
        "" => None,
        _ => Some(one_key(line)?),
    };
    Ok(Command::Count { prefix })
}

fn use_keyspace(line: &str) -> Result<Command> {
    Ok(Command::Use {
        keyspace: one_name(line)?,
    })
}

fn drop_keyspace(line: &str) -> Result<Command> {
    Ok(Command::Drop {
        keyspace: one_name(line)?,
    })
}

fn create(line: &str) -> Result<Command> {
    let (mut keyspace, mut counted) = (None, false);
    for word in words::all(line)? {
        match option(&word) {
            Some("--counted") => counted = true,
            Some(other) => return Err(unknown_option(other)),
            None if keyspace.is_none() => keyspace = Some(name(word.bytes)?),
            None => return Err(Failure::usage("one name is expected")),
        }
    }
    let keyspace = keyspace.ok_or_else(|| Failure::usage("a name is missing"))?;
    Ok(Command::Create { keyspace, counted })
}

fn checkpoint(line: &str) -> Result<Command> {
    #[derive(Parser)]
    #[command(name = "checkpoint", no_binary_name = true)]
    struct Line {
        #[command(flatten)]
        arguments: CheckpointArguments,
    }
    by_clap::<Line>(line, |it| Command::Checkpoint(it.arguments))
}

fn import(line: &str) -> Result<Command> {
    #[derive(Parser)]
    #[command(name = "import", no_binary_name = true)]
    struct Line {
        #[command(flatten)]
        arguments: ImportArguments,
    }
    by_clap::<Line>(line, |it| Command::Import(it.arguments))
}

fn export(line: &str) -> Result<Command> {
    #[derive(Parser)]
    #[command(name = "export", no_binary_name = true)]
    struct Line {
        #[command(flatten)]
        arguments: ExportArguments,
    }
    by_clap::<Line>(line, |it| Command::Export(it.arguments))
}

/// The long commands have the options of their counterparts on the command line.
fn by_clap<T: Parser>(line: &str, command: fn(T) -> Command) -> Result<Command> {
    let words: Result<Vec<String>> = words::all(line)?
        .into_iter()
        .map(|word| name(word.bytes))
        .collect();
    let error = match T::try_parse_from(words?) {
        Ok(arguments) => return Ok(command(arguments)),
        Err(error) => error,
    };
    let text = error.render().to_string();
    if error.kind() == clap::error::ErrorKind::DisplayHelp {
        return Ok(Command::LongHelp(text.trim_end().to_owned()));
    }
    // What follows the first paragraph is about command lines.
    let text = text.split("\n\n").next().unwrap_or(&text);
    let name = T::command().get_name().to_owned();
    Err(
        Failure::usage(text.strip_prefix("error: ").unwrap_or(text).trim_end())
            .hint(format!("`{name} --help` lists the options")),
    )
}

fn alone(rest: &str, command: Command) -> Result<Command> {
    match rest.trim() {
        "" => Ok(command),
        _ => Err(Failure::usage("this command takes no arguments")),
    }
}

fn option(word: &Word) -> Option<&str> {
    let text = std::str::from_utf8(&word.bytes).ok()?;
    (!word.is_quoted && text.starts_with("--")).then_some(text)
}

fn unknown_option(text: &str) -> Failure {
    Failure::usage(format!("unknown option `{text}`"))
}

fn number_of(bytes: &[u8]) -> Result<u64> {
    let text = String::from_utf8_lossy(bytes);
    text.parse()
        .map_err(|_| Failure::usage(format!("`{text}` is not a number")))
}

fn one_name(line: &str) -> Result<String> {
    match line.trim() {
        "" => Err(Failure::usage("a name is missing")),
        _ => name(one_key(line)?),
    }
}

fn name(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Failure::usage("a name must be text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case_and_by_their_aliases() {
        for line in ["QUIT", "exit", "\\q", " Exit ;"] {
            assert!(matches!(parse(line), Ok(Some(Command::Quit))), "{line}");
        }
        assert!(matches!(parse("DEL k"), Ok(Some(Command::Delete { key })) if key == b"k"));
        for line in ["", "   ", ";", "# a comment"] {
            assert!(matches!(parse(line), Ok(None)), "{line}");
        }
    }

    #[test]
    fn a_value_may_contain_spaces() {
        let Ok(Some(Command::Put { key, value })) = parse("put k hello big world") else {
            panic!("not a put");
        };
        assert_eq!((&key[..], &value[..]), (&b"k"[..], &b"hello big world"[..]));
    }

    #[test]
    fn scan_takes_options_in_any_place() {
        for line in ["scan a --limit 2 --reverse", "scan --reverse --limit=2 a"] {
            let Ok(Some(Command::Scan(scan))) = parse(line) else {
                panic!("not a scan");
            };
            let range = KeyRange::Prefix(b"a".to_vec());
            assert_eq!(
                scan,
                Scan {
                    range,
                    limit: 2,
                    is_reverse: true
                }
            );
        }
    }

    #[test]
    fn mistakes_come_with_a_hint() {
        for (line, told) in [
            ("gte k", "did you mean `get`?"),
            ("frobnicate", "`help` lists the commands"),
            ("get", "usage: get KEY"),
            ("get a b", "in quotes"),
            ("put k", "an empty value"),
            ("scan --limit x", "usage: scan"),
            ("range a", "an open end"),
            ("flush now", "usage: flush"),
        ] {
            let failure = parse(line).unwrap_err().to_string();
            assert!(failure.contains(told), "{line}: {failure}");
        }
    }
}
