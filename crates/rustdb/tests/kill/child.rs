//! The process that is killed.

use std::io::Write;
use std::time::Duration;

use rustdb::Database;
use rustdb::crypto::Algorithm;

use crate::model::{Load, Step, WRITERS};

/// `DIRECTORY LOAD STEPS...`: opens the database and goes on from so many steps per writer, for
/// ever. Prints a writer's number whenever a step of it is safe.
pub fn run(arguments: &[String]) {
    let load = Load::of(&arguments[1]);
    let db = Database::open_with(&arguments[0], load.options()).unwrap();
    let writers = (0..WRITERS).map(|writer| {
        let db = db.clone();
        let first: u64 = arguments[2 + writer].parse().unwrap();
        std::thread::spawn(move || {
            for number in first.. {
                Step::of(writer, number, load).perform(&db).unwrap();
                let line = format!("{writer}\n");
                // One write, so that lines of several writers do not mix.
                if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
                    return;
                }
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    // Something to interrupt besides commits.
    for round in 0.. {
        std::thread::sleep(Duration::from_millis(30));
        db.compact().unwrap();
        if load == Load::Encrypted && round % 4 == 0 {
            db.rotate_data_key(Algorithm::Aes256Gcm).unwrap();
            db.reencrypt().unwrap();
        }
        if writers.iter().all(|writer| writer.is_finished()) {
            return;
        }
    }
}
