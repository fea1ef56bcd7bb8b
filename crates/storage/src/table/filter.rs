//! Filters: "is this key surely absent from the table?" in about nine bits per key.
//!
//! A binary fuse filter (Graf and Lemire, 2022) with eight-bit fingerprints. Each key's hash
//! names three cells, in three adjacent segments of an array, and the cells are filled such that
//! their exclusive or is the key's fingerprint. A key that was never added matches by accident
//! with probability 1/256.
//!
//! Construction peels: a cell that only one key uses can be set last, to whatever that key
//! needs, so the key and its cells are taken away, and so on until nothing is left. With some
//! seeds that gets stuck; another one is then tried. If many fail there is no filter, and
//! readers search.
//!
//! Keys come as 64-bit hashes ([`key_hash`]), so that a lookup hashes once for all tables.
//! Filters know nothing of keys that share a hash, beyond not needing them twice.

use rustdb_skiplist::prefetch;
use xxhash_rust::xxh3::xxh3_64;

/// The hash of a storage key that filters expect. It is part of the format.
#[inline]
pub fn key_hash(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// The number on disk of this kind of filter; zero is invalid.
pub(super) const KIND_BINARY_FUSE_8: u8 = 1;

/// Where the fields of a filter block are.
pub(super) mod field {
    pub(in super::super) const KIND: usize = 0;
    pub(in super::super) const SEGMENT_LEN_LOG2: usize = KIND + 1;
    pub(in super::super) const RESERVED: usize = SEGMENT_LEN_LOG2 + 1;
    pub(in super::super) const SEGMENTS: usize = RESERVED + 2;
    pub(in super::super) const SEED: usize = SEGMENTS + 4;
    pub(in super::super) const CELLS: usize = SEED + 8;
    const _: () = assert!(CELLS == 16);
}

/// How many seeds are tried. Each fails with a probability of a few per cent at most.
const TRIES_MAX: u64 = 64;

/// Segments are at most this long, which is best for the caches.
const SEGMENT_LEN_LOG2_MAX: u32 = 18;

/// So many keys of a construction, and no more than so many stretches of them, lie together: where
/// their cells are fits the processor's nearest cache, and so do the ends of the stretches.
const STRETCH_KEYS: usize = 64;
const STRETCHES_LOG2_MAX: u32 = 10;

/// A filter in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Filter {
    shape: Shape,
    seed: u64,
    cells: Box<[u8]>,
}

/// Segments are `1 << segment_len_log2` cells long, and there are two more than `segments`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    segment_len_log2: u32,
    segments: u32,
}

impl Shape {
    /// The shape for so many keys. The formulas are the authors'.
    fn for_keys(keys: usize) -> Self {
        let size = keys.max(2) as f64;
        let log2 = (size.ln() / 3.33_f64.ln() + 2.25).floor() as u32;
        let segment_len_log2 = log2.min(SEGMENT_LEN_LOG2_MAX);
        let factor = (0.875 + 0.25 * 1_000_000_f64.ln() / size.ln()).max(1.125);
        let cells = (size * factor).round() as usize;
        let segments = cells
            .div_ceil(1 << segment_len_log2)
            .saturating_sub(2)
            .max(1);
        Self {
            segment_len_log2,
            segments: segments as u32,
        }
    }

    fn cells(self) -> usize {
        (self.segments as usize + 2) << self.segment_len_log2
    }

    /// The three cells of a mixed hash.
    #[inline]
    fn places(self, mixed: u64) -> [usize; 3] {
        let segment_len = 1_usize << self.segment_len_log2;
        let mask = segment_len - 1;
        let span = u64::from(self.segments) << self.segment_len_log2;
        let first = ((u128::from(mixed) * u128::from(span)) >> 64) as usize;
        let second = (first + segment_len) ^ ((mixed >> 18) as usize & mask);
        let third = (first + 2 * segment_len) ^ (mixed as usize & mask);
        [first, second, third]
    }
}

