//! Tests of encrypted databases below the engine: opening, sealing, changing keys.

use std::collections::BTreeMap;

use rustdb_crypto::{DataKeyState, Passphrase, RawKey, Secret};
use rustdb_vfs::{FileExt, MemVfs, OpenMode};

use super::*;
use crate::envelope::{BadBlock, Envelope, FileHeader, FileKind, HEADER_BYTES};
use crate::key::FileNumber;
use crate::keyring::{Encryption, create_security, open_security};
use crate::manifest::Current;
use crate::names;

const DIRECTORY: &str = "db";

fn directory() -> &'static Path {
    Path::new(DIRECTORY)
}

fn vfs() -> VfsRef {
    let vfs: VfsRef = Arc::new(MemVfs::deterministic(1));
    vfs.create_dir_all(directory()).unwrap();
    vfs
}

fn key(byte: u8) -> RawKey {
    RawKey::new(Secret::new([byte; 32]))
}

fn encryption(byte: u8) -> Encryption {
    Encryption {
        provider: Arc::new(key(byte)),
        algorithm: Algorithm::Aes256Gcm,
    }
}

fn write_file(vfs: &VfsRef, path: &Path, bytes: &[u8]) {
    drop(vfs.remove_file(path));
    vfs.open(path, OpenMode::CreateNew)
        .unwrap()
        .write_all_at(bytes, 0)
        .unwrap();
}

