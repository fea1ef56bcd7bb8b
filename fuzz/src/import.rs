//! What `import` reads.
//!
//! Input: a selector (which format, and which key columns), and the file. A dump is tried as it is,
//! or its frames are pieces that get checksums that fit.

use rustdb_cli::fuzzing::{csv, dump, json_lines, seal_dump};

const KEYS: [Option<&str>; 4] = [None, Some("auto"), Some("a"), Some("b,a")];

/// Tries an input.
pub fn run(input: &[u8]) {
    let (selector, file) = crate::selector(input);
    let key = KEYS[usize::from(selector >> 2 & 3)];
    match selector & 3 {
        0 => _ = csv(file, if selector & 16 == 0 { b',' } else { b'\t' }, key),
        1 => _ = json_lines(file, key),
        2 => _ = dump(file),
        _ => _ = dump(&seal_dump(&crate::pieces(file))),
    }
}

/// A few files of each format.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let tables = [
        "key,value\nk,v\n\"a \"\"b\"\"\",\"c\nd\"\n",
        "a,b,c\n1,2,3\n4,,6\nx/y,\"z\\\",\n",
        "a\tb\n1\t2\r\n3\t4\n",
    ];
    for (table, selector) in tables
        .iter()
        .flat_map(|table| [0, 4, 8, 12, 28].map(|s| (table, s)))
    {
        seeds.push(crate::selected(selector, table.as_bytes()));
    }
    let lines = [
        "{\"key\": \"k\", \"value\": \"v\"}\n{\"key\": {\"hex\": \"00ff\"}, \"value\": [1, 2.5e3, null]}\n",
        "{\"a\": \"x\", \"b\": 7, \"c\": {\"d\": [true]}}\n\n{\"a\": null}\n[]\n",
    ];
    for (lines, selector) in lines
        .iter()
        .flat_map(|lines| [1, 5, 9, 13].map(|s| (lines, s)))
    {
        seeds.push(crate::selected(selector, lines.as_bytes()));
    }
    let records = b"\x04\x02\x03\x01\0\0\0lz4a\x05\x01\0\0\0\x01\0\0\0\x07\0\0\0\0\0\0\0kv\x02\0\0\0\0\0\0\0\0";
    let end = b"\x03\x02\0\0\0\0\0\0\0";
    seeds.push(crate::selected(2, &seal_dump(&[records, end])));
    seeds.push(crate::selected(3, &crate::joined([&records[..], end])));
    seeds.push(crate::selected(
        3,
        &crate::joined([[&records[..], end].concat()]),
    ));
    seeds
}
