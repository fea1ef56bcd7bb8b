//! Members of documents as values of SQL types: what `json_to_record` and its kin do.
//!
//! `null` and what is missing is NULL, a string is read as a literal of the type, an array becomes
//! an array, and anything else is read from its text.

use std::sync::Arc;

use crate::array::{Array, Dimension};
use crate::base::Base;
use crate::error::{Error, Result, SqlState};
use crate::io;
use crate::json::{Json, Step, elements, part};
use crate::settings::Settings;
use crate::types::Type;
use crate::value::Value;

/// What a document is taken for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Document {
    /// An object with the columns of a row.
    Row,
    /// An array of rows, for this function.
    Rows(&'static str),
    /// An element of such an array.
    RowOf(&'static str),
    /// A member of an object, as a value.
    Member(Box<str>),
}

/// A document, of either type.
#[derive(Clone)]
enum Item<'a> {
    Text(&'a str),
    Tree(&'a Json),
}

impl Document {
    pub(super) fn apply(&self, value: &Value, target: &Type, settings: &Settings) -> Result<Value> {
        let item = match value {
            Value::Json(text) => Item::Text(text.trim_matches([' ', '\t', '\n', '\r'])),
            Value::Jsonb(json) => Item::Tree(json),
            other => return Err(Error::mismatch(other.kind())),
        };
        let refused = |words: String| Error::new(SqlState::INVALID_PARAMETER_VALUE, words);
        match (self, item.kind()) {
            (Document::Row | Document::RowOf(_), Kind::Object)
            | (Document::Rows(_), Kind::Array) => Ok(value.clone()),
            (Document::Row, kind) => Err(refused(format!(
                "cannot call populate_composite on {}",
                kind.words()
            ))),
            (Document::RowOf(function), _) => Err(refused(format!(
                "argument of {function} must be an array of objects"
            ))),
            (Document::Rows(function), kind) => Err(refused(match item {
                Item::Text(_) => format!("cannot call {function} on {}", kind.words()),
                Item::Tree(_) => format!("cannot call {function} on a non-array"),
            })),
            (Document::Member(key), _) => match item.member(key)? {
                Some(member) => member.value(target, key, settings),
                None => Ok(Value::Null),
            },
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    String,
    Scalar,
    Array,
    Object,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Kind::Array => "an array",
            Kind::Object => "an object",
            Kind::Null | Kind::String | Kind::Scalar => "a scalar",
        }
    }
}

impl<'a> Item<'a> {
    fn kind(&self) -> Kind {
        match self {
            Item::Text(text) => match text.as_bytes().first() {
                Some(b'{') => Kind::Object,
                Some(b'[') => Kind::Array,
                Some(b'"') => Kind::String,
                Some(b'n') => Kind::Null,
                _ => Kind::Scalar,
            },
            Item::Tree(json) => match json {
                Json::Object(_) => Kind::Object,
                Json::Array(_) => Kind::Array,
                Json::String(_) => Kind::String,
                Json::Null => Kind::Null,
                Json::Bool(_) | Json::Number(_) => Kind::Scalar,
            },
        }
    }

    fn member(&self, key: &str) -> Result<Option<Item<'a>>> {
        Ok(match self {
            Item::Text(text) => part(text, &[Step::Key(key)])?.map(Item::Text),
            Item::Tree(json) => json.member(key).map(Item::Tree),
        })
    }

    fn elements(&self) -> Result<Vec<Item<'a>>> {
        Ok(match self {
            Item::Text(text) => {
                let parts = elements(text)?.unwrap_or_default();
                parts.into_iter().map(Item::Text).collect()
            }
            Item::Tree(Json::Array(parts)) => parts.iter().map(Item::Tree).collect(),
            Item::Tree(_) => Vec::new(),
        })
    }

    /// The document as text.
    fn text(&self) -> String {
        match self {
            Item::Text(text) => (*text).to_owned(),
            Item::Tree(json) => json.to_string(),
        }
    }

    fn value(&self, of: &Type, key: &str, settings: &Settings) -> Result<Value> {
        let of = of.without_domains();
        match (self.kind(), of.element_type(), of.base()) {
            (Kind::Null, _, _) => Ok(Value::Null),
            (Kind::Array, Some(element), _) => self.array(&element, key, settings),
            (Kind::String, _, base) if !matches!(base, Some(Base::Json | Base::Jsonb)) => {
                let string = match self {
                    Item::Text(text) => Json::parse(text)?.to_text(),
                    Item::Tree(json) => json.to_text(),
                };
                io::parse(&string.unwrap_or_default(), &of, settings)
            }
            (_, Some(_), _) => Err(no_array(format!("See the value of key \"{key}\"."))),
            _ => io::parse(&self.text(), &of, settings),
        }
    }

    /// An array of as many dimensions as its first elements have.
    fn array(&self, of: &Type, key: &str, settings: &Settings) -> Result<Value> {
        let mut lengths = Vec::new();
        let mut first = Some(self.clone());
        while let Some(item) = first.filter(|item| item.kind() == Kind::Array) {
            let elements = item.elements()?;
            lengths.push(elements.len());
            first = elements.into_iter().next();
        }
        let mut values = Vec::new();
        let mut at = Vec::new();
        self.level(&lengths, of, key, &mut at, &mut values, settings)?;
        let dimensions = lengths.iter().map(|length| Dimension {
            lower: 1,
            length: *length as u32,
        });
        let array = Array::new(dimensions.collect(), values)?;
        Ok(Value::Array(Arc::new(array)))
    }

    /// Appends the elements of one level and those below.
    fn level(
        &self,
        lengths: &[usize],
        of: &Type,
        key: &str,
        at: &mut Vec<usize>,
        values: &mut Vec<Value>,
        settings: &Settings,
    ) -> Result<()> {
        let Some((length, below)) = lengths.split_first() else {
            values.push(self.value(of, key, settings)?);
            return Ok(());
        };
        if self.kind() != Kind::Array {
            let indexes: String = at.iter().map(|index| format!("[{index}]")).collect();
            let hint = format!("See the array element {indexes} of key \"{key}\".");
            return Err(no_array(hint));
        }
        let elements = self.elements()?;
        if elements.len() != *length {
            let words = "malformed JSON array";
            let detail = "Multidimensional arrays must have sub-arrays with matching dimensions.";
            return Err(
                Error::new(SqlState::INVALID_TEXT_REPRESENTATION, words).with_detail(detail)
            );
        }
        for (index, element) in elements.iter().enumerate() {
            crate::interrupt::spend(64)?;
            at.push(index);
            element.level(below, of, key, at, values, settings)?;
            at.pop();
        }
        Ok(())
    }
}

fn no_array(hint: String) -> Error {
    Error::new(SqlState::INVALID_TEXT_REPRESENTATION, "expected JSON array").with_hint(hint)
}
