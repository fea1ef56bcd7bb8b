//! The shell at a terminal: prompt, history, Ctrl-C, Ctrl-D, signals.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::harness::{Place, command};

/// How long a terminal may take to show something; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A shell in a terminal that we look at.
struct Terminal {
    child: Child,
    keyboard: File,
    shown: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    fn open(place: &Place, arguments: &[&str]) -> Self {
        Self::of_kind("xterm", place, arguments)
    }

    fn of_kind(kind: &str, place: &Place, arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let side = || {
            let file = File::options().read(true).write(true).open(&name).unwrap();
            Stdio::from(OwnedFd::from(file))
        };
        let mut command = command();
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(place.database());
        command.env("TERM", kind).env("NO_COLOR", "1");
        command.stdin(side()).stdout(side()).stderr(side());
        let child = command.spawn().unwrap();
        let keyboard = File::from(master);
        let screen = keyboard.try_clone().unwrap();
        let (sender, shown) = channel();
        std::thread::spawn(move || watch(screen, &sender));
        Self {
            child,
            keyboard,
            shown,
            seen: String::new(),
        }
    }

    fn type_keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until `text` is shown after everything that was waited for before.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.shown.recv_timeout(left) else {
                panic!("`{text}` was not shown, but {:?}", self.seen);
            };
            self.answer(&bytes);
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    /// A terminal tells where its cursor is when it is asked.
    fn answer(&mut self, bytes: &[u8]) {
        for _ in bytes.windows(4).filter(|it| it == b"\x1b[6n") {
            self.type_keys("\x1b[1;1R");
        }
    }

