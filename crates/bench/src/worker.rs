//! The process of one engine: it takes a step from standard input, runs it, and writes what it
//! found to standard output, until it is told to end.
//!
//! A line in is `step NAME` or `end`. Lines out are fields separated by tabs; an answer ends with
//! `done` or `failed`. Lines that begin otherwise were printed by an engine and are not ours.

use std::io::{BufRead, Write};
use std::path::Path;

use crate::engine::{Failure, Result};
use crate::suites::{Better, Findings, Measurement, Parameters, Stage};

/// Answers steps until standard input ends.
pub(crate) fn serve(
    suite: &str,
    engine: &str,
    directory: &Path,
    parameters: &Parameters,
) -> Result<()> {
    let mut suite = crate::suites::suite(suite, parameters)?;
    let mut stage = Stage::new(engine, directory, suite.settings());
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line == "end" {
            stage.close()?;
            return Ok(());
        }
        let Some(step) = line.strip_prefix("step ") else {
            return Err(Failure(format!("no such request: `{line}`")));
        };
        let outcome = suite.run(step, &mut stage);
        output.write_all(answer(&stage.take_findings(), &outcome).as_bytes())?;
        output.flush()?;
    }
    Ok(())
}

fn answer(findings: &Findings, outcome: &Result<()>) -> String {
    let mut lines = String::new();
    for Measurement {
        workload,
        value,
        unit,
        better,
    } in &findings.measurements
    {
        let better = match better {
            Better::Higher => "higher",
            Better::Lower => "lower",
        };
        lines += &format!("measurement\t{workload}\t{value}\t{unit}\t{better}\n");
    }
    for (name, value) in &findings.digests {
        lines += &format!("digest\t{name}\t{value}\n");
    }
    for note in &findings.notes {
        lines += &format!("note\t{note}\n");
    }
    match outcome {
        Ok(()) => lines += "done\n",
        Err(Failure(why)) => lines += &format!("failed\t{}\n", why.replace('\n', " ")),
    }
    lines
}

/// Reads an answer, as [`serve`] writes it.
pub(crate) fn read_answer(lines: &mut dyn BufRead) -> Result<Findings> {
    let mut findings = Findings::default();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Err(Failure("the process ended".to_owned()));
        }
        let fields: Vec<&str> = line.trim_end().split('\t').collect();
        match fields[..] {
            ["measurement", workload, value, unit, better] => {
                findings.measurements.push(Measurement {
                    workload: workload.to_owned(),
                    value: value.parse()?,
                    unit: unit.to_owned(),
                    better: if better == "higher" {
                        Better::Higher
                    } else {
                        Better::Lower
                    },
                });
            }
            ["digest", name, value] => findings.digests.push((name.to_owned(), value.parse()?)),
            ["note", note] => findings.notes.push(note.to_owned()),
            ["done"] => return Ok(findings),
            ["failed", why] => return Err(Failure(why.to_owned())),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_back_as_they_were() {
        let findings = Findings {
            measurements: vec![Measurement {
                workload: "len()".to_owned(),
                value: 0.25,
                unit: "ms".to_owned(),
                better: Better::Lower,
            }],
            digests: vec![("retain".to_owned(), u64::MAX)],
            notes: vec!["a note".to_owned()],
        };
        let text = format!("noise\n{}", answer(&findings, &Ok(())));
        let read = read_answer(&mut text.as_bytes()).unwrap();
        assert_eq!(read.measurements, findings.measurements);
        assert_eq!(read.digests, findings.digests);
        assert_eq!(read.notes, findings.notes);
    }

    #[test]
    fn failure_and_end_are_failures() {
        let text = answer(&Findings::default(), &Err(Failure("two\nlines".to_owned())));
        assert_eq!(
            read_answer(&mut text.as_bytes()).unwrap_err().0,
            "two lines"
        );
        assert!(read_answer(&mut "note\tx\n".as_bytes()).is_err());
    }
}
