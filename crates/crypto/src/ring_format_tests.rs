//! Tests of the key ring's bytes.

use super::*;
use crate::provider::{KeyError, Passphrase, RawKey};
use crate::secret::tests::seeded;
use proptest::prelude::*;

fn kek(byte: u8) -> Kek {
    Kek::raw(Secret::new([byte; 32]))
}

fn ring(keys: u64) -> KeyRing {
    let mut ring = KeyRing::new([0xdb; 16], Algorithm::Aes256Gcm, 1_000, &mut seeded(1)).unwrap();
    for number in 1..keys {
        let algorithm = Algorithm::ALL[number as usize % 2];
        ring.rotate_data_key(algorithm, 1_000 + number, &mut seeded(number + 1))
            .unwrap();
    }
    ring
}

fn same(one: &KeyRing, other: &KeyRing) -> bool {
    one.database_id == other.database_id
        && one.generation == other.generation
        && one.next_id == other.next_id
        && one.root.expose() == other.root.expose()
        && one.data_keys.len() == other.data_keys.len()
        && one
            .data_keys
            .iter()
            .zip(&other.data_keys)
            .all(|(one, other)| {
                one.id == other.id
                    && one.algorithm == other.algorithm
                    && one.state == other.state
                    && one.created_micros == other.created_micros
                    && one.secret.expose() == other.secret.expose()
            })
}

/// Gives changed bytes a checksum that fits, as somebody would who changes them on purpose.
fn resum(bytes: &mut [u8]) {
    let end = bytes.len() - CHECKSUM_BYTES;
    let sum = checksum(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum);
}

#[test]
fn a_ring_comes_back_whole() {
    for keys in [1, 2, 17] {
        let mut ring = ring(keys);
        let bytes = ring.to_bytes(&kek(1), &mut seeded(5)).unwrap();
        assert!(same(&ring, &KeyRing::from_bytes(&bytes, &kek(1)).unwrap()));
    }
}

#[test]
fn the_largest_ring_fits_the_limit_exactly() {
    let mut ring = ring(DATA_KEYS_MAX as u64);
    let bytes = ring.to_bytes(&kek(1), &mut seeded(5)).unwrap();
    assert_eq!(bytes.len(), RING_BYTES_MAX);
    assert!(same(&ring, &KeyRing::from_bytes(&bytes, &kek(1)).unwrap()));
}

#[test]
fn the_outer_key_changes_without_touching_the_ring() {
    let mut ring = ring(3);
    let before = ring.to_bytes(&kek(1), &mut seeded(5)).unwrap();
    let after = ring.to_bytes(&kek(2), &mut seeded(6)).unwrap();
    let (old, new) = (
        KeyRing::from_bytes(&before, &kek(1)),
        KeyRing::from_bytes(&after, &kek(2)),
    );
    let (mut old, new) = (old.unwrap(), new.unwrap());
    assert_eq!((old.generation(), new.generation()), (1, 2));
    old.generation = 2;
    assert!(same(&old, &new));
    assert!(matches!(
        KeyRing::from_bytes(&after, &kek(1)),
        Err(RingError::WrongKey)
    ));
}

#[test]
fn no_key_is_in_the_bytes() {
    let mut ring = ring(3);
    let bytes = ring.to_bytes(&kek(0x77), &mut seeded(5)).unwrap();
    let mut secrets: Vec<&[u8; 32]> = ring
        .data_keys
        .iter()
        .map(|key| key.secret.expose())
        .collect();
    secrets.extend([ring.root.expose(), &[0x77; 32]]);
    for secret in secrets {
        assert!(!bytes.windows(8).any(|window| window == &secret[..8]));
    }
}

#[test]
fn every_flipped_bit_is_damage_and_never_a_wrong_key() {
    let bytes = ring(2).to_bytes(&kek(1), &mut seeded(5)).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let outcome = KeyRing::from_bytes(&bad, &kek(1));
        assert!(
            matches!(outcome, Err(RingError::Damaged(_))),
            "bit {bit}: {outcome:?}"
        );
    }
}

