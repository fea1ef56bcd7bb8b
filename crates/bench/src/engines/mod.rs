//! The adapters, one per engine, each behind a feature.
//!
//! An adapter does each thing in the way that the engine's documentation advises, and switches off
//! what the suites' data cannot gain from (compression of random bytes). Where an engine has
//! nothing between "synced" and "not", `Buffered` and `None` are the same to it.

#[cfg(feature = "peer-fjall")]
mod fjall;
#[cfg(feature = "peer-lmdb")]
#[expect(
    unsafe_code,
    reason = "heed's `open` and cursors are unsafe: LMDB maps its file"
)]
mod lmdb;
#[cfg(feature = "peer-redb")]
mod redb;
#[cfg(feature = "peer-rocksdb")]
mod rocksdb;
mod rustdb;
#[cfg(feature = "peer-sqlite")]
mod sqlite;
#[cfg(feature = "peer-surrealkv")]
mod surrealkv;

use std::path::Path;

use crate::engine::{Engine, OURS, Result, Settings};

type Open = fn(&Path, Settings) -> Result<Box<dyn Engine>>;

/// The engines that this program was built with, in the order of the table's columns.
pub(crate) const TABLE: &[(&str, Open)] = &[
    (OURS, rustdb::open),
    ("rustdb-uncounted", rustdb::open_uncounted),
    #[cfg(feature = "peer-redb")]
    ("redb", redb::open),
    #[cfg(feature = "peer-lmdb")]
    ("lmdb", lmdb::open),
    #[cfg(feature = "peer-rocksdb")]
    ("rocksdb", rocksdb::open),
    #[cfg(feature = "peer-fjall")]
    ("fjall", fjall::open),
    #[cfg(feature = "peer-sqlite")]
    ("sqlite", sqlite::open),
    #[cfg(feature = "peer-surrealkv")]
    ("surrealkv", surrealkv::open),
];
