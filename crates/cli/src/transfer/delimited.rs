//! Records of fields, as RFC 4180 writes them: one line each, fields in quotes where they must be.
//!
//! ```text
//! name,motto          a record of two fields
//! "Ada, Countess","a ""poet"" of
//! numbers"            quoted: delimiters, line ends, and quotes written twice
//! ```
//!
//! What RFC 4180 leaves open:
//!
//! - Lines end with LF, CRLF or CR. Empty lines are no records. The last line may lack its end.
//! - A byte order mark before everything is not part of the first field.
//! - A quote inside a field that does not begin with one is a quote, as in `5" disk`.
//! - Nothing may follow a closing quote but a delimiter or the end of the line. Such a record is
//!   *malformed*; reading goes on with the next line.
//! - A quote that is never closed makes all of the rest one field, which cannot be what was meant:
//!   that ends the reading.
//!
//! Lines are counted as editors count them, so a record that spans three lines counts for three,
//! and is named by its first. This reads bytes; what encoding they are in is the caller's concern.

use std::io::{self, BufRead, Write};

/// A record longer than this is a mistake, most likely in its quotes.
const RECORD_BYTES_MAX: usize = 1 << 30;

/// Fields without their quotes, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The line it begins on, from 1.
    pub line: u64,
}

impl Record {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| &self.bytes[start..end])
    }

    fn clear(&mut self, line: u64) {
        self.bytes.clear();
        self.ends.clear();
        self.line = line;
    }
}

/// What came of reading a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Record,
    /// Text follows the closing quote of this field, counted from 1.
    Malformed {
        field: usize,
    },
    End,
}

/// Why there is no more to be read.
#[derive(Debug)]
pub enum Broken {
    Io(io::Error),
    /// The quote that opens on this line is not closed.
    Unclosed {
        line: u64,
    },
    /// The record that begins on this line is too long.
    TooLong {
        line: u64,
    },
}

/// Where in a record a byte is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote within quotes: the end of the field, or the first of two.
    QuoteInQuoted,
    /// The rest of a malformed line.
    Skipped,
}

/// Reads records.
pub struct Reader<R> {
    reader: R,
    delimiter: u8,
    /// Of the next byte.
    line: u64,
    /// A CR came last: an LF belongs to it.
    is_after_cr: bool,
    is_at_start: bool,
    record_bytes_max: usize,
}

impl<R: BufRead> Reader<R> {
    pub fn new(reader: R, delimiter: u8) -> Self {
        Self {
            reader,
            delimiter,
            line: 1,
            is_after_cr: false,
            is_at_start: true,
            record_bytes_max: RECORD_BYTES_MAX,
        }
    }

    /// Reads the next record into `record`.
    pub fn read(&mut self, record: &mut Record) -> Result<Next, Broken> {
        if self.is_at_start {
            self.is_at_start = false;
            skip_byte_order_mark(&mut self.reader).map_err(Broken::Io)?;
        }
        record.clear(self.line);
        let mut parse = Parse {
            state: State::FieldStart,
            quote_line: 0,
            malformed: None,
        };
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Broken::Io(error)),
            };
            if buffer.is_empty() {
                return parse.end(record);
            }
            let mut used = 0;
            let mut is_whole = false;
            for &byte in buffer {
                used += 1;
                let is_line_end = match byte {
                    b'\n' => !std::mem::take(&mut self.is_after_cr),
                    _ => {
                        self.is_after_cr = byte == b'\r';
                        self.is_after_cr
                    }
                };
                self.line += u64::from(is_line_end);
                if parse.state != State::Quoted && matches!(byte, b'\r' | b'\n') {
                    if parse.is_empty_line(record) {
                        record.line = self.line;
                        continue;
                    }
                    is_whole = true;
                    break;
                }
                parse.byte(byte, self.delimiter, self.line, record);
            }
            self.reader.consume(used);
            if is_whole {
                return parse.end(record);
            }
            if record.bytes.len() > self.record_bytes_max {
                return Err(Broken::TooLong { line: record.line });
            }
        }
    }
}

