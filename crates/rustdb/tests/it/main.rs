//! The facade under hard conditions.

mod aio;
mod damage;
mod full_disk;
mod keyspaces;
mod opening;
mod promises;
mod stats;