#[test]
fn no_changed_bit_passes_even_with_a_fitting_checksum() {
    let bytes = ring(2).to_bytes(&kek(1), &mut seeded(5)).unwrap();
    for bit in 0..(bytes.len() - CHECKSUM_BYTES) * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        resum(&mut bad);
        assert!(KeyRing::from_bytes(&bad, &kek(1)).is_err(), "bit {bit}");
    }
}

#[test]
fn every_cut_or_extended_ring_is_damaged() {
    let bytes = ring(2).to_bytes(&kek(1), &mut seeded(5)).unwrap();
    for length in 0..bytes.len() {
        let mut cut = bytes[..length].to_vec();
        assert!(matches!(
            KeyRing::from_bytes(&cut, &kek(1)),
            Err(RingError::Damaged(_))
        ));
        if length > CHECKSUM_BYTES {
            resum(&mut cut);
            assert!(matches!(
                KeyRing::from_bytes(&cut, &kek(1)),
                Err(RingError::Damaged(_))
            ));
        }
    }
    let mut longer = bytes.clone();
    longer.push(0);
    resum(&mut longer);
    assert!(matches!(
        KeyRing::from_bytes(&longer, &kek(1)),
        Err(RingError::Damaged(_))
    ));
}

#[test]
fn a_wrong_key_is_told_from_damage() {
    let bytes = ring(2).to_bytes(&kek(1), &mut seeded(5)).unwrap();
    assert!(matches!(
        KeyRing::from_bytes(&bytes, &kek(2)),
        Err(RingError::WrongKey)
    ));
    let mut flipped = [1; 32];
    flipped[31] ^= 0x80;
    let nearly = Kek::raw(Secret::new(flipped));
    assert!(matches!(
        KeyRing::from_bytes(&bytes, &nearly),
        Err(RingError::WrongKey)
    ));
}

#[test]
fn a_newer_version_is_named() {
    let mut bytes = ring(1).to_bytes(&kek(1), &mut seeded(5)).unwrap();
    bytes[VERSION..VERSION + 4].copy_from_slice(&7u32.to_le_bytes());
    resum(&mut bytes);
    assert!(matches!(
        KeyRing::from_bytes(&bytes, &kek(1)),
        Err(RingError::NewerVersion(7))
    ));
}

#[test]
fn the_ring_says_whether_it_wants_a_key_or_a_passphrase() {
    let salt = [3; SALT_BYTES];
    let derivation = Derivation::Argon2id {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
        salt,
    };
    let outer = Kek::from_passphrase(b"correct horse", derivation)
        .ok()
        .unwrap();
    let mut sealed = ring(2);
    let bytes = sealed.to_bytes(&outer, &mut seeded(5)).unwrap();
    assert_eq!(
        RingHeader::read(&bytes).unwrap(),
        RingHeader {
            derivation,
            database_id: [0xdb; 16],
            generation: 1
        }
    );
    let passphrase = |text: &str| Passphrase::new(text).ok().unwrap();
    let (opened, kek) = KeyRing::open(&bytes, &passphrase("correct horse"))
        .ok()
        .unwrap();
    assert!(same(&sealed, &opened));
    assert_eq!(kek.derivation(), derivation);
    let refusal = |provider: &dyn KeyProvider| KeyRing::open(&bytes, provider).err().unwrap();
    assert!(matches!(
        refusal(&passphrase("battery staple")),
        RingError::WrongKey
    ));
    let raw = RawKey::new(Secret::new([1; 32]));
    assert!(matches!(
        refusal(&raw),
        RingError::Key(KeyError::Mismatch(_))
    ));
}

