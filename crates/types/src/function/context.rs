//! What functions see of the session: settings, times, chance.

use crate::error::Result;
use crate::settings::Settings;

use super::invalid;

/// The surroundings of a call.
#[derive(Clone, Copy)]
pub struct FunctionContext<'a> {
    /// The session's settings; `now` in them is when the transaction began.
    pub settings: &'a Settings,
    /// When the statement began, as [`crate::Value::Timestamptz`] has it.
    pub statement_time: i64,
    /// The clock, and chance.
    pub host: &'a dyn Host,
}

/// What changes from call to call.
pub trait Host: Sync {
    /// The time, as [`crate::Value::Timestamptz`] has it.
    fn clock(&self) -> i64;
    /// Fills `out` with bytes that nobody can guess.
    fn random_bytes(&self, out: &mut [u8]);
    /// The next number of the session's [`Random`].
    fn random(&self) -> f64;
    /// Starts the session's [`Random`] again from a seed.
    fn set_seed(&self, random: Random);
}

/// The numbers of `random()`: the same after `setseed` as PostgreSQL's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Random([u64; 2]);

impl Random {
    /// Numbers that begin with a seed.
    pub fn from_seed(mut seed: u64) -> Random {
        let mut next = || {
            seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        };
        Random([next(), next()])
    }

    /// What `setseed` begins with; an error outside of -1 to 1.
    pub(super) fn from_fraction(fraction: f64) -> Result<Random> {
        if !(-1.0..=1.0).contains(&fraction) {
            let words = format!("setseed parameter {fraction} is out of allowed range [-1,1]");
            return Err(invalid(words));
        }
        let seed = (0x000F_FFFF_FFFF_FFFF_u64 as f64 * fraction) as i64;
        Ok(Random::from_seed(seed as u64))
    }

    /// The next number, from 0 to less than 1.
    pub fn next_fraction(&mut self) -> f64 {
        let [first, second] = self.0;
        let mixed = second ^ first;
        let value = first.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        self.0 = [
            first.rotate_left(24) ^ mixed ^ (mixed << 16),
            mixed.rotate_left(37),
        ];
        (value >> 12) as f64 / (1_u64 << 52) as f64
    }
}