fn read_file(vfs: &VfsRef, path: &Path) -> Vec<u8> {
    let file = vfs.open(path, OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// A database as far as opening its keys is concerned: a manifest's header, and `CURRENT`.
fn create(vfs: &VfsRef, encryption: Option<&Encryption>) -> Arc<Security> {
    let security = create_security(vfs, directory(), encryption).unwrap();
    put_manifest(vfs, &security);
    security
}

fn put_manifest(vfs: &VfsRef, security: &Security) {
    let (_, header) = Envelope::create(security, FileKind::Manifest).unwrap();
    write_file(vfs, &names::manifest(directory(), FileNumber(1)), &header);
    let current = Current {
        manifest: FileNumber(1),
        database_id: security.database_id(),
    };
    write_file(
        vfs,
        &names::current(directory()),
        current.encode().as_bytes(),
    );
}

fn open(vfs: &VfsRef, encryption: Option<&Encryption>) -> Result<Arc<Security>> {
    open_security(vfs, directory(), encryption)
}

fn everything(vfs: &VfsRef) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = vfs.read_dir(directory()).unwrap();
    entries
        .into_iter()
        .map(|entry| (entry.path.clone(), read_file(vfs, &entry.path)))
        .collect()
}

/// Seals one block into a new file; gives the file's header and the block.
fn seal(security: &Security, kind: FileKind, text: &[u8]) -> ([u8; HEADER_BYTES], Vec<u8>) {
    let (envelope, header) = Envelope::create(security, kind).unwrap();
    let mut block = text.to_vec();
    envelope.seal(64, 3, b"aad", &mut block);
    (header, block)
}

fn unseal(
    security: &Security,
    kind: FileKind,
    header: &[u8],
    block: &[u8],
) -> Result<Result<Vec<u8>, BadBlock>> {
    let envelope = Envelope::open(security, Path::new("file"), header, kind)?;
    let mut block = block.to_vec();
    Ok(envelope.unseal(64, 3, b"aad", &mut block).map(|()| block))
}

mod opening {
    use super::*;

    /// Asks that opening is refused in words that hold `expected`, and that nothing changes.
    fn refused(vfs: &VfsRef, encryption: Option<&Encryption>, expected: &str) {
        let before = everything(vfs);
        let error = open(vfs, encryption).unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
        assert!(
            error.to_string().contains(expected),
            "`{error}` does not say `{expected}`"
        );
        assert!(everything(vfs) == before, "something changed on disk");
    }

    #[test]
    fn the_right_key_opens() {
        let vfs = vfs();
        let created = create(&vfs, Some(&encryption(1)));
        let opened = open(&vfs, Some(&encryption(1))).unwrap();
        assert!(opened.is_encrypted());
        assert_eq!(opened.database_id(), created.database_id());
    }

    #[test]
    fn a_plain_database_opens_without_a_key() {
        let vfs = vfs();
        let created = create(&vfs, None);
        let opened = open(&vfs, None).unwrap();
        assert!(!opened.is_encrypted() && opened.key_ring().is_none());
        assert_eq!(opened.database_id(), created.database_id());
        assert!(vfs.metadata(&names::keyring(directory())).is_err());
    }

    #[test]
    fn an_encrypted_database_without_a_key_is_refused() {
        let vfs = vfs();
        create(&vfs, Some(&encryption(1)));
        refused(&vfs, None, "is encrypted, and no key was given");
    }

    #[test]
    fn a_wrong_key_is_refused() {
        let vfs = vfs();
        create(&vfs, Some(&encryption(1)));
        refused(&vfs, Some(&encryption(2)), "wrong encryption key");
    }

    #[test]
    fn a_passphrase_for_a_raw_key_is_refused_as_such() {
        let vfs = vfs();
        create(&vfs, Some(&encryption(1)));
        let provider = Arc::new(Passphrase::new("correct horse").ok().unwrap());
        let passphrase = Encryption {
            provider,
            ..encryption(1)
        };
        refused(
            &vfs,
            Some(&passphrase),
            "sealed with a raw key and a passphrase was given",
        );
    }

    #[test]
    fn a_key_for_a_plain_database_is_refused() {
        let vfs = vfs();
        create(&vfs, None);
        refused(
            &vfs,
            Some(&encryption(1)),
            "is not encrypted, but a key was given",
        );
    }

    #[test]
    fn the_key_ring_of_another_database_is_refused() {
        let vfs = vfs();
        create(&vfs, Some(&encryption(1)));
        let other = read_file(&vfs, &names::keyring(directory()));
        vfs.remove_file(&names::keyring(directory())).unwrap();
        create(&vfs, Some(&encryption(1)));
        write_file(&vfs, &names::keyring(directory()), &other);
        refused(&vfs, Some(&encryption(1)), "belongs to database");
    }

    #[test]
    fn a_missing_key_ring_is_named() {
        let vfs = vfs();
        create(&vfs, Some(&encryption(1)));
        vfs.remove_file(&names::keyring(directory())).unwrap();
        refused(&vfs, Some(&encryption(1)), "`KEYRING` is missing");
        refused(&vfs, None, "`KEYRING` is missing");
    }

    #[test]
    fn a_plain_manifest_beside_a_key_ring_is_refused() {
        let vfs = vfs();
        create(&vfs, Some(&encryption(1)));
        put_manifest(&vfs, &Security::plain(vfs.clone(), [7; 16]));
        refused(&vfs, None, "its manifest is not encrypted");
        refused(&vfs, Some(&encryption(1)), "its manifest is not encrypted");
    }

    #[test]
    fn nothing_is_created_beside_the_key_ring_of_a_lost_database() {
        let vfs = vfs();
        create(&vfs, Some(&encryption(1)));
        vfs.remove_file(&names::current(directory())).unwrap();
        let before = everything(&vfs);
        for encryption in [None, Some(&encryption(1))] {
            let error = create_security(&vfs, directory(), encryption).unwrap_err();
            assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
        }
        assert!(everything(&vfs) == before);
    }

    #[test]
    fn every_flipped_bit_of_the_key_ring_is_damage_with_its_name() {
        let vfs = vfs();
        create(&vfs, Some(&encryption(1)));
        let path = names::keyring(directory());
        let good = read_file(&vfs, &path);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            write_file(&vfs, &path, &bad);
            let Error::Corruption(damage) = open(&vfs, Some(&encryption(1))).unwrap_err() else {
                panic!("bit {bit}");
            };
            assert_eq!(damage.path, path);
        }
        for length in [0, 1, good.len() - 1, good.len() + 1, 1 << 21] {
            let mut bad = good.clone();
            bad.resize(length, 0);
            write_file(&vfs, &path, &bad);
            let error = open(&vfs, Some(&encryption(1))).unwrap_err();
            assert!(matches!(error, Error::Corruption(_)), "{length} bytes");
        }
    }

    #[test]
    fn a_passphrase_opens_what_it_created() {
        let vfs = vfs();
        let with = |text: &str| Encryption {
            provider: Arc::new(Passphrase::new(text).ok().unwrap()),
            algorithm: Algorithm::ChaCha20Poly1305,
        };
        create(&vfs, Some(&with("correct horse")));
        assert!(open(&vfs, Some(&with("correct horse"))).is_ok());
        refused(&vfs, Some(&with("battery staple")), "wrong encryption key");
        refused(
            &vfs,
            Some(&encryption(1)),
            "sealed with a passphrase and a raw key was given",
        );
    }

    #[test]
    fn printing_shows_no_key() {
        let vfs = vfs();
        let security = create(&vfs, Some(&encryption(0xab)));
        let text = format!("{security:?} {:?}", encryption(0xab));
        assert!(text.contains("Aes256Gcm"));
        assert!(!text.contains("171, 171") && !text.contains("abab"));
    }
}

mod sealing {
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
        let (envelope, _) = Envelope::create(&security, FileKind::Value).unwrap();
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
        let (envelope, _) = Envelope::create(&security, FileKind::Table).unwrap();
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
}

mod changing_keys {
    use super::*;

    #[test]
    fn the_outer_key_changes_and_files_stay() {
        let vfs = vfs();
        let security = create(&vfs, Some(&encryption(1)));
        let (header, block) = seal(&security, FileKind::Table, b"text");
        security.change_key(&key(2)).unwrap();
        assert!(
            unseal(&security, FileKind::Table, &header, &block)
                .unwrap()
                .is_ok()
        );
        let refused = open(&vfs, Some(&encryption(1))).unwrap_err();
        assert!(refused.to_string().contains("wrong encryption key"));
        let opened = open(&vfs, Some(&encryption(2))).unwrap();
        assert_eq!(opened.database_id(), security.database_id());
        assert!(
            unseal(&opened, FileKind::Table, &header, &block)
                .unwrap()
                .is_ok()
        );
        // Later changes go under the new key too.
        security.rotate_data_key(Algorithm::Aes256Gcm).unwrap();
        assert!(open(&vfs, Some(&encryption(2))).is_ok());
        assert!(
            vfs.metadata(&names::temporary(&names::keyring(directory())))
                .is_err()
        );
    }