#[test]
fn weaker_argon2_parameters_cannot_be_slipped_in() {
    let salt = [3; SALT_BYTES];
    let derivation = Derivation::Argon2id {
        memory_kib: 64,
        passes: 2,
        lanes: 1,
        salt,
    };
    let outer = Kek::from_passphrase(b"correct horse", derivation)
        .ok()
        .unwrap();
    let mut bytes = ring(1).to_bytes(&outer, &mut seeded(5)).unwrap();
    bytes[PASSES] = 1;
    resum(&mut bytes);
    let provider = Passphrase::new("correct horse").ok().unwrap();
    assert!(matches!(
        KeyRing::open(&bytes, &provider).err(),
        Some(RingError::WrongKey)
    ));
}

#[test]
fn authentic_secrets_that_break_a_rule_are_damage() {
    let good = ring(3);
    let header = RingHeader {
        derivation: Derivation::Raw,
        database_id: [0xdb; 16],
        generation: 1,
    };
    let entry = |number: usize| SECRETS_FIXED_BYTES + number * ENTRY_BYTES;
    let cases: [(usize, u8); 11] = [
        (NEXT_ID, 0),
        (NEXT_ID, 3),
        (COUNT, 0),
        (COUNT, 2),
        (COUNT, 4),
        (entry(0) + ENTRY_ID, 0),
        (entry(0) + ENTRY_ID, 2),
        (entry(1) + ENTRY_ALGORITHM, 1),
        (entry(1) + ENTRY_STATE, 1),
        (entry(2) + ENTRY_STATE, 2),
        (entry(2) + ENTRY_RESERVED, 1),
    ];
    assert!(same(
        &KeyRing::from_secrets(&header, &good.secrets()).unwrap(),
        &KeyRing {
            generation: 1,
            ..good.clone()
        }
    ));
    for (at, value) in cases {
        let mut secrets = good.secrets();
        assert_ne!(secrets[at], value);
        secrets[at] = value;
        let outcome = KeyRing::from_secrets(&header, &secrets);
        assert!(
            matches!(outcome, Err(RingError::Damaged(_))),
            "{at} = {value}"
        );
    }
}

proptest! {
    #[test]
    fn rings_of_any_history_come_back(
        seed in any::<u64>(),
        database_id in any::<[u8; 16]>(),
        steps in proptest::collection::vec((any::<bool>(), any::<u64>(), any::<bool>()), 0..12),
        outer in any::<[u8; 32]>(),
    ) {
        let mut random = seeded(seed);
        let mut ring = KeyRing::new(database_id, Algorithm::Aes256Gcm, 0, &mut random).unwrap();
        for (aes, created, prune) in steps {
            let algorithm = Algorithm::ALL[usize::from(aes)];
            ring.rotate_data_key(algorithm, created, &mut random).unwrap();
            if prune {
                ring.remove_unused(&Default::default());
            }
        }
        let kek = Kek::raw(Secret::new(outer));
        let bytes = ring.to_bytes(&kek, &mut random).unwrap();
        prop_assert!(same(&ring, &KeyRing::from_bytes(&bytes, &kek).unwrap()));
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..400),
        dressed in any::<bool>(),
    ) {
        if dressed && bytes.len() > HEADER_BYTES {
            bytes[..MAGIC.len()].copy_from_slice(MAGIC);
            bytes[VERSION..VERSION + 4].copy_from_slice(&RING_FORMAT_VERSION.to_le_bytes());
            resum(&mut bytes);
        }
        prop_assert!(KeyRing::from_bytes(&bytes, &kek(1)).is_err());
    }
}

/// What `docs/format/keyring.md` says. Layout rows whose place depends on a length are left out.
mod document {
    use super::*;
    use crate::secret::tests::{hex, unhex};

    const DOCUMENT: &str = include_str!("../../../docs/format/keyring.md");

