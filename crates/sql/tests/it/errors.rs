//! What is wrong with a statement and where, compared with PostgreSQL 15 where it is installed, and
//! with what it once said everywhere.
//!
//! `errors.txt` begins with statements that make tables. Each paragraph after them is a text that
//! fails, and after `----` the code of the error, its place in the text (in letters, from 1), its
//! words, and its detail and hint if it has them. Each text runs in a transaction that is rolled
//! back. `RUSTDB_BLESS=1` writes what the installed PostgreSQL says into the file.
//!
//! Of syntax errors only the code is compared: where the parsers are when they give up differs.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use rustdb_sql::{Error, Session};

use crate::database::session;
use crate::server::Server;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/errors.txt");

/// Where we differ on purpose: the text, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("select * from t limit id", LIMIT),
    ("select * from t limit 1.5 offset name", LIMIT),
    (
        "alter table t alter column id type nosuch",
        "the place is known",
    ),
    (
        "select extract(year from id) from t",
        "the field is a text and no literal in quotes",
    ),
    (
        "select name collate nosuch from t",
        "the hint says which collations there are",
    ),
];

const LIMIT: &str = "LIMIT and OFFSET see no columns, so that none is there";

struct Case {
    text: String,
    answer: String,
}

/// The statements that come first, and the cases.
fn cases() -> (Vec<String>, Vec<Case>) {
    let file = std::fs::read_to_string(FILE).unwrap();
    let mut paragraphs = file.split("\n\n").filter(|text| !text.trim().is_empty());
    let setup = paragraphs
        .next()
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    let cases = paragraphs.map(|paragraph| {
        let (text, answer) = paragraph.split_once("\n----").unwrap_or((paragraph, ""));
        Case {
            text: text.trim_matches('\n').to_owned(),
            answer: answer.trim().to_owned(),
        }
    });
    (setup, cases.collect())
}

/// What is said of an error; of a syntax error only its code.
fn told(
    code: &str,
    place: Option<u64>,
    message: &str,
    detail: Option<&str>,
    hint: Option<&str>,
) -> String {
    if code == "42601" && message.starts_with("syntax error") || message.starts_with("untermin") {
        return "42601: syntax error".to_owned();
    }
    let place = place.map(|at| format!(" at {at}")).unwrap_or_default();
    let mut told = format!("{code}{place}: {message}");
    for (word, text) in [("DETAIL", detail), ("HINT", hint)] {
        if let Some(text) = text {
            told.push_str(&format!("\n{word}: {text}"));
        }
    }
    told
}

fn ours(session: &mut Session, text: &str) -> String {
    session.execute("begin", &[]).unwrap();
    let result = session.execute(text, &[]);
    session.execute("rollback", &[]).unwrap();
    result.map_or_else(|error| said(&error, text), |_| "ok".to_owned())
}

fn said(error: &Error, text: &str) -> String {
    let place = error.position().map(|at| at.letter_in(text));
    let (detail, hint) = (error.detail(), error.hint());
    told(error.state().as_str(), place, error.message(), detail, hint)
}

#[test]
fn errors_say_what_postgresql_says_and_where() {
    let (setup, cases) = cases();
    let mut session = session();
    for statement in setup {
        session.execute(&statement, &[]).unwrap();
    }
    let mut different = Vec::new();
    for case in cases {
        let is_known = DIFFERENT.iter().any(|(text, _)| *text == case.text);
        let ours = ours(&mut session, &case.text);
        if (ours == case.answer) == is_known {
            different.push(format!("{}\nis {ours}\nnot {}", case.text, case.answer));
        }
    }
    let count = different.len();
    assert!(count == 0, "{}\n{count} differ", different.join("\n\n"));
}

#[test]
fn postgresql_still_says_what_is_in_the_errors() {
    let server = match Server::shared() {
        Ok(server) => server,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    server.psql("create database errors").unwrap();
    let mut client = Client::connect(server.directory(), "errors");
    let (setup, cases) = cases();
    let mut text = String::new();
    for statement in setup {
        assert_eq!(client.ask(&statement), "ok");
        text.push_str(&format!("{statement}\n"));
    }
    let mut different = Vec::new();
    for case in &cases {
        client.ask("begin");
        let theirs = client.ask(&case.text);
        client.ask("rollback");
        if theirs != case.answer {
            different.push(format!("{}\nis {theirs}\nnot {}", case.text, case.answer));
        }
        text.push_str(&format!("\n{}\n----\n{theirs}\n", case.text));
    }
    if std::env::var_os("RUSTDB_BLESS").is_some() {
        #[expect(clippy::disallowed_methods, reason = "a file of the repository")]
        std::fs::write(FILE, text).unwrap();
        return;
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}

/// Speaks to the server itself: programs do not print the place as a number.
struct Client(UnixStream);

impl Client {
    fn connect(directory: &str, database: &str) -> Client {
        let stream = UnixStream::connect(format!("{directory}/.s.PGSQL.5432")).unwrap();
        let mut client = Client(stream);
        let words = format!("user\0postgres\0database\0{database}\0\0");
        let mut startup = (words.len() as u32 + 8).to_be_bytes().to_vec();
        startup.extend(196_608_u32.to_be_bytes());
        startup.extend(words.as_bytes());
        client.0.write_all(&startup).unwrap();
        client.answer();
        client
    }

    fn ask(&mut self, text: &str) -> String {
        let mut message = vec![b'Q'];
        message.extend((text.len() as u32 + 5).to_be_bytes());
        message.extend(text.as_bytes());
        message.push(0);
        self.0.write_all(&message).unwrap();
        self.answer()
    }

    /// Reads until the server is ready again.
    fn answer(&mut self) -> String {
        let mut answer = "ok".to_owned();
        loop {
            let mut head = [0; 5];
            self.0.read_exact(&mut head).unwrap();
            let length = u32::from_be_bytes(head[1..].try_into().unwrap());
            let mut body = vec![0; length as usize - 4];
            self.0.read_exact(&mut body).unwrap();
            match head[0] {
                b'E' => answer = error_of(&body),
                b'Z' => return answer,
                _ => (),
            }
        }
    }
}

fn error_of(body: &[u8]) -> String {
    let fields: Vec<&str> = body
        .split(|byte| *byte == 0)
        .map(|field| std::str::from_utf8(field).unwrap())
        .collect();
    let field = |kind: char| fields.iter().find_map(|field| field.strip_prefix(kind));
    told(
        field('C').unwrap(),
        field('P').map(|place| place.parse().unwrap()),
        field('M').unwrap(),
        field('D'),
        field('H'),
    )
}
