//! Lines of the shell.

use rustdb_cli::fuzzing::shell_line;

/// Tries an input, line by line.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    // Each import and export line goes through the parser of arguments, which is slow.
    for line in text.split('\n').take(8) {
        shell_line(line);
    }
}

/// Every command, in every form.
pub fn seeds() -> Vec<Vec<u8>> {
    let lines = [
        "put k v",
        "set \"a b\" 'c d'",
        r#"put \x00\xFF "say \"hi\" \n""#,
        "get k;",
        "delete k",
        "del 'k'",
        "scan",
        "scan p --limit 3 --reverse",
        "scan --limit=7 \"--reverse\"",
        "range a b",
        "range \"\" \"\" 10",
        "count",
        "count p",
        "use users",
        "keyspaces",
        "create users --counted",
        "drop users",
        "stats",
        "import file.csv --key a,b --on-duplicate skip --delimiter tab --max-refused 3",
        "import - --format jsonl --key auto --json -k users",
        "export file.dump --force",
        "export f.csv --key a --columns b,c --prefix p --delimiter ';'",
        "import --help",
        "flush",
        "compact",
        "verify",
        "checkpoint /dir --copy",
        "help",
        "\\q",
        "# a comment",
        "gte k",
        "put ключ значение",
    ];
    lines.iter().map(|line| line.as_bytes().to_vec()).collect()
}
