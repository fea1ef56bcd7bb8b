//! Keys, values and distributions, all from a seed.
//!
//! The `i`-th key follows from `i`, and a value from its key and a version number, so that any
//! engine's answer is checked without remembering what was written. Both are uniformly random
//! bytes: they do not compress, and keys arrive in no order.

/// Bytes of a key: the size of the redb workload.
pub(crate) const KEY_BYTES: usize = 24;

/// A key of the benchmarks.
pub(crate) type Key = [u8; KEY_BYTES];

/// A generator of 64-bit numbers (SplitMix64): one multiplication chain per number and a state that
/// can start anywhere.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.skip(1);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Goes past `count` numbers.
    pub(crate) fn skip(&mut self, count: u64) {
        self.0 = self
            .0
            .wrapping_add(count.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    /// A number of 0..1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// The `index`-th key.
pub(crate) fn key(index: u64) -> Key {
    let mut key = [0; KEY_BYTES];
    Random::new(index.wrapping_mul(0xD605_BBB5_8C8A_BBCD) ^ 3).fill(&mut key);
    key
}

/// Where the bytes of a value come from.
fn value_source(key: &[u8], version: u64) -> Random {
    let mut seed = version.wrapping_mul(0xA24B_AED4_963E_E407);
    for chunk in key.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        seed = (seed ^ u64::from_le_bytes(word))
            .wrapping_mul(0x9FB2_1C65_1E98_DF25)
            .rotate_left(29);
    }
    Random::new(seed)
}

/// Writes the value that `key` has in `version` into `value`.
pub(crate) fn fill_value(key: &[u8], version: u64, value: &mut [u8]) {
    value_source(key, version).fill(value);
}

/// Whether `value` is what `key` has in `version`, and `bytes` long.
pub(crate) fn is_value(key: &[u8], version: u64, value: &[u8], bytes: usize) -> bool {
    if value.len() != bytes {
        return false;
    }
    let mut source = value_source(key, version);
    let mut difference = 0;
    let (words, rest) = value.as_chunks::<8>();
    for word in words {
        difference |= u64::from_le_bytes(*word) ^ source.next();
    }
    let last = source.next().to_le_bytes();
    difference == 0 && rest == &last[..rest.len()]
}

/// As [`is_value`], but looks only at both ends of `value`: where reads take less than a microsecond,
/// a whole comparison would be a good part of what is measured.
pub(crate) fn has_ends_of_value(key: &[u8], version: u64, value: &[u8], bytes: usize) -> bool {
    if value.len() != bytes || bytes < 16 {
        return is_value(key, version, value, bytes);
    }
    let (words, _) = value.as_chunks::<8>();
    let source = value_source(key, version);
    let word = |index: usize| {
        let mut source = source.clone();
        source.skip(index as u64);
        source.next()
    };
    let last = words.len() - 1;
    u64::from_le_bytes(words[0]) == word(0) && u64::from_le_bytes(words[last]) == word(last)
}

/// A number that depends on a set of pairs and not on their order, to compare answers with.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Digest(pub(crate) u64);

impl Digest {
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.0 = self
            .0
            .wrapping_add(value_source(key, value.len() as u64).next());
    }
}

/// Visits each of `0..length` once, in an order that looks random.
///
/// The order is a walk with a stride that has no factor in common with the length.
#[derive(Clone, Debug)]
pub(crate) struct Shuffle {
    length: u64,
    stride: u64,
    at: u64,
}

impl Shuffle {
    pub(crate) fn new(length: u64, seed: u64) -> Shuffle {
        let mut random = Random::new(seed);
        let mut stride = 1;
        if length > 2 {
            stride = (length / 3 + random.below(length / 2)) | 1;
            while greatest_common_divisor(stride, length) != 1 {
                stride += 2;
            }
        }
        Shuffle {
            length,
            stride: stride % length.max(1),
            at: random.below(length.max(1)),
        }
    }

    /// The next number; after `length` of them they begin again.
    pub(crate) fn next(&mut self) -> u64 {
        self.at = (self.at + self.stride) % self.length;
        self.at
    }

