//! PostgreSQL 15, in another process, over a Unix socket.
//!
//! The server is one of its own, started in a temporary directory and gone with the engine, with
//! as much memory as the other engines have, and its defaults else: commits wait for `fdatasync`
//! unless a row is not durable.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::types::{IsNull, ToSql, Type, private::BytesMut, to_sql_checked};
use postgres::{Client, NoTls, Row, SimpleQueryMessage, Statement};

use super::answer::Answer;
use super::engine::{Connector, Engine, Param};
use crate::engine::{Failure, Result, fail};

/// Where Debian has the programs.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

const SETTINGS: &[&str] = &[
    "listen_addresses=",
    "shared_buffers=2GB",
    "work_mem=256MB",
    "maintenance_work_mem=256MB",
    "max_wal_size=8GB",
    "random_page_cost=1.1",
    // Compiling takes longer than it saves at these sizes.
    "jit=off",
];

/// A server, which ends with the value.
pub(crate) struct Server {
    directory: String,
    process: Child,
    /// PostgreSQL does not run as root; then these words run it as another user.
    prefix: Vec<&'static str>,
}

impl Server {
    fn start() -> Result<Server> {
        if !Path::new(PROGRAMS).join("postgres").exists() {
            fail!("there is no PostgreSQL 15 in {PROGRAMS}");
        }
        let prefix = match rustix::process::geteuid().is_root() {
            true => vec!["runuser", "-u", "postgres", "--"],
            false => Vec::new(),
        };
        let directory = output(&prefix, "mktemp", &["-d", "/tmp/rustdb-bench-XXXXXX"])?;
        let directory = directory.trim().to_owned();
        let data = format!("{directory}/data");
        let flags = ["-D", &data, "-E", "UTF8", "--locale=C", "-A", "trust"];
        let initdb = format!("{PROGRAMS}/initdb");
        output(
            &prefix,
            &initdb,
            &[&flags[..], &["-U", "postgres"]].concat(),
        )?;
        let mut words: Vec<String> = prefix.iter().map(|word| (*word).to_owned()).collect();
        words.push(format!("{PROGRAMS}/postgres"));
        words.extend(["-D", &data, "-k", &directory].map(str::to_owned));
        for setting in SETTINGS {
            words.extend(["-c".to_owned(), (*setting).to_owned()]);
        }
        let process = Command::new(&words[0])
            .args(&words[1..])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/tmp")
            .spawn()?;
        Ok(Server {
            directory,
            process,
            prefix,
        })
    }

    fn address(&self) -> String {
        format!("host={} user=postgres dbname=postgres", self.directory)
    }

    /// Connects, when the server is ready.
    fn connect(&self) -> Result<Client> {
        let mut last = Failure("PostgreSQL did not start".to_owned());
        for _ in 0..100 {
            match Client::connect(&self.address(), NoTls) {
                Ok(client) => return Ok(client),
                Err(error) => last = error.into(),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(last)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = format!("{}/data", self.directory);
        let stop = ["-D", &data, "-m", "immediate", "stop"];
        if output(&self.prefix, &format!("{PROGRAMS}/pg_ctl"), &stop).is_err() {
            let _killed = self.process.kill();
        }
        let _ended = self.process.wait();
        let _removed = output(&self.prefix, "rm", &["-rf", &self.directory]);
    }
}

/// What a program prints.
fn output(prefix: &[&str], program: &str, arguments: &[&str]) -> Result<String> {
    let words = [prefix, &[program], arguments].concat();
    let output = Command::new(words[0])
        .args(&words[1..])
        .current_dir("/tmp")
        .output()?;
    if !output.status.success() {
        fail!("{program}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

struct Postgres {
    /// Before the server, which it needs to say farewell.
    client: Client,
    statements: Vec<Statement>,
    address: String,
    /// The first connection's.
    _server: Option<Server>,
}

pub(crate) fn open(_path: &Path) -> Result<Box<dyn Engine>> {
    let server = Server::start()?;
    Ok(Box::new(Postgres {
        client: server.connect()?,
        statements: Vec::new(),
        address: server.address(),
        _server: Some(server),
    }))
}

fn connected(address: &str) -> Result<Box<dyn Engine>> {
    Ok(Box::new(Postgres {
        client: Client::connect(address, NoTls)?,
        statements: Vec::new(),
        address: address.to_owned(),
        _server: None,
    }))
}

impl ToSql for Param {
    fn to_sql(
        &self,
        of: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Param::Int(number) if *of == Type::INT8 => number.to_sql(of, out),
            Param::Int(number) => i32::try_from(*number)?.to_sql(of, out),
            Param::Float(number) => number.to_sql(of, out),
            Param::Text(text) => text.to_sql(of, out),
        }
    }

    fn accepts(of: &Type) -> bool {
        [Type::INT4, Type::INT8, Type::FLOAT8, Type::TEXT].contains(of)
    }

    to_sql_checked!();
}

fn sum(rows: &[Row]) -> Result<i64> {
    let mut sum = 0;
    for row in rows {
        for (place, column) in row.columns().iter().enumerate() {
            sum += match *column.type_() {
                Type::INT4 => i64::from(row.try_get::<_, Option<i32>>(place)?.unwrap_or(0)),
                Type::INT8 => row.try_get::<_, Option<i64>>(place)?.unwrap_or(0),
                Type::FLOAT8 => {
                    std::hint::black_box(row.try_get::<_, Option<f64>>(place)?);
                    0
                }
                Type::TEXT => {
                    std::hint::black_box(row.try_get::<_, Option<&str>>(place)?);
                    0
                }
                _ => 0,
            };
        }
    }
    Ok(sum)
}

impl Engine for Postgres {
    fn run(&mut self, text: &str) -> Result<()> {
        Ok(self.client.batch_execute(text)?)
    }

    fn query(&mut self, text: &str) -> Result<i64> {
        // One message there and back, with the types of the columns.
        sum(&self.client.query_typed(text, &[])?)
    }

    fn prepare(&mut self, text: &str) -> Result<usize> {
        self.statements.push(self.client.prepare(text)?);
        Ok(self.statements.len() - 1)
    }

    fn execute(&mut self, statement: usize, parameters: &[Param]) -> Result<i64> {
        let values: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|value| value as _).collect();
        sum(&self.client.query(&self.statements[statement], &values)?)
    }

    fn connector(&self) -> Option<Connector> {
        let address = self.address.clone();
        Some(Arc::new(move || connected(&address)))
    }

    fn set_durable(&mut self, durable: bool) -> Result<()> {
        let level = if durable { "on" } else { "off" };
        self.run(&format!("SET synchronous_commit = {level}"))
    }

    fn load(&mut self, table: &str, file: &Path) -> Result<()> {
        let copy = format!("COPY {table} FROM STDIN (FORMAT csv, HEADER)");
        let mut target = self.client.copy_in(&copy)?;
        io::copy(&mut File::open(file)?, &mut target)?;
        target.finish()?;
        Ok(())
    }

    fn rows(&mut self, text: &str) -> Result<Answer> {
        let begin = Instant::now();
        let messages = self.client.simple_query(text)?;
        let time = begin.elapsed();
        let mut rows = Vec::new();
        for message in messages {
            if let SimpleQueryMessage::Row(row) = message {
                let cells = (0..row.len()).map(|place| row.get(place).unwrap_or_default());
                rows.push(cells.map(str::to_owned).collect());
            }
        }
        Ok(Answer { rows, time })
    }

    fn set_limit(&mut self, limit: Duration) -> Result<()> {
        self.run(&format!("SET statement_timeout = {}", limit.as_millis()))
    }
}
