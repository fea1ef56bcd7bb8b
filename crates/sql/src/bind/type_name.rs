//! Names of types as they are written: `int`, `numeric(10,2)`, `timestamp with time zone`.

use rustdb_types::{Base, Modifier, Type};
use sqlparser::ast::{
    ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, IntervalFields, TimezoneInfo,
};

use super::{Binder, name_of};
use crate::error::{Error, Result, SqlState};
use crate::parse::{is_no_type, place_of_name};

impl Binder<'_> {
    /// The type before a constant. `char 'abc'` has all of it; elsewhere `char` means one character.
    pub(super) fn type_of_constant(&self, written: &DataType) -> Result<Type> {
        match written {
            DataType::Char(None) | DataType::Character(None) => Ok(Type::of(Base::Bpchar)),
            _ => self.type_named(written),
        }
    }

    /// The type that is meant.
    pub(crate) fn type_named(&self, written: &DataType) -> Result<Type> {
        let plain = |base: Base| Ok(Type::of(base));
        match written {
            DataType::Boolean | DataType::Bool => plain(Base::Bool),
            DataType::SmallInt(None) | DataType::Int2(None) => plain(Base::Int2),
            DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => {
                plain(Base::Int4)
            }
            DataType::BigInt(None) | DataType::Int8(None) => plain(Base::Int8),
            DataType::Real | DataType::Float4 => plain(Base::Float4),
            DataType::DoublePrecision
            | DataType::Float8
            | DataType::Float(ExactNumberInfo::None) => plain(Base::Float8),
            DataType::Float(ExactNumberInfo::Precision(bits)) => float_of(*bits),
            DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => {
                numeric_of(info)
            }
            DataType::Text => plain(Base::Text),
            DataType::Varchar(length)
            | DataType::CharacterVarying(length)
            | DataType::CharVarying(length) => characters(Base::Varchar, length.as_ref()),
            DataType::Char(None) | DataType::Character(None) => {
                let one = Modifier::characters(Base::Bpchar, 1)?;
                Ok(Type::of(Base::Bpchar).with_modifier(one))
            }
            DataType::Char(length) | DataType::Character(length) => {
                characters(Base::Bpchar, length.as_ref())
            }
            DataType::Bytea => plain(Base::Bytea),
            DataType::Date => plain(Base::Date),
            DataType::Time(digits, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
                with_fraction(Base::Time, *digits)
            }
            DataType::Timestamp(digits, zone) => match zone {
                TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => {
                    with_fraction(Base::Timestamp, *digits)
                }
                TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => {
                    with_fraction(Base::Timestamptz, *digits)
                }
            },
            DataType::Interval { fields, precision } => interval_of(fields.as_ref(), *precision),
            DataType::Uuid => plain(Base::Uuid),
            DataType::JSON => plain(Base::Json),
            DataType::JSONB => plain(Base::Jsonb),
            DataType::Array(
                ArrayElemTypeDef::SquareBracket(element, _)
                | ArrayElemTypeDef::AngleBracket(element)
                | ArrayElemTypeDef::Parenthesis(element),
            ) => Ok(self.type_named(element)?.array_of()),
            DataType::Custom(name, modifiers) => self
                .custom_type(name, modifiers)
                .map_err(|error| error.at(place_of_name(name))),
            other => {
                let name = other.to_string().to_lowercase();
                Err(match is_no_type(&name) {
                    true => no_type(&name),
                    false => missing_type(&name),
                })
            }
        }
    }

    fn custom_type(&self, name: &sqlparser::ast::ObjectName, modifiers: &[String]) -> Result<Type> {
        let parts: Vec<String> = name
            .0
            .iter()
            .filter_map(|part| part.as_ident().map(name_of))
            .collect();
        let quoted = name.0.last().and_then(|part| part.as_ident());
        let quoted = quoted.is_some_and(|part| part.quote_style.is_some());
        let of_system =
            matches!(&parts[..], [_]) || parts.first().is_some_and(|it| it == "pg_catalog");
        if quoted && of_system && parts.last().is_some_and(|last| last == "char") {
            return Ok(Type::of(Base::Char));
        }
        if let Some(object) = self.type_object(&parts) {
            self.note_type(name, object.oid());
            let found = object.as_type();
            return match modifiers.is_empty() {
                true => Ok(found),
                false => {
                    let name = parts.join(".");
                    let message = format!("type modifier is not allowed for type \"{name}\"");
                    Err(Error::new(SqlState::SYNTAX_ERROR, message))
                }
            };
        }
        let short = match &parts[..] {
            [short] => short,
            [schema, short] if schema == "pg_catalog" => short,
            _ => return Err(missing_type(&parts.join("."))),
        };
        let (short, is_array) = match short.strip_prefix('_') {
            Some(element) if Base::from_name(element).is_some() => (element, true),
            _ => (short.as_str(), false),
        };
        let base = Base::from_name(short).ok_or_else(|| match !quoted && parts.len() == 1 {
            true if is_no_type(short) => no_type(short),
            _ => missing_type(&parts.join(".")),
        })?;
        let numbers: Vec<i32> = modifiers
            .iter()
            .map(|text| text.trim().parse::<i32>())
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| {
                let message = "type modifiers must be simple constants or identifiers";
                Error::new(SqlState::SYNTAX_ERROR, message)
            })?;
        let modifier = match (base, &numbers[..]) {
            (_, []) => Modifier::NONE,
            (Base::Vector, [dimensions]) => Modifier::dimensions(*dimensions)?,
            (Base::Varchar | Base::Bpchar, [count]) => Modifier::characters(base, *count)?,
            (Base::Timestamptz | Base::Timestamp | Base::Time, [digits]) => {
                Modifier::fraction(*digits)?
            }
            (Base::Numeric, [precision]) => Modifier::numeric(*precision, 0)?,
            (Base::Numeric, [precision, scale]) => Modifier::numeric(*precision, *scale)?,
            _ => {
                let message = format!("type modifier is not allowed for type \"{short}\"");
                return Err(Error::new(SqlState::SYNTAX_ERROR, message));
            }
        };
        let of = Type::of(base).with_modifier(modifier);
        Ok(if is_array { of.array_of() } else { of })
    }
}

