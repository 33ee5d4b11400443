//! What `DEBUG` tells of keys: OBJECT and DIGEST-VALUE.

use super::dump::value_of;
use super::object::encoding_of;
use crate::data::{Context, Done, Stop};
use std::fmt::Write;

/// Starts of the three sums of a digest, of which the last is cut: 160 bits in all, as in Redis.
const SEEDS: [u64; 3] = [0xcbf2_9ce4_8422_2325, 0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f];
/// Digits of a digest.
const DIGITS: usize = 40;
/// The prime of FNV-1a.
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// `DEBUG OBJECT key`: where Redis shows an address we show none.
pub(super) fn object(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (key, now) = (c.data.key(args[2]), (c.data.now() / 1000) as u32);
    let Some(row) = c.data.peek(key)? else { return Err(Stop::error("ERR no such key")) };
    let (encoding, accessed) = (encoding_of(row), row.accessed);
    // Without the byte of its type, as in Redis.
    let length = rdb::dump(&value_of(row)?).len() - rdb::FOOTER - 1;
    let text = format!(
        "Value at:0x0 refcount:1 encoding:{encoding} serializedlength:{length} lru:{accessed} lru_seconds_idle:{}",
        now.wrapping_sub(accessed)
    );
    c.reply.status(&text);
    Ok(())
}

/// `DEBUG DIGEST-VALUE key [key ...]`: equal for keys that hold the same, in whatever form, and that both
/// expire or both do not. Only good to be compared with another one from here.
pub(super) fn digest_value(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let mut digests = Vec::with_capacity(args.len());
    for name in &args[2..] {
        let key = c.data.key(name);
        digests.push(match c.data.peek(key)? {
            Some(row) => digest(&rdb::dump(&value_of(row)?.in_order()), row.expire != 0),
            None => "0".repeat(DIGITS),
        });
    }
    c.reply.array(digests.len());
    digests.iter().for_each(|digest| c.reply.status(digest));
    Ok(())
}

fn digest(payload: &[u8], expires: bool) -> String {
    let mut text = String::new();
    for seed in SEEDS {
        let bytes = payload.iter().copied().chain([u8::from(expires)]);
        let sum = bytes.fold(seed, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(PRIME));
        let _ = write!(text, "{sum:016x}");
    }
    text.truncate(DIGITS);
    text
}