    /// Skips `count` numbers.
    pub(crate) fn skip(&mut self, count: u64) {
        let steps = u128::from(self.stride) * u128::from(count) % u128::from(self.length);
        self.at = (self.at + steps as u64) % self.length;
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

/// Numbers below a limit, of which few are drawn often: YCSB's zipfian distribution with its
/// constant 0.99, after Gray et al., "Quickly generating billion-record synthetic databases".
#[derive(Clone, Debug)]
pub(crate) struct Zipfian {
    items: u64,
    zeta: f64,
    alpha: f64,
    eta: f64,
}

const THETA: f64 = 0.99;

impl Zipfian {
    /// Costs a pass over the items.
    pub(crate) fn new(items: u64) -> Zipfian {
        let zeta = |count: u64| (1..=count).map(|i| (i as f64).powf(-THETA)).sum::<f64>();
        let (zeta_two, zeta) = (zeta(2), zeta(items));
        let eta = (1.0 - (2.0 / items as f64).powf(1.0 - THETA)) / (1.0 - zeta_two / zeta);
        Zipfian {
            items,
            zeta,
            alpha: 1.0 / (1.0 - THETA),
            eta,
        }
    }

    /// A rank: zero is drawn most often.
    pub(crate) fn rank(&self, random: &mut Random) -> u64 {
        let unit = random.unit();
        let product = unit * self.zeta;
        if product < 1.0 {
            return 0;
        }
        if product < 1.0 + 0.5_f64.powf(THETA) {
            return 1;
        }
        let rank = self.items as f64 * (self.eta * unit - self.eta + 1.0).powf(self.alpha);
        (rank as u64).min(self.items - 1)
    }

    /// An item: the popular ones are spread over all of them.
    pub(crate) fn item(&self, random: &mut Random) -> u64 {
        Random::new(self.rank(random)).next() % self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_follows_from_key_and_version() {
        for bytes in [0, 1, 8, 150, 1000] {
            let (key, mut value) = (key(7), vec![0; bytes]);
            fill_value(&key, 1, &mut value);
            assert!(is_value(&key, 1, &value, bytes));
            assert!(has_ends_of_value(&key, 1, &value, bytes));
            assert!(!is_value(&key, 1, &value, bytes + 1));
            assert!(!has_ends_of_value(&key, 1, &value, bytes + 1));
            assert!(bytes < 2 || !has_ends_of_value(&key, 2, &value, bytes));
            if bytes > 0 {
                value[bytes - 1] ^= 1;
                assert!(!is_value(&key, 1, &value, bytes));
                value[bytes - 1] ^= 1;
                assert!(bytes == 1 || !is_value(&key, 2, &value, bytes));
            }
        }
    }

    #[test]
    fn keys_differ() {
        let keys: std::collections::HashSet<Key> = (0..100_000).map(key).collect();
        assert_eq!(keys.len(), 100_000);
    }

    #[test]
    fn shuffle_visits_everything_once() {
        for length in [1, 2, 3, 10, 97, 1000] {
            let mut shuffle = Shuffle::new(length, 5);
            let mut ahead = shuffle.clone();
            let mut seen: Vec<u64> = (0..length).map(|_| shuffle.next()).collect();
            ahead.skip(length - 1);
            assert_eq!(ahead.next(), seen[seen.len() - 1]);
            seen.sort_unstable();
            assert_eq!(seen, (0..length).collect::<Vec<_>>());
        }
    }

    #[test]
    fn zipfian_has_the_shape_of_its_formula() {
        let (items, draws) = (1000, 1_000_000);
        let zipfian = Zipfian::new(items);
        let mut random = Random::new(1);
        let mut counts = vec![0_u32; items as usize];
        for _ in 0..draws {
            counts[zipfian.rank(&mut random) as usize] += 1;
        }
        let expected = f64::from(draws) / zipfian.zeta;
        assert!((f64::from(counts[0]) / expected - 1.0).abs() < 0.02);
        assert!(counts[0] > counts[1] && counts[1] > counts[10] && counts[10] > counts[900]);
    }

    #[test]
    fn digest_ignores_order_and_sees_content() {
        let digest = |pairs: &[(&[u8], &[u8])]| {
            let mut digest = Digest::default();
            for (key, value) in pairs {
                digest.add(key, value);
            }
            digest
        };
        assert_eq!(
            digest(&[(b"a", b"1"), (b"b", b"2")]),
            digest(&[(b"b", b"2"), (b"a", b"1")])
        );
        assert_ne!(digest(&[(b"a", b"1")]), digest(&[(b"b", b"1")]));
    }
}
