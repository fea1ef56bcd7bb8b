//! What the `rustdb` binary costs before it does anything: time to start and answer, memory at
//! rest, size.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Parameters, Stage, Step, Suite, Who, milliseconds};
use crate::engine::{Failure, Result, Settings, ensure, fail};

const STARTS: usize = 20;
const REST: Duration = Duration::from_secs(1);

pub(super) struct Program {
    path: Option<PathBuf>,
}

impl Program {
    pub(super) fn new(parameters: &Parameters) -> Program {
        Program {
            path: parameters.program.clone(),
        }
    }
}

impl Suite for Program {
    fn steps(&self) -> Vec<Step> {
        match self.path {
            Some(_) => vec![Step {
                who: Who::Ours,
                ..Step::reading("program")
            }],
            None => Vec::new(),
        }
    }

    fn settings(&self) -> Settings {
        Settings { cache_bytes: 0 }
    }

    fn run(&mut self, step: &str, stage: &mut Stage) -> Result<()> {
        let Some(path) = &self.path else {
            fail!("no program for `{step}`")
        };
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
            "program: start and leave",
            milliseconds(starts[STARTS / 2]),
            "ms",
        );

        let mut child = shell(path, &directory)?;
        if let Some(input) = &mut child.stdin {
            input.write_all(b"stats\n")?;
        }
        std::thread::sleep(REST);
        let resident = resident_bytes(child.id());
        drop(child.stdin.take());
        child.wait()?;
        let mebibyte = f64::from(1 << 20);
        stage.lower(
            "program: memory at rest",
            resident? as f64 / mebibyte,
            "MiB",
        );
        stage.lower(
            "program: size",
            std::fs::metadata(path)?.len() as f64 / mebibyte,
            "MiB",
        );
        Ok(())
    }
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

/// Memory of a process that is not shared with files nor given back.
fn resident_bytes(process: u32) -> Result<u64> {
    crate::driver::process_status_bytes(process, "VmRSS")
}
