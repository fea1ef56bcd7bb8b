//! One face for RustDB and for PostgreSQL, so that a test says the same things to both.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use rustdb_sql::Session;

use crate::database::{cell, session};
use crate::server::Server;

/// What the statements of a text gave: of the last that gives rows, the rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// All of them ran.
    Ran {
        /// The cells' texts; NULL is `None`.
        rows: Vec<Vec<Option<String>>>,
        /// How the last one tells what it did.
        tag: String,
    },
    /// One of them failed.
    Failed {
        /// SQLSTATE.
        state: String,
        /// PostgreSQL's words.
        message: String,
    },
}

impl Outcome {
    /// SQLSTATE, if it failed.
    pub(crate) fn state(&self) -> Option<&str> {
        match self {
            Outcome::Ran { .. } => None,
            Outcome::Failed { state, .. } => Some(state),
        }
    }
}

/// A session of a database.
pub(crate) trait Talk {
    /// Runs the statements of a text.
    fn run(&mut self, text: &str) -> Outcome;
}

/// A session of RustDB.
pub(crate) struct Ours(pub(crate) Session);

impl Ours {
    /// A session of a database of its own, in memory.
    pub(crate) fn alone() -> Ours {
        Ours(session())
    }
}

impl Talk for Ours {
    fn run(&mut self, text: &str) -> Outcome {
        let answers = match self.0.execute(text, &[]) {
            Ok(answers) => answers,
            Err(error) => {
                return Outcome::Failed {
                    state: error.state().as_str().to_owned(),
                    message: error.message().to_owned(),
                };
            }
        };
        let (mut rows, mut tag) = (Vec::new(), String::new());
        for answer in answers {
            if let Some(columns) = &answer.columns {
                let settings = self.0.settings();
                let row = |row: &[rustdb_types::Value]| {
                    let cells = row.iter().zip(columns.iter());
                    let cells = cells.map(|(value, column)| {
                        (!value.is_null()).then(|| cell(value, &column.of, settings))
                    });
                    cells.collect()
                };
                rows = answer.rows.iter().map(row).collect();
            }
            tag = answer.tag.to_string();
        }
        Outcome::Ran { rows, tag }
    }
}

/// A session of PostgreSQL, over its own protocol: simple queries, values as text.
pub(crate) struct Theirs {
    stream: UnixStream,
    /// The number that `pg_locks` and its friends know the session by.
    pub(crate) process: u32,
}

impl Theirs {
    /// Connects to a database of a server.
    pub(crate) fn connect(server: &Server, database: &str) -> Theirs {
        let path = format!("{}/.s.PGSQL.5432", server.directory());
        let mut stream = UnixStream::connect(path).unwrap();
        let words = format!("user\0postgres\0database\0{database}\0\0");
        let mut hello = (words.len() as u32 + 8).to_be_bytes().to_vec();
        hello.extend(196_608_u32.to_be_bytes());
        hello.extend(words.as_bytes());
        stream.write_all(&hello).unwrap();
        let mut theirs = Theirs { stream, process: 0 };
        loop {
            let (kind, body) = theirs.message();
            match kind {
                b'K' => theirs.process = u32::from_be_bytes(body[..4].try_into().unwrap()),
                b'Z' => break,
                b'E' => panic!("{}", String::from_utf8_lossy(&body)),
                _ => (),
            }
        }
        theirs.run("set client_min_messages to error; set timezone to 'UTC'");
        theirs
    }

    fn message(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes(head[1..].try_into().unwrap());
        let mut body = vec![0; length as usize - 4];
        self.stream.read_exact(&mut body).unwrap();
        (head[0], body)
    }

    /// Sends a text without waiting for what it gives.
    pub(crate) fn send(&mut self, text: &str) {
        let mut message = vec![b'Q'];
        message.extend((text.len() as u32 + 5).to_be_bytes());
        message.extend(text.as_bytes());
        message.push(0);
        self.stream.write_all(&message).unwrap();
    }

    /// What the text that was sent gives.
    pub(crate) fn receive(&mut self) -> Outcome {
        let (mut rows, mut tag, mut failed) = (Vec::new(), String::new(), None);
        loop {
            let (kind, body) = self.message();
            match kind {
                b'T' => rows = Vec::new(),
                b'D' => rows.push(data_row(&body)),
                b'C' => tag = String::from_utf8_lossy(&body[..body.len() - 1]).into_owned(),
                b'E' => failed = Some(error_of(&body)),
                b'Z' => break,
                _ => (),
            }
        }
        failed.unwrap_or(Outcome::Ran { rows, tag })
    }
}

impl Talk for Theirs {
    fn run(&mut self, text: &str) -> Outcome {
        self.send(text);
        self.receive()
    }
}

fn data_row(body: &[u8]) -> Vec<Option<String>> {
    let count = u16::from_be_bytes([body[0], body[1]]);
    let mut rest = &body[2..];
    let mut cells = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let (length, after) = rest.split_at(4);
        let length = i32::from_be_bytes(length.try_into().unwrap());
        let (bytes, after) = after.split_at(length.max(0) as usize);
        cells.push((length >= 0).then(|| String::from_utf8_lossy(bytes).into_owned()));
        rest = after;
    }
    cells
}

fn error_of(body: &[u8]) -> Outcome {
    let (mut state, mut message) = (String::new(), String::new());
    for field in body
        .split(|byte| *byte == 0)
        .filter(|field| !field.is_empty())
    {
        let text = String::from_utf8_lossy(&field[1..]).into_owned();
        match field[0] {
            b'C' => state = text,
            b'M' => message = text,
            _ => (),
        }
    }
    Outcome::Failed { state, message }
}

/// A database on the server that is gone with the value.
pub(crate) struct Scratch<'a> {
    server: &'a Server,
    /// What it is called.
    pub(crate) name: String,
}

impl Scratch<'_> {
    /// Makes it. Each user of a name within the tests gives another one.
    pub(crate) fn new<'a>(server: &'a Server, name: &str) -> Scratch<'a> {
        let name = name.to_owned();
        server.psql(&format!("create database {name}")).unwrap();
        Scratch { server, name }
    }

    /// A session of it.
    pub(crate) fn connect(&self) -> Theirs {
        Theirs::connect(self.server, &self.name)
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        let _dropped = self
            .server
            .psql(&format!("drop database {} with (force)", self.name));
    }
}
