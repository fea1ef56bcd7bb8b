//! Functions: the table against `pg_proc`, and what each gives.

use std::sync::Arc;

use proptest::test_runner::TestRunner;
use rustdb_types::function::{
    Call, Function, FunctionContext, Host, Random, Volatility, functions, functions_named,
};
use rustdb_types::{Array, Oid, Parameter, Settings, Type, Value, format, parse, resolve_function};

use super::values::{Sample, types, values};
use super::{Case, described, quoted};
use crate::server::Server;

/// Calls of each function, for each choice of types.
const CALLS: usize = 90;
/// The most rows of a set that are compared.
const ROWS_MAX: usize = 40;

/// A session whose clock stands still.
pub(super) struct Still;

impl Host for Still {
    fn clock(&self) -> i64 {
        0
    }

    fn random_bytes(&self, _: &mut [u8]) {}

    fn random(&self) -> f64 {
        0.0
    }

    fn set_seed(&self, _: Random) {}
}

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let mut runner = TestRunner::deterministic();
    let mut cases = Vec::new();
    for function in functions().filter(|function| is_compared(function)) {
        for types in instances(function) {
            let lists: Vec<Vec<Option<Sample>>> = types
                .iter()
                .enumerate()
                .map(|(place, of)| arguments(function, place, of, &mut runner, settings))
                .collect();
            cases.extend(
                choices(&lists)
                    .iter()
                    .map(|chosen| case(function, &types, chosen, settings)),
            );
        }
    }
    cases
}

fn is_compared(function: &Function) -> bool {
    let vector = |parameter: &Parameter| parameter.oid() == Oid::VECTOR;
    let of_session = matches!(
        function.name,
        "now" | "transaction_timestamp" | "statement_timestamp"
    );
    let today = function.name == "age" && function.parameters.len() == 1;
    function.volatility != Volatility::Volatile
        && !of_session
        && !today
        && !takes_path(function)
        && !function.parameters.iter().any(vector)
}

/// Paths are texts here, and a type there.
fn takes_path(function: &Function) -> bool {
    function.name.starts_with("jsonb_path_") || function.name == "jsonpath_in"
}

/// The types a function is tried with.
fn instances(function: &Function) -> Vec<Vec<Type>> {
    let pseudo =
        |parameter: &Parameter| parameter.oid() == Oid::RECORD || *parameter == Parameter::AnyEnum;
    if function.parameters.iter().any(pseudo) {
        return Vec::new();
    }
    let generic = |parameter: &Parameter| parameter.concrete().is_none();
    let scalars = if function.parameters.iter().any(generic) {
        vec![
            Type::INT4,
            Type::TEXT,
            Type::BOOL,
            Type::FLOAT8,
            Type::DATE,
            Type::TIMESTAMPTZ,
            Type::BYTEA,
            Type::JSON,
            Type::JSONB,
            Type::NUMERIC,
            Type::INT4.array_of(),
        ]
    } else {
        vec![Type::INT4]
    };
    let instance = |scalar: &Type| {
        let of = |parameter: &Parameter| match parameter {
            Parameter::Of(of) => of.clone(),
            Parameter::AnyArray | Parameter::AnyCompatibleArray => scalar.array_of(),
            _ => scalar.clone(),
        };
        let mut types: Vec<Type> = function.parameters.iter().map(of).collect();
        if function.variadic {
            let element = types.pop().map(|last| last.element_type().unwrap_or(last));
            types.extend(vec![element.unwrap(); 2]);
        }
        types
    };
    let fits = |scalar: &&Type| {
        let nonarray = |parameter: &Parameter| *parameter == Parameter::AnyNonArray;
        !scalar.array || !function.parameters.iter().any(nonarray)
    };
    let equality = matches!(
        function.name,
        "array_position" | "array_positions" | "array_remove" | "array_replace" | "width_bucket"
    );
    let element = |parameter: &Parameter| *parameter == Parameter::AnyCompatible;
    let of_array = function.parameters.iter().any(element);
    // An array is no element of an array.
    let comparable =
        |scalar: &&Type| (!equality || scalar.is_ordered()) && !(scalar.array && of_array);
    scalars
        .iter()
        .filter(fits)
        .filter(comparable)
        .map(instance)
        .collect()
}

