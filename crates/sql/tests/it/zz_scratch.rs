//! Scratch.
use std::sync::Arc;
use rustdb_vfs::MemVfs;
use crate::database::managed;
use crate::engines::{Ours, Outcome, Scratch, Talk, Theirs};
use crate::server::Server;

fn config(name: &str) -> &'static str {
    match name {
        "default" => "",
        "par" => "set max_parallel_workers_per_gather = 8; set min_parallel_table_scan_size = 0",
        "parmem" => "set max_parallel_workers_per_gather = 8; set min_parallel_table_scan_size = 0; set work_mem = '64kB'",
        "mem" => "set max_parallel_workers_per_gather = 0; set work_mem = '64kB'",
        "nohash" => "set enable_hashjoin = off",
        "nomerge" => "set enable_mergejoin = off; set enable_nestloop = off",
        "nl" => "set enable_mergejoin = off; set enable_hashjoin = off",
        "alone" => "set max_parallel_workers_per_gather = 0",
        _ => panic!("{name}"),
    }
}

fn split(line: &str) -> (usize, &str) {
    match line.strip_prefix('@').and_then(|rest| rest.split_once(' ')) {
        Some((n, rest)) if n.parse::<usize>().is_ok() => (n.parse().unwrap(), rest),
        _ => (0, line),
    }
}

fn plain(cell: &str) -> String {
    match cell.contains('.').then(|| cell.parse::<f64>()) {
        Some(Ok(v)) if std::env::var("BREAK_FLOAT").is_ok() => format!("{v:.6e}"),
        _ => cell.to_owned(),
    }
}

fn norm(sql: &str, outcome: &Outcome) -> Outcome {
    match outcome {
        Outcome::Ran { rows, tag } => {
            let mut rows: Vec<Vec<Option<String>>> = rows.iter().map(|r| r.iter().map(|c| c.as_deref().map(plain)).collect()).collect();
            if !sql.to_lowercase().contains("order by 1") { rows.sort(); }
            Outcome::Ran { rows, tag: tag.clone() }
        }
        Outcome::Failed { state, message } => Outcome::Failed { state: state.clone(), message: if std::env::var("BREAK_MESSAGES").is_ok() { message.clone() } else { String::new() } },
    }
}

fn ours(name: &str, lines: &[String], dir: &str) -> Vec<Outcome> {
    let (database, manager) = managed(Arc::new(MemVfs::new()));
    let mut sessions: Vec<Ours> = Vec::new();
    let mut out = Vec::new();
    for line in lines {
        let (n, sql) = split(line);
        while sessions.len() <= n {
            let mut s = Ours(database.connect());
            s.run("set timezone to 'UTC'");
            assert_eq!(s.run(config(name)).state(), None);
            sessions.push(s);
        }
        if sql == "@flush" { manager.engine().flush().unwrap(); out.push(Outcome::Ran { rows: vec![], tag: String::new() }); continue; }
        if let Some(rest) = sql.strip_prefix("@copy ") {
            let (table, file) = rest.rsplit_once(' ').unwrap();
            let input = std::fs::read(format!("{dir}/{file}")).unwrap();
            let done = sessions[n].0.copy_in(&format!("copy {table} from stdin (format csv)"), &mut &input[..]);
            out.push(match done {
                Ok(a) => Outcome::Ran { rows: vec![], tag: a.tag.to_string() },
                Err(e) => Outcome::Failed { state: e.state().as_str().to_owned(), message: e.message().to_owned() },
            });
            continue;
        }
        out.push(sessions[n].run(sql));
    }
    out
}

fn theirs(server: &Server, base: &str, lines: &[String], dir: &str) -> Vec<Outcome> {
    let scratch = Scratch::new(server, base);
    let mut sessions: Vec<Theirs> = Vec::new();
    let mut out = Vec::new();
    for line in lines {
        let (n, sql) = split(line);
        while sessions.len() <= n { sessions.push(scratch.connect()); sessions.last_mut().unwrap().run("set enable_seqscan=on"); }
        if sql == "@flush" { out.push(Outcome::Ran { rows: vec![], tag: String::new() }); continue; }
        if let Some(rest) = sql.strip_prefix("@copy ") {
            let (table, file) = rest.rsplit_once(' ').unwrap();
            out.push(sessions[n].run(&format!("copy {table} from '{dir}/{file}' (format csv)")));
            continue;
        }
        out.push(sessions[n].run(sql));
    }
    out
}

#[test]
fn scratch_scripts() {
    let Ok(dir) = std::env::var("BREAK_DIR") else { return };
    let configs = std::env::var("BREAK_CONFIGS").unwrap_or_else(|_| "default".into());
    let server = if std::env::var("BREAK_ALONE").is_ok() { None } else { Some(Server::shared().unwrap()) };
    let mut files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "sql")).collect();
    files.sort();
    let (mut count, mut bad) = (0, 0);
    for (i, path) in files.iter().enumerate() {
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<String> = text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with("--")).map(str::to_owned).collect();
        let mut results: Vec<(String, Vec<Outcome>)> = Vec::new();
        if let Some(server) = &server { results.push(("pg".into(), theirs(server, &format!("breaker{i}"), &lines, &dir))); }
        for c in configs.split(',') { results.push((c.to_owned(), ours(c, &lines, &dir))); }
        let mut shown = 0;
        for (n, line) in lines.iter().enumerate() {
            count += 1;
            let first = norm(line, &results[0].1[n]);
            for (name, outs) in &results[1..] {
                if norm(line, &outs[n]) != first {
                    bad += 1;
                    shown += 1;
                    if shown <= 3 {
                        let cut = |o: &Outcome| { let s = format!("{:?}", o); s.chars().take(1500).collect::<String>() };
                        println!("DIFF {}:{} {}\n  {}: {}\n  {}: {}", path.display(), n + 1, line, results[0].0, cut(&results[0].1[n]), name, cut(&outs[n]));
                    }
                }
            }
        }
        if std::env::var("BREAK_SHOW").is_ok() { for (n, line) in lines.iter().enumerate() { println!("{line}"); for (name, o) in &results { println!("   {name}: {:?}", o[n]); } } }
    }
    let mut failed = 0;
    println!("{count} statements, {bad} differences");
    let _ = &mut failed;
}
