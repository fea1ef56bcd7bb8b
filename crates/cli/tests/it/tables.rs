//! `import --table`: CSV into tables of SQL.

use crate::harness::Place;

fn query(place: &Place, sql: &str) -> String {
    place.run(&["--json", "-c", sql]).ok()
}

#[test]
fn a_table_is_made_with_types_that_fit() {
    let place = Place::new();
    place.write(
        "things.csv",
        "Id,a name,price,seen,ok,code,note\n\
         1,\"two\nlines\",1.50,2024-02-29,true,007,\n\
         -2,,3,,false,1,x\n",
    );
    let told = place
        .run(&["import", "things.csv", "--table", "things"])
        .ok();
    let expected = "Created table things (id integer, a_name text, price numeric, seen date, \
                    ok boolean, code text, note text)\nImported 2 rows into things: ";
    assert!(told.starts_with(expected), "{told}");
    assert_eq!(
        query(&place, "SELECT * FROM things ORDER BY id"),
        "[{\"id\":-2,\"a_name\":null,\"price\":3,\"seen\":null,\"ok\":false,\"code\":\"1\",\"note\":\"x\"},\
         {\"id\":1,\"a_name\":\"two\\nlines\",\"price\":1.50,\"seen\":\"2024-02-29\",\"ok\":true,\
         \"code\":\"007\",\"note\":null}]\n"
    );
    // Once more adds the rows to the table that is there now.
    let told = place
        .run(&["import", "things.csv", "--table", "things", "--json"])
        .ok();
    let report: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&report["loaded"], &report["created"]),
        (&2.into(), &serde_json::Value::Null)
    );
    assert_eq!(
        query(&place, "SELECT count(*) AS n FROM things"),
        "[{\"n\":4}]\n"
    );
}

#[test]
fn a_late_row_widens_the_types() {
    let place = Place::new();
    let mut text = String::from("n,m\n");
    for n in 0..10_050 {
        text.push_str(&format!("{n},{n}\n"));
    }
    text.push_str("1.5,late\n");
    place.write("late.csv", text);
    let told = place.run(&["import", "late.csv", "-t", "late"]).ok();
    assert!(
        told.starts_with("Created table late (n numeric, m text)\n"),
        "{told}"
    );
    assert_eq!(
        query(
            &place,
            "SELECT count(*) AS n, max(m) AS m FROM late WHERE n IN (1.5, 7)"
        ),
        "[{\"n\":2,\"m\":\"late\"}]\n"
    );
}

#[test]
fn what_fails_names_its_line_and_leaves_nothing() {
    let place = Place::new();
    place
        .run(&["-c", "CREATE TABLE few (n INT PRIMARY KEY CHECK (n < 5))"])
        .ok();
    for (content, told) in [
        (
            "n\n1\n2\n\n7\n",
            "line 5: new row for relation \"few\" violates check constraint",
        ),
        (
            "n\n1\n1\n",
            "line 3: duplicate key value violates unique constraint \"few_pkey\"",
        ),
        (
            "n\n1\nx\n",
            "line 3: invalid input syntax for type integer: \"x\"",
        ),
        ("n\n1\n2,3\n", "line 3: 2 fields, there are 1 columns"),
        (
            "n\n1\n\"2\"3\n",
            "line 3: column `n`: text follows the closing quote",
        ),
        ("other\n1\n", "table few has no column `other`"),
        ("", "the file is empty"),
    ] {
        place.write("few.csv", content);
        let failed = place
            .run(&["import", "few.csv", "--table", "few"])
            .failed(1);
        assert!(failed.contains(told), "{content:?}: {failed}");
        assert_eq!(
            query(&place, "SELECT count(*) AS n FROM few"),
            "[{\"n\":0}]\n",
            "{content:?}"
        );
    }
    place.write("new.csv", "a,b\n1,2\n3\n");
    let failed = place
        .run(&["import", "new.csv", "--table", "new"])
        .failed(1);
    assert!(failed.contains("line 3: 1 field"), "{failed}");
    place.run(&["-c", "SELECT * FROM new"]).failed(1);
    place
        .run(&["import", "new.csv", "--table", "t", "--keyspace", "k"])
        .failed(2);
}

