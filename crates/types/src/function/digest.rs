//! MD5, which nobody should trust, and everybody uses.

use crate::error::Result;
use crate::interrupt;

/// The sine table of RFC 1321.
const SINES: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

/// How far each step of a round rotates.
const ROTATIONS: [[u32; 4]; 4] = [
    [7, 12, 17, 22],
    [5, 9, 14, 20],
    [4, 11, 16, 23],
    [6, 10, 15, 21],
];

/// Bytes as they are hashed: the parts of a long value are counted.
pub(super) fn parts(bytes: &[u8]) -> impl Iterator<Item = Result<&[u8]>> {
    /// A multiple of the blocks of all hashes.
    const PART_BYTES: usize = 1 << 16;
    let parts = bytes.chunks(PART_BYTES);
    parts.map(|part| interrupt::spend(4 * part.len()).map(|()| part))
}

/// The MD5 hash as 32 hexadecimal digits.
pub(super) fn md5(bytes: &[u8]) -> Result<String> {
    let mut state: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let mut tail = Vec::new();
    for part in parts(bytes) {
        let mut blocks = part?.chunks_exact(64);
        for block in &mut blocks {
            step(&mut state, block);
        }
        tail = blocks.remainder().to_vec();
    }
    tail.push(0x80);
    while tail.len() % 64 != 56 {
        tail.push(0);
    }
    tail.extend_from_slice(&(bytes.len() as u64 * 8).to_le_bytes());
    for block in tail.chunks_exact(64) {
        step(&mut state, block);
    }
    let digits = state.iter().flat_map(|word| word.to_le_bytes());
    Ok(digits.map(|byte| format!("{byte:02x}")).collect())
}

fn step(state: &mut [u32; 4], block: &[u8]) {
    let word = |index: usize| {
        let bytes = &block[index * 4..index * 4 + 4];
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    };
    let [mut a, mut b, mut c, mut d] = *state;
    for index in 0..64 {
        let (mixed, source) = match index / 16 {
            0 => ((b & c) | (!b & d), index),
            1 => ((d & b) | (!d & c), (5 * index + 1) % 16),
            2 => (b ^ c ^ d, (3 * index + 5) % 16),
            _ => (c ^ (b | !d), (7 * index) % 16),
        };
        let sum = a
            .wrapping_add(mixed)
            .wrapping_add(SINES[index])
            .wrapping_add(word(source));
        let rotated = sum.rotate_left(ROTATIONS[index / 16][index % 4]);
        (a, b, c, d) = (d, b.wrapping_add(rotated), b, c);
    }
    for (sum, part) in state.iter_mut().zip([a, b, c, d]) {
        *sum = sum.wrapping_add(part);
    }
}

#[cfg(test)]
mod tests {
    use super::md5;

    #[test]
    fn hashes_are_those_of_the_rfc() {
        let md5 = |bytes: &[u8]| md5(bytes).unwrap();
        assert_eq!(md5(b""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(md5(b"message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
        assert_eq!(md5(&[b'a'; 120]), "5f61c0ccad4cac44c75ff505e1f1e537");
    }
}