    #[track_caller]
    fn wait_for_end(mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        panic!("the shell did not end; shown: {:?}", self.seen);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn watch(mut screen: File, sender: &std::sync::mpsc::Sender<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(bytes @ 1..) = screen.read(&mut buffer) {
        if sender.send(buffer[..bytes].to_vec()).is_err() {
            return;
        }
    }
}

#[test]
fn history_is_kept_after_exit_and_after_ctrl_d() {
    let place = Place::new();
    let mut terminal = Terminal::open(&place, &["local"]);
    terminal.wait_for("rustdb> ");
    terminal.type_keys("put k hello world\r");
    terminal.wait_for("OK");
    terminal.wait_for("rustdb> ");
    terminal.type_keys("EXIT\r");
    terminal.wait_for("Bye!");
    assert!(terminal.wait_for_end().success());

    let mut terminal = Terminal::open(&place, &["local"]);
    terminal.wait_for("rustdb> ");
    terminal.type_keys("get k\r");
    terminal.wait_for("hello world");
    terminal.wait_for("rustdb> ");
    terminal.type_keys("\x04");
    terminal.wait_for("Bye!");
    assert!(terminal.wait_for_end().success());
    assert_eq!(
        place.read("db/.rustdb_history"),
        "put k hello world\nEXIT\nget k\n"
    );

    // The third session finds the line of the second with the arrow key.
    let mut terminal = Terminal::open(&place, &["local"]);
    terminal.wait_for("rustdb> ");
    terminal.type_keys("\x1b[A\r");
    terminal.wait_for("get k");
    terminal.wait_for("hello world");
    terminal.type_keys("quit\r");
    terminal.wait_for("Bye!");
}

#[test]
fn statements_of_sql_take_several_lines_and_are_one_entry_of_the_history() {
    let place = Place::new();
    let mut terminal = Terminal::open(&place, &[]);
    terminal.wait_for("RustDB v");
    terminal.wait_for("rustdb> ");
    terminal.type_keys("select 40 +\r");
    terminal.wait_for("rustdb-> ");
    terminal.type_keys("2 as answer;\r");
    terminal.wait_for(" answer ");
    terminal.wait_for("     42");
    terminal.wait_for("rustdb> ");
    terminal.type_keys("begin;\r");
    terminal.wait_for("BEGIN");
    terminal.wait_for("rustdb*> ");
    terminal.type_keys("select 'a mistake' +\x03");
    terminal.wait_for("rustdb*> ");
    terminal.type_keys("select nothing;\r");
    terminal.wait_for("LINE 1: select nothing");
    terminal.wait_for("rustdb*> ");
    terminal.type_keys("rollback;\r");
    terminal.wait_for("ROLLBACK");
    terminal.wait_for("rustdb> ");
    terminal.type_keys("exit\r");
    terminal.wait_for("Bye!");
    assert!(terminal.wait_for_end().success());

    let mut terminal = Terminal::open(&place, &["sql"]);
    terminal.wait_for("rustdb> ");
    // Up to the statement of two lines: past the four entries after it.
    terminal.type_keys("\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A");
    terminal.wait_for("select 40 +");
    terminal.type_keys("\r");
    terminal.wait_for("     42");
    terminal.wait_for("rustdb> ");
    terminal.type_keys("sel\t");
    terminal.wait_for("select ");
    terminal.type_keys("1 as done;\r");
    terminal.wait_for(" done ");
    terminal.wait_for("rustdb> ");
    terminal.type_keys("\\q\r");
    terminal.wait_for("Bye!");
    assert!(terminal.wait_for_end().success());
}

#[test]
fn ctrl_c_clears_the_line_and_does_not_end_the_shell() {
    let place = Place::new();
    let mut terminal = Terminal::open(&place, &["local"]);
    terminal.wait_for("rustdb> ");
    terminal.type_keys("put k wrong");
    terminal.wait_for("wrong");
    terminal.type_keys("\x03");
    terminal.wait_for("rustdb> ");
    terminal.type_keys("get k\r");
    terminal.wait_for("(nil)");
    terminal.wait_for("rustdb> ");
    terminal.type_keys("\x04");
    terminal.wait_for("Bye!");
    assert!(terminal.wait_for_end().success());
}

#[test]
fn ctrl_c_stops_a_statement_and_not_the_shell() {
    let place = Place::new();
    let mut terminal = Terminal::open(&place, &["sql"]);
    terminal.wait_for("rustdb> ");
    terminal.type_keys("select count(*) from generate_series(1, 2000000000) a;\r");
    terminal.wait_for("Ctrl-C stops the statement");
    // A terminal makes a signal of Ctrl-C while nobody edits a line.
    kill_process(Pid::from_child(&terminal.child), Signal::INT).unwrap();
    terminal.wait_for("canceling statement due to user request");
    terminal.wait_for("rustdb> ");
    terminal.type_keys("select 'never run");
    terminal.wait_for("never run");
    terminal.type_keys("\x03");
    terminal.wait_for("rustdb> ");
    terminal.type_keys("select 20 + 3 as after;\r");
    terminal.wait_for("23");
    terminal.wait_for("rustdb> ");
    terminal.type_keys("\\q\r");
    assert!(terminal.wait_for_end().success());
}

#[test]
fn a_request_to_end_closes_the_database() {
    let place = Place::new();
    let mut terminal = Terminal::open(&place, &["local"]);
    terminal.wait_for("rustdb> ");
    terminal.type_keys("put k v\r");
    terminal.wait_for("OK");
    terminal.wait_for("rustdb> ");
    kill_process(Pid::from_child(&terminal.child), Signal::TERM).unwrap();
    assert_eq!(terminal.wait_for_end().code(), Some(143));
    assert_eq!(place.shell("get k").ok(), "v\n");
}

#[test]
fn the_history_of_an_encrypted_database_is_not_written() {
    let place = Place::new();
    let key = place.key_file("key", &"11".repeat(32));
    let mut terminal = Terminal::open(&place, &["local", "--key-file", &key]);
    terminal.wait_for("rustdb> ");
    terminal.type_keys("put k secret\r");
    terminal.wait_for("OK");
    terminal.wait_for("rustdb> ");
    terminal.type_keys("\x04");
    terminal.wait_for("Bye!");
    assert!(terminal.wait_for_end().success());
    assert!(!place.path("db/.rustdb_history").exists());
}

#[test]
fn a_passphrase_is_asked_for_and_not_shown() {
    let place = Place::new();
    let mut terminal = Terminal::open(&place, &["local", "--ask-passphrase"]);
    terminal.wait_for("Passphrase: ");
    terminal.type_keys("correct horse\r");
    terminal.wait_for("Once more: ");
    terminal.type_keys("correct horse\r");
    terminal.wait_for("rustdb> ");
    terminal.type_keys("put k secret\r");
    terminal.wait_for("OK");
    terminal.wait_for("rustdb> ");
    terminal.type_keys("\x04");
    terminal.wait_for("Bye!");
    assert!(terminal.wait_for_end().success());
    place.run(&["local", "-c", "get k"]).failed(1);
    let mut read = crate::harness::command();
    read.args(["local", "-c", "get k", "-d"])
        .arg(place.database());
    read.env("RUSTDB_KEY", "passphrase:correct horse");
    assert_eq!(crate::harness::run(&mut read, "").ok(), "secret\n");
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_is_read_line_by_line() {
    let place = Place::new();
    let mut terminal = Terminal::of_kind("dumb", &place, &["local"]);
    terminal.type_keys("put k one\nget k\n");
    terminal.wait_for("OK");
    terminal.wait_for("one");
    // Ctrl-D at the beginning of a line.
    terminal.type_keys("\x04");
    assert!(terminal.wait_for_end().success());
}
