//! The scalar types that have values.

use crate::oid::{BUILT_IN, Oid, TypeRow};

/// A built-in scalar type.
///
/// Types whose values are the same in memory and on disk share a [`crate::Value`] variant: text,
/// varchar, char(n), name and `"char"` are all [`crate::Value::Text`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Base {
    /// `boolean`.
    Bool,
    /// `smallint`.
    Int2,
    /// `integer`.
    Int4,
    /// `bigint`.
    Int8,
    /// `real`.
    Float4,
    /// `double precision`.
    Float8,
    /// `numeric(p, s)`.
    Numeric,
    /// `oid`, and the types that name objects by number (`regclass`, ...).
    Oid,
    /// `text`.
    Text,
    /// `varchar(n)`.
    Varchar,
    /// `char(n)`, padded with blanks that do not count.
    Bpchar,
    /// `name`: at most 63 bytes.
    Name,
    /// `"char"`: one byte.
    Char,
    /// The type of a quoted literal before its context gives it another.
    Unknown,
    /// `bytea`.
    Bytea,
    /// `date`.
    Date,
    /// `time`.
    Time,
    /// `timestamp`.
    Timestamp,
    /// `timestamptz`.
    Timestamptz,
    /// `interval`.
    Interval,
    /// `uuid`.
    Uuid,
    /// `json`: text that is kept as it is.
    Json,
    /// `jsonb`.
    Jsonb,
    /// `vector(n)`: `n` single-precision numbers.
    Vector,
    /// A row.
    Record,
    /// No value, as functions return that have none.
    Void,
}

impl Base {
    /// Every base type.
    pub const ALL: [Base; 26] = [
        Base::Bool,
        Base::Int2,
        Base::Int4,
        Base::Int8,
        Base::Float4,
        Base::Float8,
        Base::Numeric,
        Base::Oid,
        Base::Text,
        Base::Varchar,
        Base::Bpchar,
        Base::Name,
        Base::Char,
        Base::Unknown,
        Base::Bytea,
        Base::Date,
        Base::Time,
        Base::Timestamp,
        Base::Timestamptz,
        Base::Interval,
        Base::Uuid,
        Base::Json,
        Base::Jsonb,
        Base::Vector,
        Base::Record,
        Base::Void,
    ];

    /// The type's number.
    pub const fn oid(self) -> Oid {
        match self {
            Base::Bool => Oid::BOOL,
            Base::Int2 => Oid::INT2,
            Base::Int4 => Oid::INT4,
            Base::Int8 => Oid::INT8,
            Base::Float4 => Oid::FLOAT4,
            Base::Float8 => Oid::FLOAT8,
            Base::Numeric => Oid::NUMERIC,
            Base::Oid => Oid::OID,
            Base::Text => Oid::TEXT,
            Base::Varchar => Oid::VARCHAR,
            Base::Bpchar => Oid::BPCHAR,
            Base::Name => Oid::NAME,
            Base::Char => Oid::CHAR,
            Base::Unknown => Oid::UNKNOWN,
            Base::Bytea => Oid::BYTEA,
            Base::Date => Oid::DATE,
            Base::Time => Oid::TIME,
            Base::Timestamp => Oid::TIMESTAMP,
            Base::Timestamptz => Oid::TIMESTAMPTZ,
            Base::Interval => Oid::INTERVAL,
            Base::Uuid => Oid::UUID,
            Base::Json => Oid::JSON,
            Base::Jsonb => Oid::JSONB,
            Base::Vector => Oid::VECTOR,
            Base::Record => Oid::RECORD,
            Base::Void => Oid::VOID,
        }
    }

    /// The base type with this number.
    pub fn from_oid(oid: Oid) -> Option<Base> {
        Base::ALL.into_iter().find(|base| base.oid() == oid)
    }

    /// The base type of this name: PostgreSQL's own or SQL's, in lower case, as the parser folds
    /// them. `char` is SQL's, padded; the one-byte type is `"char"`, quotes included.
    pub fn from_name(name: &str) -> Option<Base> {
        let alias = match name {
            "int" => Base::Int4,
            "float" => Base::Float8,
            "decimal" | "dec" => Base::Numeric,
            "char" | "nchar" | "national character" | "national char" => Base::Bpchar,
            "char varying" | "national character varying" | "nchar varying" => Base::Varchar,
            "timestamp" => Base::Timestamp,
            "time" => Base::Time,
            _ => {
                let row = BUILT_IN
                    .iter()
                    .find(|row| row.name == name || row.sql_name == name)?;
                return Base::from_oid(row.oid);
            }
        };
        Some(alias)
    }

    /// The type's row in `pg_type`.
    pub fn row(self) -> &'static TypeRow {
        self.oid()
            .built_in()
            .expect("every base type is in the table")
    }

    /// The name that messages and `format_type` use.
    pub fn sql_name(self) -> &'static str {
        self.row().sql_name
    }

    /// Whether values are text in memory: those of [`crate::Value::Text`].
    pub const fn is_text(self) -> bool {
        matches!(
            self,
            Base::Text | Base::Varchar | Base::Bpchar | Base::Name | Base::Char | Base::Unknown
        )
    }

    /// Whether the type has an order, so that it can be sorted, compared and indexed.
    pub const fn is_ordered(self) -> bool {
        !matches!(self, Base::Json | Base::Unknown | Base::Void)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_types() {
        for (name, base) in [
            ("int", Base::Int4),
            ("integer", Base::Int4),
            ("int4", Base::Int4),
            ("double precision", Base::Float8),
            ("character varying", Base::Varchar),
            ("char", Base::Bpchar),
            ("\"char\"", Base::Char),
            ("timestamptz", Base::Timestamptz),
            ("timestamp with time zone", Base::Timestamptz),
            ("vector", Base::Vector),
        ] {
            assert_eq!(Base::from_name(name), Some(base), "{name}");
        }
        assert_eq!(Base::from_name("money"), None);
    }

    #[test]
    fn numbers_lead_back_to_types() {
        for base in Base::ALL {
            assert_eq!(Base::from_oid(base.oid()), Some(base));
            assert!(!base.sql_name().is_empty());
        }
    }
}
