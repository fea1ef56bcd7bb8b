//! Dates and times.

use crate::base::Base;
use crate::error::{Error, Result, SqlState};
use crate::modifier::Modifier;
use crate::settings::Settings;
use crate::value::Value;

/// Reads a date, time, timestamp or interval.
pub(crate) fn parse(
    _text: &str,
    base: Base,
    _modifier: Modifier,
    _settings: &Settings,
) -> Result<Value> {
    Err(Error::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        format!("text of type {}", base.sql_name()),
    ))
}

/// Appends one.
pub(crate) fn format_into(_value: &Value, _settings: &Settings, _out: &mut String) {}
