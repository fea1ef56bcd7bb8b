//! Changing the outer key and the data keys.

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
fn a_retired_key_stays_while_a_file_needs_it() {
    let vfs = vfs();
    let security = create(&vfs, Some(&encryption(1)));
    let (header, block) = seal(&security, FileKind::Table, b"old");
    let table = names::table(directory(), FileNumber(7));
    write_file(&vfs, &table, &header);
    security.rotate_data_key(Algorithm::Aes256Gcm).unwrap();
    put_manifest(&vfs, &security);
    let before = everything(&vfs);
    assert!(security.remove_unused_keys().unwrap().is_empty());
    assert!(
        everything(&vfs) == before,
        "nothing to remove, nothing written"
    );
    // Whose key it needs cannot be told of this file.
    write_file(&vfs, &table, &header[..40]);
    assert!(security.remove_unused_keys().unwrap().is_empty());
    vfs.remove_file(&table).unwrap();
    let removed = security.remove_unused_keys().unwrap();
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
        security.remove_unused_keys().map(drop),
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
