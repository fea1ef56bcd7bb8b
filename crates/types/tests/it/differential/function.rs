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
        && !function.parameters.iter().any(vector)
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
    for text in special {
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
fn special(name: &str, place: usize, of: &Type) -> &'static [&'static str] {
    match (name, place) {
        ("extract" | "date_part" | "date_trunc", 0) => UNITS,
        ("date_trunc", 2) => &[
            "UTC",
            "Asia/Kolkata",
            "america/new_york",
            "Nowhere",
            "EST",
            "+3",
        ],
        ("timezone", 0) if of.base() == Some(rustdb_types::Base::Text) => &[
            "UTC",
            "Europe/Berlin",
            "Asia/Kolkata",
            "EST5EDT",
            "PST",
            "Nowhere",
            "<+03>-3",
        ],
        ("make_timestamptz", 6) => &["UTC", "+2", "-03:30", "Asia/Tokyo", "+99", "x", "+", "EST"],
        ("make_date" | "make_timestamp" | "make_timestamptz", 0) => &[
            "2020", "1999", "0", "-44", "5874897", "294276", "294277", "-4713", "2021",
        ],
        ("make_date" | "make_timestamp" | "make_timestamptz", 1) => &["1", "2", "12", "13", "0"],
        ("make_date" | "make_timestamp" | "make_timestamptz", 2) => {
            &["1", "28", "29", "31", "32", "0"]
        }
        ("make_timestamp" | "make_timestamptz", 3) | ("make_time", 0) => {
            &["0", "23", "24", "25", "-1"]
        }
        ("make_timestamp" | "make_timestamptz", 4) | ("make_time", 1) => &["0", "59", "60", "30"],
        ("make_timestamp" | "make_timestamptz", 5) | ("make_time", 2) => {
            &["0", "59.5", "60", "61", "-1", "7.25", "59.9999999"]
        }
        ("make_interval", 0..6) => &["0", "1", "-3", "25", "1000"],
        ("date_bin", 0) => &[
            "15 minutes",
            "1 day",
            "1 month",
            "0",
            "-1 day",
            "7 days 01:00",
            "0.000001",
        ],
        ("to_timestamp", 0) if of.base() == Some(rustdb_types::Base::Float8) => &[
            "0",
            "1e9",
            "1234567890.123456",
            "-1e9",
            "9224318016000",
            "-210866803200",
            "1e20",
        ],
        ("split_part" | "substr" | "substring" | "left" | "right" | "array_length", 1..)
        | ("array_lower" | "array_upper" | "overlay", 1..)
            if of.base() == Some(rustdb_types::Base::Int4) =>
        {
            &["1", "2", "0", "-1", "3", "-2", "5"]
        }
        ("split_part" | "string_to_array" | "replace" | "position" | "strpos" | "translate", 0) => {
            &["a,b,,c", "abcabc", "", "a", "aaa", ",", "b a"]
        }
        ("split_part" | "string_to_array" | "string_to_table" | "replace" | "strpos", 1..) => {
            &[",", "b", "", "ab", "aa", "a"]
        }
        ("chr", 0) => &[
            "65", "0", "-1", "233", "128512", "55296", "1114112", "57343",
        ],
        ("round" | "trunc", 1) => &[
            "0",
            "1",
            "2",
            "-1",
            "-3",
            "20",
            "-20",
            "2000",
            "-2147483648",
        ],
        ("width_bucket", 3) => &["5", "0", "-1", "2147483647", "1", "10"],
        ("initcap" | "quote_ident", 0) => &[
            "hello world",
            "it's",
            "a-b c1d 2x",
            "select",
            "ABC",
            "a b",
            "_x1",
            "1x",
            "x\"y",
            "int",
        ],
        ("quote_literal" | "quote_nullable", 0) if of.base() == Some(rustdb_types::Base::Text) => {
            &["it's", "a\\b", "", "\\"]
        }
        ("trim_array", 1) => &["0", "1", "2", "-1", "3"],
        ("array_fill", 0) => match of.base() {
            Some(rustdb_types::Base::Int4) => &["7"],
            _ => &[],
        },
        ("array_fill", 1) => &[
            "{2}",
            "{2,3}",
            "{}",
            "{0}",
            "{-1}",
            "{1,1,1,1,1,1,1}",
            "{NULL}",
            "{{1}}",
            "{134217727,10}",
            "{500000000}",
        ],
        ("array_fill", 2) => &["{1}", "{0,5}", "{}", "{2147483647}", "{NULL}"],
        ("array_position", 2) => &["1", "2", "0", "5"],
        ("sind" | "cosd" | "tand" | "cotd", 0) => &[
            "0", "30", "45", "60", "90", "120", "180", "270", "360", "-30", "-45", "390", "15.5",
        ],
        ("asin" | "acos" | "asind" | "acosd" | "atanh", 0) => {
            &["0", "0.5", "-0.5", "1", "-1", "0.3", "1.5", "0.9"]
        }
        ("sinh" | "cosh" | "tanh" | "exp" | "acosh" | "asinh", 0) => {
            &["0.1", "1.5", "3", "20", "710", "-750", "1e-9", "1e10"]
        }
        _ => more_special(name, place, of),
    }
}