    fn section(heading: &str) -> &'static str {
        let start = DOCUMENT.find(&format!("\n## {heading}\n")).unwrap();
        let body = &DOCUMENT[start + heading.len() + 5..];
        body.split("\n## ").next().unwrap()
    }

    /// Name and offset of each field, checked to follow one another without a gap; and the end.
    fn layout(heading: &str) -> (Vec<(&'static str, usize)>, usize) {
        let mut end = 0;
        let mut fields = Vec::new();
        for row in section(heading)
            .lines()
            .filter(|line| line.starts_with("| "))
            .skip(1)
        {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let (Ok(offset), Ok(size)) = (cells[0].parse::<usize>(), cells[1].parse::<usize>())
            else {
                continue;
            };
            assert_eq!(offset, end, "`{}` in {heading}", cells[2]);
            end = offset + size;
            fields.push((cells[2], offset));
        }
        (fields, end)
    }

    #[test]
    fn the_tables_give_the_offsets_of_the_code() {
        let (header, end) = layout("Header");
        let expected = [
            ("magic", 0),
            ("version", VERSION),
            ("derivation", DERIVATION),
            ("reserved", RESERVED),
            ("database_id", DATABASE_ID),
            ("generation", GENERATION),
            ("memory_kib", MEMORY_KIB),
            ("passes", PASSES),
            ("lanes", LANES),
            ("secrets_bytes", SECRETS_BYTES),
            ("salt", SALT),
            ("nonce", NONCE),
            ("key_check", KEY_CHECK),
        ];
        assert_eq!((&header[..], end), (&expected[..], HEADER_BYTES));
        let expected = [("next_id", NEXT_ID), ("count", COUNT), ("root", ROOT)];
        assert_eq!(layout("Secrets"), (expected.to_vec(), SECRETS_FIXED_BYTES));
        let expected = [
            ("id", ENTRY_ID),
            ("algorithm", ENTRY_ALGORITHM),
            ("state", ENTRY_STATE),
            ("reserved", ENTRY_RESERVED),
            ("created", ENTRY_CREATED),
            ("key", ENTRY_KEY),
        ];
        assert_eq!(layout("Data key"), (expected.to_vec(), ENTRY_BYTES));
    }

    #[test]
    fn the_limits_it_names_are_those_of_the_code() {
        let text = section("Validity");
        let shortest = HEADER_BYTES + SECRETS_FIXED_BYTES + TAG_BYTES + CHECKSUM_BYTES;
        assert!(text.contains(&format!("shorter than {shortest} bytes")));
        let longest = format!("{},{:03}", RING_BYTES_MAX / 1000, RING_BYTES_MAX % 1000);
        assert!(
            text.contains(&format!("longer than {longest} bytes")),
            "{longest}"
        );
        let limits = crate::ARGON2_LIMITS;
        assert_eq!((limits.lanes_max, limits.passes_max), (16, 32));
        assert_eq!(limits.memory_kib_max, 1 << 20);
        assert!(section("Secrets").contains(&format!("1 to {DATA_KEYS_MAX}")));
    }

    #[test]
    fn the_example_is_what_the_code_writes_and_reads() {
        let mut next = 0x40u8;
        let mut counting = |buffer: &mut [u8]| {
            for byte in buffer {
                *byte = next;
                next += 1;
            }
            Ok(())
        };
        let database_id = std::array::from_fn(|at| at as u8);
        let created = 1_700_000_000_000_000;
        let mut ring =
            KeyRing::new(database_id, Algorithm::Aes256Gcm, created, &mut counting).unwrap();
        let kek = Kek::raw(Secret::new(std::array::from_fn(|at| 0x20 + at as u8)));
        let written = ring.to_bytes(&kek, &mut counting).unwrap();
        let example: String = section("Example")
            .lines()
            .skip_while(|line| *line != "```hex")
            .skip(1)
            .take_while(|line| *line != "```")
            .filter_map(|line| line.split("  ").next())
            .collect();
        assert_eq!(hex(&unhex(&example)), hex(&written));
        assert!(same(
            &ring,
            &KeyRing::from_bytes(&unhex(&example), &kek).unwrap()
        ));
    }
}
