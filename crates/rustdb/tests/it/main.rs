//! The facade under hard conditions.

mod keyspaces;
