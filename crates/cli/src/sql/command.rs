//! Backslash commands, with the names that they have in psql.

use std::io::BufRead;
use std::process::Stdio;

use super::session::{Next, Shell, with_files};
use super::show::{Expanded, Format};
use super::target::{self, Target, expanded, shell};
use super::{control, describe, editing, help, repeat, told, variables};
use crate::failure::{Failure, Result};
use crate::signals::Working;

/// Runs a command. `pending` is the statement before it on its line or in the lines above.
pub fn run(session: &mut Shell, command: &str, pending: &str) -> Result<Next> {
    let (name, rest) = split(command);
    if let Some(outcome) = control::run(session, name, rest, pending) {
        return outcome;
    }
    if !session.is_active() {
        session.put_back(pending);
        return Ok(Next::Continue);
    }
    let words = words(rest)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let Some(next) = on_statement(session, name, rest, &words, pending)? {
        return Ok(next);
    }
    let outcome = on_shell(session, name, rest, &words);
    session.put_back(pending);
    outcome
}

/// The name of a command ends where letters end; `\d+` and `\!` have signs.
fn split(command: &str) -> (&str, &str) {
    let is_name = |letter: char| letter.is_ascii_alphabetic() || letter == '_' || letter == '+';
    let end = command.find(|letter| !is_name(letter));
    let end = end.unwrap_or(command.len());
    let end = if end == 0 {
        command.chars().next().map_or(0, char::len_utf8)
    } else {
        end
    };
    (&command[..end], command[end..].trim())
}

/// The arguments of a command: words, which may have blanks in quotes. Double quotes, which are of
/// names, stay.
pub fn words(text: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut letters = text.chars().peekable();
    while letters.next_if(|letter| letter.is_whitespace()).is_some() || letters.peek().is_some() {
        let mut word = String::new();
        let mut is_word = false;
        let mut is_name = false;
        while let Some(letter) = letters.next_if(|letter| is_name || !letter.is_whitespace()) {
            is_word = true;
            is_name ^= letter == '"';
            if is_name {
                word.push(letter);
                continue;
            }
            if letter != '\'' {
                word.push(letter);
                continue;
            }
            loop {
                match letters.next() {
                    None => return Err(Failure::usage("a quote is not closed")),
                    Some('\'') if letters.next_if_eq(&'\'').is_none() => break,
                    Some('\\') => word.push(escaped(letters.next())),
                    Some(other) => word.push(other),
                }
            }
        }
        if is_word {
            words.push(word);
        }
    }
    Ok(words)
}

fn escaped(letter: Option<char>) -> char {
    match letter {
        Some('n') => '\n',
        Some('t') => '\t',
        Some('r') => '\r',
        Some(other) => other,
        None => '\\',
    }
}

/// Commands about the statement that stands before them.
fn on_statement(
    session: &mut Shell,
    name: &str,
    rest: &str,
    words: &[&str],
    pending: &str,
) -> Result<Option<Next>> {
    let text = match super::input::is_blank(pending) {
        true => session.last.clone(),
        false => pending.to_owned(),
    };
    match name {
        "g" | "gx" => {
            let before = session.look.expanded;
            if name == "gx" {
                session.look.expanded = Expanded::On;
            }
            let own = match rest {
                "" => None,
                name => Some(Target::open(name)?),
            };
            let is_own = own.is_some();
            let target = std::mem::replace(&mut session.target, own);
            if !is_own {
                session.target = target;
                let outcome = session.run_statement(&text);
                session.look.expanded = before;
                return outcome.map(|()| Some(Next::Continue));
            }
            let outcome = session.run_statement(&text);
            session.look.expanded = before;
            let own = std::mem::replace(&mut session.target, target);
            let closed = own.map_or(Ok(()), Target::close);
            outcome.and(closed)?;
        }
        "e" | "edit" => match words.first() {
            Some(file) => editing::edit_file(session, &expanded(file))?,
            None => editing::edit_text(session, &text)?,
        },
        "p" | "print" => {
            let text = if text.is_empty() {
                "Query buffer is empty."
            } else {
                text.trim_end()
            };
            session.output.line(text)?;
            session.put_back(pending);
        }
        "r" | "reset" => session.output.line("Query buffer reset (cleared).")?,
        "w" | "write" => {
            let file = file_of(words, "w")?;
            let text = format!("{};\n", text.trim_end());
            std::fs::write(&file, text).map_err(|error| Failure::file("write", &file, &error))?;
            session.put_back(pending);
        }
        other => return repeat::run(session, other, words, &text).transpose(),
    }
    session.output.flush()?;
    Ok(Some(Next::Continue))
}

