//! Thin adapters with the names of the databases that RustDB grew out of.
//!
//! They exist so that programs written for those keep their shape while they move; everything is
//! stored as by RustDB itself, and errors are [`crate::Error`]s.
//!
//! ```
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("data");
//! use rustdb::compat::middb;
//!
//! let old = middb::Database::open(middb::Config::new(&path))?;
//! old.put(b"k".to_vec(), b"v".to_vec())?;
//! old.close()?;
//! let new = rustdb::Database::open(&path)?; // the same data
//! assert_eq!(new.get("k")?.as_deref(), Some(&b"v"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod middb;
pub mod rustty;
