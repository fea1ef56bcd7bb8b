//! Import from memory, for fuzz targets: everything up to the database.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::load::{Item, Source, Stored};
use super::row::{columns_of, split_key};
use super::{KeyColumns, csv_rows, dump, json_lines};

pub(crate) fn csv(bytes: &[u8], delimiter: u8, key: Option<&str>) -> Option<u64> {
    let key = KeyColumns::of(key).ok()?;
    let mut source = csv_rows::Reader::new(bytes, delimiter, &key).ok()?;
    entries(&mut source, &key)
}

pub(crate) fn json_lines(bytes: &[u8], key: Option<&str>) -> Option<u64> {
    let key = KeyColumns::of(key).ok()?;
    let mut source = json_lines::Reader::new(bytes, key.clone());
    entries(&mut source, &key)
}

pub(crate) fn dump(bytes: &[u8]) -> Option<u64> {
    let items = items_of(&mut dump::Reader::new(bytes).ok()?)?;
    let mut writer = dump::Writer::new(Vec::new()).ok()?;
    for item in &items {
        match item {
            Item::Keyspace { name, stored } => writer.keyspace(name, stored).ok()?,
            Item::Entry {
                key, value, expiry, ..
            } => writer.entry(key, value, *expiry).ok()?,
            Item::Refused(_) | Item::End => {}
        }
    }
    let written = writer.finish().ok()?;
    let reread = dump::Reader::new(&written[..])
        .ok()
        .and_then(|mut it| items_of(&mut it));
    let reread = reread.expect("what the writer writes is a dump");
    assert!(items.iter().map(shown).eq(reread.iter().map(shown)));
    Some(
        items
            .iter()
            .filter(|item| matches!(item, Item::Entry { .. }))
            .count() as u64,
    )
}

pub(crate) fn seal_dump(payloads: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"RUSTDUMP\x02\0\0\0\0\0\0\0".to_vec();
    for (number, payload) in (0..).zip(payloads) {
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&xxh3_64_with_seed(payload, number).to_le_bytes());
        bytes.extend_from_slice(payload);
    }
    bytes
}

/// Reads all rows. A row must come apart as its export takes it apart.
fn entries(source: &mut dyn Source, columns: &KeyColumns) -> Option<u64> {
    let mut entries = 0;
    for item in items_of(source)? {
        let Item::Entry { key, value, .. } = item else {
            continue;
        };
        entries += 1;
        if let KeyColumns::Named(names) = columns {
            let key = std::str::from_utf8(&key).expect("columns are text");
            let values = split_key(key, names.len());
            assert!(values.is_some(), "the key of a row does not come apart");
        }
        if *columns != KeyColumns::Absent {
            assert!(columns_of(&value).is_some(), "a row is not an object");
        }
    }
    Some(entries)
}

/// All items, or `None` if the rest of the source cannot be read.
fn items_of(source: &mut dyn Source) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    while let Some(item) = source.next().ok()? {
        items.push(item);
    }
    Some(items)
}

fn shown(item: &Item) -> (Option<&Stored>, &[u8], &[u8], Option<u64>) {
    match item {
        Item::Keyspace { name, stored } => (Some(stored), name.as_bytes(), &[], None),
        Item::Entry {
            key, value, expiry, ..
        } => (None, key, value, *expiry),
        Item::Refused(_) => (None, b"refused", &[], Some(0)),
        Item::End => (None, b"end", &[], Some(0)),
    }
}