/// Arguments for a parameter; `None` is NULL.
fn arguments(
    function: &Function,
    place: usize,
    of: &Type,
    runner: &mut TestRunner,
    settings: &Settings,
) -> Vec<Option<Sample>> {
    let special = special(function.name, place, of);
    let mut samples: Vec<Option<Sample>> = Vec::new();
    for text in &special {
        let value = parse(text, of, settings).unwrap();
        let text = (*text).to_owned();
        samples.push(Some(Sample { text, value }));
    }
    if special.is_empty() || !only_special(function.name, place) {
        let small = is_size(function.name, place);
        let fits = |sample: &Sample| {
            !small
                || sample
                    .value
                    .as_integer()
                    .is_none_or(|size| (-200..200).contains(&size))
        };
        let drawn = values(of, 40, runner, settings);
        samples.extend(drawn.into_iter().filter(fits).map(Some));
        if samples.is_empty() || small {
            samples.extend(["0", "1", "2", "3", "-1", "-3", "7"].map(|text| {
                let value = parse(text, of, settings).unwrap();
                let text = text.to_owned();
                Some(Sample { text, value })
            }));
        }
    }
    if !function.strict {
        samples.insert(1.min(samples.len()), None);
    }
    samples
}

/// Whether an argument says how large the result is, so that it must not be too large to compare.
fn is_size(name: &str, place: usize) -> bool {
    matches!(
        (name, place),
        ("lpad" | "rpad" | "repeat", 1) | ("factorial", 0)
    )
}

/// Whether a parameter takes nothing but its special words.
fn only_special(name: &str, place: usize) -> bool {
    matches!(name, "generate_series" | "array_fill") || (name == "encode" && place == 1)
}

/// Words that matter to a function only.
fn special(name: &str, place: usize, of: &Type) -> Vec<&'static str> {
    let rows = include_str!("function_words.txt").lines();
    let fits = |row: &&str| {
        let mut columns = row.split('\t');
        let mut column = || columns.next().unwrap_or_default();
        let (names, places, types) = (column(), column(), column());
        let named = names.split(' ').any(|each| match each.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == each,
        });
        let placed = match places.split_once("..") {
            None => places == place.to_string(),
            Some((from, to)) => {
                place >= from.parse().unwrap() && (to.is_empty() || place < to.parse().unwrap())
            }
        };
        let element = of.element_type().unwrap_or(of.clone());
        let brackets = if of.array { "[]" } else { "" };
        let typed = types.split(' ').any(|each| {
            each == "*" || each == format!("{}{brackets}", element.base().unwrap().row().name)
        });
        named && placed && typed
    };
    let row = rows.filter(|row| !row.starts_with('#')).find(fits);
    row.map_or(Vec::new(), |row| row.split('\t').skip(3).collect())
}

/// Lists of arguments: each argument is seen, and pairs of the first.
fn choices(lists: &[Vec<Option<Sample>>]) -> Vec<Vec<Option<Sample>>> {
    let Some(longest) = lists.iter().map(Vec::len).max() else {
        return vec![Vec::new()];
    };
    if lists.iter().any(Vec::is_empty) {
        return Vec::new();
    }
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let count = if lists.len() == 1 {
        longest
    } else {
        CALLS.max(longest)
    };
    (0..count)
        .map(|round| {
            let choose = |(place, list): (usize, &Vec<Option<Sample>>)| {
                let index = match place {
                    0 => round % list.len(),
                    _ => random(list.len()),
                };
                list[index].clone()
            };
            lists.iter().enumerate().map(choose).collect()
        })
        .collect()
}

