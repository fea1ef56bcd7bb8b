//! Checked arithmetic of integers and floating-point numbers: what does not fit is an error, never
//! a wrong number.
//!
//! That of `numeric` is with [`crate::Numeric`], that of dates and times in [`crate::datetime`].

pub mod float;
pub mod integer;
