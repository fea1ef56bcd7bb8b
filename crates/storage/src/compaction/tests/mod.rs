//! Compactions of real tables on a simulated machine, against a model that remembers everything.

mod jobs;
mod random;
mod tree;
