//! A path's text as tokens.

use super::syntax;
use crate::error::{Error, Result, SqlState};

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token {
    /// A name, a keyword or what looks like one.
    Word(String),
    /// In quotes.
    Quoted(String),
    /// `$name`
    Variable(String),
    /// Digits alone.
    Integer(String),
    /// With a point or an exponent.
    Decimal(String),
    /// Signs of one or two letters.
    Sign(&'static str),
}

const SIGNS: [&str; 32] = [
    "&&", "||", "==", "!=", "<>", "<=", ">=", "**", "<", ">", "!", "=", "&", "|", "$", "@", ".",
    ",", "*", "+", "-", "/", "%", "(", ")", "[", "]", "{", "}", "?", "#", ":",
];

/// The tokens, each with the place in the text where it begins.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks()?;
        let start = lexer.at;
        match lexer.token()? {
            Some(token) => tokens.push((start, token)),
            None => return Ok(tokens),
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r' | '\x0c')
}

/// Whether a letter may stand in a name.
fn is_other(letter: char) -> bool {
    !is_blank(letter) && !"?%$.[]{}()|&!=<>@#,*:-+/\\\"".contains(letter)
}

fn near(text: &str, what: &str) -> Error {
    syntax(format!("{what} at or near \"{text}\" of jsonpath input"))
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_blanks(&mut self) -> Result<()> {
        loop {
            let rest = self.rest().trim_start_matches(is_blank);
            self.at = self.text.len() - rest.len();
            if !rest.starts_with("/*") {
                return Ok(());
            }
            match rest.find("*/") {
                Some(end) => self.at += end + 2,
                None => return Err(syntax("unexpected end of comment at end of jsonpath input")),
            }
        }
    }

    fn token(&mut self) -> Result<Option<Token>> {
        let Some(letter) = self.peek() else {
            return Ok(None);
        };
        let next = self.rest().chars().nth(1);
        if letter.is_ascii_digit() || (letter == '.' && next.is_some_and(|n| n.is_ascii_digit())) {
            return self.number().map(Some);
        }
        if letter == '"' {
            return Ok(Some(Token::Quoted(self.quoted()?)));
        }
        if letter == '$' && next == Some('"') {
            self.at += 1;
            return Ok(Some(Token::Variable(self.quoted()?)));
        }
        if letter == '$' && next.is_some_and(|next| is_other(next) || next == '\\') {
            self.at += 1;
            return Ok(Some(Token::Variable(self.word()?)));
        }
        if let Some(sign) = SIGNS.iter().find(|sign| self.rest().starts_with(**sign)) {
            self.at += sign.len();
            return Ok(Some(Token::Sign(match *sign {
                "<>" => "!=",
                sign => sign,
            })));
        }
        Ok(Some(Token::Word(self.word()?)))
    }

    fn word(&mut self) -> Result<String> {
        let mut word = String::new();
        while let Some(letter) = self.peek() {
            if letter == '\\' {
                self.at += 1;
                self.escape(&mut word)?;
            } else if is_other(letter) {
                word.push(letter);
                self.at += letter.len_utf8();
            } else {
                break;
            }
        }
        Ok(word)
    }

    fn quoted(&mut self) -> Result<String> {
        let mut text = String::new();
        self.at += 1;
        loop {
            let Some(letter) = self.peek() else {
                return Err(syntax(
                    "unterminated quoted string at end of jsonpath input",
                ));
            };
            self.at += letter.len_utf8();
            match letter {
                '"' => return Ok(text),
                '\\' => self.escape(&mut text)?,
                letter => text.push(letter),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, out: &mut String) -> Result<()> {
        let Some(letter) = self.peek() else {
            return Err(syntax(
                "unexpected end after backslash at end of jsonpath input",
            ));
        };
        self.at += letter.len_utf8();
        out.push(match letter {
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'x' => {
                let code = self.hexadecimal(2, "invalid hexadecimal character sequence")?;
                char_of(code)?
            }
            'u' => {
                let code = self.unicode()?;
                if !(0xd800..0xdc00).contains(&code) {
                    return char_of(code).map(|letter| out.push(letter));
                }
                if !self.rest().starts_with("\\u") {
                    return Err(surrogate(
                        "Unicode low surrogate must follow a high surrogate.",
                    ));
                }
                self.at += 2;
                let low = self.unicode()?;
                if !(0xdc00..0xe000).contains(&low) {
                    return Err(surrogate(
                        "Unicode low surrogate must follow a high surrogate.",
                    ));
                }
                char_of(0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff))?
            }
            other => other,
        });
        Ok(())
    }

    /// `0041` or `{41}`.
    fn unicode(&mut self) -> Result<u32> {
        const WRONG: &str = "invalid Unicode escape sequence";
        if self.peek() != Some('{') {
            return self.hexadecimal(4, WRONG);
        }
        let end = self.rest().find('}').filter(|end| (2..=7).contains(end));
        let digits = end.map(|end| &self.rest()[1..end]);
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match (end, code) {
            (Some(end), Some(code)) => {
                self.at += end + 1;
                Ok(code)
            }
            _ => Err(near(self.rest(), WRONG)),
        }
    }

    fn hexadecimal(&mut self, count: usize, wrong: &str) -> Result<u32> {
        let digits = self.rest().get(..count);
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| near(self.rest(), wrong))?;
        self.at += count;
        Ok(code)
    }

    fn number(&mut self) -> Result<Token> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let mut is_integer = true;
        let mut at = start;
        if bytes[at] == b'0' {
            at += 1;
        } else {
            while digit(at) {
                at += 1;
            }
        }
        if bytes.get(at) == Some(&b'.') {
            is_integer = false;
            at += 1;
            while digit(at) {
                at += 1;
            }
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            let signed = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            if digit(at + 1 + signed) {
                is_integer = false;
                at += 1 + signed;
                while digit(at) {
                    at += 1;
                }
            } else if signed == 1 {
                self.at = at;
                return Err(near(&self.text[start..at + 2], "invalid numeric literal"));
            }
        }
        self.at = at;
        if let Some(letter) = self
            .peek()
            .filter(|letter| is_other(*letter) || *letter == '\\')
        {
            let junk = &self.text[start..at + letter.len_utf8()];
            return Err(near(junk, "trailing junk after numeric literal"));
        }
        let digits = self.text[start..at].to_owned();
        Ok(match is_integer {
            true => Token::Integer(digits),
            false => Token::Decimal(digits),
        })
    }
}

fn surrogate(detail: &str) -> Error {
    let message = "invalid input syntax for type jsonpath";
    Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message).with_detail(detail)
}

fn char_of(code: u32) -> Result<char> {
    match char::from_u32(code) {
        Some('\0') => {
            let message = "unsupported Unicode escape sequence";
            Err(Error::new(SqlState::UNTRANSLATABLE_CHARACTER, message)
                .with_detail("\\u0000 cannot be converted to text."))
        }
        Some(letter) => Ok(letter),
        None if (0xdc00..0xe000).contains(&code) => Err(surrogate(
            "Unicode low surrogate must follow a high surrogate.",
        )),
        None => Err(near("", "invalid Unicode escape sequence")),
    }
}
