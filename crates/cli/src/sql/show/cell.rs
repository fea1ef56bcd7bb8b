//! Cells: text as it fits into a table on a terminal.

use unicode_width::UnicodeWidthChar;

/// Blanks between the stops of tabs.
const TAB: usize = 8;

/// The lines of a cell, with what a terminal would not show made visible.
pub fn lines(text: &str) -> Vec<String> {
    text.split('\n').map(visible).collect()
}

fn visible(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for letter in line.chars() {
        match letter {
            '\t' => {
                let blanks = TAB - width(&out) % TAB;
                out.extend(std::iter::repeat_n(' ', blanks));
            }
            '\r' => out.push_str("\\r"),
            '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\x{:02X}", u32::from(letter))),
            '\u{80}'..='\u{9f}' => out.push_str(&format!("\\u{:04X}", u32::from(letter))),
            other => out.push(other),
        }
    }
    out
}

/// How many places a text takes on a terminal.
pub fn width(text: &str) -> usize {
    let letters = text.chars();
    letters
        .map(|it| UnicodeWidthChar::width(it).unwrap_or(0))
        .sum()
}

/// A text with blanks around it.
pub fn centred(text: &str, to: usize) -> String {
    let blanks = to.saturating_sub(width(text));
    let before = blanks / 2;
    format!(
        "{}{text}{}",
        " ".repeat(before),
        " ".repeat(blanks - before)
    )
}

/// A text with blanks after it, or before it if it stands to the right.
pub fn padded(text: &str, to: usize, right: bool) -> String {
    let blanks = " ".repeat(to.saturating_sub(width(text)));
    match right {
        true => format!("{blanks}{text}"),
        false => format!("{text}{blanks}"),
    }
}