/// A record half read.
struct Parse {
    state: State,
    /// Where the last quote opened.
    quote_line: u64,
    malformed: Option<usize>,
}

impl Parse {
    /// Takes a byte that does not end the record.
    fn byte(&mut self, byte: u8, delimiter: u8, line: u64, record: &mut Record) {
        self.state = match (self.state, byte) {
            (State::Skipped, _) => State::Skipped,
            (State::FieldStart, b'"') => {
                self.quote_line = line;
                State::Quoted
            }
            (State::Quoted, b'"') => State::QuoteInQuoted,
            (State::QuoteInQuoted, b'"') => {
                record.bytes.push(b'"');
                State::Quoted
            }
            (State::FieldStart | State::Plain | State::QuoteInQuoted, byte)
                if byte == delimiter =>
            {
                record.ends.push(record.bytes.len());
                State::FieldStart
            }
            (State::QuoteInQuoted, _) => {
                self.malformed = Some(record.ends.len() + 1);
                State::Skipped
            }
            (State::FieldStart | State::Plain, byte) => {
                record.bytes.push(byte);
                State::Plain
            }
            (State::Quoted, byte) => {
                record.bytes.push(byte);
                State::Quoted
            }
        };
    }

    fn is_empty_line(&self, record: &Record) -> bool {
        self.state == State::FieldStart && record.ends.is_empty()
    }

    /// At the end of a line, or of everything.
    fn end(self, record: &mut Record) -> Result<Next, Broken> {
        if self.state == State::Quoted {
            return Err(Broken::Unclosed {
                line: self.quote_line,
            });
        }
        if let Some(field) = self.malformed {
            return Ok(Next::Malformed { field });
        }
        if self.is_empty_line(record) {
            return Ok(Next::End);
        }
        record.ends.push(record.bytes.len());
        Ok(Next::Record)
    }
}

/// Reads past a byte order mark, with which some programs begin UTF-8.
pub fn skip_byte_order_mark(reader: &mut impl BufRead) -> io::Result<()> {
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    Ok(())
}

/// Writes a record that [`Reader`] reads back.
pub fn write<F: AsRef<[u8]>>(
    writer: &mut impl Write,
    delimiter: u8,
    fields: impl IntoIterator<Item = F>,
) -> io::Result<()> {
    let mut fields = fields.into_iter().peekable();
    let mut is_first = true;
    while let Some(field) = fields.next() {
        let field = field.as_ref();
        // An empty line would be no record.
        let is_alone = is_first && field.is_empty() && fields.peek().is_none();
        let is_special = |&byte: &u8| byte == delimiter || matches!(byte, b'"' | b'\r' | b'\n');
        match is_alone || field.iter().any(is_special) {
            true => write_quoted(writer, field)?,
            false => writer.write_all(field)?,
        }
        let end = if fields.peek().is_some() {
            delimiter
        } else {
            b'\n'
        };
        writer.write_all(&[end])?;
        is_first = false;
    }
    Ok(())
}

