//! Rows under construction: most columns of a catalog have the same value in every row here.

use std::sync::Arc;

use rustdb_types::{Array, Base, Dimension, Type, Value};

use super::Relation;

/// The rows of a relation.
pub(super) struct Sheet {
    columns: &'static [(&'static str, Type)],
    /// What columns have that nothing is said about.
    usual: Vec<Value>,
    /// The places of the columns that rows are given for.
    places: Vec<usize>,
    rows: Vec<Vec<Value>>,
}

impl Sheet {
    /// No rows yet. What PostgreSQL has NOT NULL is zero or false unless it is said.
    pub(super) fn new(relation: &'static Relation) -> Sheet {
        let usual = relation.columns.iter().map(|(_, of)| match of.base() {
            _ if of.array => Value::Null,
            Some(Base::Bool) => Value::Bool(false),
            Some(Base::Int2) => Value::Int2(0),
            Some(Base::Int4) => Value::Int4(0),
            Some(Base::Oid) => Value::Oid(0),
            Some(Base::Float4) => Value::Float4(0.0),
            Some(Base::Char) => Value::text(""),
            _ => Value::Null,
        });
        Sheet {
            usual: match relation.is_view {
                true => vec![Value::Null; relation.columns.len()],
                false => usual.collect(),
            },
            columns: &relation.columns,
            places: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Says what a column has in all rows.
    pub(super) fn always(&mut self, name: &str, value: impl Into<Cell>) -> &mut Sheet {
        let place = self.place(name);
        self.usual[place] = value.into().0;
        self
    }

    /// Says which columns the next rows are given for.
    pub(super) fn names(&mut self, names: &str) {
        self.places = names
            .split_whitespace()
            .map(|name| self.place(name))
            .collect();
    }

    /// A row.
    pub(super) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        assert_eq!(N, self.places.len(), "a row has a cell for each name");
        let mut row = self.usual.clone();
        for (place, cell) in self.places.iter().zip(cells) {
            row[*place] = cell.0;
        }
        self.rows.push(row);
    }

    pub(super) fn rows(self) -> Vec<Vec<Value>> {
        self.rows
    }

    fn place(&self, name: &str) -> usize {
        let mut columns = self.columns.iter();
        columns
            .position(|(own, _)| *own == name)
            .expect("the names that are filled are columns, as the tests see")
    }
}

/// A value of a row.
pub(super) struct Cell(pub(super) Value);

macro_rules! cells {
    ($($of:ty => $make:expr;)*) => {
        $(impl From<$of> for Cell {
            fn from(value: $of) -> Cell {
                let make: fn($of) -> Value = $make;
                Cell(make(value))
            }
        })*
    };
}

cells! {
    bool => Value::Bool;
    i16 => Value::Int2;
    i32 => Value::Int4;
    i64 => Value::Int8;
    f32 => Value::Float4;
    rustdb_types::Oid => |oid| Value::Oid(oid.0);
    &str => Value::text;
    &String => |text| Value::text(text);
    String => |text| Value::text(&text);
    Value => |value| value;
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Cell {
        value.map_or(Cell(Value::Null), Into::into)
    }
}

/// `YES` or `NO`, as the standard has it.
pub(super) fn yes_no(is: bool) -> Cell {
    Cell::from(if is { "YES" } else { "NO" })
}

/// An array.
pub(super) fn array(values: impl IntoIterator<Item = Value>) -> Value {
    Value::Array(Arc::new(Array::from_values(values.into_iter().collect())))
}

/// `int2vector` and `oidvector`: an array whose first element is number 0.
pub(super) fn vector(values: impl IntoIterator<Item = Value>) -> Value {
    let values: Vec<Value> = values.into_iter().collect();
    let dimension = Dimension {
        length: values.len() as u32,
        lower: 0,
    };
    let array = match values.is_empty() {
        true => Ok(Array::from_values(values)),
        false => Array::new(vec![dimension], values),
    };
    array.map_or(Value::Null, |array| Value::Array(Arc::new(array)))
}
