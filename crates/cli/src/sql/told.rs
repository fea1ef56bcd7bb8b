//! What a person is told about a statement that failed: words, the place, what to do; and what a
//! statement says that has not.
//!
//! ```text
//! error: column "nosuch" does not exist (42703)
//! LINE 1: select nosuch from planets
//!                ^
//! hint: ...
//! ```

use rustdb::Error;
use rustdb::sql::Notice;

use super::show::width;
use crate::failure::{Failure, StatementFailure};

/// How much of a long line is shown.
const COLUMNS_MAX: usize = 72;

/// The failure of a statement of `text`.
pub fn failure(error: &Error, text: &str) -> Failure {
    let Some(sqlstate) = error.sqlstate() else {
        return error.clone().into();
    };
    Failure::Statement(Box::new(StatementFailure {
        file: None,
        message: error.message().to_owned(),
        sqlstate: sqlstate.to_owned(),
        place: error.position().and_then(|at| place(text, at)),
        position: error.position(),
        detail: error.detail().map(str::to_owned),
        hint: error.hint().map(str::to_owned),
    }))
}

/// What a statement says besides its result: its severity in the way of `error:`.
pub fn notice(notice: &Notice) -> String {
    let severity = notice.severity().as_str().to_lowercase();
    let mut told = format!("{severity}: {}", notice.message());
    if let Some(detail) = notice.detail() {
        told.push_str("\ndetail: ");
        told.push_str(detail);
    }
    told
}

/// The line and a mark below the column, both numbered from 1.
fn place(text: &str, (line, column): (u64, u64)) -> Option<String> {
    let number = usize::try_from(line).ok()?;
    let shown = text.lines().nth(number.checked_sub(1)?)?;
    let at = usize::try_from(column).ok()?.checked_sub(1)?;
    let letters: Vec<char> = shown.replace('\t', " ").chars().collect();
    if at > letters.len() {
        return None;
    }
    // Of a long line only what is around the place.
    let start = match letters.len() > COLUMNS_MAX && at > COLUMNS_MAX / 2 {
        true => at - COLUMNS_MAX / 2,
        false => 0,
    };
    let end = letters.len().min(start + COLUMNS_MAX);
    let before = if start > 0 { "..." } else { "" };
    let after = if end < letters.len() { "..." } else { "" };
    let window: String = letters[start..end].iter().collect();
    let left: String = letters[start..at.min(letters.len())].iter().collect();
    let head = format!("LINE {line}: {before}");
    let blanks = " ".repeat(width(&head) + width(&left));
    Some(format!("{head}{window}{after}\n{blanks}^"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_below_the_place() {
        assert_eq!(
            place("select 1,\n  火 + x", (2, 7)).unwrap(),
            "LINE 2:   火 + x\n               ^"
        );
        assert_eq!(place("x", (1, 1)).unwrap(), "LINE 1: x\n        ^");
        assert_eq!(place("x", (3, 1)), None);
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let text = format!("{}here{}", "a".repeat(100), "b".repeat(100));
        let shown = place(&text, (1, 101)).unwrap();
        let (line, mark) = shown.split_once('\n').unwrap();
        assert!(line.starts_with("LINE 1: ...aaa") && line.ends_with("bbb..."));
        assert_eq!(line.find("here"), mark.find('^'));
    }
}
