//! Inline commands: words separated by spaces, with the quoting rules of Redis's `sdssplitargs`.

/// Appends the words of `line` to `out` and their ranges in it to `args`. False if quotes do not
/// match, or something other than a space follows a closing quote. A zero byte ends the line.
pub(super) fn split(line: &[u8], out: &mut Vec<u8>, args: &mut Vec<(u32, u32)>) -> bool {
    let line = line.iter().position(|&b| b == 0).map_or(line, |end| &line[..end]);
    let mut rest = line;
    loop {
        let blanks = rest.iter().take_while(|b| is_space(**b)).count();
        rest = &rest[blanks..];
        if rest.is_empty() {
            return true;
        }
        let start = out.len() as u32;
        match word(rest, out) {
            Some(after) => rest = after,
            None => return false,
        }
        args.push((start, out.len() as u32));
    }
}

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    byte == b' ' || (0x09..=0x0d).contains(&byte)
}

/// Reads one word; a quote may start inside it and ends it.
fn word<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => return Some(after),
            b'"' => return closed(double_quoted(after, out)?),
            b'\'' => return closed(single_quoted(after, out)?),
            _ => out.push(byte),
        }
        rest = after;
    }
    Some(rest)
}

/// A closing quote must end the word.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(|b| is_space(*b)).then_some(rest)
}

fn double_quoted<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match *rest {
            [b'"', ref after @ ..] => return Some(after),
            [b'\\', b'x', high, low, ref after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                out.push(hex(high) << 4 | hex(low));
                after
            }
            [b'\\', byte, ref after @ ..] => {
                out.push(match byte {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => other,
                });
                after
            }
            [byte, ref after @ ..] => {
                out.push(byte);
                after
            }
            [] => return None,
        };
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match *rest {
            [b'\'', ref after @ ..] => return Some(after),
            [b'\\', b'\'', ref after @ ..] => {
                out.push(b'\'');
                after
            }
            [byte, ref after @ ..] => {
                out.push(byte);
                after
            }
            [] => return None,
        };
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}
