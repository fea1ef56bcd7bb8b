//! Tables over a real engine.

mod database;
mod rows;
