//! Thin adapters with the names of the databases that RustDB grew out of.
//!
//! They exist so that programs written for those keep their shape while they move; everything is
//! stored as by RustDB itself, and errors are [`crate::Error`]s.

pub mod middb;
pub mod rustty;
