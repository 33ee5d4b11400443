//! Hash slots: CRC16/XMODEM of the key or of its hash tag, modulo 16384 (Redis Cluster specification).

use crate::limits::SLOTS;

/// A hash slot, 0 .. [`SLOTS`].
pub type Slot = u16;

/// `TABLES[n][b]`: what byte `b` does to the checksum of a text in which `n` more bytes follow it.
const TABLES: [[u16; 256]; LANE] = tables();
/// Bytes taken at a time. One table per byte breaks the chain in which every byte waits for the last.
const LANE: usize = 8;

const fn tables() -> [[u16; 256]; LANE] {
    let mut tables = [[0u16; 256]; LANE];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut lane = 1;
    while lane < LANE {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[lane - 1][byte];
            tables[lane][byte] = (before << 8) ^ tables[0][(before >> 8) as usize];
            byte += 1;
        }
        lane += 1;
    }
    tables
}

/// CRC16 with polynomial 0x1021, start 0, not reflected.
pub fn crc16(bytes: &[u8]) -> u16 {
    let (lanes, rest) = bytes.as_chunks::<LANE>();
    let mut crc = 0u16;
    for lane in lanes {
        let [high, low] = crc.to_be_bytes();
        let [a, b, c, d, e, f, g, h] = lane.map(usize::from);
        crc = TABLES[7][a ^ usize::from(high)]
            ^ TABLES[6][b ^ usize::from(low)]
            ^ TABLES[5][c]
            ^ TABLES[4][d]
            ^ TABLES[3][e]
            ^ TABLES[2][f]
            ^ TABLES[1][g]
            ^ TABLES[0][h];
    }
    rest.iter().fold(crc, |crc, &b| (crc << 8) ^ TABLES[0][usize::from((crc >> 8) as u8 ^ b)])
}

/// The part of the key that is hashed: between the first `{` and the next `}` if that is not
/// empty, else the whole key.
pub fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|&b| b == b'{') else { return key };
    let rest = &key[open + 1..];
    match rest.iter().position(|&b| b == b'}') {
        Some(len) if len > 0 => &rest[..len],
        _ => key,
    }
}

/// The slot of a key.
pub fn slot_of(key: &[u8]) -> Slot {
    crc16(hash_tag(key)) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_redis_cluster_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        // From the definition, bit by bit, for texts below, at and above the length of a lane.
        let text: Vec<u8> = (0..64u8).map(|n| n.wrapping_mul(37)).collect();
        for len in 0..text.len() {
            let crc = text[..len].iter().fold(0u16, |crc, &byte| {
                (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| (crc << 1) ^ ((crc >> 15) * 0x1021))
            });
            assert_eq!(crc16(&text[..len]), crc);
        }
        assert_eq!(slot_of(b"foo"), 12182);
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"{user1000}.followers"));
        assert_eq!(hash_tag(b"foo{}{bar}"), b"foo{}{bar}");
        assert_eq!(hash_tag(b"foo{{bar}}zap"), b"{bar");
        assert_eq!(hash_tag(b"foo{bar}{zap}"), b"bar");
    }
}
