//! Bytes in JSON: a string if they are UTF-8, else `{"hex": "00ff"}`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::Bytes;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Shape {
    Text(String),
    Hex(Hex),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hex {
    hex: String,
}

/// As a field (`#[serde(with = "bytes")]`).
pub fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => to.serialize_str(text),
        Err(_) => {
            let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Hex { hex }.serialize(to)
        }
    }
}

/// As a field.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
    let shape = Shape::deserialize(from)
        .map_err(|_| D::Error::custom("expected a string, or {\"hex\": \"...\"} with hexadecimal digits"))?;
    match shape {
        Shape::Text(text) => Ok(text.into_bytes().into()),
        Shape::Hex(Hex { hex }) => from_hex(&hex)
            .ok_or_else(|| D::Error::custom(format!("{hex:?} is not pairs of hexadecimal digits"))),
    }
}

fn from_hex(text: &str) -> Option<Bytes> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// Bytes that stand for themselves, for lists and options.
#[derive(Serialize, Deserialize)]
pub struct Text(#[serde(with = "super::bytes")] pub Bytes);
