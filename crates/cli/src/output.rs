//! Standard output: lines for people, or JSON for programs, and bytes made readable.

use std::fmt::Write as _;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::Result;

/// Where results go.
#[derive(Debug)]
pub struct Output {
    writer: BufWriter<StdoutLock<'static>>,
    is_json: bool,
}

impl Output {
    /// Standard output.
    pub fn standard(is_json: bool) -> Self {
        Self {
            writer: BufWriter::with_capacity(64 << 10, io::stdout().lock()),
            is_json,
        }
    }

    /// Whether programs read it.
    pub fn is_json(&self) -> bool {
        self.is_json
    }

    /// Where bytes go.
    pub fn writer(&mut self) -> &mut dyn Write {
        &mut self.writer
    }

    /// Prints a line of text.
    pub fn line(&mut self, text: &str) -> Result<()> {
        self.writer.write_all(text.as_bytes())?;
        Ok(self.writer.write_all(b"\n")?)
    }

    /// Prints a result: `text` for people, `value` for programs.
    pub fn result(&mut self, text: &str, value: &Value) -> Result<()> {
        match self.is_json {
            true => self.line(&value.to_string()),
            false => self.line(text),
        }
    }

    /// Makes everything printed so far visible.
    pub fn flush(&mut self) -> Result<()> {
        Ok(self.writer.flush()?)
    }
}

/// Bytes as JSON: text as a string, other bytes as `{"hex": "00ff"}`.
pub fn json_of(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "hex": hex(bytes) }),
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(digits, "{byte:02x}").expect("a string takes everything");
    }
    digits
}

/// The bytes that hexadecimal digits stand for.
pub fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|value| value as u8);
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

/// Bytes as a person reads them: text as it is; control characters, and bytes that are no text,
/// as escapes that the shell's commands understand.
pub fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                control if control.is_control() => {
                    let mut buffer = [0; 4];
                    escape(&mut text, control.encode_utf8(&mut buffer).as_bytes());
                }
                other => text.push(other),
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        write!(text, "\\x{byte:02x}").expect("a string takes everything");
    }
}

/// A size for people: `1.5 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1_024.0;
    let mut unit = 0;
    while amount >= 1_023.95 && unit + 1 < UNITS.len() {
        amount /= 1_024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// A number for people: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 row`, `2,000 rows`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    let noun = if number == 1 { one } else { many };
    format!("{} {noun}", count(number))
}

/// A time for people: `12 µs`, `3.4 ms`, `1.20 s`.
pub fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s >= 60.0 => format!("{} min {:02} s", s as u64 / 60, s as u64 % 60),
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 0.001 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.0} µs", s * 1e6),
    }
}

/// How many per second, for people.
pub fn rate(number: u64, elapsed: Duration) -> String {
    let per_second = number as f64 / elapsed.as_secs_f64().max(1e-6);
    count(per_second as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_reads_best() {
        for (bytes, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (3 << 30, "3.0 GiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn readable_shows_text_and_escapes_the_rest() {
        for (bytes, text) in [
            (&b"plain text"[..], "plain text"),
            ("größe 数".as_bytes(), "größe 数"),
            (b"a\tb\nc\\", "a\\tb\\nc\\\\"),
            (b"\x00\xff~", "\\x00\\xff~"),
            ("\u{85}".as_bytes(), "\\xc2\\x85"),
        ] {
            assert_eq!(readable(bytes), text);
        }
    }

    #[test]
    fn hexadecimal_digits_go_both_ways() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(from_hex(&hex(&bytes)).as_deref(), Some(&bytes[..]));
        for bad in ["0", "0g", "é"] {
            assert_eq!(from_hex(bad), None, "{bad}");
        }
    }
}
