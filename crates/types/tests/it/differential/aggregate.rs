//! Aggregates: the table against `pg_aggregate`, and what each gives for lists of values, at once
//! and merged from two parts.

use proptest::test_runner::TestRunner;
use rustdb_types::aggregate::{
    Aggregate, AggregateCall, AggregateKind, aggregates, aggregates_named,
};
use rustdb_types::function::FunctionContext;
use rustdb_types::{Oid, Parameter, Settings, Type, Value, format, resolve_function};

use super::function::Still;
use super::values::{Sample, values};
use super::{Case, described, quoted};
use crate::server::Server;

/// Lists of rows for each choice of types.
const LISTS: usize = 24;

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let mut runner = TestRunner::deterministic();
    let mut cases = Vec::new();
    let pseudo = |of: &Parameter| of.oid() == Oid::VECTOR || *of == Parameter::AnyEnum;
    for aggregate in aggregates() {
        if aggregate.parameters.iter().any(pseudo) {
            continue;
        }
        for types in instances(aggregate) {
            let columns: Vec<Vec<Sample>> = types
                .iter()
                .map(|of| values(of, 40, &mut runner, settings))
                .collect();
            for list in 0..LISTS {
                cases.push(case(aggregate, &types, &columns, list, settings));
            }
        }
    }
    cases
}

fn instances(aggregate: &Aggregate) -> Vec<Vec<Type>> {
    let generic = |parameter: &Parameter| parameter.concrete().is_none();
    let scalars: &[Type] = if aggregate.parameters.iter().any(generic) {
        &[
            Type::INT4,
            Type::TEXT,
            Type::BOOL,
            Type::FLOAT8,
            Type::NUMERIC,
            Type::TIMESTAMPTZ,
            Type::DATE,
        ]
    } else {
        &[Type::INT4]
    };
    let instance = |scalar: &Type| {
        let of = |parameter: &Parameter| match parameter {
            Parameter::Of(of) => of.clone(),
            Parameter::AnyArray | Parameter::AnyCompatibleArray => scalar.array_of(),
            _ => scalar.clone(),
        };
        let mut types: Vec<Type> = aggregate.parameters.iter().map(of).collect();
        if aggregate.kind == AggregateKind::Hypothetical {
            // A direct argument, and what it is compared with.
            types = vec![scalar.clone(); 2];
        }
        types
    };
    scalars.iter().map(instance).collect()
}

/// How many rows a list has.
fn length(list: usize) -> usize {
    [0, 1, 2, 3, 5, 9, 4][list % 7]
}

type Cells = Vec<Option<Sample>>;

fn case(
    aggregate: &Aggregate,
    types: &[Type],
    columns: &[Vec<Sample>],
    list: usize,
    settings: &Settings,
) -> Case {
    let cell = |column: usize, row: usize| -> Option<Sample> {
        let samples = &columns[column];
        let place = list * 13 + row * 7 + column * 3;
        let null = (list * 5 + row * 3 + column).is_multiple_of(11);
        let narrow = if list.is_multiple_of(2) {
            6
        } else {
            samples.len()
        };
        (!null).then(|| samples[place % narrow.min(samples.len())].clone())
    };
    let rows: Vec<Cells> = (0..length(list))
        .map(|row| (0..types.len()).map(|column| cell(column, row)).collect())
        .collect();
    let direct = match aggregate.kind {
        AggregateKind::Normal => None,
        AggregateKind::OrderedSet(0) => Some(Vec::new()),
        AggregateKind::OrderedSet(_) | AggregateKind::Hypothetical => Some(vec![direct_argument(
            aggregate,
            &types[0],
            &columns[0],
            list,
            settings,
        )]),
    };
    let sql = sql(aggregate, types, &rows, direct.as_deref());
    let ours = match direct {
        None => outcome(aggregate, types, &rows, settings),
        Some(direct) => sorted(aggregate, types, &rows, &direct, settings),
    };
    Case { sql, ours }
}

