//! Assigning to a part of a tree: `j['a'][2] = value`.
//!
//! What the subscripts lead through is made where it is missing: objects for keys, arrays for
//! numbers, with `null` for the elements between. A scalar on the way is an error.

use super::{Json, path_index};
use crate::error::{Error, Result, SqlState};

/// The most elements of an array that assigning makes: what PostgreSQL finds memory for.
const ELEMENTS_MAX: usize = 0x3fff_ffff / 32 - 1;

impl Json {
    /// The tree with a value at the end of a path; a path ends with the first step at which there
    /// is a scalar, which is an error.
    pub fn assigned(&self, path: &[&str], value: Json) -> Result<Json> {
        let mut whole = self.clone();
        put(&mut whole, path, 1, value)?;
        Ok(whole)
    }
}

fn put(json: &mut Json, path: &[&str], position: usize, value: Json) -> Result<()> {
    let Some((step, rest)) = path.split_first() else {
        *json = value;
        return Ok(());
    };
    match json {
        Json::Object(members) => {
            match members.iter_mut().find(|(key, _)| **key == **step) {
                Some((_, member)) => put(member, rest, position + 1, value)?,
                None => {
                    let mut members = std::mem::take(members);
                    members.push(((*step).into(), made(rest, value)?));
                    *json = Json::object(members);
                }
            }
            Ok(())
        }
        Json::Array(elements) => {
            let index = path_index(step).ok_or_else(|| {
                let words =
                    format!("path element at position {position} is not an integer: \"{step}\"");
                Error::new(SqlState::INVALID_TEXT_REPRESENTATION, words)
            })?;
            let from_start = match index {
                ..0 => index + elements.len() as i64,
                _ => index,
            };
            let Ok(place) = usize::try_from(from_start) else {
                let words = format!("path element at position {position} is out of range: {index}");
                return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, words));
            };
            if let Some(element) = elements.get_mut(place) {
                return put(element, rest, position + 1, value);
            }
            fill(elements, place)?;
            elements.push(made(rest, value)?);
            Ok(())
        }
        _ => Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            "cannot replace existing key",
        )
        .with_detail("The path assumes key is a composite object, but it is a scalar value.")),
    }
}

/// Elements that are `null` up to a place.
fn fill(elements: &mut Vec<Json>, place: usize) -> Result<()> {
    if place >= ELEMENTS_MAX {
        let words =
            format!("number of jsonb array elements exceeds the maximum allowed ({ELEMENTS_MAX})");
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, words));
    }
    crate::interrupt::spend(place)?;
    elements.resize(place, Json::Null);
    Ok(())
}

/// What a path that leads nowhere yet is made of.
fn made(path: &[&str], value: Json) -> Result<Json> {
    let Some((step, rest)) = path.split_first() else {
        return Ok(value);
    };
    let inner = made(rest, value)?;
    let Some(index) = path_index(step) else {
        return Ok(Json::object(vec![((*step).into(), inner)]));
    };
    let mut elements = Vec::new();
    fill(&mut elements, usize::try_from(index).unwrap_or(0))?;
    elements.push(inner);
    Ok(Json::Array(elements))
}
