//! Which key opens which directory, and how the others are refused.

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
