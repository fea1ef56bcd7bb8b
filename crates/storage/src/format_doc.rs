//! Reads the tables of `docs/format/*.md`, so that tests can hold the code against them.
//!
//! A layout table has rows `| offset | size | name | meaning |`, a number table rows
//! `| number | name | meaning |`. Both stand under a heading; the first table there counts.

/// A row of a layout table whose offset and size are plain numbers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) offset: usize,
    pub(crate) size: usize,
    pub(crate) name: String,
}

/// The rows of fixed size of the layout table under `heading`. Checks that each begins where the
/// one before it ends.
pub(crate) fn layout(document: &str, heading: &str) -> Vec<Field> {
    let fields: Vec<Field> = rows(document, heading)
        .into_iter()
        .filter_map(|row| {
            let [offset, size, name, ..] = &row[..] else {
                panic!("short row {row:?}")
            };
            Some(Field {
                offset: offset.parse().ok()?,
                size: size.parse().ok()?,
                name: name.clone(),
            })
        })
        .collect();
    let mut end = 0;
    for field in &fields {
        assert_eq!(
            field.offset, end,
            "{heading}: `{}` leaves a gap",
            field.name
        );
        end += field.size;
    }
    fields
}

/// The rows of the number table under `heading`.
pub(crate) fn numbers(document: &str, heading: &str) -> Vec<(u64, String)> {
    rows(document, heading)
        .into_iter()
        .map(|row| (row[0].parse().expect("a number"), row[1].clone()))
        .collect()
}

/// The bytes of the first hexadecimal block under `heading`. A line is bytes, then after two
/// spaces an explanation.
pub(crate) fn hex(document: &str, heading: &str) -> Vec<u8> {
    section(document, heading)
        .lines()
        .skip_while(|line| *line != "```hex")
        .skip(1)
        .take_while(|line| *line != "```")
        .flat_map(|line| line.split("  ").next().unwrap_or("").split_whitespace())
        .map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits"))
        .collect()
}

/// Bytes as a hexadecimal block shows them, to paste into a document.
pub(crate) fn dump(bytes: &[u8]) -> String {
    let line = |chunk: &[u8]| {
        chunk
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    bytes.chunks(16).map(line).collect::<Vec<_>>().join("\n")
}

fn rows(document: &str, heading: &str) -> Vec<Vec<String>> {
    let rows: Vec<Vec<String>> = section(document, heading)
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            line.trim_matches('|')
                .split('|')
                .map(|c| c.trim().replace('`', ""))
                .collect()
        })
        .collect();
    assert!(!rows.is_empty(), "no table under `{heading}`");
    rows
}

fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let start = document
        .find(&format!("\n{heading}\n"))
        .expect("the document has this heading");
    let body = &document[start + heading.len() + 2..];
    body.split("\n#").next().unwrap_or(body)
}
