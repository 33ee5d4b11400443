//! The property that the fuzz target and the test over its corpus check.

use resp::{Limits, Parsed, Parser, ProtocolError};

/// What a connection's bytes come out as: all arguments in order, the number of commands with
/// arguments that were complete, and the error.
type Seen = (Vec<Vec<u8>>, usize, Option<ProtocolError>);

/// Reads `data` whole, byte by byte, and in two pieces cut where its first byte says, with and
/// without streaming.
///
/// # Panics
///
/// If the results differ, or an error does not stay.
pub fn check(data: &[u8]) {
    let limits =
        Limits { max_bulk: 1 << 16, max_inline: 64, max_args: 64, max_request: 1 << 17, ..Limits::default() };
    let streaming = Limits { stream_from: 8, ..limits };
    let cut = data.first().map_or(0, |first| usize::from(*first) % data.len());
    let (head, tail) = data.split_at(cut);
    for authenticated in [false, true] {
        let whole = read(limits, authenticated, &[data]);
        assert_eq!(whole, read(limits, authenticated, &[head, tail]));
        let bytes: Vec<&[u8]> = data.chunks(1).collect();
        assert_eq!(whole, read(limits, authenticated, &bytes));
        // A streamed bulk string counts towards the arguments only once it is complete.
        assert_eq!(whole.1, read(streaming, authenticated, &bytes).1);
    }
}

fn read(limits: Limits, authenticated: bool, pieces: &[&[u8]]) -> Seen {
    let mut parser = Parser::new(limits);
    parser.set_authenticated(authenticated);
    let mut seen: Seen = (Vec::new(), 0, None);
    let mut some = false;
    let mut buf = Vec::new();
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            let parsed = parser.next(&buf);
            let drop = match parsed {
                Parsed::Command { consumed } | Parsed::BulkStart { consumed, .. } => {
                    seen.0.extend(parser.slices(&buf).iter().map(|arg| arg.to_vec()));
                    some |= !parser.args().is_empty() || matches!(parsed, Parsed::BulkStart { .. });
                    if matches!(parsed, Parsed::Command { .. }) {
                        seen.1 += usize::from(some);
                        some = false;
                    }
                    consumed
                }
                Parsed::BulkPart { len, .. } => len,
                Parsed::Incomplete { need } => {
                    assert!(need > 0);
                    break;
                }
                Parsed::Error(error) => {
                    assert_eq!(parser.next(&buf), parsed);
                    seen.2 = Some(error);
                    return seen;
                }
            };
            buf.drain(..drop);
        }
    }
    seen
}
