//! Damaged files: an error, or the truth; never a wrong answer, never a panic.

use super::super::format::{BlockKind, Footer, Input, frame};
use super::super::properties::Properties;
use super::*;
use crate::codec::Codec;
use crate::{Error, MAX_SEQUENCE};

fn small(fixture: &Fixture) -> (TableMeta, Vec<Entry>) {
    let entries: Vec<Entry> = (0..12).map(|n| put(&key(n), &[n as u8; 9])).collect();
    let options = TableOptions {
        block_bytes: 120,
        codec: Codec::Lz4,
        filter: true,
    };
    let mut builder = fixture.builder(1, options);
    for (key, seq, kind, value) in &entries {
        builder.add(key, *seq, *kind, value).unwrap();
    }
    builder.add_range_tombstone(&key(3), &key(5), 2).unwrap();
    (builder.finish().unwrap(), entries)
}

/// Opens the table and reads it in all ways. The answers must be the true ones, up to an error.
fn read_all(fixture: &Fixture, meta: &TableMeta, truth: &[Entry]) -> Result<()> {
    let table = fixture.open(meta)?;
    assert_eq!(table.raw_tombstones().len(), 1);
    let mut first_error = None;
    for (key, seq, kind, value) in truth {
        match table.get(key, key_hash(key), MAX_SEQUENCE, FilterUse::First) {
            Ok(found) => {
                let found = found.expect("the key is in the table");
                assert_eq!(
                    (found.seq, found.kind, &*found.value),
                    (*seq, *kind, &value[..])
                );
            }
            Err(error) => first_error = Some(error),
        }
    }
    match scan(&table, ReadMode::COMPACTION) {
        Ok(entries) => assert_eq!(entries, truth),
        Err(error) => first_error = Some(error),
    }
    let verified = table.verify();
    if first_error.is_some() {
        assert!(verified.is_err(), "verify did not see {first_error:?}");
    }
    first_error.map_or(verified.map(drop), Err)
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    for fixture in [Fixture::new(), Fixture::encrypted()] {
        let (meta, entries) = small(&fixture);
        let bytes = fixture.read_file(meta.number);
        read_all(&fixture, &meta, &entries).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fixture.replace_file(meta.number, &damaged);
            match read_all(&fixture, &meta, &entries) {
                Err(Error::Corruption(c)) => {
                    assert_eq!(c.path, path(meta.number));
                    // The header's checksum stands at its end.
                    let at = (bit as u64 / 8).max(63);
                    assert!(c.offset <= at, "bit {bit} reported at {}", c.offset);
                }
                // A header that asks for another key, or another version.
                Err(Error::Unsupported(_)) if bit < 64 * 8 => {}
                other => panic!("bit {bit}: {other:?}"),
            }
        }
    }
}

#[test]
fn no_missing_or_added_byte_goes_unnoticed() {
    let fixture = Fixture::new();
    let (meta, _) = small(&fixture);
    let bytes = fixture.read_file(meta.number);
    for len in 0..bytes.len() {
        fixture.replace_file(meta.number, &bytes[..len]);
        assert!(
            matches!(fixture.open(&meta), Err(Error::Corruption(_))),
            "{len} bytes"
        );
        // And if the manifest had the wrong length too.
        let meta = TableMeta {
            file_bytes: len as u64,
            ..meta.clone()
        };
        assert!(
            matches!(fixture.open(&meta), Err(Error::Corruption(_))),
            "{len} bytes"
        );
    }
    fixture.replace_file(meta.number, &[&bytes[..], &[0]].concat());
    assert!(matches!(fixture.open(&meta), Err(Error::Corruption(_))));
}

