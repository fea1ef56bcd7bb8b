//! What is known to differ, and why.

use std::collections::BTreeMap;

use super::Answer;

/// Files about types that are not among ours.
pub(super) const OTHER_FILES: &[&str] = &[
    "box",
    "circle",
    "geometry",
    "inet",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "multirangetypes",
    "path",
    "pg_lsn",
    "point",
    "polygon",
    "rangetypes",
    "tid",
    "tsdicts",
    "tsearch",
    "tstypes",
    "txid",
    "xid",
    "xml",
    "xmlmap",
];

/// Words of such types elsewhere.
pub(super) const OTHER_WORDS: &[&str] = &[
    "tsvector",
    "tsquery",
    "int4range",
    "numrange",
    "int8range",
    "daterange",
    "tsrange",
    "tstzrange",
    "multirange",
    "money",
    "inet",
    "cidr",
    "macaddr",
    "point(",
    "point ",
    "::box",
    "box ",
    "circle",
    "polygon",
    "lseg",
    "pg_lsn",
    "pg_snapshot",
    "xml",
    "int2vector",
    "oidvector",
    "aclitem",
];

/// A statement of the suite by its file, its place among equal ones, and a number made of its
/// text, which is PostgreSQL's and not copied here.
pub(super) fn fingerprint(file: &str, text: &str, earlier: usize) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .bytes()
    {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    format!("{file} {hash:016x} {earlier}")
}

/// The list: reasons, and behind each the statements that differ for it.
pub(super) fn read(list: &str) -> BTreeMap<String, String> {
    let mut reasons = BTreeMap::new();
    let mut reason = "";
    for line in list.lines().map(str::trim) {
        match line.strip_prefix("## ") {
            Some(next) => reason = next,
            None if line.is_empty() || line.starts_with('#') => (),
            None => {
                reasons.insert(line.to_owned(), reason.to_owned());
            }
        }
    }
    reasons
}

/// The list as a text.
pub(super) fn write(reasons: &BTreeMap<String, String>) -> String {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (statement, reason) in reasons {
        by_reason.entry(reason).or_default().push(statement);
    }
    let mut text =
        "# Statements of PostgreSQL's regression suite that differ, by the reason why.\n\
                    # RUSTDB_BLESS=1 writes new ones under `unexplained`, where none may stay.\n"
            .to_owned();
    for (reason, statements) in by_reason {
        text.push_str(&format!("\n## {reason}\n"));
        for statement in statements {
            text.push_str(&format!("{statement}\n"));
        }
    }
    text
}

/// What has no reason yet.
pub(super) const UNEXPLAINED: &str = "unexplained";

/// The reason that an error of ours tells by itself, or the relation that a query reads.
pub(super) fn evident(text: &str, ours: &Answer) -> &'static str {
    let lower = text.to_lowercase();
    let Answer::Error(code, words) = ours else {
        let lists = CATALOGS.iter().any(|name| lower.contains(name));
        return match lists {
            true => "lists what PostgreSQL itself is made of",
            false => UNEXPLAINED,
        };
    };
    let says = |part: &str| words.contains(part);
    match code.as_str() {
        "0A000" if says("the literal B'") || says("the literal X'") => {
            "a type that is not here: bit strings"
        }
        "0A000" => "0A000 by name",
        "42704" if says("type \"bit") || says("type \"varbit") => {
            "a type that is not here: bit strings"
        }
        "42704" if says("type \"timetz") || says("time with time zone") => {
            "a type that is not here: time with time zone"
        }
        "42704" if says("type \"") => "a type that is not here, by its name",
        "42704" if says("collation") => "a collation that is not here, by its name",
        "42704" if says("configuration parameter") => "a parameter that is not here, by its name",
        "42703" if says("tableoid") || says("ctid") => "tableoid and ctid are not here",
        "42883" if says("function") => "a function that is not here, by its name",
        "42883" => "an operator that is not here, by its name: object names have no type",
        _ => UNEXPLAINED,
    }
}

/// Relations of the system that say what PostgreSQL is made of.
const CATALOGS: &[&str] = &[
    "pg_proc",
    "pg_type",
    "pg_operator",
    "pg_cast",
    "pg_class",
    "pg_am",
    "pg_op",
    "pg_aggregate",
    "pg_attribute",
    "pg_index",
    "pg_init_privs",
    "pg_conversion",
    "pg_views",
    "pg_rules",
    "pg_range",
    "pg_stat",
    "pg_largeobject",
    "pg_config",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_timezone",
    "pg_backend_memory_contexts",
    "pg_available_extension",
    "pg_settings",
    "pg_locks",
];