fn case(
    function: &Function,
    types: &[Type],
    arguments: &[Option<Sample>],
    settings: &Settings,
) -> Case {
    let literal = |(of, sample): (&Type, &Option<Sample>)| match sample {
        Some(sample) => format!("{}::{}", quoted(&sample.text), of.full_name()),
        None => format!("null::{}", of.full_name()),
    };
    let list: Vec<String> = types.iter().zip(arguments).map(literal).collect();
    let call = format!("pg_catalog.\"{}\"({})", function.name, list.join(", "));
    let values: Vec<Value> = arguments
        .iter()
        .map(|sample| {
            sample
                .as_ref()
                .map_or(Value::Null, |sample| sample.value.clone())
        })
        .collect();
    let sql = if function.set {
        format!("select array_agg(t::text) from (select {call} t limit {ROWS_MAX}) y")
    } else {
        call
    };
    Case {
        sql,
        ours: outcome(function, types, &values, settings),
    }
}

fn outcome(function: &Function, types: &[Type], values: &[Value], settings: &Settings) -> String {
    let rows = functions_named(function.name);
    let candidates: Vec<_> = rows.iter().map(Function::candidate).collect();
    let resolved = match resolve_function(function.name, types, false, &candidates) {
        Ok(resolved) => resolved,
        Err(error) => return described(&error),
    };
    let context = FunctionContext {
        settings,
        statement_time: settings.now.get(),
        host: &Still,
    };
    let call = Call::new(&rows[resolved.index], resolved, false);
    if function.set {
        return set(&call, values, &context).unwrap_or_else(|error| described(&error));
    }
    match call.evaluate(values, &context) {
        Ok(value) => {
            assert!(
                call.result().holds(&value),
                "{} gives {value:?}",
                function.name
            );
            format(&value, call.result(), settings)
        }
        Err(error) => described(&error),
    }
}

fn set(
    call: &Call,
    values: &[Value],
    context: &FunctionContext<'_>,
) -> rustdb_types::Result<String> {
    let mut texts = Vec::new();
    for row in call.rows(values, context)?.take(ROWS_MAX) {
        let row = row?;
        texts.push(match &row {
            Value::Null => Value::Null,
            Value::Bool(truth) => Value::from(truth.to_string()),
            row => Value::from(format(row, call.result(), context.settings)),
        });
    }
    if texts.is_empty() {
        return Ok(String::new());
    }
    let array = Value::Array(Arc::new(Array::from_values(texts)));
    Ok(format(&array, &Type::TEXT.array_of(), context.settings))
}

/// Functions of `pg_proc` that are not here, or not yet: of the catalog and the session, of types
/// that are not here, and what no application calls.
const MISSING: &[&str] = &[
    // The catalog's and the session's.
    "pg_*",
    "has_*",
    "current_*",
    "session_user",
    "getpgusername",
    "getdatabaseencoding",
    "version",
    "format_type",
    "col_description",
    "obj_description",
    "shobj_description",
    "row_security_active",
    "nextval",
    "currval",
    "setval",
    "lastval",
    "set_config",
    "inet_*",
    "txid_*",
    "to_reg*",
    "lo_*",
    "loread",
    "lowrite",
    "satisfies_hash_partition",
    "ts_*",
    "get_current_ts_config",
    // Of other encodings, and rows with named columns.
    "length",
    "to_ascii",
    "json*_populate_record*",
    "json*_to_record*",
    // Text of patterns, and transcendental functions of `numeric`.
    "similar_escape",
    "to_char",
    "to_number",
    "to_timestamp",
    "to_date",
    "exp",
    "ln",
    "log",
    "log10",
    "pow",
    "power",
    // What a type or an operator is made of, under a name of its own.
    "like*",
    "notlike",
    "textlen",
    "dround",
    "dtrunc",
    "dexp",
    "dlog1*",
    "nameconcatoid",
    "int4inc",
    "numeric_*",
    "int8_sum",
    "enum_send",
    "timestamp",
    "timestamptz",
    "*range_subdiff",
    "xml_*",
    // Of internal use there.
    "fmgr_*",
    "plpgsql_validator",
    "postgresql_fdw_validator",
    "amvalidate",
    "brin_*",
    "gin_*",
    "binary_upgrade_*",
    "hashtext*",
];

