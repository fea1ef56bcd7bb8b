//! The catalog of a database, over a real engine.

mod database;
mod definitions;
mod sequences;
