//! `string_agg`, `array_agg`, `json_agg` and their like: what grows with every row.

use std::sync::Arc;

use super::{Accumulate, Row, State, first, row};
use crate::array::{Array, Dimension};
use crate::error::{Error, Result, SqlState};
use crate::function::{FunctionContext, VALUE_BYTES_MAX, json};
use crate::interrupt;
use crate::json::Json;
use crate::settings::Settings;
use crate::value::Value;

pub(super) static ROWS: &[Row] = &[
    row("string_agg(text, text) text", |_| Joined::state(false)),
    row("string_agg(bytea, bytea) bytea", |_| Joined::state(true)),
    row("array_agg(anynonarray) anyarray", |_| Listed::state(false)),
    row("array_agg(anyarray) anyarray", |_| Listed::state(true)),
    row("json_agg(anyelement) json stable", |_| {
        JsonText::state(Shape::Array)
    }),
    row("jsonb_agg(anyelement) jsonb stable", |_| {
        JsonTree::state(Shape::Array)
    }),
    row("json_object_agg(any, any) json stable", |_| {
        JsonText::state(Shape::Object)
    }),
    row("jsonb_object_agg(any, any) jsonb stable", |_| {
        JsonTree::state(Shape::Object)
    }),
];

/// What copying a JSON value counts.
const COPY_UNITS: usize = 64;

fn too_large() -> Error {
    Error::new(
        SqlState::PROGRAM_LIMIT_EXCEEDED,
        "result of aggregate exceeds the maximum size of a value",
    )
}

/// Text or bytes with delimiters between them.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    bytes: Vec<u8>,
    any: bool,
    binary: bool,
    /// The delimiter before the first value: shown only where this part is merged to another.
    first_delimiter: Vec<u8>,
}

impl Joined {
    fn state(binary: bool) -> State {
        State::from(Box::new(Joined {
            bytes: Vec::new(),
            any: false,
            binary,
            first_delimiter: Vec::new(),
        }))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if self.bytes.len() + bytes.len() > VALUE_BYTES_MAX {
            return Err(too_large());
        }
        self.bytes.extend_from_slice(bytes);
        interrupt::spend(bytes.len())
    }
}

fn bytes_of(value: &Value) -> Result<&[u8]> {
    match value {
        Value::Null => Ok(&[]),
        Value::Text(text) => Ok(text.as_bytes()),
        Value::Bytea(bytes) => Ok(bytes),
        other => Err(Error::mismatch(other.kind())),
    }
}

impl Accumulate for Joined {
    fn update(&mut self, arguments: &[Value], _: &FunctionContext<'_>) -> Result<()> {
        let [value, delimiter] = arguments else {
            return Err(Error::mismatch("number of arguments"));
        };
        if value.is_null() {
            return Ok(());
        }
        let delimiter = bytes_of(delimiter)?;
        if self.any {
            self.append(delimiter)?;
        } else {
            self.first_delimiter = delimiter.to_vec();
        }
        self.any = true;
        self.append(bytes_of(value)?)
    }

    fn merge(&mut self, other: Joined) -> Result<()> {
        if !other.any {
            return Ok(());
        }
        if !self.any {
            *self = other;
            return Ok(());
        }
        self.append(&other.first_delimiter)?;
        self.append(&other.bytes)
    }

    fn finish(&self) -> Result<Value> {
        if !self.any {
            return Ok(Value::Null);
        }
        if self.binary {
            return Ok(Value::from(self.bytes.as_slice()));
        }
        let text = std::str::from_utf8(&self.bytes).map_err(|_| Error::mismatch("text"))?;
        Ok(Value::text(text))
    }

    fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

/// Values, or arrays of one shape.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    values: Vec<Value>,
    heap: usize,
    /// How many arrays, and their shape.
    arrays: Option<(u32, Vec<Dimension>)>,
    of_arrays: bool,
}

impl Listed {
    fn state(of_arrays: bool) -> State {
        State::from(Box::new(Listed {
            values: Vec::new(),
            heap: 0,
            arrays: None,
            of_arrays,
        }))
    }

    fn push_array(&mut self, value: &Value) -> Result<()> {
        let Value::Array(array) = value else {
            let words = "cannot accumulate null arrays";
            return Err(Error::new(SqlState::NULL_VALUE_NOT_ALLOWED, words));
        };
        let shape = array.dimensions();
        let refused = |words: &str| Err(Error::new(SqlState::ARRAY_SUBSCRIPT_ERROR, words));
        if shape.is_empty() && self.arrays.is_none() {
            return refused("cannot accumulate empty arrays");
        }
        match &mut self.arrays {
            None => self.arrays = Some((1, shape.to_vec())),
            Some((count, first)) => {
                let lengths = |shape: &[Dimension]| -> Vec<u32> {
                    shape.iter().map(|dimension| dimension.length).collect()
                };
                if lengths(first) != lengths(shape) {
                    let words = "cannot accumulate arrays of different dimensionality";
                    return refused(words);
                }
                *count += 1;
            }
        }
        for value in array.values() {
            self.push(value);
        }
        Ok(())
    }

    fn push(&mut self, value: &Value) {
        self.heap += value.heap_bytes();
        self.values.push(value.clone());
    }
}

impl Accumulate for Listed {
    fn update(&mut self, arguments: &[Value], _: &FunctionContext<'_>) -> Result<()> {
        let value = first(arguments)?;
        if self.of_arrays {
            return self.push_array(value);
        }
        self.push(value);
        Ok(())
    }

