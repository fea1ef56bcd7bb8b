//! The facade under hard conditions.

mod damage;
mod full_disk;
mod keyspaces;
mod opening;
mod promises;
mod stats;
