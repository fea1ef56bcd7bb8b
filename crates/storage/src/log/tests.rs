//! Tests of writer and reader together.

mod faults;
mod hand;
mod writeback;

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use rustdb_crypto::{Algorithm, RawKey, Secret};
use rustdb_vfs::{FileExt, MemVfs, OpenMode, VfsRef};

use super::frame::RecordHeader;
use super::*;
use crate::envelope::{Envelope, FileHeader, FileKind, HEADER_BYTES, Security};
use crate::error::{Error, Result};
use crate::format_doc;
use crate::keyring::{Encryption, create_security};

const DOCUMENT: &str = include_str!("../../../../docs/format/log.md");
const PATH: &str = "000001.wal";

fn setup() -> (VfsRef, Arc<Security>) {
    let vfs: VfsRef = Arc::new(MemVfs::deterministic(7));
    let security = Security::plain(Arc::clone(&vfs), [0xdb; 16]);
    (vfs, security)
}

fn setup_encrypted() -> (VfsRef, Arc<Security>) {
    let vfs: VfsRef = Arc::new(MemVfs::deterministic(8));
    let encryption = Encryption {
        provider: Arc::new(RawKey::new(Secret::new([3; 32]))),
        algorithm: Algorithm::Aes256Gcm,
    };
    let security = create_security(&vfs, Path::new(""), Some(&encryption)).unwrap();
    (vfs, security)
}

fn writer(vfs: &VfsRef, security: &Security) -> LogWriter {
    LogWriter::create(vfs, security, Path::new(PATH), FileKind::Wal).unwrap()
}

/// What a log was found to hold: kinds and payloads, and its end.
type Contents = (Vec<(u8, Vec<u8>)>, LogEnd);

fn read(vfs: &VfsRef, security: &Security, expect: Expect) -> Result<Contents> {
    let mut reader = LogReader::open(vfs, security, Path::new(PATH), FileKind::Wal, expect)?;
    let mut records = Vec::new();
    while let Some(record) = reader.next()? {
        records.push((record.kind, record.payload.to_vec()));
    }
    Ok((records, reader.end().unwrap()))
}

