//! What is known to differ.

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

/// What PostgreSQL has in its catalogs, and we do not: its own tables and functions.
const CATALOG: &str = "lists what PostgreSQL itself is made of";
/// No order was asked for.
const UNORDERED: &str = "rows of which none comes first";

/// Wrong answers, by a part of the query, and why.
pub(super) const EXPLAINED: &[(&str, &str)] = &[
    ("pg_proc", CATALOG),
    ("pg_type", CATALOG),
    ("pg_operator", CATALOG),
    ("pg_cast", CATALOG),
    ("pg_class", CATALOG),
    ("pg_am", CATALOG),
    ("pg_op", CATALOG),
    ("pg_aggregate", CATALOG),
    ("pg_attribute", CATALOG),
    ("pg_index", CATALOG),
    ("pg_init_privs", CATALOG),
    ("pg_conversion", CATALOG),
    ("pg_views", CATALOG),
    ("pg_rules", CATALOG),
    ("pg_range", CATALOG),
    ("pg_stat", CATALOG),
    ("pg_largeobject", CATALOG),
    ("pg_config", CATALOG),
    ("pg_hba_file_rules", CATALOG),
    ("pg_ident_file_mappings", CATALOG),
    ("pg_timezone", CATALOG),
    ("pg_backend_memory_contexts", CATALOG),
    ("pg_available_extension", CATALOG),
    ("pg_settings", CATALOG),
    ("_privilege(", "there are no privileges yet"),
    ("pg_temp", "the suite has a temporary table there"),
    ("DISTINCT ON (g)", UNORDERED),
    ("first_value(y) over w, last_value(y) over w", UNORDERED),
    ("SELECT random()", "the tests' random numbers are all alike"),
    (
        "'4714-11-24 BC'::date::timestamptz",
        "the first day of the calendar, which begins before it west of UTC",
    ),
    (
        r"()|^\1",
        "a reference back into a branch that was not taken",
    ),
    (
        r"()*\1",
        "a reference back into a branch that was not taken",
    ),
];
