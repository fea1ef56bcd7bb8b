//! Results that are larger than what is held of them.

use crate::harness::Place;

/// Rows of the large result.
const ROWS: usize = 30_000;

fn query(rows: usize) -> String {
    format!("SELECT n, 'row ' || n AS word FROM generate_series(1, {rows}) AS n")
}

#[test]
fn every_form_shows_all_rows_once() {
    let place = Place::new();
    let run = |more: &[&str], rows: usize| {
        let query = query(rows);
        let mut arguments = vec!["-c", &query];
        arguments.extend(more);
        place.run(&arguments).ok()
    };
    let last = format!("{ROWS},row {ROWS}");
    let csv = run(&["--csv"], ROWS);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(
        (lines.len(), lines[0], lines[ROWS]),
        (ROWS + 1, "n,word", &*last)
    );

    let json = run(&["--json"], ROWS);
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    let rows = rows.as_array().unwrap();
    assert_eq!((rows.len(), &rows[1000]["n"]), (ROWS, &1001.into()));

    let aligned = run(&[], ROWS);
    let lines: Vec<&str> = aligned.lines().collect();
    assert_eq!(lines.len(), ROWS + 4);
    assert_eq!(
        lines[..3],
        ["  n   |   word   ", "------+----------", "    1 | row 1"]
    );
    // The first rows say how wide it is; what is wider sticks out.
    assert_eq!(lines[ROWS + 1], format!(" {ROWS} | row {ROWS}"));
    assert_eq!(lines[ROWS + 2], format!("({ROWS} rows)"));

    let expanded = run(&["-x"], ROWS);
    assert_eq!(expanded.matches("-[ RECORD ").count(), ROWS);
    assert!(
        expanded.contains(&format!("-[ RECORD {ROWS} ]")),
        "the last one"
    );

    for (form, lines) in [("unaligned", ROWS + 2), ("markdown", ROWS + 2)] {
        let text = run(&["--format", form], ROWS);
        assert_eq!(text.lines().count(), lines, "{form}");
    }
}

#[test]
fn a_result_as_large_as_the_window_is_whole() {
    let place = Place::new();
    for rows in [0, 1, 999, 1000, 1001, 2000] {
        let query = query(rows);
        let csv = place.run(&["-c", &query, "--csv"]).ok();
        assert_eq!(csv.lines().count(), rows + 1);
        let json = place.run(&["-c", &query, "--json"]).ok();
        let found: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(found.as_array().unwrap().len(), rows);
        let word = if rows == 1 { "row" } else { "rows" };
        let aligned = place.run(&["-c", &query]).ok();
        assert!(aligned.ends_with(&format!("({rows} {word})\n\n")), "{rows}");
    }
}

#[test]
fn a_failure_within_the_window_shows_no_rows_and_a_later_one_some() {
    let place = Place::new();
    for (row, is_shown) in [(500, false), (5000, true)] {
        let query = format!("SELECT 1 / ({row} - n) FROM generate_series(1, 100000) AS n");
        let outcome = place.run(&["-c", &query, "--csv"]);
        assert_eq!(outcome.code, 1);
        assert_eq!(outcome.stdout.is_empty(), !is_shown, "{row}");
        assert!(
            outcome.stderr.contains("division by zero"),
            "{}",
            outcome.stderr
        );
    }
}

#[test]
fn large_results_go_to_files_and_commands() {
    let place = Place::new();
    let (file, counted) = (place.path("all.csv"), place.path("counted"));
    let script = format!(
        "\\pset format csv\n{};\n\\o {}\n{};\n\\o\n{} \\g |wc -l > {}\nselect 1 as one;\n",
        query(5),
        file.display(),
        query(ROWS),
        query(ROWS),
        counted.display()
    );
    let told = place.run_with_input(&["sql"], &script).ok();
    assert!(
        told.ends_with("one\n1\nBye!\n") || told.ends_with("one\n1\n"),
        "{told}"
    );
    assert_eq!(place.read("all.csv").lines().count(), ROWS + 1);
    assert_eq!(place.read("counted").trim(), (ROWS + 1).to_string());
}

#[test]
fn what_statements_gave_before_one_failed_is_shown() {
    let place = Place::new();
    let text = "CREATE TABLE t (x INT); INSERT INTO t VALUES (7); SELECT x FROM t; SELECT missing";
    let outcome = place.run(&["-c", text]);
    assert_eq!(
        outcome.stdout,
        "CREATE TABLE\nINSERT 0 1\n x \n---\n 7\n(1 row)\n\n"
    );
    let told = outcome.failed(1);
    assert!(
        told.contains("column \"missing\" does not exist (42703)"),
        "{told}"
    );
    // It is rolled back all the same.
    place.run(&["-c", "TABLE t"]).failed(1);

    let outcome = place.run(&["--json", "-c", "SELECT 1 AS a; SELECT 1 / 0; SELECT 2 AS b"]);
    assert_eq!(outcome.stdout, "[{\"a\":1}]\n");
    assert!(outcome.failed(1).contains("\"sqlstate\":\"22012\""));
}