/// A fraction for a percentile, or a value to rank.
fn direct_argument(
    aggregate: &Aggregate,
    of: &Type,
    samples: &[Sample],
    list: usize,
    settings: &Settings,
) -> Sample {
    if aggregate.kind == AggregateKind::Hypothetical {
        return samples[list * 3 % samples.len()].clone();
    }
    let words: &[&str] = if of.array {
        &[
            "{0.5,0,1}",
            "{}",
            "{0.25,NULL}",
            "{{0.1,0.9},{0.3,0.5}}",
            "{2}",
        ]
    } else {
        &["0.5", "0", "1", "0.3", "-0.1", "NaN", "0.95"]
    };
    let text = words[list % words.len()].to_owned();
    let value = rustdb_types::parse(&text, of, settings).unwrap();
    Sample { text, value }
}

fn sql(aggregate: &Aggregate, types: &[Type], rows: &[Cells], direct: Option<&[Sample]>) -> String {
    let literal = |cell: &Option<Sample>, of: &Type| match cell {
        Some(sample) => format!("{}::{}", quoted(&sample.text), of.full_name()),
        None => format!("null::{}", of.full_name()),
    };
    let skipped = direct.map_or(0, <[Sample]>::len);
    let kept: Vec<(usize, &Type)> = types.iter().enumerate().skip(skipped).collect();
    let row = |cells: &Cells| {
        let cells = kept.iter().map(|(index, of)| literal(&cells[*index], of));
        cells.collect::<Vec<_>>().join(", ")
    };
    let names: Vec<String> = kept.iter().map(|(index, _)| format!("c{index}")).collect();
    let names = names.join(", ");
    let lines: Vec<String> = rows
        .iter()
        .map(|cells| format!("({})", row(cells)))
        .collect();
    let from = match (kept.is_empty(), rows.is_empty()) {
        (true, _) => format!("generate_series(1, {})", rows.len()),
        (false, true) => {
            let nulls: Vec<String> = kept.iter().map(|(_, of)| literal(&None, of)).collect();
            format!("(select {} where false) t({names})", nulls.join(", "))
        }
        (false, false) => format!("(values {}) t({names})", lines.join(", ")),
    };
    let name = aggregate.name;
    let call = match direct {
        None if kept.is_empty() => format!("{name}(*)"),
        None => format!("{name}({names})"),
        Some(direct) => {
            let direct: Vec<String> = direct
                .iter()
                .map(|sample| literal(&Some(sample.clone()), &types[0]))
                .collect();
            format!(
                "{name}({}) within group (order by {names})",
                direct.join(", ")
            )
        }
    };
    format!("select {call} from {from}")
}

fn bound(aggregate: &Aggregate, types: &[Type]) -> Result<AggregateCall, String> {
    let rows = aggregates_named(aggregate.name);
    let candidates: Vec<_> = rows.iter().map(Aggregate::candidate).collect();
    let resolved = resolve_function(aggregate.name, types, false, &candidates)
        .map_err(|error| described(&error))?;
    Ok(AggregateCall::new(&rows[resolved.index], resolved))
}

fn plain(cells: &Cells) -> Vec<Value> {
    let value =
        |cell: &Option<Sample>| cell.as_ref().map_or(Value::Null, |cell| cell.value.clone());
    cells.iter().map(value).collect()
}

fn outcome(aggregate: &Aggregate, types: &[Type], rows: &[Cells], settings: &Settings) -> String {
    let context = FunctionContext {
        settings,
        statement_time: settings.now.get(),
        host: &Still,
    };
    let compute = || -> rustdb_types::Result<(Value, AggregateCall)> {
        let call = bound(aggregate, types).unwrap();
        let mut state = call.state()?;
        for row in rows {
            state.update(&plain(row), &context)?;
        }
        assert!(state.bytes() >= size_of_val(&state));
        removed_and_merged(&call, rows, &state.finish()?, &context);
        Ok((state.finish()?, call))
    };
    match compute() {
        Ok((value, call)) => {
            assert!(
                call.result().holds(&value),
                "{} gives {value:?}",
                aggregate.name
            );
            format(&value, call.result(), settings)
        }
        Err(error) => described(&error),
    }
}

