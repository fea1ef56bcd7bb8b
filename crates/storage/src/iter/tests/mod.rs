//! Iterators against a brute-force model, and how much they look at.

mod cost;
mod empty;
mod history;
mod model;
mod sources;
