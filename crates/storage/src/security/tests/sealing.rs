//! What the envelope makes of the blocks of an encrypted database.

use super::*;

const KINDS: [FileKind; 5] = [
    FileKind::Wal,
    FileKind::Table,
    FileKind::Manifest,
    FileKind::Value,
    FileKind::Spill,
];

fn security(algorithm: Algorithm) -> (VfsRef, Arc<Security>) {
    let vfs = vfs();
    let security = create(
        &vfs,
        Some(&Encryption {
            algorithm,
            ..encryption(1)
        }),
    );
    (vfs, security)
}

#[test]
fn what_is_sealed_opens_under_every_algorithm_and_kind() {
    for algorithm in Algorithm::ALL {
        let (_, security) = security(algorithm);
        for kind in KINDS {
            let (header, block) = seal(&security, kind, b"some plaintext");
            let decoded = FileHeader::decode(Path::new("file"), &header).unwrap();
            assert_eq!(
                decoded.algorithm,
                crate::envelope::Algorithm::Sealed(algorithm)
            );
            assert_eq!(decoded.data_key_id, 1);
            assert_eq!(block.len(), 14 + 16);
            assert!(!block.windows(4).any(|window| window == b"some"));
            let opened = unseal(&security, kind, &header, &block).unwrap();
            assert_eq!(opened.unwrap(), b"some plaintext");
        }
    }
}

#[test]
fn the_writer_of_a_file_reads_its_blocks() {
    let (_, security) = security(Algorithm::Aes256Gcm);
    let (envelope, _) = Envelope::create(&security, Path::new("file"), FileKind::Value).unwrap();
    assert_eq!(envelope.overhead(), 16);
    let mut buffer = b"kept|sealed".to_vec();
    envelope.seal_from(7, 1, b"", &mut buffer, 5);
    assert_eq!(&buffer[..5], b"kept|");
    let length = envelope.unseal_slice(7, 1, b"", &mut buffer[5..]).unwrap();
    assert_eq!(&buffer[5..5 + length], b"sealed");
}

#[test]
fn every_flipped_bit_of_header_and_block_is_noticed() {
    for algorithm in Algorithm::ALL {
        let (_, security) = security(algorithm);
        let (header, block) = seal(&security, FileKind::Table, b"some plaintext");
        for bit in 0..header.len() * 8 {
            let mut bad = header;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(
                unseal(&security, FileKind::Table, &bad, &block).is_err(),
                "bit {bit}"
            );
        }
        for bit in 0..block.len() * 8 {
            let mut bad = block.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let outcome = unseal(&security, FileKind::Table, &header, &bad).unwrap();
            assert_eq!(outcome, Err(BadBlock::Mismatch), "bit {bit}");
        }
        for length in 0..block.len() {
            let outcome = unseal(&security, FileKind::Table, &header, &block[..length]);
            assert!(outcome.unwrap().is_err(), "{length} bytes");
        }
    }
}

/// A forger can fix the checksum of a header; what the header says still does not fit the block.
#[test]
fn a_header_changed_with_its_checksum_opens_no_block() {
    let (_, security) = security(Algorithm::Aes256Gcm);
    security
        .rotate_data_key(Algorithm::ChaCha20Poly1305)
        .unwrap();
    security.rotate_data_key(Algorithm::Aes256Gcm).unwrap();
    let (header, block) = seal(&security, FileKind::Table, b"some plaintext");
    let good = FileHeader::decode(Path::new("file"), &header).unwrap();
    let reads = |header: &FileHeader| {
        matches!(
            unseal(&security, header.kind, &header.encode(), &block),
            Ok(Ok(_))
        )
    };
    assert!(reads(&good));
    let mut file_id = good.file_id;
    file_id[0] ^= 1;
    let chacha = crate::envelope::Algorithm::Sealed(Algorithm::ChaCha20Poly1305);
    for forged in [
        FileHeader {
            file_id,
            ..good.clone()
        },
        FileHeader {
            kind: FileKind::Value,
            ..good.clone()
        },
        FileHeader {
            data_key_id: 1,
            ..good.clone()
        },
        FileHeader {
            data_key_id: 2,
            algorithm: chacha,
            ..good.clone()
        },
        FileHeader {
            algorithm: chacha,
            ..good.clone()
        },
        FileHeader {
            database_id: [0; 16],
            ..good.clone()
        },
        FileHeader {
            data_key_id: 0,
            algorithm: crate::envelope::Algorithm::Plain,
            ..good.clone()
        },
    ] {
        assert!(!reads(&forged), "{forged:?}");
    }
}