/// More of the same.
fn more_special(name: &str, place: usize, of: &Type) -> &'static [&'static str] {
    use rustdb_types::Base;
    match (name, place, of.base()) {
        ("generate_series", 0 | 1, Some(Base::Int4 | Base::Int8)) => {
            &["1", "5", "-3", "2147483647", "2147483640", "0"]
        }
        ("generate_series", 2, Some(Base::Int4 | Base::Int8)) => {
            &["1", "2", "-1", "0", "-3", "2147483647"]
        }
        ("generate_series", 0 | 1, Some(Base::Numeric)) => {
            &["1", "3.5", "-2", "NaN", "Infinity", "0.10"]
        }
        ("generate_series", 2, Some(Base::Numeric)) => {
            &["1", "0.5", "-0.25", "0", "NaN", "Infinity", "0.1"]
        }
        ("generate_series", 0 | 1, _) => &[
            "2020-01-31",
            "2020-03-29 01:30",
            "2020-10-24 22:00",
            "2021-05-01",
        ],
        ("generate_series", 2, _) => &[
            "1 month",
            "-1 day",
            "12:00",
            "0",
            "1 mon -30 days",
            "3 days",
        ],
        ("generate_subscripts", 1, _) => &["1", "2", "0", "3"],
        ("encode" | "decode", 1, _) => &["hex", "base64", "escape", "Base64", "x"],
        ("decode", 0, _) => &[
            "00ff",
            "0",
            "zz",
            "AAEC",
            "YWJj",
            "YQ==",
            "YQ=",
            "=",
            "a\\\\b\\101",
            "\\9",
            "Y W J j",
            "YWJ?",
            "",
        ],
        ("encode", 0, _) => &[
            "\\x",
            "\\x00ff5c61",
            "\\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
            "\\x61",
            "\\x6162",
        ],
        ("get_byte" | "get_bit" | "set_byte" | "set_bit", 1, _) => {
            &["0", "1", "7", "8", "-1", "100"]
        }
        ("set_bit" | "set_byte", 2, _) => &["0", "1", "2", "255", "-1"],
        ("format", 0, _) => &[
            "%s",
            "a%%b %s-%s",
            "%I",
            "%L",
            "%10s|%-5s|",
            "%2$s %1$s",
            "%*s|%s",
            "%-*s",
            "%1$*2$s",
            "%x",
            "%",
            "%5",
            "%0$s",
            "%3$s %4$s",
            "%s %s %s",
            "%2$*1$s|",
            "%L %I",
            "%-10L|",
            "%1",
            "%1$",
            "%999999999999s",
            "%*1s",
            "%1$-8s|",
        ],
        ("json_object" | "jsonb_object", _, _) => &[
            "{a,b}",
            "{a}",
            "{}",
            "{{a,1},{b,NULL}}",
            "{{a,1,2},{b,2,3}}",
            "{NULL,1}",
            "{a,NULL,b,2}",
            "{b,a,b,c}",
            "{{{a,b}}}",
        ],
        ("json_build_object" | "jsonb_build_object", 0, Some(Base::Text)) => &["a", "b\"c", ""],
        (
            "jsonb_set" | "jsonb_insert" | "jsonb_set_lax" | "jsonb_delete_path"
            | "json_extract_path" | "jsonb_extract_path",
            1,
            None,
        ) => &[
            "{a}", "{b,0}", "{0}", "{-1}", "{x}", "{1,x}", "{}", "{NULL}", "{b,-5}", "{b,9}",
            "{a,b}", "{0,a}", "{5}", "{-9}", "{b,x}", "{{a}}", "{a,NULL}",
        ],
        ("jsonb_set_lax", 4, _) => &[
            "use_json_null",
            "delete_key",
            "return_target",
            "raise_exception",
            "x",
        ],
        (json, 0, Some(Base::Json | Base::Jsonb)) if json.starts_with("json") => &[
            "{\"a\":1,\"b\":[1,2,null]}",
            "[1,{\"a\":null},[]]",
            "[{\"a\":{\"b\":2}},3]",
            "null",
            "\"x\\n\"",
            "3.50",
            "{}",
            "[]",
            "{\"a\":null,\"b\":{\"c\":null,\"d\":\"\\u00e9\"},\"bb\":true}",
            " [ 1 , \"a\" , {\"x\" : 1 } ] ",
            "{\"b\":1,\"a\":2,\"b\":3}",
            "true",
        ],
        (json, 1.., Some(Base::Text)) if json.starts_with("json") => {
            &["a", "b", "0", "1", "-1", "x"]
        }
        (json, 1.., Some(Base::Int4)) if json.starts_with("json") => &["0", "1", "-1", "5"],
        _ => &[],
    }
}

const UNITS: &[&str] = &[
    "year",
    "Month",
    "day",
    "hour",
    "minute",
    "second",
    "milliseconds",
    "microseconds",
    "week",
    "quarter",
    "decade",
    "century",
    "millennium",
    "epoch",
    "julian",
    "isoyear",
    "dow",
    "isodow",
    "doy",
    "timezone",
    "timezone_hour",
    "timezone_minute",
    "fortnight",
    "",
];

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
        statement_time: settings.now,
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
    // Of other encodings, Unicode's forms, and rows with named columns.
    "convert*",
    "length",
    "to_ascii",
    "normalize",
    "is_normalized",
    "unistr",
    "parse_ident",
    "json*_populate_record*",
    "json*_to_record*",
    // Text of patterns, and transcendental functions of `numeric`.
    "similar_*",
    "regexp_*",
    "substring",
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
        MISSING.iter().any(|word| listed(word))
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