/// A row more that is removed again, and two parts that are merged, give the same; sums of floats
/// nearly.
fn removed_and_merged(
    call: &AggregateCall,
    rows: &[Cells],
    expected: &Value,
    context: &FunctionContext<'_>,
) {
    let same = |value: &Value| match (value.as_float(), expected.as_float()) {
        (Some(left), Some(right)) if left.is_finite() && right.is_finite() => {
            (left - right).abs() <= left.abs().max(right.abs()) * 1e-3 || left.abs() > 1e30
        }
        (Some(_), Some(_)) => true,
        _ => value == expected,
    };
    let taken = |rows: &[Cells]| {
        let mut state = call.state().unwrap();
        let taken = rows
            .iter()
            .all(|row| state.update(&plain(row), context).is_ok());
        taken.then_some(state)
    };
    if let [first, rest @ ..] = rows
        && let (Some(mut state), Some(fresh)) = (taken(rows), taken(rest))
        && state.remove(&plain(first)).unwrap()
    {
        assert_eq!(
            state.finish().ok(),
            fresh.finish().ok(),
            "{} without {first:?}",
            call.aggregate().name
        );
    }
    let (left, right) = rows.split_at(rows.len() / 2);
    if let (Some(mut state), Some(right)) = (taken(left), taken(right))
        && state.merge(right).is_ok()
        && let Ok(value) = state.finish()
    {
        assert!(
            same(&value),
            "{} merged: {value:?}, {expected:?}",
            call.aggregate().name
        );
    }
}

fn sorted(
    aggregate: &Aggregate,
    types: &[Type],
    rows: &[Cells],
    direct: &[Sample],
    settings: &Settings,
) -> String {
    let call = match bound(aggregate, types) {
        Ok(call) => call,
        Err(words) => return words,
    };
    let mut rows: Vec<Vec<Value>> = rows
        .iter()
        .map(|row| plain(row).split_off(direct.len()))
        .collect();
    let compare = |left: &[Value], right: &[Value]| left.cmp(right);
    rows.sort_by(|left, right| compare(left, right));
    let direct: Vec<Value> = direct.iter().map(|sample| sample.value.clone()).collect();
    match call.finish_sorted(&direct, &mut rows, &compare) {
        Ok(value) => format(&value, call.result(), settings),
        Err(error) => described(&error),
    }
}

/// Aggregates of types that are not here.
const MISSING: &[&str] = &["xmlagg", "range_agg", "range_intersect_agg"];

/// Every aggregate of ours is theirs, and of theirs on the same types none misses.
pub(super) fn table(server: &Server) -> (usize, Vec<String>) {
    let theirs = server
        .psql(
            "select concat_ws(' ', proname, '(' || array_to_string(proargtypes::oid[], ',') || ')', prorettype) \
             from pg_proc where prokind = 'a' and pronamespace = 'pg_catalog'::regnamespace",
        )
        .unwrap();
    let theirs: Vec<&str> = theirs.lines().collect();
    let ours: Vec<String> = aggregates()
        .iter()
        .filter(|row| row.parameters.iter().all(|of| of.oid() != Oid::VECTOR))
        .map(|row| {
            let parameters: Vec<String> = row
                .parameters
                .iter()
                .map(|of| of.oid().to_string())
                .collect();
            let mut parameters = parameters.join(",");
            if row.kind == AggregateKind::Hypothetical {
                // `VARIADIC "any" ORDER BY VARIADIC "any"` is listed once.
                parameters = "2276".to_owned();
            }
            format!("{} ({parameters}) {}", row.name, row.result.oid())
        })
        .collect();
    let known = |row: &&&str| {
        let oids = row.split(['(', ')']).nth(1).unwrap_or_default();
        let here = |oid: &str| {
            let oid = Oid(oid.parse().unwrap());
            Type::from_oid(oid).is_some() || [2276, 2277, 2283, 2776, 3500].contains(&oid.0)
        };
        oids.split(',').filter(|oid| !oid.is_empty()).all(here)
            && !MISSING
                .iter()
                .any(|name| row.starts_with(&format!("{name} ")))
    };
    let mut differences: Vec<String> = ours
        .iter()
        .filter(|row| !theirs.contains(&row.as_str()))
        .map(|row| format!("pg_aggregate has not {row}"))
        .collect();
    differences.extend(
        theirs
            .iter()
            .filter(known)
            .filter(|row| !ours.iter().any(|ours| ours == *row))
            .map(|row| format!("pg_aggregate has, and we lack, {row}")),
    );
    (theirs.len(), differences)
}