    fn merge(&mut self, other: Listed) -> Result<()> {
        self.heap += other.heap;
        match (&mut self.arrays, other.arrays) {
            (Some((count, mine)), Some((more, theirs))) => {
                if *mine != theirs {
                    let words = "cannot accumulate arrays of different dimensionality";
                    return Err(Error::new(SqlState::ARRAY_SUBSCRIPT_ERROR, words));
                }
                *count += more;
            }
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
        self.values.extend(other.values);
        Ok(())
    }

    fn finish(&self) -> Result<Value> {
        if self.values.is_empty() {
            return Ok(Value::Null);
        }
        let array = match &self.arrays {
            None => {
                let length = self.values.len() as u32;
                Array::new(vec![Dimension { lower: 1, length }], self.values.clone())?
            }
            Some((length, shape)) => {
                let outer = Dimension {
                    lower: 1,
                    length: *length,
                };
                let dimensions = std::iter::once(outer).chain(shape.iter().copied());
                Array::new(dimensions.collect(), self.values.clone())?
            }
        };
        Ok(Value::Array(Arc::new(array)))
    }

    fn heap_bytes(&self) -> usize {
        self.values.capacity() * size_of::<Value>() + self.heap
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    Array,
    Object,
}

fn no_key() -> Error {
    Error::new(
        SqlState::INVALID_PARAMETER_VALUE,
        "field name must not be null",
    )
}

/// `json` as text, with the blanks that PostgreSQL puts between its parts.
#[derive(Clone, Debug)]
pub(super) struct JsonText {
    text: String,
    shape: Shape,
}

impl JsonText {
    fn state(shape: Shape) -> State {
        let text = String::new();
        State::from(Box::new(JsonText { text, shape }))
    }

    fn element(&mut self, value: &Value, settings: &Settings) -> Result<()> {
        if !self.text.is_empty() {
            self.text.push_str(", ");
            if matches!(value, Value::Array(_) | Value::Record(_)) {
                self.text.push_str("\n ");
            }
        }
        json::append(value, settings, &mut self.text)
    }

    fn member(&mut self, key: &Value, value: &Value, settings: &Settings) -> Result<()> {
        if !self.text.is_empty() {
            self.text.push_str(", ");
        }
        json::append_key(key, settings, &mut self.text)?;
        self.text.push_str(" : ");
        json::append(value, settings, &mut self.text)
    }
}

impl Accumulate for JsonText {
    fn update(&mut self, arguments: &[Value], context: &FunctionContext<'_>) -> Result<()> {
        match (self.shape, arguments) {
            (Shape::Array, [value]) => self.element(value, context.settings)?,
            (Shape::Object, [Value::Null, _]) => return Err(no_key()),
            (Shape::Object, [key, value]) => self.member(key, value, context.settings)?,
            _ => return Err(Error::mismatch("number of arguments")),
        }
        if self.text.len() > VALUE_BYTES_MAX {
            return Err(too_large());
        }
        Ok(())
    }

    fn merge(&mut self, other: JsonText) -> Result<()> {
        if !self.text.is_empty() && !other.text.is_empty() {
            self.text.push_str(", ");
        }
        self.text.push_str(&other.text);
        Ok(())
    }

    fn finish(&self) -> Result<Value> {
        if self.text.is_empty() {
            return Ok(Value::Null);
        }
        let text = &self.text;
        Ok(Value::Json(Arc::from(match self.shape {
            Shape::Array => format!("[{text}]"),
            Shape::Object => format!("{{ {text} }}"),
        })))
    }

    fn heap_bytes(&self) -> usize {
        self.text.capacity()
    }
}

/// `jsonb` as a tree.
#[derive(Clone, Debug)]
pub(super) struct JsonTree {
    keys: Vec<Box<str>>,
    values: Vec<Json>,
    heap: usize,
    shape: Shape,
}

impl JsonTree {
    fn state(shape: Shape) -> State {
        State::from(Box::new(JsonTree {
            keys: Vec::new(),
            values: Vec::new(),
            heap: 0,
            shape,
        }))
    }
}

impl Accumulate for JsonTree {
    fn update(&mut self, arguments: &[Value], context: &FunctionContext<'_>) -> Result<()> {
        let value = match (self.shape, arguments) {
            (Shape::Array, [value]) => value,
            (Shape::Object, [Value::Null, _]) => return Err(no_key()),
            (Shape::Object, [key, value]) => {
                let key: Box<str> = json::key(key, context.settings)?.into();
                self.heap += size_of::<Box<str>>() + key.len();
                self.keys.push(key);
                value
            }
            _ => return Err(Error::mismatch("number of arguments")),
        };
        let value = json::tree(value, context.settings)?;
        self.heap += crate::packed::json_bytes(&value);
        self.values.push(value);
        Ok(())
    }

    fn merge(&mut self, other: JsonTree) -> Result<()> {
        self.keys.extend(other.keys);
        self.values.extend(other.values);
        self.heap += other.heap;
        Ok(())
    }

    fn finish(&self) -> Result<Value> {
        if self.values.is_empty() {
            return Ok(Value::Null);
        }
        // Millions of them take a while; work that shall stop leaves off.
        let goes_on = || !interrupt::is_stopped(COPY_UNITS);
        let values = self.values.iter().take_while(|_| goes_on()).cloned();
        let json = match self.shape {
            Shape::Array => Json::Array(values.collect()),
            Shape::Object => Json::object(self.keys.iter().cloned().zip(values).collect()),
        };
        if !goes_on() {
            interrupt::leave(json);
            return Ok(Value::Null);
        }
        Ok(Value::Jsonb(Arc::new(json)))
    }

    fn heap_bytes(&self) -> usize {
        self.heap
    }
}