/// Every function of ours is theirs, and of theirs on the same types only the listed ones miss.
pub(super) fn table(server: &Server) -> (usize, Vec<String>) {
    let mut oids: Vec<String> = types()
        .iter()
        .flat_map(|of| [of.oid().to_string(), of.array_of().oid().to_string()])
        .collect();
    let pseudo = [
        Oid::ANY,
        Oid::ANYARRAY,
        Oid::ANYELEMENT,
        Oid::ANYNONARRAY,
        Oid::ANYENUM,
        Oid::RECORD,
        Oid::VOID,
        Oid::ANYCOMPATIBLE,
        Oid::ANYCOMPATIBLEARRAY,
    ];
    oids.extend(pseudo.iter().map(Oid::to_string));
    let oids = oids.join(",");
    // What only implements something else is not a function that is called.
    let query = format!(
        "select concat_ws(' ', proname, '(' || array_to_string(proargtypes::oid[], ',') || ')', prorettype, \
         case when proretset then 'set' end, case when proisstrict then 'strict' end, provolatile::text, \
         case when provariadic <> 0 then 'variadic' end) from pg_proc p where prokind = 'f' \
         and pronamespace = 'pg_catalog'::regnamespace \
         and prorettype in ({oids}) and proargtypes::oid[] <@ array[{oids}]::oid[] \
         and not exists (select from pg_operator where oprcode = p.oid and not (proname = any(array['array_append', 'array_prepend', 'array_cat', 'mod', 'power', 'abs', 'starts_with', 'json_extract_path', 'json_extract_path_text', 'jsonb_extract_path', 'jsonb_extract_path_text', 'json_object_field', 'json_object_field_text', 'json_array_element', 'json_array_element_text', 'jsonb_object_field', 'jsonb_object_field_text', 'jsonb_array_element', 'jsonb_array_element_text', 'jsonb_delete_path', 'timezone', 'position']))) \
         and not exists (select from pg_cast where castfunc = p.oid) \
         and not exists (select from pg_type where p.oid in (typinput, typoutput, typreceive, typsend, typmodin, typmodout)) \
         and not exists (select from pg_aggregate where p.oid in (aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn, aggmtransfn, aggminvtransfn, aggmfinalfn)) \
         and not exists (select from pg_amproc where amproc = p.oid)"
    );
    let theirs = server.psql(&query).unwrap();
    let theirs: Vec<&str> = theirs.lines().collect();
    let ours: Vec<String> = functions()
        .filter(|function| !function.parameters.iter().any(|of| of.oid() == Oid::VECTOR))
        .filter(|function| !takes_path(function))
        .map(described_row)
        .collect();
    let mut differences = Vec::new();
    for row in ours.iter().filter(|row| !theirs.contains(&row.as_str())) {
        differences.push(format!("pg_proc has not {row}"));
    }
    let missing = |row: &str| {
        let name = row.split(' ').next().unwrap_or(row);
        let listed = |word: &&str| {
            let parts: Vec<&str> = word.split('*').collect();
            let (start, end) = (parts[0], parts[parts.len() - 1]);
            match parts.len() {
                1 => name == *word,
                _ => {
                    name.starts_with(start)
                        && name.ends_with(end)
                        && parts.iter().all(|part| name.contains(part))
                }
            }
        };
        MISSING.iter().any(listed)
    };
    for row in &theirs {
        if !ours.iter().any(|ours| ours == row) && !missing(row) {
            differences.push(format!("pg_proc has, and we lack, {row}"));
        }
    }
    (theirs.len(), differences)
}

fn described_row(function: &Function) -> String {
    let parameters: Vec<String> = function
        .parameters
        .iter()
        .map(|of| of.oid().to_string())
        .collect();
    let mut words = vec![
        function.name.to_owned(),
        format!("({})", parameters.join(",")),
        function.result.oid().to_string(),
    ];
    let flags = [(function.set, "set"), (function.strict, "strict")];
    words.extend(
        flags
            .iter()
            .filter(|flag| flag.0)
            .map(|flag| flag.1.to_owned()),
    );
    words.push(
        match function.volatility {
            Volatility::Immutable => "i",
            Volatility::Stable => "s",
            Volatility::Volatile => "v",
        }
        .to_owned(),
    );
    if function.variadic {
        words.push("variadic".to_owned());
    }
    words.join(" ")
}
