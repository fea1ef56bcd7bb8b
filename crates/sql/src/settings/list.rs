//! The parameters there are.

/// A parameter.
#[derive(Debug)]
pub(crate) struct Definition {
    /// Its name, as SHOW has it.
    pub(crate) name: &'static str,
    /// Its value if nobody says.
    pub(crate) default: &'static str,
    /// What values it takes.
    pub(crate) kind: Kind,
    /// What it does.
    pub(crate) description: &'static str,
}

/// What values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// None: it tells something.
    Fixed,
    Switch,
    /// A number between two others.
    Number(i64, i64),
    /// A time, in milliseconds if there is no unit.
    Time,
    /// An amount of memory, in kilobytes if there is no unit; at least so many.
    Memory(i64),
    /// One of these words.
    Words(&'static [&'static str]),
    /// A list of names.
    Names,
    Text,
    DateStyle,
    TimeZone,
    Encoding,
}

impl Definition {
    /// Whether it can only be read.
    pub(crate) fn is_fixed(&self) -> bool {
        self.kind == Kind::Fixed
    }
}

const ISOLATION: &[&str] = &[
    "serializable",
    "repeatable read",
    "read committed",
    "read uncommitted",
];
pub(super) const LEVELS: &[&str] = &[
    "debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error",
];

const fn of(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    description: &'static str,
) -> Definition {
    Definition {
        name,
        default,
        kind,
        description,
    }
}

