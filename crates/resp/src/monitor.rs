//! The line by which `MONITOR` tells of a command.

use crate::slowlog::{REDACTED, is_secret};
use std::fmt::Write;

/// `+1700000000.000042 [0 127.0.0.1:5000] "SET" "k" "v"`, with its end of line. Passwords are not shown.
/// `wall_us`: microseconds since 1970.
pub fn line(wall_us: u64, keyspace: u16, addr: &str, args: &[&[u8]]) -> Vec<u8> {
    let mut line = format!("+{}.{:06} [{keyspace} {addr}]", wall_us / 1_000_000, wall_us % 1_000_000);
    for (at, arg) in args.iter().enumerate() {
        line.push(' ');
        put_quoted(if is_secret(args, at) { REDACTED } else { arg }, &mut line);
    }
    line.push_str("\r\n");
    line.into_bytes()
}

/// Bytes in quotes, with nothing but printable ASCII.
fn put_quoted(bytes: &[u8], out: &mut String) {
    out.push('"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend(['\\', byte.into()]),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            7 => out.push_str("\\a"),
            8 => out.push_str("\\b"),
            b' '..=b'~' => out.push(byte.into()),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_line_whatever_is_in_it() {
        let shown =
            |args: &[&[u8]]| String::from_utf8(line(1_700_000_000_000_042, 9, "a:1", args)).expect("ASCII");
        assert_eq!(
            shown(&[b"set", b"k\"\\", b"\r\n\t\x07\x08\x00\xff ~"]),
            "+1700000000.000042 [9 a:1] \"set\" \"k\\\"\\\\\" \"\\r\\n\\t\\a\\b\\x00\\xff ~\"\r\n"
        );
        assert_eq!(shown(&[b"AUTH", b"secret"]), "+1700000000.000042 [9 a:1] \"AUTH\" \"(redacted)\"\r\n");
    }
}
