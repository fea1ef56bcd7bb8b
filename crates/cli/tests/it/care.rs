//! Verification, repair, copies, compaction and keys, as commands of the binary.

use serde_json::Value;

use crate::harness::{Outcome, Place, command, files, run};

fn object(outcome: Outcome) -> Value {
    serde_json::from_str(&outcome.ok()).unwrap()
}

fn table(place: &Place) -> std::path::PathBuf {
    let names = files(&place.database());
    let name = names.into_iter().find(|name| name.ends_with(".sst"));
    place.database().join(name.unwrap())
}

#[test]
fn commands_of_care_need_a_database_and_make_none() {
    let place = Place::new();
    for arguments in [
        &["verify"][..],
        &["compact"],
        &["checkpoint", "copy"],
        &["reencrypt"],
        &["change-key", "--new-key-file", "key"],
        &["stats"],
        &["upgrade"],
    ] {
        let told = place.run(arguments).failed(1);
        assert!(
            told.contains("there is no database in"),
            "{arguments:?}: {told}"
        );
        assert!(!place.database().exists(), "{arguments:?}");
    }
    place.run(&["repair"]).failed(1);
    assert!(!place.database().exists());
}

#[test]
fn verify_finds_damage_and_repair_saves_the_rest() {
    let place = Place::new();
    place.shell("put k v\nput l w\nflush\n").ok();
    place.run(&["verify"]).ok();
    let sound = object(place.run(&["verify", "--json"]));
    assert_eq!(
        (&sound["sound"], &sound["tables"]),
        (&Value::from(true), &Value::from(1))
    );

    let path = table(&place);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[70] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let told = place.run(&["verify"]).failed(1);
    assert!(told.contains("hint: "), "{told}");
    let repaired = object(place.run(&["repair", "--json"]));
    assert_eq!(repaired["complete"], false, "{repaired}");
    place.run(&["verify"]).ok();
    assert!(place.run(&["repair"]).ok().contains("Nothing was lost"));
}

#[test]
fn repair_does_not_run_read_only() {
    let place = Place::new();
    place.shell("put k v").ok();
    place.run(&["repair", "--read-only"]).failed(2);
}

#[test]
fn a_checkpoint_and_a_copy_open_as_databases() {
    let place = Place::new();
    place.shell("put k then").ok();
    for more in [&["link"][..], &["copied", "--copy"]] {
        let directory = place.path(more[0]);
        place.run(&[&["checkpoint"], more].concat()).ok();
        let mut read = command();
        read.args(["local", "-c", "get k", "-d"]).arg(&directory);
        assert_eq!(run(&mut read, "").ok(), "then\n");
        place.run(&[&["checkpoint"], more].concat()).failed(1);
    }
}

#[test]
fn a_checkpoint_within_the_database_is_refused_by_whatever_path() {
    let place = Place::new();
    place.shell("put k v").ok();
    std::os::unix::fs::symlink(place.database(), place.path("alias")).unwrap();
    for target in ["", "copy", "../alias/copy/deep"] {
        let target = place.database().join(target);
        let told = place
            .run(&["checkpoint", &target.display().to_string()])
            .failed(1);
        assert!(told.contains("is inside the database `"), "{told}");
        assert!(
            told.contains("\nhint: give a directory elsewhere"),
            "{told}"
        );
    }
    let told = place.shell("checkpoint alias").failed(1);
    assert!(told.contains("is inside the database `"), "{told}");
    let names = files(&place.database());
    assert!(!names.contains(&"copy".to_owned()), "{names:?}");
}

/// A file that never answers keeps the repair busy until the signal comes.
#[test]
fn a_repair_that_is_interrupted_says_what_to_do() {
    use rustix::process::{Pid, Signal, kill_process};
    let place = Place::new();
    place.shell("put k v\nflush\n").ok();
    let pipe = place.database().join("999999.sst");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let mut repair = command();
    repair.arg("repair").arg("-d").arg(place.database());
    repair.stderr(std::process::Stdio::piped());
    let repair = repair.spawn().unwrap();
    let status = format!("/proc/{}/status", repair.id());
    let waits_for_signals = || {
        let status = std::fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
        caught & 1 << (Signal::INT.as_raw() - 1) != 0
    };
    while !waits_for_signals() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&repair), Signal::INT).unwrap();
    let outcome = repair.wait_with_output().unwrap();
    let told = String::from_utf8(outcome.stderr).unwrap();
    assert_eq!(outcome.status.code(), Some(130), "{told}");
    assert!(told.starts_with("error: cancelled; "), "{told}");
    assert!(told.contains("run `repair` again"), "{told}");
    std::fs::remove_file(&pipe).unwrap();
    place.run(&["repair"]).ok();
    assert_eq!(place.shell("get k").ok(), "v\n");
}

