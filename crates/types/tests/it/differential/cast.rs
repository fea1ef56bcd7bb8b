//! Casts: which there are in which context, and what they give.

use proptest::test_runner::TestRunner;
use rustdb_types::{Base, CASTS, Cast, CastContext, CastMethod, Modifier, Settings, Type, format};

use super::values::{types, values};
use super::{Case, described, quoted};
use crate::server::Server;

/// Values of every type, cast explicitly to every other that it can be cast to.
pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let mut runner = TestRunner::deterministic();
    let mut cases = Vec::new();
    let mut sources = types();
    sources.extend([Type::INT4, Type::TEXT, Type::NUMERIC].map(|of| of.array_of()));
    for source in &sources {
        let samples = values(source, 30, &mut runner, settings);
        for target in targets() {
            let Some(cast) = Cast::find(source, &target, CastContext::Explicit) else {
                continue;
            };
            for sample in &samples {
                let ours = match cast.apply(&sample.value, settings) {
                    Ok(value) => format(&value, &target, settings),
                    Err(error) => described(&error),
                };
                let text = quoted(&sample.text);
                let sql = format!("({text}::{})::{}", source.full_name(), target.full_name());
                cases.push(Case { sql, ours });
            }
        }
    }
    cases
}

fn targets() -> Vec<Type> {
    let mut targets = types();
    targets.extend([Type::INT4, Type::INT8, Type::TEXT, Type::FLOAT8].map(|of| of.array_of()));
    targets.extend([
        Type::VARCHAR.with_modifier(Modifier::characters(Base::Varchar, 3).unwrap()),
        Type::BPCHAR.with_modifier(Modifier::characters(Base::Bpchar, 3).unwrap()),
        Type::NUMERIC.with_modifier(Modifier::numeric(5, 2).unwrap()),
        Type::NUMERIC
            .with_modifier(Modifier::numeric(3, -1).unwrap())
            .array_of(),
        Type::VARCHAR
            .with_modifier(Modifier::characters(Base::Varchar, 1).unwrap())
            .array_of(),
        Type::TIME.with_modifier(Modifier::fraction(1).unwrap()),
        Type::TIMESTAMP.with_modifier(Modifier::fraction(0).unwrap()),
        Type::TIMESTAMPTZ.with_modifier(Modifier::fraction(3).unwrap()),
        Type::INTERVAL.with_modifier(Modifier::interval(None, Some(0))),
        Type::INTERVAL.with_modifier(Modifier::interval(Some(1 << 3 | 1 << 10), None)),
    ]);
    targets
}

/// Whether a cast is possible in each context, for all pairs of types.
pub(super) fn matrix(server: &Server) -> (usize, Vec<String>) {
    let mut of = types();
    of.extend(types().into_iter().map(|of| of.array_of()));
    let mut statements = Vec::new();
    for (index, target) in of.iter().enumerate() {
        let name = target.full_name();
        statements.push(format!("create table store_{index} (c {name})"));
        statements.push(format!(
            "create function want_{index}(x {name}) returns int language sql as 'select 1'"
        ));
    }
    for made in server.execute("set client_min_messages = error", &statements) {
        assert_eq!(made, "ok");
    }
    let mut pairs = Vec::new();
    let mut statements = Vec::new();
    for source in &of {
        let value = format!("null::{}", source.full_name());
        for (index, target) in of.iter().enumerate() {
            let tries = [
                (
                    CastContext::Implicit,
                    format!("select want_{index}({value})"),
                ),
                (
                    CastContext::Assignment,
                    format!("insert into store_{index} select {value}"),
                ),
                (
                    CastContext::Explicit,
                    format!("select ({value})::{}", target.full_name()),
                ),
            ];
            for (context, statement) in tries {
                pairs.push((source, target, context));
                statements.push(statement);
            }
        }
    }
    let answers = server.execute("set client_min_messages = error", &statements);
    let mut differences = Vec::new();
    for ((source, target, context), answer) in pairs.iter().zip(&answers) {
        let ours = Cast::find(source, target, *context).is_some();
        if ours != (answer == "ok") {
            differences.push(format!(
                "cast {} to {}, {context:?}: ours {ours}, theirs {answer}",
                source.name(),
                target.name()
            ));
        }
    }
    (pairs.len(), differences)
}

/// The rows of `pg_cast` between built-in types.
pub(super) fn table(server: &Server) -> (usize, Vec<String>) {
    let oids: Vec<String> = types().iter().map(|of| of.oid().to_string()).collect();
    let oids = oids.join(",");
    let query = format!(
        "select concat_ws(' ', castsource, casttarget, castcontext, castmethod) from pg_cast \
         where castsource in ({oids}) and casttarget in ({oids}) and castsource <> casttarget"
    );
    let mut theirs: Vec<String> = server
        .psql(&query)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    let ours = CASTS.iter().map(|row| {
        let context = match row.context {
            CastContext::Implicit => 'i',
            CastContext::Assignment => 'a',
            CastContext::Explicit => 'e',
        };
        let method = match row.method {
            CastMethod::Function => 'f',
            CastMethod::Binary => 'b',
            CastMethod::Text => 'i',
        };
        format!(
            "{} {} {context} {method}",
            row.source.oid(),
            row.target.oid()
        )
    });
    let mut ours: Vec<String> = ours.collect();
    ours.sort();
    theirs.sort();
    let missing = theirs
        .iter()
        .filter(|row| !ours.contains(row))
        .map(|row| format!("pg_cast lacks {row}"));
    let extra = ours
        .iter()
        .filter(|row| !theirs.contains(row))
        .map(|row| format!("pg_cast has not {row}"));
    (theirs.len(), missing.chain(extra).collect())
}
