//! Collections to measure.

use std::net::SocketAddr;

use super::super::client::Client;
use super::super::types::KEYSPACE;

/// Elements of a small collection.
pub const ELEMENTS: u64 = 5;
/// Commands sent together.
const BATCH: u64 = 500;
/// Members added to a large sorted set by one command.
const MEMBERS: u64 = 500;

/// A kind of collection.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// As the table calls it.
    pub name: &'static str,
    /// What its elements are.
    pub elements: &'static str,
    command: &'static str,
    words: fn(u64) -> String,
}

/// What is measured.
pub const KINDS: [Kind; 4] = [
    Kind {
        name: "hash",
        elements: "fields of 6 bytes, values of 8",
        command: "HSET",
        words: |n| format!("field{} {}", n % ELEMENTS, text(n)),
    },
    Kind { name: "list", elements: "items of 8 bytes", command: "RPUSH", words: text },
    Kind { name: "set", elements: "members of 8 bytes, no integers", command: "SADD", words: text },
    Kind {
        name: "sorted set",
        elements: "members of 8 bytes, whole scores below 1000",
        command: "ZADD",
        words: |n| format!("{} {}", mixed(n) % 1000, text(n)),
    },
];

/// A number that looks like any other.
fn mixed(n: u64) -> u64 {
    (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20
}

/// Eight bytes that are no integer, others for each of the first 2^28 numbers.
fn text(n: u64) -> String {
    format!("x{:07x}", n.wrapping_mul(0x9E3_79B1) & 0xFFF_FFFF)
}

/// Sends commands in batches and reads their replies.
fn send_all(at: SocketAddr, count: u64, command: impl Fn(u64) -> String) -> Result<(), String> {
    let mut client = Client::connect(at)?;
    client.call(&format!("SELECT {KEYSPACE}"))?;
    for from in (0..count).step_by(BATCH as usize) {
        let batch = from..count.min(from + BATCH);
        client.send_all(batch.clone().map(&command))?;
        for n in batch {
            client.reply().map_err(|error| format!("{}: {error}", command(n)))?;
        }
    }
    Ok(())
}

/// Writes so many small collections.
///
/// # Errors
/// One is refused.
pub fn collections(at: SocketAddr, kind: Kind, keys: u64) -> Result<(), String> {
    send_all(at, keys, |key| {
        let words: Vec<String> = (key * ELEMENTS..(key + 1) * ELEMENTS).map(kind.words).collect();
        format!("{} key:{key:012} {}", kind.command, words.join(" "))
    })
}

/// Writes a sorted set `zset` of so many members, of which the n-th has the rank n: they come in no order.
///
/// # Errors
/// It is refused.
pub fn sorted_set(at: SocketAddr, members: u64) -> Result<(), String> {
    // A factor without a common divisor with powers of ten goes through all of them.
    let member = |n: u64| (n * 7_919) % members;
    send_all(at, members.div_ceil(MEMBERS), |batch| {
        let numbers = (batch * MEMBERS..members.min((batch + 1) * MEMBERS)).map(member);
        let words: Vec<String> = numbers.map(|n| format!("{n} key:{n:012}")).collect();
        format!("ZADD zset {}", words.join(" "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn elements_differ_and_are_as_long_as_said() {
        let all: BTreeSet<String> = (0..100_000).map(text).collect();
        assert!(all.len() == 100_000 && all.iter().all(|text| text.len() == 8));
        for kind in KINDS {
            let words = (kind.words)(12_345);
            let longest = words.split(' ').map(str::len).max();
            assert_eq!(longest, Some(8), "{words}");
        }
    }
}