#[test]
fn compact_leaves_what_is_live() {
    let place = Place::new();
    place.shell("put k v\nflush\nput k w\ndelete l\n").ok();
    assert!(place.run(&["compact"]).ok().starts_with("Compacted in "));
    assert_eq!(object(place.run(&["compact", "--json"]))["ok"], true);
    assert_eq!(place.shell("get k\n").ok(), "w\n");
}

#[test]
fn a_changed_key_opens_and_the_old_one_does_not() {
    let place = Place::new();
    let old = place.key_file("old", &"11".repeat(32));
    let new = place.key_file("new", &"22".repeat(32));
    place
        .run(&["local", "--key-file", &old, "-c", "put k v"])
        .ok();
    place.run(&["change-key", "--key-file", &old]).failed(2);
    place
        .run(&["change-key", "--key-file", &old, "--new-key-file", &new])
        .ok();
    place.run(&["reencrypt", "--key-file", &new]).ok();
    place
        .run(&["local", "--key-file", &old, "-c", "get k"])
        .failed(1);
    let read = place.run(&["local", "--key-file", &new, "-c", "get k"]);
    assert_eq!(read.ok(), "v\n");
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let place = Place::new();
    let key = place.key_file("key", &"11".repeat(32));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&key, mode).unwrap();
    let told = place
        .run(&["local", "--key-file", &key, "-c", "put k v"])
        .failed(1);
    assert!(told.contains("hint: `chmod 600 "), "{told}");
    assert!(!place.database().exists());
}

#[test]
fn a_key_or_a_passphrase_comes_from_the_variable() {
    let place = Place::new();
    let shell = |key: Option<&str>, line: &str| {
        let mut command = command();
        command
            .args(["local", "-c", line, "-d"])
            .arg(place.database());
        if let Some(key) = key {
            command.env("RUSTDB_KEY", key);
        }
        run(&mut command, "")
    };
    shell(Some("correct horse"), "put k v").failed(2);
    assert!(!place.database().exists());
    shell(Some("passphrase:correct horse"), "put k v").ok();
    assert_eq!(shell(Some("passphrase:correct horse"), "get k").ok(), "v\n");
    shell(Some("passphrase:battery staple"), "get k").failed(1);
    shell(None, "get k").failed(1);
    let key = place.key_file("key", &"11".repeat(32));
    let mut two = command();
    two.args(["local", "-c", "get k", "--key-file", &key]);
    run(two.env("RUSTDB_KEY", "11".repeat(32)), "").failed(2);
}

#[test]
fn a_passphrase_is_asked_for_only_at_a_terminal() {
    let place = Place::new();
    let told = place
        .run(&["local", "--ask-passphrase", "-c", "put k v"])
        .failed(1);
    assert!(told.contains("RUSTDB_KEY"), "{told}");
    assert!(!place.database().exists());
}

#[test]
fn a_database_without_its_current_file_is_damaged_and_not_missing() {
    let place = Place::new();
    let values: Vec<String> = (0..3000).map(|n| format!("put key{n} value{n}")).collect();
    place.run_with_input(&["local"], values.join("\n")).ok();
    place.run(&["compact"]).ok();
    std::fs::remove_file(place.database().join("CURRENT")).unwrap();
    let told = place.run(&["stats"]).failed(1);
    assert!(told.contains("the file is missing"), "{told}");
    assert!(told.contains("repair"), "{told}");
}

#[test]
fn a_database_of_this_release_needs_no_upgrade() {
    let place = Place::new();
    place.shell("put k v\n").ok();
    let told = place.run(&["upgrade"]).ok();
    assert!(told.starts_with("Nothing to do: "), "{told}");
    let report = object(place.run(&["upgrade", "--json"]));
    assert_eq!(report["from"], report["to"]);
    assert_eq!(place.shell("get k\n").ok(), "v\n");
    place.run(&["upgrade", "--read-only"]).failed(2);
}
