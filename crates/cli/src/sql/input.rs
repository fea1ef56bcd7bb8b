//! Where statements end, and where backslash commands begin.
//!
//! A statement ends at a semicolon that is not within quotes, comments, brackets or a
//! dollar-quoted text. A backslash outside of those begins a command, which ends with its line.
//! [`Reader`] takes lines as they come and remembers what it is within, so that a statement of
//! many lines is looked at once.

/// A part of the input that can be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A statement without its semicolon.
    Statement(String),
    /// A backslash command, without the backslash.
    Command(String),
}

/// Cuts lines into pieces.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    /// What was read of a statement that has not ended.
    text: String,
    within: Within,
    brackets: usize,
}

/// What the end of the text so far is within.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Nothing,
    Quotes {
        quote: char,
        escapes: bool,
    },
    Dollars(String),
    Comment(usize),
}

impl Reader {
    /// The next piece of `rest`, which loses what was read. Lines come whole, with their ends.
    pub fn next(&mut self, rest: &mut &str) -> Option<Piece> {
        while let Some(letter) = rest.chars().next() {
            match self.within.clone() {
                Within::Nothing => {
                    if let Some(piece) = self.plain(letter, rest) {
                        return Some(piece);
                    }
                }
                Within::Quotes { quote, escapes } => self.quoted(quote, escapes, rest),
                Within::Dollars(tag) => match rest.find(&tag) {
                    Some(at) => {
                        self.take(rest, at + tag.len());
                        self.within = Within::Nothing;
                    }
                    None => self.take(rest, rest.len()),
                },
                Within::Comment(depth) => self.comment(depth, rest),
            }
        }
        None
    }

    fn take(&mut self, rest: &mut &str, bytes: usize) {
        let (taken, left) = rest.split_at(bytes);
        self.text.push_str(taken);
        *rest = left;
    }

    fn plain(&mut self, letter: char, rest: &mut &str) -> Option<Piece> {
        match letter {
            ';' if self.brackets == 0 => {
                *rest = &rest[1..];
                let statement = std::mem::take(&mut self.text);
                return (!is_blank(&statement)).then_some(Piece::Statement(statement));
            }
            '\\' => {
                let end = rest.find('\n').unwrap_or(rest.len());
                let command = rest[1..end].trim_end().to_owned();
                *rest = rest.get(end + 1..).unwrap_or_default();
                return Some(Piece::Command(command));
            }
            '\'' | '"' => {
                let escapes = letter == '\'' && has_escapes(&self.text);
                self.take(rest, 1);
                self.within = Within::Quotes {
                    quote: letter,
                    escapes,
                };
            }
            '-' if rest.starts_with("--") => {
                let end = rest.find('\n').unwrap_or(rest.len());
                self.take(rest, end);
            }
            '/' if rest.starts_with("/*") => {
                self.take(rest, 2);
                self.within = Within::Comment(1);
            }
            '$' => match dollar_tag(rest, &self.text) {
                Some(tag) => {
                    self.take(rest, tag.len());
                    self.within = Within::Dollars(tag);
                }
                None => self.take(rest, 1),
            },
            other => {
                match other {
                    '(' => self.brackets += 1,
                    ')' => self.brackets = self.brackets.saturating_sub(1),
                    _ => (),
                }
                self.take(rest, other.len_utf8());
            }
        }
        None
    }

    /// Reads up to the closing quote. Two quotes stand for one.
    fn quoted(&mut self, quote: char, escapes: bool, rest: &mut &str) {
        let mut letters = rest.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            if escapes && letter == '\\' {
                letters.next();
            } else if letter == quote {
                if letters.peek().is_some_and(|(_, next)| *next == quote) {
                    letters.next();
                } else {
                    self.within = Within::Nothing;
                    return self.take(rest, at + 1);
                }
            }
        }
        self.take(rest, rest.len());
    }

    fn comment(&mut self, depth: usize, rest: &mut &str) {
        let open = rest.find("/*").unwrap_or(rest.len());
        let close = rest.find("*/").unwrap_or(rest.len());
        if open < close {
            self.within = Within::Comment(depth + 1);
            self.take(rest, open + 2);
        } else if close < rest.len() {
            self.within = match depth {
                1 => Within::Nothing,
                _ => Within::Comment(depth - 1),
            };
            self.take(rest, close + 2);
        } else {
            self.take(rest, rest.len());
        }
    }

    /// Whether a statement has begun.
    pub fn has_begun(&self) -> bool {
        self.within != Within::Nothing || !is_blank(&self.text)
    }

    /// Forgets what was read, and gives it.
    pub fn reset(&mut self) -> String {
        self.within = Within::Nothing;
        self.brackets = 0;
        std::mem::take(&mut self.text)
    }
}

