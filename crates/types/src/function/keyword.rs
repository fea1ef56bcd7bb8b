//! Words that mean something in PostgreSQL 15.
//!
//! `keywords.txt` has them: in each line a class (the letter that `pg_get_keywords` gives, and `+` if
//! the word may stand as a column's alias without AS, else `-`), and words of it.

use std::sync::LazyLock;

use super::{Body, Row};
use crate::value::Value;

struct Keyword {
    word: &'static str,
    class: &'static str,
    is_label: bool,
}

static ALL: LazyLock<Vec<Keyword>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for line in include_str!("keywords.txt").lines() {
        let mut words = line.split(' ');
        let class = words.next().unwrap_or_default();
        all.extend(words.map(|word| Keyword {
            word,
            class: &class[..1],
            is_label: class.ends_with('+'),
        }));
    }
    all.sort_by_key(|keyword| keyword.word);
    all
});

/// Every keyword that is reserved somewhere, sorted.
static RESERVED: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let reserved = ALL.iter().filter(|keyword| keyword.class != "U");
    reserved.map(|keyword| keyword.word).collect()
});

/// Whether a word in lower case is reserved somewhere, and no plain name.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word).is_ok()
}

pub(super) static ROWS: &[Row] = &[Row {
    signature: "pg_get_keywords() setof (word text, catcode \"char\", barelabel bool, catdesc text, \
                baredesc text) stable",
    body: Body::Set(|_, _| {
        let rows = ALL.iter().map(|keyword| {
            let class = match keyword.class {
                "U" => "unreserved",
                "C" => "unreserved (cannot be function or type name)",
                "T" => "reserved (can be function or type name)",
                _ => "reserved",
            };
            let label = match keyword.is_label {
                true => "can be bare label",
                false => "requires AS",
            };
            Ok(Value::record([
                Value::text(keyword.word),
                Value::text(keyword.class),
                Value::Bool(keyword.is_label),
                Value::text(class),
                Value::text(label),
            ]))
        });
        Ok(Box::new(rows))
    }),
}];