#[test]
fn another_table_in_its_place_is_noticed() {
    let fixture = Fixture::new();
    let (meta, _) = small(&fixture);
    let other = fixture.build(2, TableOptions::default(), &[put(&key(1), b"other")]);
    fixture.replace_file(meta.number, &fixture.read_file(other.number));
    assert!(matches!(fixture.open(&meta), Err(Error::Corruption(_))));
    let same_length = TableMeta {
        file_bytes: other.file_bytes,
        ..meta
    };
    assert!(matches!(
        fixture.open(&same_length),
        Err(Error::Corruption(_))
    ));
}

#[test]
fn blocks_that_changed_places_are_noticed() {
    let fixture = Fixture::new();
    let entries: Vec<Entry> = (0..100).map(|n| put(&key(n), &[7; 20])).collect();
    let options = TableOptions {
        block_bytes: 300,
        ..TableOptions::default()
    };
    let meta = fixture.build(1, options, &entries);
    let table = fixture.open(&meta).unwrap();
    let (first, second) = (table.index().location(1), table.index().location(2));
    assert_eq!(
        first.end - first.start,
        second.end - second.start,
        "blocks of equal length"
    );
    let mut bytes = fixture.read_file(meta.number);
    let (first, second) = (
        first.start as usize,
        second.start as usize..second.end as usize,
    );
    let moved = bytes[first..second.start].to_vec();
    bytes.copy_within(second.clone(), first);
    bytes[second].copy_from_slice(&moved);
    fixture.replace_file(meta.number, &bytes);
    // The handle that was opened before still reads the old file.
    drop(table);
    let table = fixture.open(&meta).unwrap();
    assert!(matches!(table.verify(), Err(Error::Corruption(_))));
    assert!(matches!(
        scan(&table, ReadMode::USER),
        Err(Error::Corruption(_))
    ));
}

#[test]
fn a_vanished_file_is_an_error() {
    let fixture = Fixture::new();
    let (meta, _) = small(&fixture);
    fixture.vfs.remove_file(&path(meta.number)).unwrap();
    assert!(matches!(fixture.open(&meta), Err(Error::Io { .. })));
}

#[test]
fn a_cursor_that_met_damage_is_on_no_entry_and_can_go_on_elsewhere() {
    let fixture = Fixture::new();
    let entries: Vec<Entry> = (0..100).map(|n| put(&key(n), &[7; 20])).collect();
    let options = TableOptions {
        block_bytes: 300,
        ..TableOptions::default()
    };
    let meta = fixture.build(1, options, &entries);
    let table = fixture.open(&meta).unwrap();
    let mut bytes = fixture.read_file(meta.number);
    let damaged = table.index().location(3);
    bytes[damaged.start as usize + 9] ^= 1;
    fixture.replace_file(meta.number, &bytes);
    // The handle that was opened before still reads the old file.
    drop(table);
    let table = fixture.open(&meta).unwrap();
    for mode in [ReadMode::USER, ReadMode::COMPACTION] {
        let mut cursor = table.cursor(mode);
        cursor.seek_to_first().unwrap();
        let error = loop {
            if let Err(error) = cursor.next() {
                break error;
            }
        };
        let Error::Corruption(corruption) = error else {
            panic!("{error}")
        };
        assert_eq!(corruption.offset, damaged.start);
        assert!(!cursor.valid());
        cursor.seek_to_last().unwrap();
        assert_eq!(cursor.key(), key(99));
    }
}

/// Applies `parse` to damaged forms of `payload`; it may refuse them but not panic.
fn mangle(payload: &[u8], changes: &[(prop::sample::Index, u8)], mut parse: impl FnMut(&[u8])) {
    let mut damaged = payload.to_vec();
    for (at, byte) in changes {
        let at = at.index(damaged.len());
        damaged[at] ^= byte;
        parse(&damaged);
    }
    for (at, _) in changes {
        parse(&payload[..at.index(payload.len())]);
        parse(&[payload, &payload[..at.index(payload.len())]].concat());
    }
}