/// Spreads a key's hash under a seed (the finaliser of MurmurHash3).
#[inline]
fn mix(hash: u64, seed: u64) -> u64 {
    let mut h = hash.wrapping_add(seed);
    h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

#[inline]
fn fingerprint(mixed: u64) -> u8 {
    (mixed ^ (mixed >> 32)) as u8
}

impl Filter {
    /// Builds the filter of these hashes; removes duplicates if they are in the way, and changes the
    /// order then. `None` if there are no hashes, or no seed among those tried will do.
    pub fn build(hashes: &mut Vec<u64>) -> Option<Self> {
        if hashes.is_empty() {
            return None;
        }
        // Seeds need not be unpredictable, but should have nothing to do with one another.
        let mut seeds = (1..=TRIES_MAX).map(|seed| mix(seed, 0));
        let first = Self::build_with(hashes, &mut seeds.by_ref().take(1));
        first.or_else(|| {
            // No seed does for a key that is there twice.
            hashes.sort_unstable();
            hashes.dedup();
            Self::build_with(hashes, &mut seeds)
        })
    }

    fn build_with(hashes: &[u64], seeds: &mut impl Iterator<Item = u64>) -> Option<Self> {
        let shape = Shape::for_keys(hashes.len());
        let mut peeling = Peeling::new(shape, hashes.len());
        seeds.find_map(|seed| {
            peeling.arrange(seed, hashes);
            let cells = peeling.assign(shape)?;
            Some(Self { shape, seed, cells })
        })
    }

    /// Whether a key with this hash may have been added. Never wrong about a key that was.
    #[inline]
    pub fn may_contain(&self, hash: u64) -> bool {
        let mixed = mix(hash, self.seed);
        let [first, second, third] = self.shape.places(mixed);
        let cells = self.cells[first] ^ self.cells[second] ^ self.cells[third];
        cells == fingerprint(mixed)
    }

    /// Asks the processor to load what [`Filter::may_contain`] looks at.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        for place in self.shape.places(mix(hash, self.seed)) {
            prefetch(&self.cells[place], 1);
        }
    }

    /// The bytes of memory that the filter takes.
    pub fn memory_bytes(&self) -> usize {
        self.cells.len()
    }

    /// The payload of a filter block.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(field::CELLS + self.cells.len());
        out.extend_from_slice(&[KIND_BINARY_FUSE_8, self.shape.segment_len_log2 as u8, 0, 0]);
        out.extend_from_slice(&self.shape.segments.to_le_bytes());
        out.extend_from_slice(&self.seed.to_le_bytes());
        out.extend_from_slice(&self.cells);
        out
    }

    /// Reads the payload of a filter block.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, &'static str> {
        let (head, cells) = payload
            .split_first_chunk::<{ field::CELLS }>()
            .ok_or("filter is too short")?;
        if head[field::KIND] != KIND_BINARY_FUSE_8 {
            return Err("unknown kind of filter");
        }
        if head[field::RESERVED..field::SEGMENTS] != [0; 2] {
            return Err("reserved bytes of a filter are not zero");
        }
        let segment_len_log2 = u32::from(head[field::SEGMENT_LEN_LOG2]);
        let segments = &head[field::SEGMENTS..field::SEED];
        let segments = u32::from_le_bytes(segments.try_into().expect("four bytes"));
        let seed = &head[field::SEED..field::CELLS];
        let seed = u64::from_le_bytes(seed.try_into().expect("eight bytes"));
        if segment_len_log2 > SEGMENT_LEN_LOG2_MAX || segments == 0 {
            return Err("filter has a wrong shape");
        }
        let shape = Shape {
            segment_len_log2,
            segments,
        };
        if shape.cells() != cells.len() {
            return Err("filter has a wrong length");
        }
        Ok(Self {
            shape,
            seed,
            cells: cells.into(),
        })
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filter({} cells)", self.cells.len())
    }
}

/// The working memory of a construction.
struct Peeling {
    /// The mixed hashes, by stretches of places.
    mixed: Vec<u64>,
    /// Per cell, how many keys use it.
    counts: Vec<u8>,
    /// Per cell, the exclusive or of the mixed hashes of those keys.
    hashes: Vec<u64>,
    /// Cells that one key uses.
    alone: Vec<u32>,
    /// The keys in the order they were taken away, each with the one of its cells it was alone in.
    order: Vec<(u64, u32)>,
}

impl Peeling {
    fn new(shape: Shape, keys: usize) -> Self {
        Self {
            mixed: vec![0; keys],
            counts: vec![0; shape.cells()],
            hashes: vec![0; shape.cells()],
            alone: Vec::new(),
            order: Vec::with_capacity(keys),
        }
    }

    /// Mixes the hashes with a seed, and puts those together whose cells lie together: places grow
    /// with what is mixed.
    fn arrange(&mut self, seed: u64, hashes: &[u64]) {
        let stretches_log2 = (hashes.len() / STRETCH_KEYS).max(1).ilog2();
        let stretches_log2 = stretches_log2.min(STRETCHES_LOG2_MAX);
        // NB: in two steps, as none may be left by 64 places.
        let stretch = |mixed: u64| (mixed >> 1 >> (63 - stretches_log2)) as usize;
        let mut ends = vec![0_u32; (1 << stretches_log2) + 1];
        for hash in hashes {
            ends[stretch(mix(*hash, seed)) + 1] += 1;
        }
        for at in 1..ends.len() {
            ends[at] += ends[at - 1];
        }
        for hash in hashes {
            let mixed = mix(*hash, seed);
            let next = &mut ends[stretch(mixed)];
            self.mixed[*next as usize] = mixed;
            *next += 1;
        }
    }

