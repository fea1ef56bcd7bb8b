//! Care of a database: verification, repair, upgrade, copies, compaction, keys. The shell has some of these
//! as commands; all of them are commands of the binary.

use std::io::{self, IsTerminal};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustdb::{CheckpointProgress, Database, ErrorKind, RepairReport};
use serde_json::json;

use crate::arguments::{ChangeKeyArguments, CheckpointArguments, DatabaseArguments};
use crate::failure::{Failure, Result};
use crate::output::{Output, counted, size, time};
use crate::signals::{self, Working};
use crate::{keys, open};

/// Runs `work` on a database that must exist, and closes it.
pub fn on_existing(
    arguments: &DatabaseArguments,
    json: bool,
    work: impl FnOnce(&Database, &mut Output) -> Result<()>,
) -> Result<()> {
    let database = open::existing(arguments)?;
    let mut output = Output::standard(json);
    let outcome = work(&database, &mut output);
    output.flush()?;
    let closed = open::close(database);
    outcome.and(closed)
}

/// Reads everything and checks it. Damage is listed on standard output, and is a failure.
pub fn verify(database: &Database, output: &mut Output) -> Result<()> {
    let _working = Working::begin();
    let bar = progress();
    let report = database.verify_with(|progress| {
        bar.set_length(progress.total_bytes);
        bar.set_position(progress.done_bytes);
        signals::proceed()
    })?;
    bar.finish_and_clear();
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    let text = format!(
        "Verified {}: {}, {}, {}",
        size(report.bytes),
        counted(report.tables, "table", "tables"),
        counted(report.value_files, "value file", "value files"),
        counted(report.log_segments, "log segment", "log segments"),
    );
    let object = json!({
        "sound": report.is_sound(),
        "bytes": report.bytes,
        "tables": report.tables,
        "entries": report.entries,
        "value_files": report.value_files,
        "log_segments": report.log_segments,
        "problems": problems,
    });
    output.result(&text, &object)?;
    if !output.is_json() {
        for problem in &problems {
            output.line(problem)?;
        }
    }
    if report.is_cancelled {
        return Err(Failure::cancelled(format!(" after {}", size(report.bytes))));
    }
    match report.problem_count {
        0 => Ok(()),
        number => Err(Failure::new(format!(
            "the database is damaged: {}",
            counted(number, "problem", "problems")
        ))
        .hint("close it, and `rustdb repair` saves what can be saved")),
    }
}

