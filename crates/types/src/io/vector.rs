//! `vector(n)`: numbers in square brackets, as pgvector writes them.

use std::sync::Arc;

use super::{format_float4, is_space};
use crate::error::{Error, Result, SqlState};
use crate::modifier::{Modifier, VECTOR_DIMENSIONS_MAX};

pub(super) fn parse(text: &str, modifier: Modifier) -> Result<Arc<[f32]>> {
    let invalid = || Error::invalid_input("vector", text);
    let trimmed = text.trim_matches(is_space);
    let inner = trimmed
        .strip_prefix('[')
        .ok_or_else(|| invalid().with_detail("Vector contents must start with \"[\"."))?;
    let inner = inner.strip_suffix(']').ok_or_else(invalid)?;
    if inner.trim_matches(is_space).is_empty() {
        let words = "vector must have at least 1 dimension";
        return Err(Error::new(SqlState::DATA_EXCEPTION, words));
    }
    let numbers = inner.split(',').map(|part| {
        let part = part.trim_matches(is_space);
        let sound =
            part.starts_with(|letter: char| letter.is_ascii_digit() || "+-.nNiI".contains(letter));
        if !sound {
            return Err(invalid());
        }
        let number: f32 = part.parse().map_err(|_| invalid())?;
        let digits = part.bytes().any(|byte| byte.is_ascii_digit());
        if number.is_infinite() && digits {
            let words = format!("\"{part}\" is out of range for type vector");
            return Err(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, words));
        }
        check_number(number)?;
        Ok(number)
    });
    let numbers: Arc<[f32]> = numbers.collect::<Result<_>>()?;
    check_dimensions(numbers.len(), modifier)?;
    Ok(numbers)
}

/// Vectors hold finite numbers only, so that distances have an order.
pub(crate) fn check_number(number: f32) -> Result<()> {
    let words = match number {
        _ if number.is_nan() => "NaN not allowed in vector",
        _ if number.is_infinite() => "infinite value not allowed in vector",
        _ => return Ok(()),
    };
    Err(Error::new(SqlState::DATA_EXCEPTION, words))
}

/// As many numbers as the type says, and not too many.
pub(crate) fn check_dimensions(count: usize, modifier: Modifier) -> Result<()> {
    if count > VECTOR_DIMENSIONS_MAX {
        let words = format!("vector cannot have more than {VECTOR_DIMENSIONS_MAX} dimensions");
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, words));
    }
    match modifier.dimension_count() {
        Some(expected) if expected != count => Err(Error::new(
            SqlState::DATA_EXCEPTION,
            format!("expected {expected} dimensions, not {count}"),
        )),
        _ => Ok(()),
    }
}

pub(super) fn format(numbers: &[f32], out: &mut String) {
    out.push('[');
    for (index, number) in numbers.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        format_float4(*number, 1, out);
    }
    out.push(']');
}
