//! COPY of long inputs, of which another thread makes rows: what comes of it is what one thread
//! makes of it.

use std::io::{Error as IoError, Read, Result as IoResult};
use std::sync::atomic::Ordering;

use rustdb_sql::{Error, RowSet, Session};
use rustdb_types::Value;

use crate::database::session;

const TABLES: &str = "create domain small as int check (value < 100000);
    create table t (n serial primary key, id int unique, word text not null, d small,
        at timestamp, at_least int check (at_least >= 0), double int generated always as (id * 2) stored)";

const COPY: &str =
    "copy t (id, word, d, at, at_least) from stdin (format csv, header match) where id % 10 <> 3";

const HEAD: &str = "id,word,d,at,at_least\n";

/// A line, some of which have several lines.
fn line(id: usize) -> String {
    let word = match id % 5 {
        0 => format!("word {id}"),
        1 => format!("\"with, comma {id}\""),
        2 => format!("\"two\nlines {id}\""),
        3 => "\"a \"\"quote\"\"\"".to_owned(),
        _ => "x".repeat(id % 90 + 1),
    };
    let d = if id.is_multiple_of(4) {
        String::new()
    } else {
        id.to_string()
    };
    format!(
        "{id},{word},{d},2026-01-{:02} 12:00,{}\n",
        id % 28 + 1,
        id % 7
    )
}

const LINES: usize = 30_000;

/// The lines, one of them another.
fn input(wrong: Option<(usize, &str)>) -> Vec<u8> {
    let mut text = HEAD.to_owned();
    for id in 0..LINES {
        match wrong {
            Some((at, wrong)) if at == id => text.push_str(wrong),
            _ => text.push_str(&line(id)),
        }
    }
    text.into_bytes()
}

/// Gives some bytes at a time, and fails at last if it is to.
struct Source<'i> {
    input: &'i [u8],
    at_once: usize,
    fails: bool,
}

impl Read for Source<'_> {
    fn read(&mut self, out: &mut [u8]) -> IoResult<usize> {
        let count = self.at_once.min(out.len()).min(self.input.len());
        let (given, rest) = self.input.split_at(count);
        out[..count].copy_from_slice(given);
        self.input = rest;
        match count == 0 && self.fails {
            true => Err(IoError::other("the wire is cut")),
            false => Ok(count),
        }
    }
}

fn tables(workers: usize) -> Session {
    let mut session = session();
    session.execute(TABLES, &[]).unwrap();
    let set = format!("set max_parallel_workers_per_gather = {workers}");
    session.execute(&set, &[]).unwrap();
    session
}

/// What is told of a failure.
fn told(error: &Error) -> String {
    format!(
        "{} {} {:?} {:?}",
        error.state().as_str(),
        error.message(),
        error.detail(),
        error.context(),
    )
}

fn copied(session: &mut Session, source: &mut dyn Read) -> (String, RowSet) {
    let told = match session.copy_in(COPY, source) {
        Ok(answer) => format!("{:?}", answer.tag),
        Err(error) => told(&error),
    };
    let rows = session.execute("select * from t order by n", &[]).unwrap();
    (told, rows[0].rows.clone())
}

#[test]
fn two_threads_load_what_one_loads_however_it_is_read() {
    let input = input(None);
    let alone = copied(&mut tables(0), &mut &input[..]);
    assert_eq!(alone.1.len(), LINES / 10 * 9);
    for at_once in [1 << 20, 70_000, 333] {
        let mut source = Source {
            input: &input,
            at_once,
            fails: false,
        };
        assert!(copied(&mut tables(8), &mut source) == alone, "{at_once}");
    }
}

#[test]
fn two_threads_tell_the_first_error_as_one_does() {
    let twice = line(500);
    let wrong = [
        "1,2\n",
        "1,2,3,2026-01-01,5,6\n",
        "x,word,1,2026-01-01,1\n",
        "1,word,100000,2026-01-01,1\n",
        "1,,1,2026-01-01,1\n",
        "1,word,1,2026-01-99,1\n",
        "1,word,1,2026-01-01,-1\n",
        "1,\"not ended,1,2026-01-01,1\n",
        "1,word\0,1,2026-01-01,1\n",
        "1,word,1,2026-01-01,1\r\n",
        "\\.\n",
        &twice,
    ];
    for wrong in wrong {
        for at in [1000, LINES - 1] {
            let input = input(Some((at, wrong)));
            let alone = copied(&mut tables(0), &mut &input[..]);
            let together = copied(&mut tables(8), &mut &input[..]);
            assert_eq!(together.0, alone.0, "{wrong:?}");
            assert!(together.1 == alone.1, "{wrong:?}");
        }
    }
}

#[test]
fn of_two_errors_the_first_is_told() {
    // The line before would be found wrong when it is inserted, which comes later.
    let wrong = format!("{}x,word,1,2026-01-01,1\n", line(500));
    let input = input(Some((20_000, &wrong)));
    let mut session = tables(8);
    let error = session.copy_in(COPY, &mut &input[..]).unwrap_err();
    assert_eq!(error.state().as_str(), "23505");
}

#[test]
fn a_source_that_fails_late_is_told_with_its_line() {
    let input = input(None);
    let source = || Source {
        input: &input,
        at_once: 100_000,
        fails: true,
    };
    let alone = copied(&mut tables(0), &mut source());
    assert!(alone.0.contains("the wire is cut"), "{}", alone.0);
    assert!(copied(&mut tables(8), &mut source()) == alone);
}

#[test]
fn a_long_load_is_cancelled_where_it_is() {
    /// Has the load cancelled once so much was read.
    struct Cancelling<'c>(u64, &'c std::sync::atomic::AtomicBool);
    impl Read for Cancelling<'_> {
        fn read(&mut self, out: &mut [u8]) -> IoResult<usize> {
            if self.0 == LINES as u64 {
                self.1.store(true, Ordering::Relaxed);
            }
            let line = match self.0 {
                0 => HEAD.to_owned(),
                id => line(id as usize),
            };
            self.0 += 1;
            out[..line.len()].copy_from_slice(line.as_bytes());
            Ok(line.len())
        }
    }
    let mut session = tables(8);
    let cancelled = session.cancellation();
    let mut source = Cancelling(0, &cancelled);
    let error = session.copy_in(COPY, &mut source).unwrap_err();
    assert_eq!(error.state().as_str(), "57014");
    let rows = session.execute("select count(*) from t", &[]).unwrap();
    assert_eq!(rows[0].rows, [[Value::Int8(0)]]);
}
