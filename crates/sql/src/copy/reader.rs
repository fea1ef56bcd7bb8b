//! Reading the lines of COPY's formats, a buffer at a time.

use std::io::Read;

use memchr::{memchr, memchr2, memchr3};

use super::options::Options;
use crate::error::{Error, Result, SqlState};

/// What is read at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// The longest line, in bytes: PostgreSQL's limit for a value.
const LINE_BYTES_MAX: usize = 1 << 30;

/// Reads lines, and takes them apart.
pub(super) struct LineReader {
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
    /// How lines end; known after the first one.
    end: Option<LineEnd>,
    /// The line, without its end.
    pub(super) line: Vec<u8>,
    /// Its number, from one; that of its last line if it has several.
    pub(super) number: u64,
    is_done: bool,
    /// Whether what the next line says does not matter, not even that a quote is open at its end.
    pub(super) skips: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnd {
    Newline,
    Return,
    Both,
}

/// The values of a line, one after the other.
#[derive(Debug, Default)]
pub(super) struct Fields {
    bytes: Vec<u8>,
    /// Where each ends, and whether it is NULL.
    ends: Vec<(usize, bool)>,
}

impl Fields {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// What stands in a place, and whether it is written as NULL is.
    pub(super) fn get(&self, place: usize) -> (&[u8], bool) {
        let Some((end, is_null)) = self.ends.get(place).copied() else {
            return (&[], true);
        };
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before].0);
        (&self.bytes[start..end], is_null)
    }

    /// All of them, one after the other, if that is text and has no zeros in it.
    pub(super) fn text(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.bytes).ok()?;
        memchr(0, text.as_bytes()).is_none().then_some(text)
    }

    /// Where in the text each value ends, and whether it is written as NULL is.
    pub(super) fn ends(&self) -> &[(usize, bool)] {
        &self.ends
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

impl LineReader {
    pub(super) fn new() -> LineReader {
        LineReader {
            buffer: vec![0; BUFFER_BYTES],
            at: 0,
            filled: 0,
            end: None,
            line: Vec::new(),
            number: 0,
            is_done: false,
            skips: false,
        }
    }

    /// Whether another byte has to be asked for.
    pub(super) fn is_drained(&self) -> bool {
        self.at == self.filled
    }

    fn byte(&mut self, source: &mut dyn Read) -> Result<Option<u8>> {
        if self.at == self.filled {
            self.at = 0;
            self.filled = loop {
                match source.read(&mut self.buffer) {
                    Ok(filled) => break filled,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => (),
                    Err(error) => {
                        let message = format!("could not read from COPY file: {error}");
                        return Err(Error::new(SqlState::IO_ERROR, message));
                    }
                }
            };
            if self.filled == 0 {
                return Ok(None);
            }
        }
        self.at += 1;
        Ok(Some(self.buffer[self.at - 1]))
    }

    /// Whether the byte that comes next is this one; then it is taken.
    fn take(&mut self, wanted: u8, source: &mut dyn Read) -> Result<bool> {
        match self.byte(source)? {
            Some(byte) if byte == wanted => Ok(true),
            Some(_) => {
                self.at -= 1;
                Ok(false)
            }
            None => Ok(false),
        }
    }

    /// Reads the next line; whether there is one.
    pub(super) fn next(&mut self, source: &mut dyn Read, options: &Options) -> Result<bool> {
        self.line.clear();
        if self.is_done {
            return Ok(false);
        }
        self.number += 1;
        let mut in_quotes = false;
        let mut last_was_escape = false;
        loop {
            if self.take_plain(options, in_quotes) {
                last_was_escape = false;
            }
            let Some(byte) = self.byte(source)? else {
                self.is_done = true;
                if in_quotes && !self.skips {
                    return Err(malformed("unterminated CSV quoted field"));
                }
                return Ok(!self.line.is_empty() && !self.is_end_mark());
            };
            if self.line.len() == LINE_BYTES_MAX {
                let message = "a line of COPY is too long";
                return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
            }
            if options.is_csv {
                // An escape other than the quote keeps the next quote from ending the value.
                if in_quotes && byte == options.escape && options.escape != options.quote {
                    last_was_escape = !last_was_escape;
                } else {
                    if byte == options.quote && !last_was_escape {
                        in_quotes = !in_quotes;
                    }
                    last_was_escape = false;
                }
                if in_quotes {
                    self.number += u64::from(byte == b'\n');
                    self.line.push(byte);
                    continue;
                }
            } else if byte == b'\\' {
                self.line.push(byte);
                // What comes after a backslash ends no line.
                let next = self.byte(source)?;
                if next == Some(b'.') {
                    self.check_end_mark(source)?;
                    self.is_done = true;
                    // What stands before the mark is the last line.
                    self.line.pop();
                    return Ok(!self.line.is_empty());
                }
                if let Some(next) = next {
                    self.number += u64::from(next == b'\n');
                    self.line.push(next);
                }
                continue;
            }
            if byte != b'\n' && byte != b'\r' {
                self.line.push(byte);
                continue;
            }
            self.note_end(byte, source, options)?;
            if options.is_csv && self.is_end_mark() {
                self.is_done = true;
                return Ok(false);
            }
            return Ok(true);
        }
    }

    /// Takes what is in the buffer up to the next byte that may mean something; whether that is
    /// anything.
    fn take_plain(&mut self, options: &Options, in_quotes: bool) -> bool {
        let ahead = &self.buffer[self.at..self.filled];
        let end = match (options.is_csv, in_quotes) {
            (false, _) => memchr3(b'\\', b'\n', b'\r', ahead),
            (true, false) => memchr3(options.quote, b'\n', b'\r', ahead),
            (true, true) => memchr3(options.quote, options.escape, b'\n', ahead),
        };
        let room = LINE_BYTES_MAX - self.line.len();
        let plain = &ahead[..end.unwrap_or(ahead.len()).min(room)];
        self.line.extend_from_slice(plain);
        self.at += plain.len();
        !plain.is_empty()
    }

    /// Learns from a line's end how lines end; they all have to end so.
    fn note_end(&mut self, byte: u8, source: &mut dyn Read, options: &Options) -> Result<()> {
        match (byte, self.end) {
            (b'\n', None | Some(LineEnd::Newline)) => self.end = Some(LineEnd::Newline),
            (b'\n', _) => return Err(stray(options, "newline", "\\n")),
            (_, Some(LineEnd::Return)) => (),
            (_, Some(LineEnd::Newline)) => {
                return Err(stray(options, "carriage return", "\\r"));
            }
            (_, before) => match (before, self.take(b'\n', source)?) {
                (_, true) => self.end = Some(LineEnd::Both),
                (None, false) => self.end = Some(LineEnd::Return),
                (Some(_), false) => return Err(stray(options, "carriage return", "\\r")),
            },
        }
        Ok(())
    }

    fn is_end_mark(&self) -> bool {
        self.line == b"\\."
    }

    /// Refuses a mark of the text format's end that does not end its line, or not as other lines end.
    fn check_end_mark(&mut self, source: &mut dyn Read) -> Result<()> {
        let next = self.byte(source)?;
        let is_alike = match (self.end, next) {
            (_, None) => true,
            (Some(LineEnd::Both), Some(b'\r')) => match self.byte(source)? {
                None | Some(b'\n') => true,
                Some(b'\r') => false,
                Some(_) => return Err(malformed("end-of-copy marker corrupt")),
            },
            (Some(LineEnd::Both | LineEnd::Return), Some(b'\n')) => false,
            (Some(LineEnd::Newline), Some(b'\r')) => false,
            (_, Some(b'\n' | b'\r')) => true,
            _ => return Err(malformed("end-of-copy marker corrupt")),
        };
        match is_alike {
            true => Ok(()),
            false => Err(malformed(
                "end-of-copy marker does not match previous newline style",
            )),
        }
    }
}

/// Takes a line apart.
pub(super) fn split(line: &[u8], options: &Options, fields: &mut Fields) {
    fields.clear();
    match options.is_csv {
        true => split_csv(line, options, fields),
        false => split_text(line, options, fields),
    }
}

fn split_text(line: &[u8], options: &Options, fields: &mut Fields) {
    let mut at = 0;
    loop {
        let start = at;
        loop {
            let plain = memchr2(options.delimiter, b'\\', &line[at..]);
            let plain = plain.unwrap_or(line.len() - at);
            fields.bytes.extend_from_slice(&line[at..at + plain]);
            at += plain;
            if at == line.len() || line[at] == options.delimiter {
                break;
            }
            // With nothing behind it, a backslash means nothing.
            if at + 1 == line.len() {
                at += 1;
                break;
            }
            at = unescape(line, at + 1, &mut fields.bytes);
        }
        let is_null = &line[start..at] == options.null.as_bytes();
        fields.ends.push((fields.bytes.len(), is_null));
        if at == line.len() {
            return;
        }
        at += 1;
    }
}

/// Puts what stands after a backslash into `out`; returns where it ends.
fn unescape(line: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let digits = |from: usize, most: usize, radix: u32| {
        let is_digit = |byte: &&u8| char::from(**byte).is_digit(radix);
        let digits = line[from..].iter().take(most).take_while(is_digit);
        digits.fold((0u32, 0), |(value, count), digit| {
            let digit = char::from(*digit).to_digit(radix).unwrap_or_default();
            (value * radix + digit, count + 1)
        })
    };
    let plain = match line[at] {
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'0'..=b'7' => {
            let (value, count) = digits(at, 3, 8);
            out.push((value & 0xff) as u8);
            return at + count;
        }
        b'x' => {
            let (value, count) = digits(at + 1, 2, 16);
            if count > 0 {
                out.push((value & 0xff) as u8);
                return at + 1 + count;
            }
            b'x'
        }
        other => other,
    };
    out.push(plain);
    at + 1
}

fn split_csv(line: &[u8], options: &Options, fields: &mut Fields) {
    let mut at = 0;
    loop {
        let start = fields.bytes.len();
        let mut was_quoted = false;
        let mut in_quotes = false;
        loop {
            let other = match in_quotes {
                true => options.escape,
                false => options.delimiter,
            };
            let plain = memchr2(options.quote, other, &line[at..]);
            let plain = plain.unwrap_or(line.len() - at);
            fields.bytes.extend_from_slice(&line[at..at + plain]);
            at += plain;
            let Some(&byte) = line.get(at) else {
                break;
            };
            if in_quotes {
                let next = line.get(at + 1);
                if byte == options.escape
                    && next.is_some_and(|next| *next == options.escape || *next == options.quote)
                {
                    fields.bytes.push(line[at + 1]);
                    at += 2;
                    continue;
                }
                match byte == options.quote {
                    true => in_quotes = false,
                    false => fields.bytes.push(byte),
                }
            } else if byte == options.delimiter {
                break;
            } else {
                in_quotes = true;
                was_quoted = true;
            }
            at += 1;
        }
        let is_null = !was_quoted && &fields.bytes[start..] == options.null.as_bytes();
        fields.ends.push((fields.bytes.len(), is_null));
        if at == line.len() {
            return;
        }
        at += 1;
    }
}

fn malformed(message: impl Into<String>) -> Error {
    Error::new(SqlState::BAD_COPY_FILE_FORMAT, message)
}

fn stray(options: &Options, what: &str, written: &str) -> Error {
    match options.is_csv {
        true => malformed(format!("unquoted {what} found in data"))
            .with_hint(format!("Use quoted CSV field to represent {what}.")),
        false => malformed(format!("literal {what} found in data"))
            .with_hint(format!("Use \"{written}\" to represent {what}.")),
    }
}