/// A bar on a terminal, and nothing elsewhere.
fn progress() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    match ProgressStyle::with_template("{bar:30} {percent:>3} %  {bytes_per_sec}  {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Repairs a database that does not open. That something was lost is told, and is no failure.
pub fn repair(arguments: &DatabaseArguments, output: &mut Output) -> Result<()> {
    if arguments.read_only {
        return Err(Failure::usage("`repair` changes the database")
            .hint("`rustdb verify --read-only` only looks"));
    }
    let directory = open::directory(arguments);
    if !directory.exists() {
        return Err(open::no_database(&directory));
    }
    let options = open::options(arguments, false)?;
    signals::watch_without_database(
        "no file was lost by that; run `repair` again before you open the database",
        output.is_json(),
    )?;
    let report = rustdb::repair(&directory, options)?;
    if output.is_json() {
        output.line(&repaired(&report).to_string())?;
    } else {
        output.line(report.to_string().trim_end())?;
        output.line(match report.is_complete() {
            true => "Nothing was lost",
            false => "What is listed above was lost; the rest is as it was",
        })?;
    }
    output.flush()
}

/// Brings a database of an older release to the format of this one.
pub fn upgrade(arguments: &DatabaseArguments, output: &mut Output) -> Result<()> {
    if arguments.read_only {
        return Err(Failure::usage("`upgrade` changes the database")
            .hint("`--read-only` does not go with it"));
    }
    let directory = open::directory(arguments);
    if !directory.exists() {
        return Err(open::no_database(&directory));
    }
    let options = open::options(arguments, false)?;
    signals::watch_without_database("run `upgrade` again to end it", output.is_json())?;
    let report = rustdb::upgrade(&directory, options)?;
    let object = json!({ "from": report.from, "to": report.to, "steps": report.steps });
    let text = match report.from == report.to {
        true => format!(
            "Nothing to do: the database has format version {}, that of this release",
            report.to
        ),
        false => format!(
            "Upgraded from format version {} to {}",
            report.from, report.to
        ),
    };
    output.result(&text, &object)?;
    if !output.is_json() {
        for step in &report.steps {
            output.line(step)?;
        }
    }
    output.flush()
}

fn repaired(report: &RepairReport) -> serde_json::Value {
    let damage: Vec<String> = report.damage.iter().map(ToString::to_string).collect();
    json!({
        "complete": report.is_complete(),
        "manifest_rebuilt": report.manifest_rebuilt,
        "tables_kept": report.tables_kept,
        "tables_rewritten": report.tables_rewritten,
        "commits_salvaged": report.commits_salvaged,
        "last_commit": report.last_sequence,
        "damage": damage,
        "missing_commits": report.missing_commits,
        "lost_values": report.lost_values,
        "guessed_tables": report.guessed_tables,
        "lost_and_found": report.lost_and_found,
        "set_aside": report.set_aside,
    })
}

/// Makes a copy that opens as a database.
pub fn checkpoint(
    database: &Database,
    arguments: &CheckpointArguments,
    output: &mut Output,
) -> Result<()> {
    let directory = &arguments.directory;
    let _working = Working::begin();
    let bar = progress();
    let proceed = |progress: CheckpointProgress| {
        bar.set_length(progress.total_bytes);
        bar.set_position(progress.done_bytes);
        signals::proceed()
    };
    let (noun, made) = match arguments.copy {
        false => ("Checkpoint", database.checkpoint_with(directory, proceed)),
        true => ("Copy", database.copy_to_with(directory, proceed)),
    };
    bar.finish_and_clear();
    let made = made.map_err(|error| match error.kind() {
        ErrorKind::Cancelled => {
            Failure::cancelled(format!("; nothing is left in `{}`", directory.display()))
        }
        _ if directory.is_file() => {
            Failure::from(error).hint("give a directory that does not exist yet")
        }
        _ => error.into(),
    })?;
    let text = format!(
        "{noun} in {}: {}, as of commit {}",
        directory.display(),
        size(made.bytes),
        made.sequence
    );
    let object = json!({ "ok": true, "bytes": made.bytes, "sequence": made.sequence });
    output.result(&text, &object)
}

/// Work that has nothing to tell but how long it took. A signal ends it where it asks
/// [`signals::proceed`].
pub fn timed(
    database: &Database,
    output: &mut Output,
    done: &str,
    work: impl Fn(&Database) -> rustdb::Result<()>,
) -> Result<()> {
    let _working = Working::begin();
    let start = Instant::now();
    work(database)?;
    let elapsed = start.elapsed();
    output.result(
        &format!("{done} in {}", time(elapsed)),
        &json!({ "ok": true, "seconds": elapsed.as_secs_f64() }),
    )
}

/// Rewrites the tables until only live data is left.
pub fn compact(database: &Database, output: &mut Output) -> Result<()> {
    timed(database, output, "Compacted", |database| {
        database.compact_with(signals::proceed)
    })
}

/// Makes another key the one that opens the database.
pub fn change_key(
    database: &Database,
    arguments: &ChangeKeyArguments,
    output: &mut Output,
) -> Result<()> {
    let provider = keys::new_key(arguments)?;
    database.change_key(provider.as_ref())?;
    output.result(
        "Changed the key: keep the new one, the old one opens nothing any more",
        &json!({ "ok": true }),
    )
}

/// Rewrites everything under a new data key.
pub fn reencrypt(
    database: &Database,
    arguments: &DatabaseArguments,
    output: &mut Output,
) -> Result<()> {
    let algorithm = arguments.cipher.into();
    timed(database, output, "Encrypted anew", |database| {
        database.rotate_data_key(algorithm)?;
        database.reencrypt_with(signals::proceed)
    })
}
