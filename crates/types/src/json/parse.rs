//! JSON text to a tree, or to a verdict.
//!
//! The grammar is RFC 8259's. The errors are PostgreSQL's, in words and code; their `DETAIL` names
//! the token where the text went wrong.

use super::{DEPTH_MAX, Json};
use crate::error::{Error, Result, SqlState};
use crate::interrupt::{self, Held};
use crate::modifier::Modifier;
use crate::numeric::Numeric;

impl Json {
    /// Reads JSON text.
    pub fn parse(text: &str) -> Result<Json> {
        let mut parser = Parser::checking(text);
        parser.keep = true;
        parser.document()
    }
}

/// Checks that `text` is JSON, as the type `json` wants it; builds nothing.
pub(crate) fn validate(text: &str) -> Result<()> {
    Parser::checking(text).document().map(drop)
}

/// The state of reading.
pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// Where the string began that was read last.
    string_start: usize,
    /// Whether a tree is wanted; else values are checked and dropped.
    keep: bool,
    /// Whether escapes must stand for characters though nothing is kept.
    strict: bool,
}

impl<'a> Parser<'a> {
    /// A parser that builds nothing.
    pub(super) fn checking(text: &'a str) -> Parser<'a> {
        Parser {
            text,
            at: 0,
            depth: 0,
            string_start: 0,
            keep: false,
            strict: false,
        }
    }

    /// A parser that builds nothing, for text whose escapes must all stand for characters.
    pub(super) fn strict(text: &'a str) -> Parser<'a> {
        Parser {
            strict: true,
            ..Parser::checking(text)
        }
    }

    /// The next byte that is not blank.
    pub(super) fn peek_token(&mut self) -> Option<u8> {
        self.skip_space();
        self.peek()
    }

    /// A key, without its quotes.
    pub(super) fn key(&mut self) -> Result<String> {
        self.skip_space();
        self.keep = true;
        let key = self.string();
        self.keep = false;
        key
    }

    /// The text of the next value.
    pub(super) fn part(&mut self) -> Result<&'a str> {
        self.skip_space();
        let start = self.at;
        self.value()?;
        Ok(&self.text[start..self.at])
    }

    fn document(&mut self) -> Result<Json> {
        let value = self.value()?;
        self.skip_space();
        if self.at < self.text.len() {
            return Err(self.unexpected("end of input"));
        }
        Ok(value)
    }

    fn value(&mut self) -> Result<Json> {
        interrupt::spend(64)?;
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => Ok(Json::String(self.string()?.into())),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'}' | b']' | b',' | b':') => Err(self.unexpected("JSON value")),
            Some(_) => self.word(),
            None => Err(ended()),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json>) -> Result<Json> {
        if self.depth == DEPTH_MAX {
            return Err(Error::new(
                SqlState::STATEMENT_TOO_COMPLEX,
                "stack depth limit exceeded",
            )
            .with_detail(format!("JSON nests deeper than {DEPTH_MAX} levels.")));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn array(&mut self) -> Result<Json> {
        let mut elements = Held::new(Vec::new());
        self.skip_space();
        if self.take(b']') {
            return Ok(Json::Array(elements.into_inner()));
        }
        loop {
            let element = self.value()?;
            if self.keep {
                elements.push(element);
            }
            self.skip_space();
            if self.take(b']') {
                return Ok(Json::Array(elements.into_inner()));
            }
            if !self.take(b',') {
                return Err(self.unexpected("\",\" or \"]\""));
            }
        }
    }

    fn object(&mut self) -> Result<Json> {
        let mut members = Held::new(Vec::new());
        self.skip_space();
        if self.take(b'}') {
            return Ok(Json::Object(members.into_inner()));
        }
        let mut expected = "string or \"}\"";
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected(expected));
            }
            expected = "string";
            let key = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.unexpected("\":\""));
            }
            let value = self.value()?;
            if self.keep {
                members.push((key.into_boxed_str(), value));
            }
            self.skip_space();
            if self.take(b'}') {
                return Ok(Json::object(members.into_inner()));
            }
            if !self.take(b',') {
                return Err(self.unexpected("\",\" or \"}\""));
            }
        }
    }

    fn number(&mut self) -> Result<Json> {
        let start = self.at;
        self.take(b'-');
        let whole = self.digits();
        let mut sound = whole == 1 || (whole > 1 && self.byte_at(self.at - whole) != b'0');
        if self.take(b'.') {
            sound &= self.digits() > 0;
        }
        if self.take(b'e') || self.take(b'E') {
            let _signed = self.take(b'+') || self.take(b'-');
            sound &= self.digits() > 0;
        }
        // Letters and digits that follow belong to the token.
        while self.peek().is_some_and(is_word) {
            self.at += 1;
            sound = false;
        }
        let text = &self.text[start..self.at];
        if !sound {
            return Err(invalid_token(text));
        }
        if !self.keep {
            return Ok(Json::Null);
        }
        Ok(Json::Number(Numeric::parse(text, Modifier::NONE)?))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn word(&mut self) -> Result<Json> {
        let start = self.at;
        while self.peek().is_some_and(is_word) {
            self.at += 1;
        }
        match &self.text[start..self.at] {
            "null" => Ok(Json::Null),
            "true" => Ok(Json::Bool(true)),
            "false" => Ok(Json::Bool(false)),
            "" => {
                let first = self.text[start..].chars().next();
                Err(first.map_or_else(ended, |first| invalid_token(first.encode_utf8(&mut [0; 4]))))
            }
            word => Err(invalid_token(word)),
        }
    }

    /// Reads a string; the opening quote is next.
    fn string(&mut self) -> Result<String> {
        self.string_start = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while self
                .peek()
                .is_some_and(|byte| byte != b'"' && byte != b'\\' && byte >= b' ')
            {
                self.at += 1;
            }
            if self.keep {
                out.push_str(&self.text[start..self.at]);
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    let letter = self.escape()?;
                    out.extend(letter.filter(|_| self.keep));
                }
                Some(byte) => {
                    let detail = format!("Character with value 0x{byte:02x} must be escaped.");
                    return Err(invalid().with_detail(detail));
                }
                None => return Err(self.string_ended()),
            }
        }
    }

    /// Reads an escape; `None` for one that only the type `json` keeps.
    fn escape(&mut self) -> Result<Option<char>> {
        self.at += 1;
        let Some(letter) = self.text[self.at..].chars().next() else {
            return Err(self.string_ended());
        };
        self.at += letter.len_utf8();
        Ok(Some(match letter {
            '"' | '\\' | '/' => letter,
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode(),
            other => {
                let detail = format!("Escape sequence \"\\{other}\" is invalid.");
                return Err(invalid().with_detail(detail));
            }
        }))
    }

    fn unicode(&mut self) -> Result<Option<char>> {
        let unit = self.hexadecimal()?;
        if !self.keep && !self.strict {
            return Ok(None);
        }
        if unit == 0 {
            let words = "unsupported Unicode escape sequence";
            return Err(Error::new(SqlState::UNTRANSLATABLE_CHARACTER, words)
                .with_detail("\\u0000 cannot be converted to text."));
        }
        let code = match unit {
            0xd800..=0xdbff => {
                if !self.text[self.at..].starts_with("\\u") {
                    return Err(lone_surrogate());
                }
                self.at += 2;
                match self.hexadecimal()? {
                    low @ 0xdc00..=0xdfff => 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00),
                    0xd800..=0xdbff => return Err(double_surrogate()),
                    _ => return Err(lone_surrogate()),
                }
            }
            0xdc00..=0xdfff => return Err(lone_surrogate()),
            other => other,
        };
        Ok(char::from_u32(code))
    }

    fn hexadecimal(&mut self) -> Result<u32> {
        let digits = self.text.get(self.at..self.at + 4);
        let hex = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(hex) = hex else {
            if self.text.len() < self.at + 4 {
                return Err(self.string_ended());
            }
            let words = "\"\\u\" must be followed by four hexadecimal digits.";
            return Err(invalid().with_detail(words));
        };
        self.at += 4;
        u32::from_str_radix(hex, 16).map_err(|_| invalid())
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn byte_at(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// The next token is not what the grammar wants; or it is none, which is said first.
    fn unexpected(&mut self, expected: &str) -> Error {
        let start = self.at;
        self.keep = false;
        let read = match self.peek() {
            Some(b'{' | b'}' | b'[' | b']' | b',' | b':') => {
                self.at += 1;
                Ok(())
            }
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            Some(_) => self.word().map(drop),
            None => Err(ended()),
        };
        if let Err(error) = read {
            return error;
        }
        let token = &self.text[start..self.at];
        invalid().with_detail(format!("Expected {expected}, but found \"{token}\"."))
    }

    /// The text ends within the string that was begun last.
    fn string_ended(&self) -> Error {
        invalid_token(&self.text[self.string_start..])
    }
}

/// Bytes that stay together in a token that is none.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn ended() -> Error {
    invalid().with_detail("The input string ended unexpectedly.")
}

fn invalid_token(token: &str) -> Error {
    invalid().with_detail(format!("Token \"{token}\" is invalid."))
}

fn invalid() -> Error {
    Error::new(
        SqlState::INVALID_TEXT_REPRESENTATION,
        "invalid input syntax for type json",
    )
}

fn lone_surrogate() -> Error {
    invalid().with_detail("Unicode low surrogate must follow a high surrogate.")
}

fn double_surrogate() -> Error {
    invalid().with_detail("Unicode high surrogate must not follow a high surrogate.")
}
