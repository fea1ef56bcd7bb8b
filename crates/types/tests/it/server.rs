//! A PostgreSQL 15 for the time of a test, if the machine has one.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Weak};

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// A server on a socket in a directory of its own; gone with the value.
pub(crate) struct Server {
    directory: String,
    process: Child,
    /// PostgreSQL does not run as root; then these words run it as another user.
    prefix: Vec<&'static str>,
}

/// The server that tests share while any of them uses it.
#[expect(
    clippy::disallowed_types,
    reason = "tests that run in parallel share a server"
)]
static SHARED: std::sync::Mutex<Weak<Server>> = std::sync::Mutex::new(Weak::new());

impl Server {
    /// The server that other tests use, or a new one, or why there is none.
    pub(crate) fn shared() -> Result<Arc<Server>, String> {
        let mut shared = SHARED.lock().map_err(|error| error.to_string())?;
        if let Some(server) = shared.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(Server::start()?);
        *shared = Arc::downgrade(&server);
        Ok(server)
    }

    /// Starts a server, or says why there is none.
    fn start() -> Result<Server, String> {
        let version = Command::new(format!("{BIN}/postgres"))
            .arg("--version")
            .output();
        if !version.is_ok_and(|output| output.status.success()) {
            return Err(format!("no PostgreSQL 15 in {BIN}"));
        }
        let root = output("id", &["-u"])?.trim() == "0";
        let prefix = if root {
            vec!["runuser", "-u", "postgres", "--"]
        } else {
            Vec::new()
        };
        let directory = run(&prefix, "mktemp", &["-d", "/tmp/rustdb-types-XXXXXX"])?
            .trim()
            .to_owned();
        let data = format!("{directory}/data");
        let initdb = format!("{BIN}/initdb");
        run(
            &prefix,
            &initdb,
            &[
                "-D",
                &data,
                "-E",
                "UTF8",
                "--locale=C",
                "-A",
                "trust",
                "-U",
                "postgres",
            ],
        )?;
        let mut words: Vec<String> = prefix.iter().map(|word| (*word).to_owned()).collect();
        words.push(format!("{BIN}/postgres"));
        words.extend(["-D", &data, "-k", &directory].map(str::to_owned));
        for setting in ["listen_addresses=", "fsync=off", "max_stack_depth=6MB"] {
            words.extend(["-c".to_owned(), setting.to_owned()]);
        }
        let process = Command::new(&words[0])
            .args(&words[1..])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let server = Server {
            directory,
            process,
            prefix,
        };
        for _ in 0..100 {
            if server.psql("select 1").is_ok() {
                server.psql(TRY)?;
                return Ok(server);
            }
            let _waited = Command::new("sleep").arg("0.1").status();
        }
        Err("PostgreSQL did not start".to_owned())
    }

    /// Where its socket is.
    #[expect(
        clippy::allow_attributes,
        reason = "tests of two crates share this file"
    )]
    #[allow(dead_code, reason = "tests of one of them need it")]
    pub(crate) fn directory(&self) -> &str {
        &self.directory
    }

    /// Runs statements; what they print, unaligned.
    pub(crate) fn psql(&self, script: &str) -> Result<String, String> {
        let mut child = Command::new(format!("{BIN}/psql"))
            .args([
                "-h",
                &self.directory,
                "-U",
                "postgres",
                "-XqAt",
                "-v",
                "ON_ERROR_STOP=1",
            ])
            .env("PGCLIENTENCODING", "UTF8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut input = child.stdin.take().ok_or("no input")?;
        let script = script.to_owned();
        // Its answer may fill the pipe before it has read everything.
        #[expect(clippy::disallowed_methods, reason = "a pipe to another program")]
        let writer = std::thread::spawn(move || input.write_all(script.as_bytes()));
        let output = child
            .wait_with_output()
            .map_err(|error| error.to_string())?;
        let _written = writer.join();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        String::from_utf8(output.stdout).map_err(|error| error.to_string())
    }

    /// What each expression gives: its text, or code and words of its error.
    pub(crate) fn evaluate(&self, settings: &str, expressions: &[String]) -> Vec<String> {
        self.each("try", settings, expressions)
    }

    /// Runs each statement: `ok`, or code and words of its error.
    pub(crate) fn execute(&self, settings: &str, statements: &[String]) -> Vec<String> {
        self.each("try_statement", settings, statements)
    }

    fn each(&self, function: &str, settings: &str, texts: &[String]) -> Vec<String> {
        let mut script = format!("{settings};\ncreate temp table e (id serial, sql text);\n");
        script.push_str("copy e (sql) from stdin;\n");
        for text in texts {
            script.push_str(&escape(text));
            script.push('\n');
        }
        script.push_str("\\.\n");
        script.push_str(&format!(
            "copy (select {function}(sql) from e order by id) to stdout;\n"
        ));
        let answer = self.psql(&script).unwrap();
        let answers: Vec<String> = answer.lines().map(unescape).collect();
        assert_eq!(answers.len(), texts.len());
        answers
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopped = run(
            &self.prefix,
            &format!("{BIN}/pg_ctl"),
            &[
                "-D",
                &format!("{}/data", self.directory),
                "-m",
                "immediate",
                "stop",
            ],
        );
        if stopped.is_err() {
            let _killed = self.process.kill();
        }
        let _ended = self.process.wait();
        let _removed = run(&self.prefix, "rm", &["-rf", &self.directory]);
    }
}

/// Evaluates an expression, and turns an error into text.
const TRY: &str = "create function try(sql text) returns text language plpgsql as $$
declare result text; detail text; hint text;
begin
  execute 'select format(''%s'', (' || sql || '))' into result;
  return result;
exception when others then
  get stacked diagnostics detail = pg_exception_detail, hint = pg_exception_hint;
  return sqlstate || ': ' || sqlerrm || coalesce(' / ' || nullif(detail, ''), '')
    || coalesce(' / ' || nullif(hint, ''), '');
end $$;
create function try_statement(sql text) returns text language plpgsql as $$
begin
  execute sql;
  return 'ok';
exception when others then
  return sqlstate || ': ' || sqlerrm;
end $$;
create function try_receive(relation text, value bytea) returns text language plpgsql as $$
declare
  result text; detail text; hint text; number oid;
  path text := current_setting('data_directory') || '/received';
begin
  number := lo_from_bytea(0, '\\x5047434f50590aff0d0a000000000000000000'::bytea || '\\x0001'::bytea
    || int4send(length(value)) || value || '\\xffff'::bytea);
  perform lo_export(number, path);
  perform lo_unlink(number);
  execute format('delete from %I', relation);
  execute format('copy %I from %L (format binary)', relation, path);
  execute format('select format(''%%s'', c) from %I', relation) into result;
  return result;
exception when others then
  get stacked diagnostics detail = pg_exception_detail, hint = pg_exception_hint;
  return sqlstate || ': ' || sqlerrm || coalesce(' / ' || nullif(detail, ''), '')
    || coalesce(' / ' || nullif(hint, ''), '');
end $$;";

fn run(prefix: &[&str], program: &str, arguments: &[&str]) -> Result<String, String> {
    let words: Vec<&str> = prefix.iter().copied().chain([program]).collect();
    let all: Vec<&str> = words[1..]
        .iter()
        .copied()
        .chain(arguments.iter().copied())
        .collect();
    output(words[0], &all)
}

fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir("/tmp")
        .output()
        .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\t', "\\t")
        .replace('\r', "\\r")
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\x08'),
            Some('f') => out.push('\x0c'),
            Some('v') => out.push('\x0b'),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}
