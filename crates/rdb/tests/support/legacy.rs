//! Payloads in encodings that are read and not written, made by hand.

use rdb::Value;

/// A payload of a type and the bytes behind it, of an RDB version, with the right checksum.
pub fn payload(kind: u8, body: &[u8], version: u16) -> Vec<u8> {
    let mut out = [&[kind][..], body, &version.to_le_bytes()].concat();
    let sum = crc64(&out);
    out.extend(sum.to_le_bytes());
    out
}

/// The checksum bit by bit, on its own so that the product's is not its own judge.
pub fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |crc, byte| {
        let step = |crc: u64, _| (crc >> 1) ^ if crc & 1 == 1 { 0x95ac_9329_ac4b_c9b5 } else { 0 };
        (0..8).fold(crc ^ u64::from(*byte), step)
    })
}

/// A string as it is.
pub fn raw(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a short string");
    assert!(length < 0x4000);
    [&(length | 0x4000).to_be_bytes()[..], bytes].concat()
}

/// A ziplist; texts of small numbers as numbers.
pub fn ziplist(texts: &[&str]) -> Vec<u8> {
    let mut out = vec![0; 10];
    let (mut before, mut tail) = (0, 10);
    for text in texts {
        tail = out.len();
        if before < 254 {
            out.push(before as u8);
        } else {
            out.push(254);
            out.extend((before as u32).to_le_bytes());
        }
        match text.parse::<i16>() {
            Ok(small @ 0..=12) => out.push(0xf1 + small as u8),
            Ok(number) => {
                out.push(0xc0);
                out.extend(number.to_le_bytes());
            }
            Err(_) if text.len() < 64 => {
                out.push(text.len() as u8);
                out.extend(text.as_bytes());
            }
            Err(_) => {
                out.extend((text.len() as u16 | 0x4000).to_be_bytes());
                out.extend(text.as_bytes());
            }
        }
        before = out.len() - tail;
    }
    out.push(0xff);
    let size = out.len() as u32;
    out[..4].copy_from_slice(&size.to_le_bytes());
    out[4..8].copy_from_slice(&(tail as u32).to_le_bytes());
    out[8..10].copy_from_slice(&(texts.len() as u16).to_le_bytes());
    out
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn list(texts: &[&str]) -> Value {
    Value::List(texts.iter().map(|text| bytes(text)).collect())
}

fn hash(pairs: &[(&str, &str)]) -> Value {
    Value::Hash(pairs.iter().map(|(field, value)| (bytes(field), bytes(value))).collect())
}

fn scored(members: &[(&str, f64)]) -> Value {
    Value::SortedSet(members.iter().map(|(member, score)| (bytes(member), *score)).collect())
}

/// Name, payload and value of each encoding that is no longer written, as far as Redis 7.0 reads it.
pub fn payloads() -> Vec<(&'static str, Vec<u8>, Value)> {
    let long = "m".repeat(300);
    let texts = ["a", "12", "-300", &long, "b"];
    let zipmap = b"\x02\x03foo\x03\x00bar\x02hi\x05\x02there--\xff";
    let pairs = [("foo", "bar"), ("hi", "there")];
    let scores = [("low", f64::NEG_INFINITY), ("a", 1.5), ("b", 3.0), ("high", f64::INFINITY)];
    let text_scores =
        [&[4][..], &raw(b"low"), &[255], &raw(b"a"), b"\x031.5", &raw(b"b"), b"\x013", &raw(b"high"), &[254]];
    let nodes = [&[2][..], &raw(&ziplist(&texts[..3])), &raw(&ziplist(&texts[3..]))].concat();
    let elements = [&[2][..], &raw(b"a"), &[0xc0, 0xfb]].concat();
    vec![
        ("list", payload(1, &elements, 1), list(&["a", "-5"])),
        ("list ziplist", payload(10, &raw(&ziplist(&texts)), 6), list(&texts)),
        ("quicklist", payload(14, &nodes, 7), list(&texts)),
        ("hash zipmap", payload(9, &raw(zipmap), 2), hash(&pairs)),
        ("hash ziplist", payload(13, &raw(&ziplist(&["foo", "bar", "hi", "there"])), 6), hash(&pairs)),
        ("sorted set text", payload(3, &text_scores.concat(), 4), scored(&scores)),
        (
            "sorted set ziplist",
            payload(12, &raw(&ziplist(&["low", "-inf", "a", "1.5", "b", "3", "high", "inf"])), 9),
            scored(&scores),
        ),
    ]
}