#[test]
fn rows_of_a_copy_stand_behind_it_in_a_script() {
    let place = Place::new();
    let script = "CREATE TABLE c (id INT PRIMARY KEY, t TEXT);
-- Rows, as pg_dump writes them.
COPY c (id, t) FROM stdin;
1\tone
2\t\\N
\\.
COPY c FROM STDIN (FORMAT csv); SELECT count(*) FROM c;
3,three
\\.
COPY nowhere FROM STDIN;
4\tfour
\\.
COPY c FROM STDIN;
five
\\.
\\copy c to stdout csv
COPY (SELECT id, t FROM c ORDER BY id DESC) TO STDOUT";
    let expected = "1,one\n2,\n3,three\n3\tthree\n2\t\\N\n1\tone\n";
    place.write("script.sql", script);
    let outcomes = [
        place.run(&["-q", "-t", "--format", "unaligned", "-f", "script.sql"]),
        place.run_with_input(
            &["sql", "-q", "-t", "--format", "unaligned"],
            script.replace("CREATE TABLE c", "CREATE TEMP TABLE c"),
        ),
    ];
    for (outcome, line) in outcomes.into_iter().zip(["script.sql:13: ", ""]) {
        assert_eq!(outcome.stdout, format!("3\n{expected}"), "{outcome:?}");
        let stderr = outcome.failed(3);
        let tells = |what: &str| assert!(stderr.contains(what), "{stderr}");
        tells("relation \"nowhere\" does not exist");
        tells(&format!(
            "{line}invalid input syntax for type integer: \"five\""
        ));
    }
    let told = place.run_with_input(&["-c", "COPY c FROM STDIN"], "7\tseven\n");
    assert_eq!(told.ok(), "COPY 1\n");
    let rows = place.run(&["-c", "COPY (SELECT count(*) FROM c) TO STDOUT"]);
    assert_eq!(rows.ok(), "4\n");
}

#[test]
fn rows_of_the_command_copy_stand_behind_it_too() {
    let place = Place::new();
    let script = "CREATE TABLE c (id INT, t TEXT);
\\copy c from stdin
1\tone
2\t\\N
\\.
\\copy c(id) from STDIN csv
3
\\.
\\copy nowhere from stdin
4\tfour
\\.
SELECT id, t FROM c ORDER BY id;
";
    place.write("script.sql", script);
    let piped = script.replace("CREATE TABLE", "CREATE TEMP TABLE");
    let arguments = ["-q", "-t", "--format", "unaligned"];
    let outcomes = [
        place.run(&[&arguments[..], &["-f", "script.sql"]].concat()),
        place.run_with_input(&[&["sql"], &arguments[..]].concat(), piped),
    ];
    for outcome in outcomes {
        assert_eq!(outcome.stdout, "1|one\n2|\n3|\n", "{outcome:?}");
        let stderr = outcome.failed(3);
        assert!(stderr.contains("relation \"nowhere\""), "{stderr}");
    }
    // Standard input beside a script, and within the script that comes from there.
    place.write("own.sql", "\\copy c from pstdin\nSELECT count(*) FROM c;\n");
    let own = [&arguments[..], &["-f", "own.sql"]].concat();
    assert_eq!(place.run_with_input(&own, "5\tfive\n").ok(), "4\n");
    let piped = "\\copy c from pstdin\n6\tsix\n\\.\nSELECT count(*) FROM c;\n";
    let own = [&["sql"], &arguments[..]].concat();
    assert_eq!(place.run_with_input(&own, piped).ok(), "5\n");
    let told = place.run_with_input(&["-c", "\\copy c from stdin"], "7\tseven\n");
    assert_eq!(told.ok(), "COPY 1\n");
    // A script of keys may load a file from there as well.
    let keys = "import - --format csv --key a\na,b\n1,2\n";
    let told = place.run_with_input(&["local"], keys).ok();
    assert!(told.contains("Imported 1"), "{told}");
}

#[test]
fn copy_goes_out_and_in() {
    let place = Place::new();
    place
        .run(&[
            "-c",
            "CREATE TABLE a (id INT, t TEXT)",
            "-c",
            "CREATE TABLE b (id INT, t TEXT)",
        ])
        .ok();
    place
        .run(&["-c", "INSERT INTO a VALUES (1, 'x,\"y'), (2, NULL)"])
        .ok();
    let file = place.path("a.csv").display().to_string();
    let told = place
        .run(&["-c", &format!("\\copy a to '{file}' csv header")])
        .ok();
    assert_eq!(told, "COPY 2\n");
    assert_eq!(place.read("a.csv"), "id,t\n1,\"x,\"\"y\"\n2,\n");
    let told = place
        .run(&[
            "-c",
            &format!("\\copy b from '{file}' with (format csv, header)"),
        ])
        .ok();
    assert_eq!(told, "COPY 2\n");
    let told = place.run(&[
        "-c",
        &format!("\\copy (select t from b order by id) to '{file}' csv delimiter ';'"),
    ]);
    assert_eq!(told.ok(), "COPY 2\n");
    assert_eq!(place.read("a.csv"), "\"x,\"\"y\"\n\n");
    let failed = place
        .run(&["-c", &format!("\\copy nowhere from '{file}' csv header")])
        .failed(1);
    assert!(
        failed.contains("relation \"nowhere\" does not exist"),
        "{failed}"
    );
}
