//! COPY's binary format: the bytes are PostgreSQL's.

use std::process::Command;
use std::sync::Arc;

use rustdb_vfs::MemVfs;

use crate::database::{cell, database_over, session};
use crate::server::Server;

/// A table with a column of each type, and rows for it.
const TABLE: &str = "create table b (a bool, i2 smallint, i4 int, i8 bigint, f4 real, f8 float8, \
    n numeric, n2 numeric(9, 3), t text, vc varchar(9), c char(5), by bytea, d date, ti time, \
    ts timestamp, tz timestamptz, iv interval, u uuid, j json, jb jsonb, ai int[], at text[], \
    an numeric[], m mood, p positive)";

const TYPES: &str = "create type mood as enum ('sad', 'ok'); \
    create domain positive as int check (value > 0)";

const ROWS: [&str; 4] = [
    "(true, -1, 2147483647, -9223372036854775808, 1.5, -2.25e300, 12345678901234567890.0001, 1.5, \
     'é\ttab', 'vc', 'ab', '\\x00ff', '2024-02-29', '23:59:59.999999', '2024-02-29 12:00:00.5', \
     '2024-02-29 12:00:00+02', '1 mon -2 days 03:00:00.000001', \
     '11111111-2222-3333-4444-555555555555', '{\"a\":  1}', '{\"b\": [1, null]}', \
     '{{1,2},{3,null}}', '{\"x y\",null,\"\"}', '{1.50,NaN}', 'ok', 7)",
    "(false, 0, 0, 0, 'nan', 'infinity', 'NaN', -0.001, '', '', '', '', 'infinity', '00:00', \
     '-infinity', 'infinity', '0', '00000000-0000-0000-0000-000000000000', '[]', 'null', '{}', \
     '{}', '[2:3]={1,2}', 'sad', 1)",
    "(null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, \
     null, null, null, null, null, null, null, null, null, null)",
    "(true, 1, 1, 1, 0, 0, 0.00001, 100000, 'x', 'y', 'abcde', 'z', '4713-01-01 BC', '12:00', \
     '0001-01-01', '1999-12-31 23:59:59.999999+00', '-1 year', \
     'ffffffff-ffff-ffff-ffff-ffffffffffff', '1', '1e3', '{1}', '{a}', '{0}', 'ok', 2147483647)",
];

fn bytes_of_psql(server: &Server, database: &str, statement: &str) -> Vec<u8> {
    let output = Command::new("psql")
        .args(["-h", server.directory(), "-U", "postgres", "-d", database])
        .args(["-XAt", "-v", "ON_ERROR_STOP=1", "-c", statement])
        .env("PGTZ", "UTC")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[test]
fn binary_copies_are_postgresqls_bytes() {
    let server = match Server::shared() {
        Ok(server) => server,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    server.psql("create database define_binary").unwrap();
    let mut ours = session();
    for statement in [TYPES, TABLE] {
        ours.execute(statement, &[]).unwrap();
        bytes_of_psql(&server, "define_binary", statement);
    }
    let insert = format!("insert into b values {}", ROWS.join(", "));
    ours.execute(&insert, &[]).unwrap();
    bytes_of_psql(&server, "define_binary", &insert);
    let copy = "copy b to stdout (format binary)";
    let theirs = bytes_of_psql(&server, "define_binary", copy);
    let mut out = Vec::new();
    ours.copy_out(copy, &mut out).unwrap();
    assert_eq!(out, theirs);
    // And back.
    let rows = |session: &mut rustdb_sql::Session| {
        let answers = session.execute("select * from b", &[]).unwrap();
        let columns = answers[0].columns.clone().unwrap();
        let row = |row: &[rustdb_types::Value]| -> Vec<String> {
            let cells = row.iter().zip(columns.iter());
            cells
                .map(|(value, column)| cell(value, &column.of, session.settings()))
                .collect()
        };
        answers[0].rows.iter().map(row).collect::<Vec<_>>()
    };
    let before = rows(&mut ours);
    ours.execute("delete from b", &[]).unwrap();
    let copied = ours.copy_in("copy b from stdin (format binary)", &mut &theirs[..]);
    assert_eq!(copied.unwrap().tag.to_string(), "COPY 4");
    assert_eq!(rows(&mut ours), before);
}

/// What PostgreSQL says of a file.
fn told_by_psql(server: &Server, data: &[u8]) -> String {
    let path = format!("{}/wrong", server.directory());
    #[expect(clippy::disallowed_methods, reason = "what another program reads")]
    std::fs::write(&path, data).unwrap();
    let copy = format!("\\set VERBOSITY verbose\ncopy b from '{path}' (format binary);");
    let psql = "printf '%s\\n' \"$0\" | psql -h \"$1\" -U postgres -d define_wrong -XAt 2>&1";
    let output = Command::new("sh")
        .args(["-c", psql, &copy, server.directory()])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_is_wrong_with_binary_data_is_told_as_postgresql_tells_it() {
    let head = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    let with = |more: &[u8]| [&head[..], more].concat();
    let one = [0, 1, 0, 0, 0, 4, 0, 0, 0, 9];
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"1\n".to_vec(), "22P04: COPY file signature not recognized"),
        (
            head[..13].to_vec(),
            "22P04: invalid COPY file header (missing flags)",
        ),
        (
            head[..17].to_vec(),
            "22P04: invalid COPY file header (missing length)",
        ),
        (with(&[0, 2]), "22P04: row field count is 2, expected 1"),
        (with(&[0, 1, 0, 0]), "22P04: unexpected EOF in COPY data"),
        (
            with(&[0, 1, 0, 0, 0, 9, 1]),
            "22P04: unexpected EOF in COPY data",
        ),
        (
            with(&[0, 1, 0xff, 0xff, 0xff, 0xfe]),
            "22P04: invalid field size",
        ),
        (
            with(&[0, 1, 0, 0, 0, 1, 7]),
            "08P01: insufficient data left in message",
        ),
        (
            with(&[0, 1, 0, 0, 0, 5, 0, 0, 0, 1, 0]),
            "22P03: incorrect binary data format",
        ),
        (
            with(&[0xff, 0xff, 7]),
            "22P04: received copy data after EOF marker",
        ),
        (with(&one), "COPY 1"),
        (with(&[&one[..], &[0xff, 0xff]].concat()), "COPY 1"),
        (head.clone(), "COPY 0"),
    ];
    let server = Server::shared();
    if let Ok(server) = &server {
        server.psql("create database define_wrong").unwrap();
        bytes_of_psql(server, "define_wrong", "create table b (a int)");
    }
    let mut ours = session();
    ours.execute("create table b (a int)", &[]).unwrap();
    for (data, expected) in cases {
        let copied = ours.copy_in("copy b from stdin (format binary)", &mut &data[..]);
        let found = match copied {
            Ok(answer) => answer.tag.to_string(),
            Err(error) => format!("{}: {}", error.state().as_str(), error.message()),
        };
        assert_eq!(found, expected, "{data:?}");
        if let Ok(server) = &server {
            let theirs = told_by_psql(server, &data);
            assert!(theirs.contains(expected), "{expected}: {theirs}");
        }
    }
}

#[test]
fn copy_opens_files_only_where_it_is_let() {
    let mut session = database_over(Arc::new(MemVfs::new())).connect();
    let error = session.execute("copy (select 1) to '/tmp/rustdb-never'", &[]);
    assert_eq!(error.unwrap_err().state().as_str(), "42501");
}
