//! Compactions of real tables on a simulated machine, against a model that remembers everything.

mod jobs;
mod model;
mod random;
mod reading;
mod tree;