    /// The cells for the mixed hashes, or `None` if the seed will not do: with it more keys use a cell
    /// than there should, or keys are left of which none is alone.
    fn assign(&mut self, shape: Shape) -> Option<Box<[u8]>> {
        self.counts.fill(0);
        self.hashes.fill(0);
        self.order.clear();
        for mixed in &self.mixed {
            for place in shape.places(*mixed) {
                self.counts[place] = self.counts[place].checked_add(1)?;
                self.hashes[place] ^= mixed;
            }
        }
        self.alone.clear();
        let places = 0..self.counts.len() as u32;
        self.alone
            .extend(places.filter(|place| self.counts[*place as usize] == 1));
        while let Some(place) = self.alone.pop() {
            // Its only key may have been taken away in the meantime.
            if self.counts[place as usize] != 1 {
                continue;
            }
            let mixed = self.hashes[place as usize];
            self.order.push((mixed, place));
            for other in shape.places(mixed) {
                self.counts[other] -= 1;
                self.hashes[other] ^= mixed;
                if self.counts[other] == 1 {
                    self.alone.push(other as u32);
                }
            }
        }
        if self.order.len() < self.mixed.len() {
            return None;
        }
        let mut cells = vec![0_u8; shape.cells()].into_boxed_slice();
        // The last key taken away is the first to be written: what it is alone in, no key that is
        // written before it uses.
        for (mixed, place) in self.order.iter().rev() {
            let [first, second, third] = shape.places(*mixed);
            cells[*place as usize] = 0;
            let others = cells[first] ^ cells[second] ^ cells[third];
            cells[*place as usize] = fingerprint(*mixed) ^ others;
        }
        Some(cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random.
    fn hashes(seed: u64, count: u64) -> Vec<u64> {
        (0..count).map(|n| mix(n, mix(seed, 7))).collect()
    }

    fn false_positives(filter: &Filter, probes: u64) -> f64 {
        let wrong = hashes(2, probes)
            .into_iter()
            .filter(|hash| filter.may_contain(*hash));
        wrong.count() as f64 / probes as f64
    }

    #[test]
    fn every_added_key_may_be_contained_whatever_their_number() {
        for count in (1..200).chain([1000, 4096, 33_333]) {
            let keys = hashes(count, count);
            let filter = Filter::build(&mut keys.clone()).expect("a seed works");
            assert!(
                keys.iter().all(|key| filter.may_contain(*key)),
                "{count} keys"
            );
        }
    }

    #[test]
    fn few_other_keys_may_be_contained() {
        for count in [1, 10, 1000, 200_000] {
            let filter = Filter::build(&mut hashes(1, count)).expect("a seed works");
            let rate = false_positives(&filter, 200_000);
            assert!(rate < 0.006, "{rate} of {count} keys");
        }
    }

    #[test]
    fn a_key_takes_about_nine_bits() {
        let filter = Filter::build(&mut hashes(1, 1_000_000)).expect("a seed works");
        let bits = filter.memory_bytes() as f64 * 8.0 / 1e6;
        assert!(bits < 9.3, "{bits}");
    }

    /// A key whose cells overflow must fail a seed, not be lost.
    #[test]
    fn a_hash_that_is_there_very_often_is_added_once() {
        let mut keys = [hashes(1, 1000), vec![mix(5, 5); 70_000]].concat();
        let filter = Filter::build(&mut keys).expect("a seed works");
        assert_eq!(keys.len(), 1001);
        assert!(keys.iter().all(|key| filter.may_contain(*key)));
    }

    #[test]
    fn duplicates_are_added_once() {
        let mut keys = vec![hashes(1, 100); 50].concat();
        let filter = Filter::build(&mut keys).expect("a seed works");
        assert_eq!(keys.len(), 100);
        assert!(keys.iter().all(|key| filter.may_contain(*key)));
        assert_eq!(Filter::build(&mut Vec::new()), None);
    }

    #[test]
    fn a_filter_comes_back_from_its_bytes() {
        for count in [1, 2, 100, 5000] {
            let filter = Filter::build(&mut hashes(1, count)).expect("a seed works");
            let bytes = filter.encode();
            assert_eq!(Filter::parse(&bytes), Ok(filter));
            assert!(Filter::parse(&bytes[..bytes.len() - 1]).is_err());
            assert!(Filter::parse(&[&bytes[..], &[0]].concat()).is_err());
            for at in [
                field::KIND,
                field::SEGMENT_LEN_LOG2,
                field::RESERVED,
                field::SEGMENTS,
            ] {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x40;
                assert!(Filter::parse(&damaged).is_err(), "byte {at}");
            }
        }
    }

    /// The hash and the mixing are part of the format.
    #[test]
    fn hashes_stay() {
        assert_eq!(key_hash(b""), 0x2d06_8005_38d3_94c2);
        assert_eq!(mix(1, 0), 0xb456_bcfc_34c2_cb2c);
        let shape = Shape {
            segment_len_log2: 4,
            segments: 3,
        };
        assert_eq!(shape.places(0xb456_bcfc_34c2_cb2c), [33, 49, 77]);
    }
}
