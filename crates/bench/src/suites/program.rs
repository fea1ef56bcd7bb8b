//! What the `rustdb` binary costs before it does anything: time to start and leave, memory at rest,
//! size. And the size of the least program that embeds the database (`examples/embedded.rs`).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Parameters, Stage, Step, Suite, Who, milliseconds};
use crate::driver::process_status_bytes;
use crate::engine::{Failure, Result, Settings, ensure, fail};

const STARTS: usize = 20;
const REST: Duration = Duration::from_secs(1);
const MEBIBYTE: f64 = (1 << 20) as f64;

pub(super) struct Program {
    binary: Option<PathBuf>,
    embedded: Option<PathBuf>,
}

impl Program {
    pub(super) fn new(parameters: &Parameters) -> Program {
        let Parameters {
            program, embedded, ..
        } = parameters.clone();
        Program {
            binary: program,
            embedded,
        }
    }
}

impl Suite for Program {
    fn steps(&self) -> Vec<Step> {
        let ours = |name| Step {
            who: Who::Ours,
            ..Step::reading(name)
        };
        let binary = self.binary.as_ref().map(|_| ours("binary"));
        let embedded = self.embedded.as_ref().map(|_| ours("embedded program"));
        binary.into_iter().chain(embedded).collect()
    }

    fn settings(&self) -> Settings {
        Settings { cache_bytes: 0 }
    }

    fn run(&mut self, step: &str, stage: &mut Stage) -> Result<()> {
        match (step, &self.binary, &self.embedded) {
            ("binary", Some(path), _) => measure_binary(path, stage),
            ("embedded program", _, Some(path)) => {
                stage.lower("embedded program: size", size(path)?, "MiB");
                Ok(())
            }
            _ => fail!("no step `{step}`"),
        }
    }
}

fn measure_binary(path: &Path, stage: &mut Stage) -> Result<()> {
    let directory = stage.directory().to_owned();
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let start = Instant::now();
        let mut child = shell(path, &directory)?;
        // Dropping standard input is the end of input: the shell leaves.
        drop(child.stdin.take());
        let status = child.wait()?;
        starts.push(start.elapsed());
        ensure!(status.success(), "`{}` failed: {status}", path.display());
    }
    starts.sort_unstable();
    stage.lower(
        "binary: start and leave",
        milliseconds(starts[STARTS / 2]),
        "ms",
    );

    let mut child = shell(path, &directory)?;
    if let Some(input) = &mut child.stdin {
        input.write_all(b"stats\n")?;
    }
    std::thread::sleep(REST);
    let resident = process_status_bytes(child.id(), "VmRSS");
    drop(child.stdin.take());
    child.wait()?;
    stage.lower("binary: memory at rest", resident? as f64 / MEBIBYTE, "MiB");
    stage.lower("binary: size", size(path)?, "MiB");
    Ok(())
}

fn size(path: &Path) -> Result<f64> {
    Ok(std::fs::metadata(path)?.len() as f64 / MEBIBYTE)
}

fn shell(program: &Path, directory: &Path) -> Result<Child> {
    let mut command = Command::new(program);
    command.args(["local", "--data-dir"]).arg(directory);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
        .spawn()
        .map_err(|error| Failure(format!("cannot start `{}`: {error}", program.display())))
}