/// PostgreSQL's types that are not here.
const TYPES_NOT_HERE: [&str; 57] = [
    "aclitem",
    "bit",
    "bit varying",
    "box",
    "cid",
    "cidr",
    "circle",
    "datemultirange",
    "daterange",
    "gtsvector",
    "inet",
    "int2vector",
    "int4multirange",
    "int4range",
    "int8multirange",
    "int8range",
    "jsonpath",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "nummultirange",
    "numrange",
    "oidvector",
    "path",
    "pg_lsn",
    "pg_node_tree",
    "pg_snapshot",
    "point",
    "polygon",
    "refcursor",
    "regclass",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
    "tid",
    "time with time zone",
    "timetz",
    "tsmultirange",
    "tsquery",
    "tsrange",
    "tstzmultirange",
    "tstzrange",
    "tsvector",
    "txid_snapshot",
    "varbit",
    "xid",
    "xid8",
    "xml",
];

/// A reserved word in a type's place.
fn no_type(word: &str) -> Error {
    let message = format!("syntax error at or near \"{word}\"");
    Error::new(SqlState::SYNTAX_ERROR, message)
}

fn missing_type(name: &str) -> Error {
    let plain = name.strip_prefix("pg_catalog.").unwrap_or(name);
    let plain = plain.split('(').next().unwrap_or(plain);
    if TYPES_NOT_HERE.contains(&plain) {
        return Error::unsupported(format!("the type {name}"));
    }
    let message = format!("type \"{name}\" does not exist");
    Error::new(SqlState::UNDEFINED_OBJECT, message)
}

/// A number in a modifier; one that no modifier could be becomes one that none accepts.
fn small(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn float_of(bits: u64) -> Result<Type> {
    match bits {
        1..=24 => Ok(Type::FLOAT4),
        25..=53 => Ok(Type::FLOAT8),
        0 => Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            "precision for type float must be at least 1 bit",
        )),
        _ => Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            "precision for type float must be less than 54 bits",
        )),
    }
}

fn numeric_of(info: &ExactNumberInfo) -> Result<Type> {
    let modifier = match info {
        ExactNumberInfo::None => Modifier::NONE,
        ExactNumberInfo::Precision(precision) => Modifier::numeric(small(*precision), 0)?,
        ExactNumberInfo::PrecisionAndScale(precision, scale) => {
            let scale = i32::try_from(*scale).unwrap_or(i32::MAX);
            Modifier::numeric(small(*precision), scale)?
        }
    };
    Ok(Type::NUMERIC.with_modifier(modifier))
}

fn characters(base: Base, length: Option<&CharacterLength>) -> Result<Type> {
    let modifier = match length {
        None => Modifier::NONE,
        Some(CharacterLength::IntegerLength { length, .. }) => {
            Modifier::characters(base, small(*length))?
        }
        Some(CharacterLength::Max) => return Err(missing_type("varchar(max)")),
    };
    Ok(Type::of(base).with_modifier(modifier))
}

fn with_fraction(base: Base, digits: Option<u64>) -> Result<Type> {
    let modifier = match digits {
        None => Modifier::NONE,
        Some(digits) => Modifier::fraction(small(digits))?,
    };
    Ok(Type::of(base).with_modifier(modifier))
}

fn interval_of(fields: Option<&IntervalFields>, precision: Option<u64>) -> Result<Type> {
    let words = fields.map(ToString::to_string).unwrap_or_default();
    Ok(interval_type(&words, precision))
}

/// `interval` with these fields (`DAY TO SECOND`; all if empty) and digits after the second.
pub(super) fn interval_type(words: &str, digits: Option<u64>) -> Type {
    let fields = (!words.is_empty()).then(|| interval_bits(words));
    let modifier = match (fields, digits) {
        (None, None) => Modifier::NONE,
        (fields, digits) => Modifier::interval(fields, digits.map(small)),
    };
    Type::INTERVAL.with_modifier(modifier)
}

/// The bits of `DAY TO SECOND` and the like: all fields from the first to the last.
fn interval_bits(words: &str) -> i32 {
    use rustdb_types::interval_fields::{DAY, HOUR, MINUTE, MONTH, SECOND, YEAR};
    let all = [
        ("YEAR", YEAR),
        ("MONTH", MONTH),
        ("DAY", DAY),
        ("HOUR", HOUR),
        ("MINUTE", MINUTE),
        ("SECOND", SECOND),
    ];
    let place = |word: &str| all.iter().position(|(name, _)| *name == word);
    let mut ends = words.split(" TO ").filter_map(place);
    let Some(first) = ends.next() else {
        return 0;
    };
    let last = ends.next().unwrap_or(first);
    let between = all.get(first..=last).unwrap_or_default();
    between.iter().fold(0, |bits, (_, bit)| bits | bit)
}