fn on_shell(session: &mut Shell, name: &str, rest: &str, words: &[&str]) -> Result<Next> {
    match name {
        "q" | "quit" => return Ok(Next::Quit),
        "?" => session.show_page(&help::commands())?,
        "h" | "help" => session.show_page(&help::statements(rest))?,
        "timing" => {
            session.timing = switch(words, session.timing)?;
            session.say(&format!("Timing is {}.", on_off(session.timing)))?;
        }
        "x" => {
            let setting = ["expanded", words.first().copied().unwrap_or_default()];
            set_look(session, &setting)?;
        }
        "a" => {
            let format = match session.look.format {
                Format::Aligned => "unaligned",
                _ => "aligned",
            };
            set_look(session, &["format", format])?;
        }
        "t" => set_look(
            session,
            &["tuples_only", words.first().copied().unwrap_or("")],
        )?,
        "f" => set_look(
            session,
            &["fieldsep", words.first().copied().unwrap_or("|")],
        )?,
        "C" => set_look(session, &["title", rest])?,
        "pset" => set_look(session, words)?,
        "set" => set_variable(session, words)?,
        "unset" => {
            session.variables.remove(file_of(words, "unset")?.as_str());
        }
        "echo" | "qecho" => session.print(format!("{}\n", echoed(session, words)).as_bytes())?,
        "warn" => eprintln!("{}", echoed(session, words)),
        "i" | "include" | "ir" => return include(session, &file_of(words, "i")?),
        "o" | "out" => redirect(session, rest)?,
        "cd" => {
            let directory = expanded(words.first().copied().unwrap_or("~/"));
            std::env::set_current_dir(&directory)
                .map_err(|error| Failure::file("change to", &directory, &error))?;
        }
        "!" => {
            session.output.flush()?;
            let _working = Working::begin();
            let mut child = shell(rest, Stdio::inherit())?;
            let _its_status_is_its_own = child.wait();
        }
        "conninfo" => {
            let place = session.database.path().display().to_string();
            let version = env!("CARGO_PKG_VERSION");
            let name = session.connection.database();
            let name = match name {
                "rustdb" => "the database".to_owned(),
                other => format!("the database \"{other}\""),
            };
            session.say(&format!(
                "You are connected to {name} in \"{place}\", in this process (RustDB {version})."
            ))?;
        }
        "encoding" => session.say("UTF8")?,
        "c" | "connect" => connect(session, words)?,
        "copy" => super::copy::run(session, rest)?,
        other => return describe::run(session, other, words).map(|()| Next::Continue),
    }
    session.output.flush()?;
    Ok(Next::Continue)
}

/// `\c [NAME]`: another session, of another database if one is named.
fn connect(session: &mut Shell, words: &[&str]) -> Result<()> {
    let name = match words.first() {
        None | Some(&"-") => session.connection.database().to_owned(),
        Some(name) => match name
            .strip_prefix('"')
            .and_then(|name| name.strip_suffix('"'))
        {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => (*name).to_owned(),
        },
    };
    let connection = session.database.connect_to(&name);
    session.connection = with_files(connection.map_err(|error| told::failure(&error, ""))?);
    session.say(&format!("You are now connected to database \"{name}\"."))
}

/// The one argument that a command needs.
fn file_of(words: &[&str], command: &str) -> Result<String> {
    match words.first() {
        Some(word) => Ok(expanded(word)),
        None => Err(Failure::usage(format!(
            "\\{command}: missing required argument"
        ))),
    }
}

fn echoed(session: &Shell, words: &[&str]) -> String {
    let words = words
        .iter()
        .map(|word| variables::filled(word, &session.variables));
    words.collect::<Vec<_>>().join(" ")
}

fn include(session: &mut Shell, name: &str) -> Result<Next> {
    let file = std::fs::File::open(name).map_err(|error| Failure::file("open", name, &error))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Failure::new(format!("`{name}` is a directory")));
    }
    let lines = std::io::BufReader::new(file).split(b'\n');
    session.run_script(Some(name), lines)
}

fn redirect(session: &mut Shell, name: &str) -> Result<()> {
    if let Some(target) = session.target.take() {
        target.close()?;
    }
    if !name.is_empty() {
        session.target = Some(Target::open(name)?);
    }
    Ok(())
}