fn file_bytes(vfs: &VfsRef) -> Vec<u8> {
    let file = vfs.open(Path::new(PATH), OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn replace_file(vfs: &VfsRef, bytes: &[u8]) {
    vfs.remove_file(Path::new(PATH)).ok();
    let file = vfs.open(Path::new(PATH), OpenMode::CreateNew).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

fn change_byte(vfs: &VfsRef, offset: u64, change: impl FnOnce(u8) -> u8) {
    let file = vfs.open(Path::new(PATH), OpenMode::ReadWrite).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[change(byte[0])], offset).unwrap();
}

fn corruption_offset(outcome: Result<Contents>) -> u64 {
    match outcome {
        Err(Error::Corruption(corruption)) => corruption.offset,
        other => panic!("expected corruption, got {other:?}"),
    }
}

/// A log of small records with syncs at varied places: its bytes, each record's start, and the
/// end of the last.
struct Sample {
    vfs: VfsRef,
    security: Arc<Security>,
    records: Vec<(u8, Vec<u8>)>,
    /// Start and promise of each record, then the end with no promise.
    starts: Vec<u64>,
    promises: Vec<u64>,
    end: u64,
}

fn sample((vfs, security): (VfsRef, Arc<Security>)) -> Sample {
    let mut log = writer(&vfs, &security);
    let (mut records, mut starts, mut promises) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..9_u8 {
        let payload = vec![index + 1; usize::from(index) * 3];
        starts.push(log.end());
        promises.push(log.synced());
        log.append(index + 1, &payload).unwrap();
        records.push((index + 1, payload));
        match index {
            1 | 2 | 5 => log.sync().unwrap(),
            3 => log.flush().unwrap(),
            _ => {}
        }
    }
    log.flush().unwrap();
    let end = log.end();
    // The zeros that syncs write ahead are cut down, so that exhaustive tests stay quick.
    let mut bytes = file_bytes(&vfs);
    bytes.truncate(end as usize + 40);
    replace_file(&vfs, &bytes);
    Sample {
        vfs,
        security,
        records,
        starts,
        promises,
        end,
    }
}

#[test]
fn a_new_log_is_empty_and_ends_cleanly() {
    let (vfs, security) = setup();
    writer(&vfs, &security);
    let (records, end) = read(&vfs, &security, Expect::Open).unwrap();
    assert_eq!(
        (records.len(), end),
        (
            0,
            LogEnd::Clean {
                offset: HEADER_BYTES as u64
            }
        )
    );
}

#[test]
fn finished_logs_say_so() {
    let (vfs, security) = setup();
    let mut log = writer(&vfs, &security);
    log.append(1, b"one").unwrap();
    log.finish().unwrap();
    for expect in [Expect::Open, Expect::Finished, Expect::EndAt(log.end())] {
        let (records, end) = read(&vfs, &security, expect).unwrap();
        assert_eq!((records.len(), end), (1, LogEnd::Finished), "{expect:?}");
    }
}

#[test]
fn what_is_only_appended_does_not_reach_the_file() {
    let (vfs, security) = setup();
    let mut log = writer(&vfs, &security);
    log.append(1, b"one").unwrap();
    assert_eq!(read(&vfs, &security, Expect::Open).unwrap().0.len(), 0);
    log.flush().unwrap();
    assert_eq!(read(&vfs, &security, Expect::Open).unwrap().0.len(), 1);
    assert_eq!(
        (log.synced(), log.flushed()),
        (HEADER_BYTES as u64, log.end())
    );
}

#[test]
fn appends_go_on_during_a_transfer() {
    let (vfs, security) = setup();
    let mut log = writer(&vfs, &security);
    let first_end = log.append(1, b"one").unwrap();
    let mut transfer = log.begin_sync().unwrap().unwrap();
    let second_end = log.append(2, b"two").unwrap();
    transfer.run();
    assert_eq!(transfer.end(), first_end);
    log.complete(transfer).unwrap();
    assert_eq!((log.synced(), log.end()), (first_end, second_end));
    log.sync().unwrap();
    assert_eq!(log.begin_sync().unwrap().map(|t| t.end()), None);
    let (records, _) = read(&vfs, &security, Expect::AtLeast(second_end)).unwrap();
    assert_eq!(records, [(1, b"one".to_vec()), (2, b"two".to_vec())]);
}

#[test]
fn a_transfer_that_is_not_run_ends_the_writer() {
    let (vfs, security) = setup();
    let mut log = writer(&vfs, &security);
    log.append(1, b"one").unwrap();
    let transfer = log.begin_sync().unwrap().unwrap();
    assert!(matches!(log.complete(transfer), Err(Error::Poisoned(_))));
    assert!(matches!(log.append(1, b"two"), Err(Error::Poisoned(_))));
    assert!(matches!(log.sync(), Err(Error::Poisoned(_))));
}

#[test]
fn syncs_fill_ahead_and_flushes_do_not() {
    let (vfs, security) = setup();
    let mut log = writer(&vfs, &security);
    log.append(1, b"one").unwrap();
    log.flush().unwrap();
    assert_eq!(file_bytes(&vfs).len() as u64, log.end());
    log.sync().unwrap();
    let filled = file_bytes(&vfs).len();
    assert_eq!(filled as u64, log.end() + (64 << 10));
    for _ in 0..500 {
        log.append(1, &[1; 60]).unwrap();
        log.sync().unwrap();
    }
    assert_eq!(
        file_bytes(&vfs).len(),
        filled,
        "the file does not grow within the filled part"
    );
    let (records, end) = read(&vfs, &security, Expect::Open).unwrap();
    assert_eq!(
        (records.len(), end),
        (501, LogEnd::Clean { offset: log.end() })
    );
}

#[test]
fn syncs_that_carry_much_do_not_fill_ahead() {
    let (vfs, security) = setup();
    let mut log = writer(&vfs, &security);
    for _ in 0..20 {
        log.append(1, &[1; 100_000]).unwrap();
        log.sync().unwrap();
        assert_eq!(file_bytes(&vfs).len() as u64, log.end());
    }
}

#[test]
fn prefilled_logs_do_not_grow() {
    let (vfs, security) = setup();
    let mut log = writer(&vfs, &security);
    log.prefill(300 << 10).unwrap();
    log.append(1, b"one").unwrap();
    log.sync().unwrap();
    assert_eq!(file_bytes(&vfs).len(), 300 << 10);
    let (_, end) = read(&vfs, &security, Expect::Open).unwrap();
    assert_eq!(end, LogEnd::Clean { offset: log.end() });
}

#[test]
fn payloads_in_pieces_are_one_record() {
    let (vfs, security) = setup();
    let mut log = writer(&vfs, &security);
    log.append_parts(3, &[b"ab", b"", b"cde"]).unwrap();
    log.flush().unwrap();
    let (records, _) = read(&vfs, &security, Expect::Open).unwrap();
    assert_eq!(records, [(3, b"abcde".to_vec())]);
}

#[test]
fn truncation_anywhere_leaves_a_prefix() {
    check_truncation(&sample(setup()));
    check_truncation(&sample(setup_encrypted()));
}

fn check_truncation(sample: &Sample) {
    let whole = file_bytes(&sample.vfs);
    for len in 0..whole.len() {
        replace_file(&sample.vfs, &whole[..len]);
        let len = len as u64;
        let ends = sample.starts[1..].iter().chain([&sample.end]);
        let kept = ends.take_while(|end| **end <= len).count();
        let (records, end) = read(&sample.vfs, &sample.security, Expect::Open)
            .unwrap_or_else(|e| panic!("cut at {len}: {e}"));
        assert_eq!(records, sample.records[..kept], "cut at {len}");
        let offset = sample.starts.get(kept).copied().unwrap_or(sample.end);
        match end {
            LogEnd::Torn { offset: 0 } => assert!(len < HEADER_BYTES as u64),
            LogEnd::Torn { offset: at } => assert!(at == offset && len > offset),
            LogEnd::Clean { offset: at } => {
                assert!(at == offset && (len == at || len > sample.end))
            }
            LogEnd::Finished => panic!("cut at {len}"),
        }
        for expect in [
            Expect::AtLeast(offset + 1),
            Expect::EndAt(sample.end),
            Expect::Finished,
        ] {
            if offset < sample.end || expect == Expect::Finished {
                let outcome = read(&sample.vfs, &sample.security, expect);
                assert!(
                    matches!(outcome, Err(Error::Corruption(_))),
                    "cut at {len}, {expect:?}"
                );
            }
        }
    }
}

#[test]
fn every_flipped_bit_is_damage_below_a_promise_and_a_tear_above() {
    check_flips(&sample(setup()));
    check_flips(&sample(setup_encrypted()));
}

fn check_flips(sample: &Sample) {
    let whole = file_bytes(&sample.vfs);
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        replace_file(&sample.vfs, &bytes);
        let at = (bit / 8) as u64;
        let outcome = read(&sample.vfs, &sample.security, Expect::Open);
        let Some(hit) = sample.starts.iter().rposition(|start| *start <= at) else {
            // The file header is durable before any record, so this is never a tear.
            assert!(
                matches!(outcome, Err(Error::Corruption(_) | Error::Unsupported(_))),
                "{at}"
            );
            continue;
        };
        if at >= sample.end {
            let end = LogEnd::Torn { offset: sample.end };
            assert_eq!(outcome.unwrap(), (sample.records.clone(), end), "bit {bit}");
            continue;
        }
        let start = sample.starts[hit];
        if sample.promises[hit + 1..]
            .iter()
            .any(|promise| *promise > start)
        {
            assert_eq!(corruption_offset(outcome), start, "bit {bit}");
        } else {
            let expected = (
                sample.records[..hit].to_vec(),
                LogEnd::Torn { offset: start },
            );
            assert_eq!(outcome.unwrap(), expected, "bit {bit}");
        }
        let vouched = read(&sample.vfs, &sample.security, Expect::EndAt(sample.end));
        assert_eq!(corruption_offset(vouched), start, "bit {bit}");
    }
}

#[test]
fn zeroed_records_below_a_promise_are_damage() {
    let sample = sample(setup());
    let mut bytes = file_bytes(&sample.vfs);
    bytes[sample.starts[1] as usize..sample.starts[3] as usize].fill(0);
    replace_file(&sample.vfs, &bytes);
    let outcome = read(&sample.vfs, &sample.security, Expect::Open);
    assert_eq!(corruption_offset(outcome), sample.starts[1]);
}

#[test]
fn promises_far_behind_the_damage_are_found() {
    let (vfs, security) = setup();
    for distance in (0..80).map(|index| (512 << 10) + index * 8) {
        vfs.remove_file(Path::new(PATH)).ok();
        let mut log = writer(&vfs, &security);
        log.append(1, b"victim").unwrap();
        log.sync().unwrap();
        log.append(2, &vec![0xff; distance]).unwrap();
        log.flush().unwrap();
        let start = HEADER_BYTES as u64;
        change_byte(&vfs, start + 33, |byte| !byte);
        // The record behind vouches; and if that is damaged too, nothing does.
        assert_eq!(
            corruption_offset(read(&vfs, &security, Expect::Open)),
            start
        );
        let second = RECORD_HEADER_BYTES as u64 + start + 16;
        change_byte(&vfs, second, |byte| !byte);
        let (records, end) = read(&vfs, &security, Expect::Open).unwrap();
        assert_eq!((records.len(), end), (0, LogEnd::Torn { offset: start }));
        // A promise behind all that reaches across it.
        log.append_promise().unwrap();
        log.append(3, b"").unwrap();
        log.flush().unwrap();
        assert_eq!(
            corruption_offset(read(&vfs, &security, Expect::Open)),
            start
        );
    }
}

#[test]
fn a_promise_vouches_for_the_last_record() {
    let (vfs, security) = setup();
    let mut log = writer(&vfs, &security);
    assert!(
        !log.append_promise().unwrap(),
        "nothing is durable but the header"
    );
    let start = log.end();
    log.append(1, b"last").unwrap();
    log.sync().unwrap();
    change_byte(&vfs, start + 32, |byte| !byte);
    let (_, end) = read(&vfs, &security, Expect::Open).unwrap();
    assert_eq!(end, LogEnd::Torn { offset: start });
    assert!(log.append_promise().unwrap());
    log.flush().unwrap();
    assert!(!log.append_promise().unwrap(), "one promise is enough");
    assert_eq!(
        corruption_offset(read(&vfs, &security, Expect::Open)),
        start
    );
    change_byte(&vfs, start + 32, |byte| !byte);
    assert_eq!(
        read(&vfs, &security, Expect::Open).unwrap().0,
        [(1, b"last".to_vec())]
    );
}

#[test]
fn an_expected_end_hides_what_follows() {
    let sample = sample(setup());
    for (index, start) in sample.starts.iter().enumerate() {
        let (records, end) = read(&sample.vfs, &sample.security, Expect::EndAt(*start)).unwrap();
        assert_eq!(
            (&records[..], end),
            (&sample.records[..index], LogEnd::Clean { offset: *start })
        );
    }
    let (records, end) = read(&sample.vfs, &sample.security, Expect::EndAt(0)).unwrap();
    assert_eq!((records.len(), end), (0, LogEnd::Clean { offset: 0 }));
    let within = read(
        &sample.vfs,
        &sample.security,
        Expect::EndAt(sample.starts[1] + 8),
    );
    assert_eq!(corruption_offset(within), sample.starts[1]);
}

#[test]
fn torn_headers_are_empty_logs_unless_something_follows() {
    let (vfs, security) = setup();
    let empty = (Vec::new(), LogEnd::Torn { offset: 0 });
    for bytes in [&b""[..], b"RUST", &[0; 64], &[0; 4096], b"\0\0STDB\0\0\0\0"] {
        replace_file(&vfs, bytes);
        assert_eq!(read(&vfs, &security, Expect::Open).unwrap(), empty);
        assert_eq!(read(&vfs, &security, Expect::EndAt(0)).unwrap().0.len(), 0);
        for expect in [Expect::Finished, Expect::AtLeast(64), Expect::EndAt(64)] {
            assert!(matches!(
                read(&vfs, &security, expect),
                Err(Error::Corruption(_))
            ));
        }
    }
    let mut followed = [0; 4096];
    followed[4000] = 1;
    for bytes in [&b"not ours"[..], &followed] {
        replace_file(&vfs, bytes);
        assert!(matches!(
            read(&vfs, &security, Expect::Open),
            Err(Error::Corruption(_))
        ));
    }
}

#[test]
fn logs_of_another_database_are_refused() {
    let (vfs, security) = setup();
    writer(&vfs, &security);
    let other = Security::plain(Arc::clone(&vfs), [1; 16]);
    assert!(matches!(
        read(&vfs, &other, Expect::Open),
        Err(Error::Corruption(_))
    ));
}

#[test]
fn lengths_beyond_the_file_allocate_nothing() {
    let (vfs, security) = setup();
    let log = writer(&vfs, &security);
    let mut bytes = file_bytes(&vfs);
    let envelope =
        Envelope::open(&security, log.path(), &bytes[..HEADER_BYTES], FileKind::Wal).unwrap();
    let header = RecordHeader {
        payload_bytes: PAYLOAD_BYTES_MAX as u32,
        kind: 1,
        number: 0,
        promise: 0,
    };
    bytes.extend_from_slice(&header.encode(&envelope, HEADER_BYTES as u64));
    replace_file(&vfs, &bytes);
    let (_, end) = read(&vfs, &security, Expect::Open).unwrap();
    assert_eq!(
        end,
        LogEnd::Torn {
            offset: HEADER_BYTES as u64
        }
    );
}

#[test]
fn the_document_describes_the_record_header() {
    let layout = format_doc::layout(DOCUMENT, "## Record");
    let total: usize = layout.iter().map(|field| field.size).sum();
    assert_eq!(total, RECORD_HEADER_BYTES);
    let offsets: Vec<_> = layout
        .iter()
        .map(|field| (field.offset, &field.name[..]))
        .collect();
    use super::frame::field;
    let ours = [
        (field::CHECK, "check"),
        (field::LENGTH, "length"),
        (field::KIND, "kind"),
        (field::RESERVED, "reserved"),
        (field::NUMBER, "number"),
        (field::PROMISE, "promise"),
    ];
    assert_eq!(offsets, ours);
    let kinds = format_doc::numbers(DOCUMENT, "## Record kinds");
    let ours = [
        (u64::from(PROMISE_KIND), "promise".into()),
        (u64::from(END_KIND), "end".into()),
    ];
    assert_eq!(kinds, ours);
}

#[test]
fn the_example_of_the_document_is_what_is_written() {
    let vfs = MemVfs::shared();
    let security = Security::plain(Arc::clone(&vfs), [0xdb; 16]);
    let header = FileHeader {
        kind: FileKind::Wal,
        algorithm: crate::envelope::Algorithm::Plain,
        data_key_id: 0,
        database_id: [0xdb; 16],
        file_id: [0xf1; 16],
    };
    let envelope =
        Envelope::open(&security, Path::new(PATH), &header.encode(), FileKind::Wal).unwrap();
    let mut log = writer(&vfs, &security);
    log.use_envelope(envelope);
    log.append(1, b"hello").unwrap();
    log.sync().unwrap();
    log.finish().unwrap();
    let bytes = &file_bytes(&vfs)[HEADER_BYTES..log.end() as usize];
    let example = format_doc::hex(DOCUMENT, "## Example");
    assert_eq!(bytes, example, "{}", format_doc::dump(bytes));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn records_come_back_as_they_went_in(
        steps in prop::collection::vec((0..4_u8, 1..=253_u8, 0..70_000_usize), 0..40),
        encrypted in any::<bool>(),
    ) {
        let (vfs, security) = if encrypted { setup_encrypted() } else { setup() };
        let mut log = writer(&vfs, &security);
        let mut written = Vec::new();
        for (step, kind, len) in steps {
            let len = if step == 3 { len * 10 } else { len % 300 };
            let payload: Vec<u8> = (0..len).map(|index| (index as u8) ^ kind).collect();
            log.append(kind, &payload).unwrap();
            written.push((kind, payload));
            match step {
                0 => log.sync().unwrap(),
                1 => log.flush().unwrap(),
                2 => { log.append_promise().unwrap(); }
                _ => {}
            }
        }
        log.sync().unwrap();
        let (records, end) = read(&vfs, &security, Expect::AtLeast(log.end())).unwrap();
        prop_assert_eq!(records, written);
        prop_assert_eq!(end, LogEnd::Clean { offset: log.end() });
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        cut in 0..600_usize,
        noise in prop::collection::vec((0..600_usize, any::<u8>()), 0..8),
    ) {
        let sample = sample(setup());
        let mut bytes = file_bytes(&sample.vfs);
        bytes.truncate(cut.max(HEADER_BYTES));
        for (at, byte) in noise {
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
        }
        replace_file(&sample.vfs, &bytes);
        for expect in [Expect::Open, Expect::Finished, Expect::AtLeast(300), Expect::EndAt(300)] {
            if let Ok((records, _)) = read(&sample.vfs, &sample.security, expect) {
                prop_assert_eq!(&records[..], &sample.records[..records.len()]);
            }
        }
    }
}
