//! Gives turns to the processes of the engines.
//!
//! For each step of a suite every engine runs it, in an order that rotates from step to step.
//! Before a turn dirty pages are written back, so that nobody pays for another's. A process that is
//! not at its turn is stopped (`SIGSTOP`): its background threads rest with it, and go on when its
//! next turn begins, as they would have in a run of its own.

use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::engine::{self, Failure, Result};
use crate::report::Report;
use crate::suites::{self, Better, Findings, Measurement, Parameters, Process, Step, Suite};
use crate::worker;

/// What to run.
pub(crate) struct Plan {
    pub(crate) suites: Vec<String>,
    /// Names of engines, the bare file aside.
    pub(crate) engines: Vec<String>,
    /// If there are any, only steps whose name contains one of these are reported, and no more is
    /// run than they need.
    pub(crate) only: Vec<String>,
    /// Where databases are made.
    pub(crate) directory: PathBuf,
    pub(crate) parameters: Parameters,
    /// The arguments that make a worker understand the same parameters.
    pub(crate) worker_arguments: Vec<String>,
}

impl Plan {
    fn wants(&self, step: &Step) -> bool {
        self.only.is_empty()
            || self
                .only
                .iter()
                .any(|text| step.name.contains(text.as_str()))
    }

    /// The steps to run: those wanted, and those before them that they need.
    fn steps(&self, suite: &dyn Suite) -> Vec<Step> {
        let mut steps = suite.steps();
        let wanted = steps
            .iter()
            .rposition(|step| self.wants(step))
            .map_or(0, |last| last + 1);
        steps.truncate(wanted);
        steps.retain(|step| step.needed || self.wants(step));
        steps
    }
}

/// Runs the plan, and prints what happens to standard error.
pub(crate) fn run(plan: &Plan) -> Result<Report> {
    let mut report = Report::new(&plan.engines);
    for name in &plan.suites {
        let suite = suites::suite(name, &plan.parameters)?;
        run_suite(plan, name, suite.as_ref(), &mut report)?;
    }
    Ok(report)
}

fn run_suite(plan: &Plan, name: &str, suite: &dyn Suite, report: &mut Report) -> Result<()> {
    let steps = plan.steps(suite);
    let mut engines: Vec<Turn<'_>> = Vec::new();
    for engine in plan
        .engines
        .iter()
        .map(String::as_str)
        .chain([engine::BARE])
    {
        if steps.iter().any(|step| step.takes_part(engine)) {
            engines.push(Turn::new(plan, name, engine)?);
        }
    }
    for (turn, step) in steps.iter().enumerate() {
        let mut digests: Vec<(String, u64)> = Vec::new();
        for place in 0..engines.len() {
            let count = engines.len();
            let engine = &mut engines[(place + turn) % count];
            if !step.takes_part(engine.engine) {
                continue;
            }
            if let Some(findings) = engine.take(step) {
                engine.compare(&findings, &mut digests);
                if plan.wants(step) {
                    engine.report(findings, report);
                }
            }
        }
    }
    for engine in &mut engines {
        engine.finish(suite.reports_memory().then_some(name), report);
    }
    Ok(())
}

/// One engine in one suite.
struct Turn<'a> {
    plan: &'a Plan,
    suite: &'a str,
    engine: &'a str,
    directory: PathBuf,
    /// None before the first step, and for ever after a failure.
    worker: Option<Worker>,
    failed: bool,
}

impl<'a> Turn<'a> {
    fn new(plan: &'a Plan, suite: &'a str, engine: &'a str) -> Result<Turn<'a>> {
        let directory = plan.directory.join(format!("{suite}-{engine}"));
        remove(&directory)?;
        std::fs::create_dir_all(&plan.directory)?;
        Ok(Turn {
            plan,
            suite,
            engine,
            directory,
            worker: None,
            failed: false,
        })
    }

    /// Runs a step; an engine that failed once is out of the suite.
    fn take(&mut self, step: &Step) -> Option<Findings> {
        if self.failed {
            return None;
        }
        match self.try_take(step) {
            Ok(findings) => Some(findings),
            Err(Failure(why)) => {
                eprintln!(
                    "{}: {}: {}: failed: {why}",
                    self.suite, step.name, self.engine
                );
                self.failed = true;
                self.worker = None;
                None
            }
        }
    }

    fn try_take(&mut self, step: &Step) -> Result<Findings> {
        match step.process {
            Process::Same => {}
            Process::AfterClose => self.worker.take().map_or(Ok(()), Worker::end)?,
            Process::AfterKill => self.worker = None,
        }
        let mut worker = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::start(self.plan, self.suite, self.engine, &self.directory)?,
        };
        rustix::fs::sync();
        worker.signal(Signal::CONT)?;
        let before = processor_seconds(worker.child.id())?;
        let mut findings = worker.step(step.name)?;
        let used = processor_seconds(worker.child.id())? - before;
        findings
            .notes
            .push(format!("{}: {used:.2} s of processor time", step.name));
        worker.signal(Signal::STOP)?;
        self.worker = Some(worker);
        Ok(findings)
    }