    #[test]
    fn a_raw_key_can_give_way_to_a_passphrase() {
        let vfs = vfs();
        let security = create(&vfs, Some(&encryption(1)));
        let provider = Arc::new(Passphrase::new("correct horse").ok().unwrap());
        security.change_key(&*provider).unwrap();
        assert!(
            open(
                &vfs,
                Some(&Encryption {
                    provider,
                    ..encryption(1)
                })
            )
            .is_ok()
        );
        assert!(open(&vfs, Some(&encryption(1))).is_err());
    }

    #[test]
    fn a_new_data_key_is_for_new_files_only() {
        let vfs = vfs();
        let security = create(&vfs, Some(&encryption(1)));
        let (old_header, old_block) = seal(&security, FileKind::Table, b"old");
        let id = security
            .rotate_data_key(Algorithm::ChaCha20Poly1305)
            .unwrap();
        assert_eq!(id.get(), 2);
        let (header, block) = seal(&security, FileKind::Table, b"new");
        let decoded = FileHeader::decode(Path::new("file"), &header).unwrap();
        assert_eq!(decoded.data_key_id, 2);
        let reopened = open(&vfs, Some(&encryption(1))).unwrap();
        for security in [&security, &reopened] {
            for (header, block) in [(&old_header, &old_block), (&header, &block)] {
                assert!(
                    unseal(security, FileKind::Table, header, block)
                        .unwrap()
                        .is_ok()
                );
            }
        }
        let ring = reopened.key_ring().unwrap();
        assert_eq!(ring.data_keys()[0].state(), DataKeyState::DecryptOnly);
        assert_eq!(ring.active().id(), id);
    }

    #[test]
    fn a_removed_key_is_gone_and_named_when_missed() {
        let vfs = vfs();
        let security = create(&vfs, Some(&encryption(1)));
        let (header, block) = seal(&security, FileKind::Table, b"old");
        security.rotate_data_key(Algorithm::Aes256Gcm).unwrap();
        let before = everything(&vfs);
        assert!(security.remove_unused_keys([1, 2]).unwrap().is_empty());
        assert!(
            everything(&vfs) == before,
            "nothing to remove, nothing written"
        );
        let removed = security.remove_unused_keys([2]).unwrap();
        assert_eq!(removed.iter().map(|id| id.get()).collect::<Vec<_>>(), [1]);
        for security in [&security, &open(&vfs, Some(&encryption(1))).unwrap()] {
            let error = unseal(security, FileKind::Table, &header, &block).unwrap_err();
            assert!(matches!(error, Error::Corruption(_)));
            assert!(error.to_string().contains("data key 1"), "{error}");
        }
    }

    #[test]
    fn a_checkpoint_opens_with_the_key_of_its_time() {
        let vfs = vfs();
        let security = create(&vfs, Some(&encryption(1)));
        let copy = Path::new("copy");
        vfs.create_dir_all(copy).unwrap();
        for name in [names::CURRENT, "MANIFEST-000001"] {
            write_file(
                &vfs,
                &copy.join(name),
                &read_file(&vfs, &directory().join(name)),
            );
        }
        security.write_keyring_to(copy).unwrap();
        security.change_key(&key(2)).unwrap();
        assert!(open_security(&vfs, copy, Some(&encryption(1))).is_ok());
        assert!(open_security(&vfs, copy, Some(&encryption(2))).is_err());
        let plain = Security::plain(vfs.clone(), [1; 16]);
        let nowhere = Path::new("nowhere");
        plain.write_keyring_to(nowhere).unwrap();
        assert!(vfs.metadata(&names::keyring(nowhere)).is_err());
    }

    #[test]
    fn a_plain_database_has_no_keys_to_change() {
        let vfs = vfs();
        let security = create(&vfs, None);
        let before = everything(&vfs);
        for outcome in [
            security.change_key(&key(1)),
            security.rotate_data_key(Algorithm::Aes256Gcm).map(drop),
            security.remove_unused_keys([]).map(drop),
        ] {
            assert!(matches!(outcome, Err(Error::InvalidArgument(_))));
        }
        assert!(everything(&vfs) == before);
    }

    #[test]
    fn what_a_crash_left_is_in_nobodys_way() {
        let vfs = vfs();
        let security = create(&vfs, Some(&encryption(1)));
        write_file(
            &vfs,
            &names::temporary(&names::keyring(directory())),
            b"half a ring",
        );
        security.change_key(&key(2)).unwrap();
        assert!(open(&vfs, Some(&encryption(2))).is_ok());
    }
}