/// All of them, by name. What has no effect here says so.
static DEFINITIONS: &[Definition] = &[
    of(
        "application_name",
        "",
        Kind::Text,
        "Sets the application name to be reported in statistics and logs.",
    ),
    of(
        "bytea_output",
        "hex",
        Kind::Words(&["escape", "hex"]),
        "Sets the output format for bytea.",
    ),
    of(
        "client_encoding",
        "UTF8",
        Kind::Encoding,
        "Sets the client's character set encoding.",
    ),
    of(
        "client_min_messages",
        "notice",
        Kind::Words(LEVELS),
        "Sets the message levels that are sent to the client.",
    ),
    of(
        "DateStyle",
        "ISO, MDY",
        Kind::DateStyle,
        "Sets the display format for date and time values.",
    ),
    of(
        "default_transaction_deferrable",
        "off",
        Kind::Switch,
        "Sets the default deferrable status of new transactions, none of which has to wait.",
    ),
    of(
        "default_transaction_isolation",
        "read committed",
        Kind::Words(ISOLATION),
        "Sets the transaction isolation level of each new transaction.",
    ),
    of(
        "default_transaction_read_only",
        "off",
        Kind::Switch,
        "Sets the default read-only status of new transactions.",
    ),
    of(
        "enable_hashjoin",
        "on",
        Kind::Switch,
        "Enables the planner's use of hash join plans.",
    ),
    of(
        "enable_mergejoin",
        "on",
        Kind::Switch,
        "Enables the planner's use of merge join plans.",
    ),
    of(
        "enable_nestloop",
        "on",
        Kind::Switch,
        "Enables the planner's use of nested-loop join plans.",
    ),
    of(
        "extra_float_digits",
        "1",
        Kind::Number(-15, 3),
        "Sets the number of digits displayed for floating-point values.",
    ),
    of(
        "idle_in_transaction_session_timeout",
        "0",
        Kind::Time,
        "Sets the maximum allowed idle time between queries, when in a transaction.",
    ),
    of(
        "idle_session_timeout",
        "0",
        Kind::Time,
        "Sets the maximum allowed idle time between queries, when not in a transaction.",
    ),
    of(
        "in_hot_standby",
        "off",
        Kind::Fixed,
        "Shows whether hot standby is currently active.",
    ),
    of(
        "integer_datetimes",
        "on",
        Kind::Fixed,
        "Shows whether datetimes are integer based.",
    ),
    of(
        "IntervalStyle",
        "postgres",
        Kind::Words(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"]),
        "Sets the display format for interval values.",
    ),
    of(
        "is_superuser",
        "on",
        Kind::Fixed,
        "Shows whether the current user is a superuser.",
    ),
    of(
        "jit",
        "off",
        Kind::Switch,
        "Allow JIT compilation; without effect.",
    ),
    of(
        "lc_collate",
        "C",
        Kind::Fixed,
        "Shows the collation order locale.",
    ),
    of(
        "lc_ctype",
        "C",
        Kind::Fixed,
        "Shows the character classification and case conversion locale.",
    ),
    of(
        "lock_timeout",
        "0",
        Kind::Time,
        "Sets the maximum allowed duration of any wait for a lock.",
    ),
    of(
        "max_identifier_length",
        "63",
        Kind::Fixed,
        "Shows the maximum identifier length.",
    ),
    of(
        "max_index_keys",
        "32",
        Kind::Fixed,
        "Shows the maximum number of index keys.",
    ),
    of(
        "max_parallel_workers_per_gather",
        "8",
        Kind::Number(0, 1024),
        "Sets the maximum number of parallel processes per executor node: threads here, and no more than there are processors.",
    ),
    of(
        "min_parallel_table_scan_size",
        "8MB",
        Kind::Memory(0),
        "Sets the minimum amount of table data for a parallel scan.",
    ),
    of(
        "row_security",
        "on",
        Kind::Switch,
        "Enable row security; without effect.",
    ),
    of(
        "search_path",
        "\"$user\", public",
        Kind::Names,
        "Sets the schema search order for names that are not schema-qualified.",
    ),
    of(
        "server_encoding",
        "UTF8",
        Kind::Fixed,
        "Shows the server (database) character set encoding.",
    ),
    of(
        "server_version",
        crate::system::SERVER_VERSION,
        Kind::Fixed,
        "Shows the server version.",
    ),
    of(
        "server_version_num",
        "150000",
        Kind::Fixed,
        "Shows the server version as an integer.",
    ),
    of(
        "session_authorization",
        "rustdb",
        Kind::Fixed,
        "Sets the session user name.",
    ),
    of(
        "standard_conforming_strings",
        "on",
        Kind::Fixed,
        "Causes '...' strings to treat backslashes literally.",
    ),
    of(
        "statement_timeout",
        "0",
        Kind::Time,
        "Sets the maximum allowed duration of any statement.",
    ),
    of(
        "synchronous_commit",
        "on",
        Kind::Words(&["local", "remote_write", "remote_apply", "on", "off"]),
        "Sets whether a commit waits until it is on disk.",
    ),
    of(
        "TimeZone",
        "UTC",
        Kind::TimeZone,
        "Sets the time zone for displaying and interpreting time stamps.",
    ),
    of(
        "transaction_deferrable",
        "off",
        Kind::Switch,
        "Whether to defer a read-only serializable transaction until it can be executed with no possible serialization failures, which here is always.",
    ),
    of(
        "transaction_isolation",
        "read committed",
        Kind::Words(ISOLATION),
        "Sets the current transaction's isolation level.",
    ),
    of(
        "transaction_read_only",
        "off",
        Kind::Switch,
        "Sets the current transaction's read-only status.",
    ),
    of(
        "work_mem",
        "64MB",
        Kind::Memory(64),
        "Sets the maximum memory to be used for query workspaces: of all operations of a statement.",
    ),
];

/// `work_mem` if nobody says, in bytes.
pub(crate) const WORK_MEM_DEFAULT: usize = 64 << 20;

/// All parameters, by name.
pub(crate) fn definitions() -> &'static [Definition] {
    DEFINITIONS
}

/// The parameter of this name, in any case.
pub(crate) fn definition(name: &str) -> Option<&'static Definition> {
    let mut all = DEFINITIONS.iter();
    all.find(|definition| definition.name.eq_ignore_ascii_case(name))
}
