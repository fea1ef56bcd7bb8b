//! What else can be done with a statement: `\gset` keeps its row in variables, `\gexec` runs what
//! it gives, `\watch` runs it again and again.

use std::time::{Duration, Instant};

use super::session::{Next, Shell};
use super::variables;
use crate::failure::{Failure, Result, Status};
use crate::signals::{self, Working};

/// How often `\watch` looks whether it shall end.
const LOOK: Duration = Duration::from_millis(20);

/// Runs a command if it is one of these.
pub fn run(session: &mut Shell, name: &str, words: &[&str], text: &str) -> Option<Result<Next>> {
    let outcome = match name {
        "gset" => keep(session, words.first().copied().unwrap_or_default(), text),
        "gexec" => execute(session, text),
        "watch" => watch(session, words, text),
        _ => return None,
    };
    Some(outcome.map(|()| Next::Continue))
}

/// Sets a variable for each column of the one row; NULL unsets it.
fn keep(session: &mut Shell, prefix: &str, text: &str) -> Result<()> {
    let text = filled(session, text);
    let results = session.execute(&text)?;
    let result = results.last();
    let columns = result.and_then(|result| result.columns());
    let (Some(result), Some(columns)) = (result, columns) else {
        return Err(Failure::new("\\gset: the statement gives no rows")
            .hint("it keeps the one row of a query, or of what RETURNING gives"));
    };
    let row = match result.rows() {
        [row] => row,
        [] => return Err(Failure::new("no rows returned for \\gset")),
        _ => {
            return Err(
                Failure::new("more than one row returned for \\gset").hint("`LIMIT 1` leaves one")
            );
        }
    };
    for (place, column) in columns.into_iter().enumerate() {
        let name = format!("{prefix}{column}");
        match row.text(place) {
            Some(value) => session.variables.insert(name, value),
            None => session.variables.remove(&name),
        };
    }
    Ok(())
}

/// Runs each value of the result as a statement, row by row. After one that failed the next one
/// runs, unless `ON_ERROR_STOP` is set.
fn execute(session: &mut Shell, text: &str) -> Result<()> {
    let text = filled(session, text);
    let _working = Working::begin();
    let results = session.execute(&text)?;
    for result in &results {
        for row in result.rows() {
            for place in 0..row.len() {
                let Some(statement) = row.text(place) else {
                    continue;
                };
                let Err(failure) = session.run_text(&statement) else {
                    continue;
                };
                let is_last = variables::is_on(&session.variables, "ON_ERROR_STOP")
                    || signals::is_cancelled()
                    || !matches!(failure.status(), Some(Status::Failed | Status::Usage));
                if is_last {
                    return Err(failure);
                }
                session.output.flush()?;
                failure.tell(session.is_json());
                session.has_failed = true;
            }
        }
    }
    Ok(())
}

/// Runs the statement again and again, until Ctrl-C, a failure, or as often as was said.
fn watch(session: &mut Shell, words: &[&str], text: &str) -> Result<()> {
    if super::input::is_blank(text) {
        return Err(Failure::usage("\\watch cannot be used with an empty query")
            .hint("write the query before it, without `;`"));
    }
    let (pause, times) = times(words)?;
    let text = filled(session, text);
    let _working = Working::begin();
    let mut run = 0_u64;
    loop {
        let clock = "SELECT to_char(now(), 'Dy Mon DD HH24:MI:SS YYYY')";
        let clock = session.ask(clock)?.first().and_then(|row| row.text(0));
        let head = format!(
            "{} (every {}s)\n",
            clock.unwrap_or_default(),
            pause.as_secs_f64()
        );
        if !session.is_json() && !session.look.tuples_only {
            session.print(format!("{head}\n").as_bytes())?;
        }
        session.run_text(&text)?;
        run += 1;
        if times.is_some_and(|times| run >= times) {
            return Ok(());
        }
        let start = Instant::now();
        while start.elapsed() < pause {
            if signals::is_cancelled() {
                return Ok(());
            }
            std::thread::sleep(LOOK.min(pause.saturating_sub(start.elapsed())));
        }
        if signals::is_cancelled() {
            return Ok(());
        }
    }
}

/// `[i=]SECONDS` and `c=TIMES`; two seconds, without end, unless they are said.
fn times(words: &[&str]) -> Result<(Duration, Option<u64>)> {
    let (mut pause, mut times) = (Duration::from_secs(2), None);
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or(("i", word));
        match name {
            "i" | "interval" => {
                let seconds = value.parse().ok();
                let span = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                pause = span.ok_or_else(|| {
                    Failure::usage(format!("\\watch: incorrect interval value \"{value}\""))
                })?;
            }
            "c" | "count" => {
                let count = value.parse().ok().filter(|count| *count > 0);
                times = Some(count.ok_or_else(|| {
                    Failure::usage(format!("\\watch: incorrect iteration count \"{value}\""))
                })?);
            }
            other => {
                let message = format!("\\watch: unrecognized parameter \"{other}\"");
                return Err(Failure::usage(message));
            }
        }
    }
    Ok((pause, times))
}

/// The statement as it runs, which is then the last one.
fn filled(session: &mut Shell, text: &str) -> String {
    let text = variables::filled(text.trim_start(), &session.variables);
    session.last.clone_from(&text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watching_says_how_often_and_how_many_times() {
        assert_eq!(times(&[]).unwrap(), (Duration::from_secs(2), None));
        assert_eq!(times(&["0.5"]).unwrap().0, Duration::from_millis(500));
        assert_eq!(
            times(&["c=3", "i=1"]).unwrap(),
            (Duration::from_secs(1), Some(3))
        );
        for wrong in ["-1", "x", "c=0", "m=1", "i="] {
            assert!(times(&[wrong]).is_err(), "{wrong}");
        }
    }
}
