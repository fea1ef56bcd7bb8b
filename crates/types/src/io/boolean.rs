//! `boolean`: any beginning of its words that is not ambiguous.

use super::is_space;
use crate::error::{Error, Result};

pub(super) fn parse(text: &str) -> Result<bool> {
    let word = text.trim_matches(is_space).to_ascii_lowercase();
    let begins = |whole: &str, least: usize| word.len() >= least && whole.starts_with(&word);
    if begins("true", 1) || begins("yes", 1) || word == "on" || word == "1" {
        Ok(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(Error::invalid_input("boolean", text))
    }
}
