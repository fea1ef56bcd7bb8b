//! Questions about trees, and changed copies of them: what the operators of `jsonb` do.

use super::Json;
use crate::error::{Error, Result, SqlState};
use crate::interrupt;

impl Json {
    /// The value as text: a string as it is, anything else printed, nothing for `null`.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Json::Null => None,
            Json::String(text) => Some(text.to_string()),
            other => Some(other.to_string()),
        }
    }

    /// `self -> index`: as [`Json::element`], where a scalar is its own only element.
    pub fn element_or_self(&self, index: i64) -> Option<&Json> {
        let alone = !self.is_container() && matches!(index, 0 | -1);
        if alone {
            Some(self)
        } else {
            self.element(index)
        }
    }

    /// `self @> other`: whether the structure of `other` is found in this.
    pub fn contains(&self, other: &Json) -> Result<bool> {
        let contains = self.contains_all_of(other);
        interrupt::finish()?;
        Ok(contains)
    }

    fn contains_all_of(&self, other: &Json) -> bool {
        match (self, other) {
            // At the top an array may contain a bare scalar.
            (Json::Array(elements), scalar) if !scalar.is_container() => elements.contains(scalar),
            (left, right) => left.contains_alike(right),
        }
    }

    fn contains_alike(&self, other: &Json) -> bool {
        if interrupt::is_stopped(16) {
            return true;
        }
        match (self, other) {
            (Json::Object(_), Json::Object(members)) => members.iter().all(|(key, value)| {
                self.member(key)
                    .is_some_and(|found| found.contains_alike(value))
            }),
            (Json::Array(left), Json::Array(right)) => right
                .iter()
                .all(|wanted| left.iter().any(|element| element.contains_alike(wanted))),
            (left, right) => !left.is_container() && left == right,
        }
    }

    /// `self ? key`: whether this is an object with the key, an array with that string, or the
    /// string.
    pub fn has_key(&self, key: &str) -> bool {
        let is_key = |json: &Json| matches!(json, Json::String(text) if **text == *key);
        match self {
            Json::Object(_) => self.member(key).is_some(),
            Json::Array(elements) => elements.iter().any(is_key),
            other => is_key(other),
        }
    }

    /// `self || other`: members of both objects, of equal keys the later ones; else elements of
    /// both, where what is no array counts as its only element.
    pub fn concatenated(&self, other: &Json) -> Json {
        if let (Json::Object(left), Json::Object(right)) = (self, other) {
            return Json::object(left.iter().chain(right).cloned().collect());
        }
        let elements = |json: &Json| match json {
            Json::Array(elements) => elements.clone(),
            other => vec![other.clone()],
        };
        Json::Array([elements(self), elements(other)].concat())
    }

    /// `self - keys`: without members of these keys, or elements that are these strings.
    pub fn without_keys(&self, keys: &[&str]) -> Result<Json> {
        match self {
            Json::Object(members) => {
                let kept = members.iter().filter(|(key, _)| !keys.contains(&&**key));
                Ok(Json::Object(kept.cloned().collect()))
            }
            Json::Array(elements) => {
                let dropped = |element: &Json| matches!(element, Json::String(text) if keys.contains(&&**text));
                let kept = elements.iter().filter(|element| !dropped(element));
                Ok(Json::Array(kept.cloned().collect()))
            }
            _ => Err(refused("cannot delete from scalar")),
        }
    }

    /// `self - index`: without an element, from the end if negative.
    pub fn without_element(&self, index: i64) -> Result<Json> {
        match self {
            Json::Array(elements) => {
                let mut elements = elements.clone();
                if let Some(index) = place(elements.len(), index) {
                    elements.remove(index);
                }
                Ok(Json::Array(elements))
            }
            Json::Object(_) => Err(refused("cannot delete from object using integer index")),
            _ => Err(refused("cannot delete from scalar")),
        }
    }

    /// `self #- path`: without what the path leads to. A NULL in the path is an error if it is
    /// reached.
    pub fn without_path(&self, path: &[Option<&str>]) -> Result<Json> {
        if !self.is_container() {
            return Err(refused("cannot delete path in scalar"));
        }
        let mut changed = self.clone();
        let empty = matches!(self, Json::Array(elements) if elements.is_empty())
            || matches!(self, Json::Object(members) if members.is_empty());
        if !empty {
            changed.remove(path, 1)?;
        }
        Ok(changed)
    }

    fn remove(&mut self, path: &[Option<&str>], position: usize) -> Result<()> {
        let Some((step, rest)) = path.split_first() else {
            return Ok(());
        };
        let step = step.ok_or_else(|| {
            let words = format!("path element at position {position} is null");
            Error::new(SqlState::NULL_VALUE_NOT_ALLOWED, words)
        })?;
        match self {
            Json::Object(members) => {
                let found = members.iter().position(|(key, _)| **key == *step);
                match found {
                    Some(index) if rest.is_empty() => drop(members.remove(index)),
                    Some(index) => members[index].1.remove(rest, position + 1)?,
                    None => {}
                }
            }
            Json::Array(elements) => {
                let index = path_index(step).ok_or_else(|| {
                    let words = format!(
                        "path element at position {position} is not an integer: \"{step}\""
                    );
                    Error::new(SqlState::INVALID_TEXT_REPRESENTATION, words)
                })?;
                match place(elements.len(), index) {
                    Some(index) if rest.is_empty() => drop(elements.remove(index)),
                    Some(index) => elements[index].remove(rest, position + 1)?,
                    None => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn is_container(&self) -> bool {
        matches!(self, Json::Array(_) | Json::Object(_))
    }
}

/// The index of an element, counted from the end if negative.
fn place(count: usize, index: i64) -> Option<usize> {
    let index = if index < 0 {
        index + count as i64
    } else {
        index
    };
    usize::try_from(index).ok().filter(|index| *index < count)
}

/// What a path leads to.
pub(crate) fn at_path<'a>(json: &'a Json, path: &[&str]) -> Option<&'a Json> {
    path.iter().try_fold(json, |json, step| match json {
        Json::Object(_) => json.member(step),
        _ => json.element(path_index(step)?),
    })
}

/// The number that a step of a path is, as C reads it: blanks and a sign before it.
pub(crate) fn path_index(step: &str) -> Option<i64> {
    let number: i32 = step.trim_start_matches(crate::io::is_space).parse().ok()?;
    Some(i64::from(number))
}

fn refused(words: &str) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, words)
}
