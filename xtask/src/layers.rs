//! The table of crates: what each is, and which of ours it may import.
//!
//! This is the one truth about the architecture's layers; `cargo xtask tidy` compares it with
//! `cargo metadata`. A crate buys an absence: the last column says what its code cannot come to
//! know, because nothing it may import would tell it.
//!
//! A new crate needs a row here. A new word in `imports` is a design decision: write it into
//! `docs/decisions/`.

/// One crate of the workspace.
pub(crate) struct Row {
    pub(crate) layer: Layer,
    /// The folder below `crates/` (or `xtask`); the package is `rustdb-NAME`.
    pub(crate) name: &'static str,
    /// What it is, in a line.
    pub(crate) what: &'static str,
    /// Those of ours that its code may import. Tests may use anything of a lower layer.
    pub(crate) imports: &'static [&'static str],
    /// What it must never know.
    pub(crate) never: &'static str,
    /// Where `unsafe` may be written in it.
    pub(crate) unsafe_code: Unsafe,
}

/// Where `unsafe` may be written in a crate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unsafe {
    /// Nowhere: the compiler forbids it.
    Never,
    /// Only in modules that say why (`#[expect(unsafe_code, reason = ...)]`).
    Expected,
    /// Anywhere.
    Anywhere,
}

/// How far from the disk a crate is. A crate imports only from lower layers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Layer {
    /// A floor of the database, counted from the disk up.
    Floor(u8),
    /// Tools and harnesses: nothing of the database may import them.
    Development,
}

/// Every crate of the workspace, from the disk up.
pub(crate) const CRATES: &[Row] = &[
    Row {
        layer: Layer::Floor(0),
        name: "types",
        what: "SQL values and types: text forms, order, arithmetic, casts, key and row encodings",
        imports: &[],
        never: "files, SQL text",
        unsafe_code: Unsafe::Never,
    },
    Row {
        layer: Layer::Floor(1),
        name: "vfs",
        what: "files, clock, randomness, threads; real, in memory, simulated",
        imports: &[],
        never: "what the bytes mean",
        unsafe_code: Unsafe::Anywhere,
    },
    Row {
        layer: Layer::Floor(1),
        name: "crypto",
        what: "key ring, seal and open of blocks and log records",
        imports: &[],
        never: "tables, files",
        unsafe_code: Unsafe::Never,
    },
    Row {
        layer: Layer::Floor(1),
        name: "skiplist",
        what: "ordered map in an arena: one writer, readers without locks",
        imports: &[],
        never: "files, sequence numbers' meaning",
        unsafe_code: Unsafe::Anywhere,
    },
    Row {
        layer: Layer::Floor(2),
        name: "storage",
        what: "log, memtables, sorted tables, manifest, compaction, snapshots",
        imports: &["vfs", "crypto", "skiplist"],
        never: "isolation levels, SQL",
        unsafe_code: Unsafe::Never,
    },
    Row {
        layer: Layer::Floor(3),
        name: "txn",
        what: "transactions: isolation, conflicts, locks, savepoints",
        imports: &["vfs", "storage"],
        never: "tables, SQL",
        unsafe_code: Unsafe::Never,
    },
    Row {
        layer: Layer::Floor(4),
        name: "catalog",
        what: "schemas, tables, columns, constraints, indexes, views, sequences, types, as stored rows",
        imports: &["types", "vfs", "txn"],
        never: "SQL text, rows of tables",
        unsafe_code: Unsafe::Never,
    },
    Row {
        layer: Layer::Floor(5),
        name: "table",
        what: "row writes, index upkeep, constraints, scans; expressions arrive as traits",
        imports: &["types", "vfs", "txn", "catalog"],
        never: "SQL text, network",
        unsafe_code: Unsafe::Never,
    },
    Row {
        layer: Layer::Floor(6),
        name: "sql",
        what: "parse, bind, plan, execute; sessions",
        imports: &["types", "vfs", "txn", "catalog", "table"],
        never: "wasm, network",
        unsafe_code: Unsafe::Never,
    },
    Row {
        layer: Layer::Floor(6),
        name: "derive",
        what: "derives: structs as rows of tables",
        imports: &[],
        never: "the database: it writes code that calls the facade",
        unsafe_code: Unsafe::Never,
    },
    Row {
        layer: Layer::Floor(8),
        name: "rustdb",
        what: "the facade: the embeddable API",
        imports: &["types", "vfs", "crypto", "storage", "txn", "sql", "derive"],
        never: "HTTP; tokio outside its `aio` feature",
        unsafe_code: Unsafe::Never,
    },
    Row {
        layer: Layer::Floor(10),
        name: "cli",
        what: "the one binary, `rustdb`",
        imports: &["rustdb"],
        never: "internals",
        unsafe_code: Unsafe::Never,
    },
    Row {
        layer: Layer::Development,
        name: "sim",
        what: "whole databases on simulated machines, from a seed",
        imports: &["rustdb", "storage", "crypto", "vfs"],
        never: "real files, clocks and threads",
        unsafe_code: Unsafe::Never,
    },
    Row {
        layer: Layer::Development,
        name: "bench",
        what: "benchmarks, rivals behind a feature",
        imports: &["rustdb", "vfs"],
        never: "internals",
        unsafe_code: Unsafe::Expected,
    },
    Row {
        layer: Layer::Development,
        name: "xtask",
        what: "the project's own commands",
        imports: &[],
        never: "the database",
        unsafe_code: Unsafe::Never,
    },
];

/// Outside crates that only these of ours may import.
pub(crate) const RESTRICTED: &[(&str, &[&str])] = &[
    ("tokio", &["rustdb", "bench"]),
    ("jiff", &["types"]),
    ("syn", &["derive"]),
    ("arrow-array", &["rustdb"]),
    ("clap", &["cli"]),
    ("reedline", &["cli"]),
    ("indicatif", &["cli"]),
    ("serde_json", &["cli", "xtask"]),
    ("rocksdb", &["bench"]),
    ("redb", &["bench"]),
    ("fjall", &["bench"]),
];

/// The package that holds crate `name`.
pub(crate) fn package(name: &str) -> String {
    match name {
        "rustdb" | "xtask" => name.to_owned(),
        _ => format!("rustdb-{name}"),
    }
}
