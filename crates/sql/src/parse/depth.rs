//! How deep a statement may be nested, before it is read.
//!
//! Reading, planning and evaluating go down a statement's tree, and each level takes some of the
//! stack. A look at the text bounds the depth from above: what is in parentheses is deeper, and each
//! operator of a chain (`a + b + c`, `a OR b OR c`, `q UNION q`) makes the chain one level deeper.

use crate::error::{Error, Result, SqlState};

/// Deeper statements are refused.
const DEPTH_MAX: usize = 5_000;

/// Deeper ones need a stack of their own.
const DEPTH_PLAIN: usize = 24;

/// What is open: a pair of parentheses, or the statement itself.
#[derive(Clone, Copy, Default)]
struct Level {
    /// UNION, JOIN and their like.
    sets: usize,
    /// AND and OR, which commas end.
    logical: usize,
    /// Other operators, which AND and OR end too.
    operators: usize,
}

impl Level {
    fn depth(self) -> usize {
        1 + self.sets + self.logical + self.operators
    }
}

/// Whether a text needs a large stack; an error if it is too deep for that too.
pub(crate) fn is_deep(text: &str) -> Result<bool> {
    let depth = depth(text.as_bytes());
    if depth > DEPTH_MAX {
        let message = "stack depth limit exceeded";
        return Err(
            Error::new(SqlState::STATEMENT_TOO_COMPLEX, message).with_hint(format!(
                "Nest expressions and chain operators no deeper than {DEPTH_MAX} levels."
            )),
        );
    }
    Ok(depth > DEPTH_PLAIN)
}

fn depth(text: &[u8]) -> usize {
    let mut closed = 0;
    let mut levels: Vec<Level> = Vec::new();
    let mut top = Level::default();
    let mut deepest = 0;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let rest = &text[at..];
        at += match byte {
            b'\'' | b'"' => quoted(rest, *byte),
            b'-' if rest.starts_with(b"--") => length(rest, |byte| byte != b'\n'),
            b'(' | b'[' => {
                closed += top.depth();
                levels.push(std::mem::take(&mut top));
                1
            }
            b')' | b']' => {
                if let Some(outer) = levels.pop() {
                    top = outer;
                    closed -= top.depth();
                }
                1
            }
            b',' => {
                (top.logical, top.operators) = (0, 0);
                1
            }
            b';' => {
                top = Level::default();
                1
            }
            byte if is_word(*byte) => {
                let end = length(rest, is_word);
                word(&rest[..end], &mut top);
                end
            }
            byte if is_operator(*byte) => {
                top.operators += 1;
                length(rest, is_operator)
            }
            _ => 1,
        };
        deepest = deepest.max(closed + top.depth());
    }
    deepest
}

fn word(word: &[u8], level: &mut Level) {
    let is = |words: &[&str]| {
        words
            .iter()
            .any(|each| word.eq_ignore_ascii_case(each.as_bytes()))
    };
    if word.len() > 9 {
        return;
    }
    if is(&["and", "or"]) {
        level.logical += 1;
        level.operators = 0;
    } else if is(&["union", "except", "intersect", "join"]) {
        level.sets += 1;
        (level.logical, level.operators) = (0, 0);
    } else if is(&[
        "not", "case", "is", "like", "ilike", "in", "between", "collate", "at",
    ]) {
        level.operators += 1;
    }
}

fn length(rest: &[u8], is_part: impl Fn(u8) -> bool) -> usize {
    let end = rest.iter().position(|byte| !is_part(*byte));
    end.unwrap_or(rest.len())
}

/// How long a quoted part is, its quotes included.
fn quoted(rest: &[u8], quote: u8) -> usize {
    2 + length(&rest[1..], |byte| byte != quote)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn is_operator(byte: u8) -> bool {
    b"+-*/<>=~!@#%^&|`?:".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_that_of_parentheses_and_chains() {
        assert_eq!(depth(b"select a, b from t"), 1);
        assert_eq!(depth(b"select 1 + 2, 3 + 4"), 2);
        assert_eq!(depth(b"select ((1))"), 3);
        assert_eq!(depth(b"select a = 1 or b = 2 or c = 3"), 4);
        assert_eq!(depth(b"select 'a + b + (((' || \"+\" -- + +"), 2);
        assert_eq!(depth(b"select 1 union select 2 union select 3"), 3);
        assert_eq!(depth(b"select (1 + 2) + 3"), 3);
        assert!(!is_deep("insert into t values (1, 2), (3, 4), (5, 6)").unwrap());
        assert!(is_deep(&format!("select {}1", "1 + ".repeat(100))).unwrap());
        assert!(is_deep(&format!("select {}1", "1 + ".repeat(10_000))).is_err());
    }
}