fn write_quoted(writer: &mut impl Write, field: &[u8]) -> io::Result<()> {
    writer.write_all(b"\"")?;
    for (number, part) in field.split(|&byte| byte == b'"').enumerate() {
        if number > 0 {
            writer.write_all(b"\"\"")?;
        }
        writer.write_all(part)?;
    }
    writer.write_all(b"\"")
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    /// Each record as `line: fields`, or what is wrong with it.
    fn told(text: &[u8], buffer_bytes: usize) -> Vec<String> {
        let mut reader = Reader::new(BufReader::with_capacity(buffer_bytes, text), b',');
        let mut record = Record::default();
        let mut told = Vec::new();
        loop {
            told.push(match reader.read(&mut record) {
                Ok(Next::Record) => {
                    let fields: Vec<_> = record.fields().map(String::from_utf8_lossy).collect();
                    format!("{}: {}", record.line, fields.join("|"))
                }
                Ok(Next::Malformed { field }) => {
                    format!("{}: field {field} is malformed", record.line)
                }
                Ok(Next::End) => return told,
                Err(Broken::Unclosed { line }) => {
                    told.push(format!("{line}: unclosed"));
                    return told;
                }
                Err(error) => panic!("{error:?}"),
            });
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        for buffer_bytes in [3, 4, 1000] {
            assert_eq!(told(text.as_bytes(), buffer_bytes), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_end_in_any_of_three_ways_and_the_last_need_not() {
        for end in ["\n", "\r\n", "\r"] {
            check(&format!("a,b{end}c,d"), &["1: a|b", "2: c|d"]);
            check(&format!("a,b{end}c,d{end}"), &["1: a|b", "2: c|d"]);
            check(&format!("{end}{end}a{end}{end}b"), &["3: a", "5: b"]);
        }
    }

    #[test]
    fn empty_fields_are_fields_and_empty_lines_are_no_records() {
        check("", &[]);
        check("\n", &[]);
        check(",\n", &["1: |"]);
        check("a,\n,b\n,", &["1: a|", "2: |b", "3: |"]);
        check("\"\"\n\"\"", &["1: ", "2: "]);
    }

    #[test]
    fn quotes_keep_delimiters_line_ends_and_quotes() {
        check("\"a,b\",c", &["1: a,b|c"]);
        check("\"a\"\"b\",\"\"\"\"", &["1: a\"b|\""]);
        check("\"a\nb\r\nc\",d\ne", &["1: a\nb\r\nc|d", "4: e"]);
        check("5\" disk,a\"\"b", &["1: 5\" disk|a\"\"b"]);
    }

    #[test]
    fn what_follows_a_closing_quote_is_malformed_and_reading_goes_on() {
        let expected = ["1: field 2 is malformed", "3: d"];
        check("a,\"b\"c,\"\n\nd", &expected);
        check("a,\"b\" ,c\n\nd", &expected);
    }

    #[test]
    fn a_quote_that_is_not_closed_ends_the_reading_and_names_its_line() {
        check("a\nb,\"c\nd\n\n", &["1: a", "2: unclosed"]);
        check("\"x\ny\",\"c\nd\"\"", &["2: unclosed"]);
    }

    #[test]
    fn a_record_beyond_the_limit_ends_the_reading_and_names_its_line() {
        let text = BufReader::with_capacity(4, &b"a,b\n\n\"c\nddddddddddddddddd\"\n"[..]);
        let mut reader = Reader::new(text, b',');
        reader.record_bytes_max = 10;
        let mut record = Record::default();
        assert!(matches!(reader.read(&mut record), Ok(Next::Record)));
        let read = reader.read(&mut record);
        assert!(matches!(read, Err(Broken::TooLong { line: 3 })), "{read:?}");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_field() {
        check("\u{feff}a,b", &["1: a|b"]);
        check("\u{feff}\"a\",b\n\u{feff}c", &["1: a|b", "2: \u{feff}c"]);
    }

    fn table() -> impl Strategy<Value = Vec<Vec<String>>> {
        let field = "[ab\",;\r\n ]{0,6}";
        prop::collection::vec(prop::collection::vec(field, 1..4), 0..6)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_here_and_by_another_reader(rows in table()) {
            let mut bytes = Vec::new();
            for row in &rows {
                write(&mut bytes, b',', row).unwrap();
            }
            let mut reader = Reader::new(&bytes[..], b',');
            let mut other = csv::ReaderBuilder::new();
            let mut other = other.has_headers(false).flexible(true).from_reader(&bytes[..]);
            let mut others = other.byte_records();
            let mut record = Record::default();
            for row in &rows {
                prop_assert_eq!(reader.read(&mut record).unwrap(), Next::Record);
                prop_assert!(record.fields().eq(row.iter().map(String::as_bytes)));
                let other = others.next().unwrap().unwrap();
                prop_assert!(other.iter().eq(row.iter().map(String::as_bytes)));
            }
            prop_assert_eq!(reader.read(&mut record).unwrap(), Next::End);
            prop_assert!(others.next().is_none());
        }

        #[test]
        fn any_bytes_are_read_to_an_end_whatever_the_buffer(bytes in "[a\",\r\n]{0,20}") {
            let bytes = bytes.as_bytes();
            prop_assert_eq!(told(bytes, 3), told(bytes, 1000));
        }
    }
}
