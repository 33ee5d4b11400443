//! Replies: of other nodes (walked without copying) and for our own command line (decoded).

use resp::decode::{Decoder, Elements, Malformed, Value, elements, read_int, value_len};

/// Any bytes in any pieces give the same values or the same refusal; a walk finds the same ends as the
/// decoder, and the elements of an array are all of it.
///
/// # Panics
/// If not.
pub fn check(data: &[u8]) {
    let whole = decoded(data, data.len().max(1));
    assert_eq!(whole, decoded(data, 1));
    let cut = data.first().map_or(1, |first| usize::from(*first % 16) + 1);
    assert_eq!(whole, decoded(data, cut));
    walk(data);
}

/// All values and what ended them. As text, in which a NaN is equal to itself.
fn decoded(data: &[u8], piece: usize) -> (Vec<String>, Option<Malformed>) {
    let mut decoder = Decoder::default();
    let (mut buf, mut values) = (Vec::new(), Vec::new());
    for piece in data.chunks(piece) {
        buf.extend_from_slice(piece);
        loop {
            match decoder.next(&buf) {
                Ok(None) => break,
                Ok(Some((value, len))) => {
                    assert!(len > 0 && len <= buf.len());
                    assert_eq!(value_len(&buf), Ok(Some(len)));
                    looked_at(&value);
                    values.push(format!("{value:?}"));
                    buf.drain(..len);
                }
                // Where in the value depends on how much of it was seen.
                Err(error) => return (values, Some(error)),
            }
        }
    }
    (values, None)
}

fn looked_at(value: &Value) {
    let _ = (value.text(), value.get("role"));
}

/// As a node walks the reply of another one.
fn walk(data: &[u8]) {
    let Ok(Some(len)) = value_len(data) else { return };
    let reply = &data[..len];
    for cut in 0..len.min(64) {
        assert_eq!(value_len(&reply[..cut]), Ok(None), "cut at {cut}");
    }
    if let Ok(number) = read_int(reply) {
        assert_eq!(read_int(format!(":{number}\r\n").as_bytes()), Ok(number));
    }
    if let Ok(all) = elements(reply) {
        let count = all.left();
        let found: Vec<&[u8]> = Elements::collect::<Result<_, _>>(all).expect("whole, so are its parts");
        assert_eq!(found.len(), count);
        let parts = found.concat();
        assert!(reply.ends_with(&parts));
        assert!(reply[..len - parts.len()].ends_with(b"\r\n"));
    }
}