    /// Compares a step's digests with those of the first engine that had the step.
    fn compare(&self, findings: &Findings, digests: &mut Vec<(String, u64)>) {
        for (name, value) in &findings.digests {
            match digests.iter().find(|(known, _)| known == name) {
                Some((_, known)) if known != value => {
                    eprintln!(
                        "{}: {}: WRONG: `{name}` differs from others",
                        self.suite, self.engine
                    );
                }
                Some(_) => {}
                None => digests.push((name.clone(), *value)),
            }
        }
    }

    fn report(&self, findings: Findings, report: &mut Report) {
        for note in findings.notes {
            eprintln!("{}: {}: {note}", self.suite, self.engine);
        }
        for measurement in findings.measurements {
            let Measurement {
                workload,
                value,
                unit,
                ..
            } = &measurement;
            eprintln!(
                "{}: {workload}: {}: {value:.3} {unit}",
                self.suite, self.engine
            );
            report.add(self.engine, measurement);
        }
    }

    /// Ends the engine's process and removes its files.
    fn finish(&mut self, memory_of: Option<&str>, report: &mut Report) {
        if let Some(worker) = self.worker.take() {
            let peak = process_status_bytes(worker.child.id(), "VmHWM");
            if let (Some(suite), Ok(bytes)) = (memory_of, peak) {
                let workload = format!("peak memory, {suite} suite");
                let value = bytes as f64 / f64::from(1 << 20);
                let (unit, better) = ("MiB".to_owned(), Better::Lower);
                report.add(
                    self.engine,
                    Measurement {
                        workload,
                        value,
                        unit,
                        better,
                    },
                );
            }
            if let Err(Failure(why)) = worker.end() {
                eprintln!("{}: {}: closing failed: {why}", self.suite, self.engine);
            }
        }
        if let Err(Failure(why)) = remove(&self.directory) {
            eprintln!("{}: {}: {why}", self.suite, self.engine);
        }
    }
}

/// The process of an engine; it is killed when this is dropped.
struct Worker {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn start(plan: &Plan, suite: &str, engine: &str, directory: &Path) -> Result<Worker> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("worker")
            .args([suite, engine])
            .arg(directory)
            .args(&plan.worker_arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (requests, answers) = pipes.expect("both were asked for");
        Ok(Worker {
            child,
            requests,
            answers: BufReader::new(answers),
        })
    }

    fn step(&mut self, name: &str) -> Result<Findings> {
        writeln!(self.requests, "step {name}")?;
        worker::read_answer(&mut self.answers)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        Ok(kill_process(id.expect("a child has a process id"), signal)?)
    }

    /// Has the process close its database, and waits for its end.
    fn end(mut self) -> Result<()> {
        self.signal(Signal::CONT)?;
        writeln!(self.requests, "end")?;
        let status = self.child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure(format!("the process ended: {status}")))
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // After an orderly end both calls find nothing left to do.
        let killed = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = killed {
            eprintln!("cannot end a worker: {error}");
        }
    }
}

/// Removes a database, and what was made beside it under its name and an extension.
fn remove(path: &Path) -> Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    let Ok(entries) = std::fs::read_dir(parent) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let found = entry.file_name();
        let rest = found
            .as_encoded_bytes()
            .strip_prefix(name.as_encoded_bytes());
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b".")) {
            match entry.file_type()?.is_dir() {
                true => std::fs::remove_dir_all(entry.path())?,
                false => std::fs::remove_file(entry.path())?,
            }
        }
    }
    Ok(())
}

/// The processor time that a process has used. On a machine that does other things too, it says
/// more than the time that has passed.
fn processor_seconds(process: u32) -> Result<f64> {
    const TICKS_PER_SECOND: f64 = 100.0;
    /// Where the fields of user and of system time are, counted from the one after the name.
    const FIELDS: std::ops::Range<usize> = 11..13;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = fields
        .get(FIELDS)
        .into_iter()
        .flatten()
        .map(|field| field.parse::<f64>());
    Ok(ticks.sum::<std::result::Result<f64, _>>()? / TICKS_PER_SECOND)
}

/// A size that Linux tells about a process, such as its peak memory.
pub(crate) fn process_status_bytes(process: u32, field: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    match kibibytes {
        Some(number) => Ok(number.parse::<u64>()? * 1024),
        None => Err(Failure(format!("no `{field}` for process {process}"))),
    }
}
