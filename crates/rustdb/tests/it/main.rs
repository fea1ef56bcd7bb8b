//! The facade under hard conditions.

mod full_disk;
mod keyspaces;
mod opening;