/// Whether a text ends after a whole statement or command, or has nothing in it.
pub fn is_complete(text: &str) -> bool {
    let mut reader = Reader::default();
    let mut rest = text;
    while reader.next(&mut rest).is_some() {}
    !reader.has_begun()
}

/// Whether there is nothing but blanks and comments.
pub fn is_blank(text: &str) -> bool {
    behind_comments(text).is_empty()
}

/// A text without the blanks and comments that it begins with.
pub fn behind_comments(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let skipped = match rest.get(..2) {
            Some("--") => rest.find('\n').map_or("", |end| &rest[end..]),
            Some("/*") => match comment_end(rest) {
                Some(end) => &rest[end..],
                None => return rest,
            },
            _ => return rest,
        };
        rest = skipped.trim_start();
    }
}

/// How long a comment is; they nest. `None` if it is not closed.
fn comment_end(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    None
}

/// Whether a quote after `before` opens a text with escapes: `E'\n'`, but not `name'`.
fn has_escapes(before: &str) -> bool {
    let Some(rest) = before.strip_suffix(['e', 'E']) else {
        return false;
    };
    !rest.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$')
}

/// The tag of a `$tag$ ... $tag$` that begins here; `None` if it is `$1` or part of a name.
fn dollar_tag(rest: &str, before: &str) -> Option<String> {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    if before.ends_with(is_name) {
        return None;
    }
    let end = rest[1..].find('$')?;
    let name = &rest[1..end + 1];
    let is_tag =
        !name.starts_with(|letter: char| letter.is_ascii_digit()) && name.chars().all(is_name);
    is_tag.then(|| rest[..end + 2].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<Piece> {
        let mut reader = Reader::default();
        let mut pieces = Vec::new();
        for line in text.split_inclusive('\n') {
            let mut rest = line;
            while let Some(piece) = reader.next(&mut rest) {
                pieces.push(piece);
            }
        }
        if reader.has_begun() {
            pieces.push(Piece::Statement(reader.reset()));
        }
        pieces
    }

    fn statements(text: &str) -> Vec<String> {
        let pieces = pieces(text).into_iter();
        pieces
            .map(|piece| match piece {
                Piece::Statement(text) => text.trim().to_owned(),
                Piece::Command(text) => format!("\\{text}"),
            })
            .collect()
    }

    #[test]
    fn statements_end_at_semicolons_outside_of_quotes() {
        let text =
            "select ';'; select \";\" -- ;\n; select $$;$$; select $a$;\n$b$;$a$ /* ; /* ; */ */;";
        assert_eq!(statements(text).len(), 4);
        assert_eq!(
            statements("select e'\\';' ; select name'\\';"),
            ["select e'\\';'", "select name'\\'"]
        );
        assert_eq!(
            statements("select $1; select a$b; ;; -- x\n"),
            ["select $1", "select a$b"]
        );
        assert!(statements(" /* only */ ; ").is_empty());
        assert_eq!(statements("create rule (a; b); c").len(), 2);
        assert_eq!(statements("select 'two\nlines;'';\n'; x").len(), 2);
    }

    #[test]
    fn a_backslash_begins_a_command_that_ends_with_its_line() {
        assert_eq!(
            statements("\\d t\nselect '\\x' \\gx\n;select 1;\\q"),
            ["\\d t", "\\gx", "select '\\x'", "select 1", "\\q"]
        );
    }

    #[test]
    fn a_text_is_complete_after_its_last_semicolon_or_command() {
        assert!(is_complete("select 1;\n"));
        assert!(is_complete("  -- nothing\n"));
        assert!(is_complete("\\d t"));
        assert!(!is_complete("select 1\n"));
        assert!(!is_complete("select ';\n"));
        assert!(!is_complete("select $$ ;\n"));
        assert!(!is_complete("/* ; "));
    }

    #[test]
    fn any_text_is_cut_without_harm() {
        for text in [
            "'",
            "$",
            "$$",
            "e'\\",
            "--",
            "/*",
            "é;é",
            "$é$;$é$;",
            "\"é",
            "\\",
            ")(",
        ] {
            let _cut = statements(text);
            let _whole = is_complete(text);
        }
    }
}