fn on_off(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

/// `on`, `off`, or the other one.
fn switch(words: &[&str], now: bool) -> Result<bool> {
    match words
        .first()
        .copied()
        .unwrap_or_default()
        .to_lowercase()
        .as_str()
    {
        "" => Ok(!now),
        "on" | "true" | "1" | "yes" => Ok(true),
        "off" | "false" | "0" | "no" => Ok(false),
        other => Err(Failure::usage(format!(
            "`{other}` is neither `on` nor `off`"
        ))),
    }
}

fn set_variable(session: &mut Shell, words: &[&str]) -> Result<()> {
    match words {
        [] => {
            let lines = session.variables.iter();
            let lines: Vec<String> = lines
                .map(|(name, value)| format!("{name} = '{value}'"))
                .collect();
            if !lines.is_empty() {
                session.output.line(&lines.join("\n"))?;
            }
        }
        [name, value @ ..] => {
            let value = value
                .iter()
                .map(|word| variables::filled(word, &session.variables));
            let value: String = value.collect();
            session.variables.insert((*name).to_owned(), value);
        }
    }
    Ok(())
}

/// `\pset NAME [VALUE]`.
fn set_look(session: &mut Shell, words: &[&str]) -> Result<()> {
    let (name, value) = match words {
        [] => return session.show_page(&help::settings(&session.look)),
        [name] => (*name, ""),
        [name, value, ..] => (*name, *value),
    };
    let look = &mut session.look;
    let said = match name {
        "format" => {
            look.format = Format::named(value).ok_or_else(|| {
                Failure::usage(format!("there is no format `{value}`"))
                    .hint("there are aligned, unaligned, csv, json and markdown")
            })?;
            format!("Output format is {}.", look.format.name())
        }
        "x" | "expanded" | "vertical" => {
            look.expanded = match (value, look.expanded) {
                ("auto", _) => Expanded::Auto,
                ("", Expanded::On | Expanded::Auto) => Expanded::Off,
                ("", Expanded::Off) => Expanded::On,
                (other, _) if switch(&[other], false)? => Expanded::On,
                _ => Expanded::Off,
            };
            match look.expanded {
                Expanded::On => "Expanded display is on.".to_owned(),
                Expanded::Off => "Expanded display is off.".to_owned(),
                Expanded::Auto => "Expanded display is used automatically.".to_owned(),
            }
        }
        "null" => {
            look.null = Some(value.to_owned());
            format!("Null display is \"{value}\".")
        }
        "t" | "tuples_only" => {
            look.tuples_only = switch(&[value], look.tuples_only)?;
            format!("Tuples only is {}.", on_off(look.tuples_only))
        }
        "footer" => {
            look.footer = switch(&[value], look.footer)?;
            format!("Default footer is {}.", on_off(look.footer))
        }
        "border" => {
            look.border = match value {
                "0" => 0,
                "1" => 1,
                "2" => 2,
                _ => return Err(Failure::usage("`border` is 0, 1 or 2")),
            };
            format!("Border style is {value}.")
        }
        "fieldsep" => {
            look.separator = value.to_owned();
            format!("Field separator is \"{value}\".")
        }
        _ => return set_rest(session, name, value),
    };
    session.say(&said)
}

/// The settings of `\pset` about what surrounds results.
fn set_rest(session: &mut Shell, name: &str, value: &str) -> Result<()> {
    let look = &mut session.look;
    let said = match name {
        "title" => {
            look.title = (!value.is_empty()).then(|| value.to_owned());
            match value {
                "" => "Title is unset.".to_owned(),
                title => format!("Title is \"{title}\"."),
            }
        }
        "pager" => {
            look.pager = switch(&[value], look.pager)?;
            match look.pager {
                true => "Pager is used for long output.".to_owned(),
                false => "Pager usage is off.".to_owned(),
            }
        }
        other => {
            return Err(Failure::usage(format!("\\pset: unknown option: {other}")).hint(
                "there are format, expanded, null, tuples_only, footer, border, fieldsep, title \
                 and pager",
            ));
        }
    };
    session.say(&said)
}

impl Shell {
    /// Answers a person; programs that read JSON get no such lines.
    pub fn say(&mut self, text: &str) -> Result<()> {
        match self.is_json() || self.is_quiet {
            true => Ok(()),
            false => self.output.line(text),
        }
    }

    /// Shows a text, through the pager if it is long.
    pub fn show_page(&mut self, text: &str) -> Result<()> {
        match self.is_interactive {
            true => target::show(text.as_bytes(), self.look.pager, &mut self.output),
            false => Ok(self.output.writer().write_all(text.as_bytes())?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_where_letters_end() {
        assert_eq!(split("d+ t"), ("d+", "t"));
        assert_eq!(split("dt"), ("dt", ""));
        assert_eq!(split("!ls -l"), ("!", "ls -l"));
        assert_eq!(split("?"), ("?", ""));
        assert_eq!(split(""), ("", ""));
    }

    #[test]
    fn words_in_quotes_may_have_blanks() {
        assert_eq!(words("a 'b c' d'e'").unwrap(), ["a", "b c", "de"]);
        assert_eq!(words("null ''").unwrap(), ["null", ""]);
        assert_eq!(words(" 'it''s' ").unwrap(), ["it's"]);
        assert_eq!(
            words("public.\"a b\"\"c\" d").unwrap(),
            ["public.\"a b\"\"c\"", "d"]
        );
        assert!(words("'open").is_err());
    }
}
