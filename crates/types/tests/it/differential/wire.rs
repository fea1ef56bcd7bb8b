//! The binary form: what is sent, and what is made of it, whole or damaged.

use std::fmt::Write;

use proptest::test_runner::TestRunner;
use rustdb_types::{Base, Modifier, Settings, Type, format, receive, send};

use super::values::{types, values};
use super::{Case, described, quoted};
use crate::server::Server;

pub(super) fn cases(server: &Server, settings: &Settings) -> Vec<Case> {
    let mut runner = TestRunner::deterministic();
    let mut of = types();
    of.extend([Type::INT4, Type::TEXT, Type::NUMERIC].map(|of| of.array_of()));
    of.extend([
        Type::VARCHAR.with_modifier(Modifier::characters(Base::Varchar, 2).unwrap()),
        Type::BPCHAR.with_modifier(Modifier::characters(Base::Bpchar, 2).unwrap()),
        Type::NUMERIC.with_modifier(Modifier::numeric(5, 1).unwrap()),
        Type::TIMESTAMPTZ.with_modifier(Modifier::fraction(1).unwrap()),
    ]);
    let create = |(index, of): (usize, &Type)| {
        format!("create table received_{index} (c {})", of.full_name())
    };
    let tables: Vec<String> = of.iter().enumerate().map(create).collect();
    let made = server.execute("set client_min_messages = error", &tables);
    assert!(made.iter().all(|answer| answer == "ok"), "{made:?}");
    let mut cases = Vec::new();
    for (index, of) in of.iter().enumerate() {
        for sample in values(of, 12, &mut runner, settings) {
            let mut bytes = Vec::new();
            send(&sample.value, of, &mut bytes);
            if of.modifier == Modifier::NONE {
                let sql = format!(
                    "encode({}({}::{}), 'hex')",
                    function(of),
                    quoted(&sample.text),
                    of.full_name()
                );
                cases.push(Case {
                    sql,
                    ours: hex(&bytes),
                });
            }
            for bytes in variants(bytes) {
                let ours = match receive(&bytes, of, settings) {
                    Ok(value) => format(&value, of, settings),
                    Err(error) => described(&error),
                };
                let sql = format!("try_receive('received_{index}', '\\x{}')", hex(&bytes));
                cases.push(Case { sql, ours });
            }
        }
    }
    cases
}

/// The bytes, and the bytes with something wrong.
fn variants(bytes: Vec<u8>) -> Vec<Vec<u8>> {
    let mut variants = vec![
        [bytes.as_slice(), &[0]].concat(),
        [bytes.as_slice(), &[0xe9]].concat(),
    ];
    if let Some((_, shorter)) = bytes.split_last() {
        variants.push(shorter.to_vec());
    }
    let seed = bytes.iter().fold(bytes.len(), |sum, byte| {
        (sum * 31 + usize::from(*byte)) % 1_000_003
    });
    for (at, flip) in [
        (seed, 0x80),
        (seed / 7, 0x01),
        (seed / 13, 0x40),
        (0, 0xff),
        (3, 2),
    ] {
        let mut damaged = bytes.clone();
        if let Some(byte) = at
            .checked_rem(damaged.len())
            .and_then(|at| damaged.get_mut(at))
        {
            *byte ^= flip;
            variants.push(damaged);
        }
    }
    variants.push(bytes);
    variants
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    bytes
        .iter()
        .for_each(|byte| write!(out, "{byte:02x}").unwrap());
    out
}

/// The name of PostgreSQL's function.
fn function(of: &Type) -> &'static str {
    let Some(base) = of.base() else {
        return "array_send";
    };
    match base {
        Base::Bool => "boolsend",
        Base::Int2 => "int2send",
        Base::Int4 => "int4send",
        Base::Int8 => "int8send",
        Base::Float4 => "float4send",
        Base::Float8 => "float8send",
        Base::Numeric => "numeric_send",
        Base::Oid => "oidsend",
        Base::Varchar => "varcharsend",
        Base::Bpchar => "bpcharsend",
        Base::Name => "namesend",
        Base::Char => "charsend",
        Base::Bytea => "byteasend",
        Base::Date => "date_send",
        Base::Time => "time_send",
        Base::Timestamp => "timestamp_send",
        Base::Timestamptz => "timestamptz_send",
        Base::Interval => "interval_send",
        Base::Uuid => "uuid_send",
        Base::Json => "json_send",
        Base::Jsonb => "jsonb_send",
        Base::Record => "record_send",
        Base::Text | Base::Unknown | Base::Vector | Base::Void => "textsend",
    }
}