#[test]
fn files_that_exchange_names_do_not_open() {
    let (_, security) = security(Algorithm::Aes256Gcm);
    let path = Path::new("db/000012.sst");
    let (envelope, header) = Envelope::create(&security, path, FileKind::Table).unwrap();
    let mut sealed = b"text".to_vec();
    envelope.seal(64, 1, b"", &mut sealed);
    let opens = |path: &str| {
        let envelope = Envelope::open(&security, Path::new(path), &header, FileKind::Table);
        envelope
            .unwrap()
            .unseal(64, 1, b"", &mut sealed.clone())
            .is_ok()
    };
    assert!(opens("db/000012.sst"));
    assert!(opens("checkpoint/000012.sst"), "the directory may change");
    assert!(
        opens("db/000012.sst.tmp"),
        "a temporary ending does not count"
    );
    assert!(!opens("db/000013.sst"));
}

#[test]
fn plain_and_encrypted_files_do_not_mix() {
    let (vfs, sealed) = security(Algorithm::Aes256Gcm);
    let plain = Security::plain(vfs, sealed.database_id());
    for (from, to, words) in [
        (&plain, &sealed, "is not encrypted, in a database that is"),
        (&sealed, &plain, "is encrypted, in a database that is not"),
    ] {
        let (header, block) = seal(from, FileKind::Table, b"text");
        let error = unseal(to, FileKind::Table, &header, &block).unwrap_err();
        assert!(matches!(error, Error::Corruption(_)));
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn two_files_with_the_same_content_share_no_byte_sequence() {
    let (_, security) = security(Algorithm::Aes256Gcm);
    let (_, one) = seal(&security, FileKind::Table, &[0; 256]);
    let (_, other) = seal(&security, FileKind::Table, &[0; 256]);
    assert!(
        !one.windows(8)
            .any(|part| other.windows(8).any(|window| window == part))
    );
}

/// Two machines that go on from the same copy of a directory draw different file ids.
#[test]
fn a_restored_copy_never_repeats_a_nonce_under_one_key() {
    let vfs = vfs();
    create(&vfs, Some(&encryption(1)));
    let mut blocks = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let security = open(&vfs, Some(&encryption(1))).unwrap();
        let (header, block) = seal(&security, FileKind::Wal, &[0; 32]);
        assert!(blocks.insert((header[40..56].to_vec(), block.clone())));
        assert!(blocks.iter().filter(|(_, other)| *other == block).count() == 1);
    }
}

#[test]
#[should_panic(expected = "ascending positions")]
fn sealing_a_position_twice_is_a_bug() {
    let (_, security) = security(Algorithm::Aes256Gcm);
    let (envelope, _) = Envelope::create(&security, Path::new("file"), FileKind::Table).unwrap();
    envelope.seal(64, 1, b"", &mut b"one".to_vec());
    envelope.seal(64, 2, b"", &mut b"two".to_vec());
}

#[test]
#[should_panic(expected = "never reopened for writing")]
fn sealing_into_an_opened_file_is_a_bug() {
    let (_, security) = security(Algorithm::Aes256Gcm);
    let (header, _) = seal(&security, FileKind::Table, b"text");
    let envelope = Envelope::open(&security, Path::new("file"), &header, FileKind::Table);
    envelope.unwrap().seal(128, 1, b"", &mut b"more".to_vec());
}
