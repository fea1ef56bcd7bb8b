//! Sessions on threads of their own, told what to do one step at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustdb_txn::LockTable;

use crate::engines::{Outcome, Talk, Theirs};

/// Who knows how many sessions wait for locks.
pub(super) enum Waits {
    Ours(Arc<LockTable>),
    Theirs(Theirs),
}

/// Sessions that wait for each other in a circle are about to be told so.
const THEIR_WAITS: &str = "with recursive edge as (
    select l.pid as waits, unnest(pg_blocking_pids(l.pid)) as for_it
    from pg_locks l where not l.granted),
  path as (select waits as first, for_it from edge
    union select path.first, edge.for_it from path join edge on edge.waits = path.for_it)
select case when exists (select 1 from path where first = for_it) then -1
  else (select count(distinct pid) from pg_locks where not granted) end";

impl Waits {
    /// How long an answer is listened for before the question who waits is asked: what that
    /// question costs.
    fn patience(&self) -> Duration {
        match self {
            Waits::Ours(_) => Duration::from_micros(200),
            Waits::Theirs(_) => Duration::from_millis(10),
        }
    }

    fn count(&mut self) -> Option<usize> {
        match self {
            Waits::Ours(locks) => {
                let locks = locks.list().into_iter();
                Some(locks.filter(|lock| !lock.granted).count())
            }
            Waits::Theirs(control) => {
                let Outcome::Ran { rows, .. } = control.run(THEIR_WAITS) else {
                    return None;
                };
                rows[0][0].as_ref()?.parse().ok()
            }
        }
    }
}

/// A session's ends of its channels.
struct Lane {
    ask: Sender<String>,
    answer: Receiver<Outcome>,
    is_busy: bool,
}

/// Runs the steps; what each of them, and those it freed, gave.
pub(super) fn play<T: Talk + Send>(
    sessions: Vec<T>,
    steps: &[(usize, String)],
    mut waits: Waits,
) -> Vec<Vec<String>> {
    std::thread::scope(|scope| {
        let mut lanes: BTreeMap<usize, Lane> = BTreeMap::new();
        for (number, mut session) in sessions.into_iter().enumerate() {
            let (ask, asked) = channel::<String>();
            let (reply, answer) = channel();
            scope.spawn(move || {
                for statement in asked {
                    let _nobody_listens = reply.send(session.run(&statement));
                }
            });
            let lane = Lane {
                ask,
                answer,
                is_busy: false,
            };
            lanes.insert(number + 1, lane);
        }
        let step = |(session, statement): &(usize, String)| {
            let lane = lanes.get_mut(session).unwrap();
            if lane.is_busy {
                return vec!["cannot be told: the session still waits".to_owned()];
            }
            lane.ask.send(statement.clone()).unwrap();
            lane.is_busy = true;
            settle(&mut lanes, *session, &mut waits)
        };
        steps.iter().map(step).collect()
        // The sessions that do not wait end now, and roll back; thus the others end too.
    })
}

/// Waits until who has not answered waits for a lock.
fn settle(lanes: &mut BTreeMap<usize, Lane>, current: usize, waits: &mut Waits) -> Vec<String> {
    let mut answers = BTreeMap::new();
    let patience = waits.patience();
    loop {
        for (number, lane) in lanes.iter_mut().filter(|(_, lane)| lane.is_busy) {
            if let Ok(outcome) = lane.answer.recv_timeout(patience) {
                lane.is_busy = false;
                answers.insert(*number, outcome);
            }
        }
        let busy = lanes.values().filter(|lane| lane.is_busy).count();
        if busy == 0 {
            break;
        }
        // Twice the same, as an answer may come between the two questions.
        if waits.count() == Some(busy) && waits.count() == Some(busy) {
            let mut late = lanes.values().filter(|lane| lane.is_busy);
            if late.all(|lane| lane.answer.try_recv().is_err()) {
                break;
            }
            panic!("an answer came from a session that waits");
        }
    }
    let mut lines = match answers.remove(&current) {
        Some(outcome) => told(&outcome),
        None => vec!["waits".to_owned()],
    };
    for (number, outcome) in answers {
        let told = told(&outcome).into_iter();
        lines.extend(told.map(|line| format!("<{number}> {line}")));
    }
    lines
}

fn told(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::Failed { state, .. } => vec![format!("ERROR:  {state}")],
        Outcome::Ran { rows, tag } => {
            let row = |row: &Vec<Option<String>>| {
                let cells = row.iter().map(|cell| cell.as_deref().unwrap_or_default());
                cells.collect::<Vec<_>>().join("|")
            };
            let mut lines: Vec<String> = rows.iter().map(row).collect();
            if !tag.starts_with("SELECT") {
                lines.push(tag.clone());
            }
            lines
        }
    }
}
