//! CRC-64 with the polynomial of Jones, the checksum of files and payloads.
//!
//! Bits are taken lowest first; it starts at zero and is not inverted, so zero is the checksum of nothing and
//! a file can say with it that it has none.

/// 0xad93d23594c935a9 with its bits reversed.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

/// `TABLES[k][b]`: what byte `b` makes of the checksum when `k` further bytes follow it.
static TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut more = 1;
    while more < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[more - 1][byte];
            tables[more][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        more += 1;
    }
    tables
}

/// The checksum of the bytes before, whose checksum is `crc`, and `bytes`. Starts with 0.
pub(crate) fn crc64(mut crc: u64, bytes: &[u8]) -> u64 {
    // Eight bytes at a time: the eight look-ups do not wait for each other.
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let mixed = crc ^ u64::from_le_bytes(std::array::from_fn(|i| word[i]));
        crc = mixed.to_le_bytes().iter().zip(TABLES.iter().rev()).fold(0, |sum, (b, t)| sum ^ t[*b as usize]);
    }
    words.remainder().iter().fold(crc, |crc, byte| (crc >> 8) ^ TABLES[0][(crc as u8 ^ byte) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_check_value() {
        assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc64(0, b""), 0);
    }

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let bytes: Vec<u8> = (0..200u32).map(|i| ((i * 37) >> 2) as u8).collect();
        let whole = crc64(0, &bytes);
        for cut in 0..=bytes.len() {
            assert_eq!(crc64(crc64(0, &bytes[..cut]), &bytes[cut..]), whole, "cut at {cut}");
        }
        let by_bit = bytes.iter().fold(0u64, |crc, byte| {
            (0..8).fold(crc ^ u64::from(*byte), |c, _| (c >> 1) ^ if c & 1 == 1 { POLYNOMIAL } else { 0 })
        });
        assert_eq!(whole, by_bit);
    }
}