proptest! {
    /// What a seal would let through only if somebody sealed it.
    #[test]
    fn no_bytes_make_a_parser_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let fixture = Fixture::new();
        let (mut meta, _) = small(&fixture);
        meta.value_refs = vec![(FileNumber(3), 400)];
        meta.expiring = 1;
        let unfiltered = vec![crate::KeyspaceId(3)];
        let properties = Properties { meta, unfiltered, is_bulk: true };
        let mut footer = Vec::new();
        Footer::default().write(&mut footer);
        let payloads = [
            (BlockKind::Filter, Filter::build(&mut vec![1, 2, 3]).unwrap().encode()),
            (BlockKind::Tombstones, vec![2, 1, b'a', 1, b'b', 7, 1, b'c', 1, b'd', 8]),
            (BlockKind::Properties, properties.encode()),
            (BlockKind::Footer, footer),
        ];
        for (kind, payload) in payloads {
            mangle(&payload, &changes, |bytes| _ = check_payload(kind as u8, bytes));
        }
        for kind in 0..8 {
            check_payload(kind, &noise).ok();
        }
        for codec in [Codec::None, Codec::Lz4, Codec::Snappy, Codec::Zstd] {
            let mut framed = Vec::new();
            frame::write(codec, &[5; 300], &mut framed);
            mangle(&framed, &changes, |bytes| {
                if let Ok((codec, raw_len, stored)) = frame::parse(bytes) {
                    codec.decompress(stored, raw_len, &mut Vec::new()).ok();
                }
            });
            codec.decompress(&noise, 1000, &mut Vec::new()).ok();
        }
        let mut input = Input(&noise);
        while input.varint().is_ok() {}
    }

    /// A file whose parts are all properly sealed, but not what they should be.
    #[test]
    fn a_resealed_lie_is_refused_or_read_without_panic(
        block in 0..6_u8,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let fixture = Fixture::new();
        let (meta, _) = small(&fixture);
        let bytes = fixture.read_file(meta.number);
        let envelope = crate::envelope::Envelope::open(
            &fixture.security,
            &path(meta.number),
            &bytes[..64],
            crate::envelope::FileKind::Table,
        )
        .unwrap();
        let footer_at = bytes.len() - Footer::BYTES - envelope.overhead();
        let mut footer = bytes[footer_at..].to_vec();
        envelope.unseal(footer_at as u64, BlockKind::Footer as u8, &[], &mut footer).unwrap();
        let parsed = Footer::parse(&footer, footer_at as u64).unwrap();
        let table = fixture.open(&meta).unwrap();
        let data = table.index().location(1);
        let (kind, at, end) = match block {
            0 => (BlockKind::Data, data.start, data.end),
            1 => (BlockKind::Footer, footer_at as u64, bytes.len() as u64),
            n => {
                let (kind, handle) = [
                    (BlockKind::Index, parsed.index),
                    (BlockKind::Filter, parsed.filter),
                    (BlockKind::Tombstones, parsed.tombstones),
                    (BlockKind::Properties, parsed.properties),
                ][n as usize - 2];
                (kind, handle.offset, handle.offset + handle.len)
            }
        };
        drop(table);
        let mut sealed = bytes[at as usize..end as usize].to_vec();
        envelope.unseal(at, kind as u8, &[], &mut sealed).unwrap();
        for (index, byte) in changes {
            let index = index.index(sealed.len());
            sealed[index] ^= byte;
        }
        envelope.seal(at, kind as u8, &[], &mut sealed);
        let mut lie = bytes.clone();
        lie[at as usize..end as usize].copy_from_slice(&sealed);
        fixture.replace_file(meta.number, &lie);
        if let Ok(table) = fixture.open(&meta) {
            for n in 0..13 {
                table.get(&key(n), key_hash(&key(n)), MAX_SEQUENCE, FilterUse::IfNotResident).ok();
            }
            scan(&table, ReadMode::USER).ok();
            prop_assert!(lie == bytes || table.verify().is_err());
        }
    }
}
