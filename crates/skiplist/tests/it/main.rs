//! The tree against a model, and with readers on other threads.

mod concurrent;
mod model;
