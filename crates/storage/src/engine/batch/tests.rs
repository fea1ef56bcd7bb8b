use super::*;

const KS: KeyspaceId = KeyspaceId(7);

fn commit_bytes(batch: &Batch) -> Vec<u8> {
    let mut out = Vec::new();
    batch.encode(42, 1_000, &[(KS, -3), (KeyspaceId(9), 5)], &mut out);
    out
}

#[test]
fn commit_reads_back_as_written() {
    let mut batch = Batch::new(100);
    batch.put(KS, b"a", b"1").unwrap();
    batch.put_expiring(KS, b"b", b"2", 77).unwrap();
    batch.delete(KS, b"c").unwrap();
    batch.delete_range(KS, b"d", None).unwrap();
    batch.put(KS, b"e", &[9; 100]).unwrap();
    batch.set_annex(b"annex".to_vec());
    let bytes = commit_bytes(&batch);
    let mut payload = bytes.as_slice();
    let commit = decode_commit(&mut payload).unwrap();
    assert!(payload.is_empty());
    assert_eq!(
        (commit.sequence, commit.micros, commit.annex),
        (42, 1_000, &b"annex"[..])
    );
    let deltas: Vec<_> = commit.deltas.collect();
    assert_eq!(deltas, [(KS, -3), (KeyspaceId(9), 5)]);
    let tags: Vec<u8> = commit.operations.map(|o| o.unwrap().tag).collect();
    assert_eq!(tags, [2, 3, 1, TAG_DELETE_RANGE, 4]);
}

/// The example of `docs/format/commit.md`.
#[test]
fn documented_example_is_what_is_written() {
    let mut batch = Batch::new(100);
    batch.put(KS, b"k", b"v").unwrap();
    let mut out = Vec::new();
    batch.encode(42, 1_000, &[], &mut out);
    let text = include_str!("../../../../../docs/format/commit.md");
    let example = text
        .split("```text")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let documented: Vec<u8> = example
        .lines()
        .flat_map(|line| line.split("   ").next().unwrap().split_whitespace())
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    assert_eq!(out, documented);
}

#[test]
fn every_truncation_is_refused() {
    let mut batch = Batch::new(100);
    batch.put(KS, b"key", b"value").unwrap();
    batch.delete_range(KS, b"x", Some(b"y")).unwrap();
    let bytes = commit_bytes(&batch);
    for length in 0..bytes.len() {
        assert!(decode_commit(&mut &bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn range_deletion_drops_own_earlier_writes_only_inside_the_range() {
    let mut batch = Batch::new(4);
    batch.put(KS, b"a", b"large value").unwrap();
    batch.put(KS, b"b", b"another large value").unwrap();
    batch.put(KS, b"c", b"third large value").unwrap();
    batch.delete_range(KS, b"b", Some(b"c")).unwrap();
    let keys: Vec<(u8, Vec<u8>)> = batch
        .operations()
        .map(|o| o.unwrap())
        .map(|o| (o.tag, o.key[KEYSPACE_BYTES..].to_vec()))
        .collect();
    assert_eq!(
        keys,
        [
            (4, b"a".to_vec()),
            (4, b"c".to_vec()),
            (TAG_DELETE_RANGE, b"b".to_vec())
        ]
    );
    let large = batch.take_large();
    assert_eq!(large.len(), 2);
    for value in &large {
        batch.set_pointer(value.pointer_at, &[0xEE; POINTER_BYTES]);
    }
    for operation in batch.operations().filter(|o| o.unwrap().tag == 4) {
        assert_eq!(operation.unwrap().value, [0xEE; POINTER_BYTES]);
    }
}

#[test]
fn varints_reject_overlong_forms() {
    let mut bytes = Vec::new();
    write_varint(&mut bytes, u64::MAX);
    assert_eq!(read_varint(&mut bytes.as_slice()), Ok(u64::MAX));
    assert!(read_varint(&mut [0xff; 10].as_slice()).is_err());
    assert!(read_varint(&mut [0x80; 11].as_slice()).is_err());
}
