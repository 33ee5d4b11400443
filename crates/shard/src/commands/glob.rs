//! Glob patterns of KEYS, SCAN and CONFIG GET, with all of Redis's corner cases.
//!
//! `*` any bytes, `?` one byte, `[ab]`, `[a-c]`, `[^a]` one byte of a class, `\x` the byte x.

/// True when the pattern matches the whole text. Needs at most `pattern.len() * text.len()` steps.
///
/// As in Redis an empty text is matched by the empty pattern only, not even by `*`; ranges compare
/// bytes as signed; a class that is not closed ends with the pattern.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // Where to go on after a mismatch: behind the last star, one byte further in the text. Earlier
    // stars need no second try: whatever they could take, the last one can take as well.
    let mut retry: Option<(&[u8], &[u8])> = None;
    let (mut p, mut t) = (pattern, text);
    if text.is_empty() {
        return pattern.is_empty();
    }
    loop {
        if let [b'*', rest @ ..] = p {
            p = rest;
            retry = Some((p, t));
            if p.is_empty() {
                return true;
            }
            continue;
        }
        match (t, one(p, t.first().copied())) {
            ([], _) if p.is_empty() => return true,
            ([_, rest @ ..], Some(after)) => (p, t) = (after, rest),
            _ => {
                let Some((again, [_, rest @ ..])) = retry else { return false };
                (p, t) = (again, rest);
                retry = Some((again, rest));
            }
        }
    }
}

/// Matches one byte against the pattern's first element, not a star; the pattern behind it if it fits.
fn one(pattern: &[u8], byte: Option<u8>) -> Option<&[u8]> {
    let (byte, (&first, rest)) = (byte?, pattern.split_first()?);
    match first {
        b'?' => Some(rest),
        b'[' => {
            let (fits, rest) = class(rest, byte);
            fits.then_some(rest)
        }
        b'\\' => match rest {
            [escaped, rest @ ..] => (*escaped == byte).then_some(rest),
            [] => (byte == b'\\').then_some(rest),
        },
        _ => (first == byte).then_some(rest),
    }
}

/// Matches one byte against a class whose `[` is consumed; the pattern behind the class.
fn class(pattern: &[u8], byte: u8) -> (bool, &[u8]) {
    let (not, mut rest) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, pattern),
    };
    let signed = |byte: u8| byte as i8;
    let mut found = false;
    loop {
        match rest {
            [] => return (found != not, rest),
            [b'\\', escaped, after @ ..] => {
                found |= *escaped == byte;
                rest = after;
            }
            [b']', after @ ..] => return (found != not, after),
            [a, b'-', b, after @ ..] => {
                let (low, high) = (signed(*a).min(signed(*b)), signed(*a).max(signed(*b)));
                found |= (low..=high).contains(&signed(byte));
                rest = after;
            }
            [plain, after @ ..] => {
                found |= *plain == byte;
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn m(pattern: &str, text: &str) -> bool {
        matches(pattern.as_bytes(), text.as_bytes())
    }

    #[test]
    fn elements_match_as_in_redis() {
        for (pattern, text) in [
            ("h?llo", "hello"),
            ("h*llo", "heeeello"),
            ("h*llo", "hllo"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hallo"),
            ("h[a-b]llo", "hbllo"),
            ("h[b-a]llo", "hallo"),
            ("h\\*llo", "h*llo"),
            ("[\\]]", "]"),
            ("[]a", "a"),
            ("[^]", "x"),
            ("[^", "x"),
            ("[a", "a"),
            ("a\\", "a\\"),
            ("**", "abc"),
            ("a**", "a"),
            ("*a*b*", "xaxbx"),
            ("*[0-9]*x", "ab1x2x"),
            ("", ""),
        ] {
            assert_eq!(m(pattern, text), pattern != "[]a", "{pattern} {text}");
        }
        for (pattern, text) in [
            ("h?llo", "hllo"),
            ("h[ae]llo", "hillo"),
            ("h[^e]llo", "hello"),
            ("h\\?llo", "hello"),
            ("*", ""),
            ("a", ""),
            ("", "a"),
            ("a*b", "acbd"),
            ("[", "["),
            ("abc", "abcd"),
            ("abcd", "abc"),
        ] {
            assert!(!m(pattern, text), "{pattern} {text}");
        }
        assert!(
            matches(b"[a-\xff]", b"\xff") && matches(b"[a-\xff]", b"A") && !matches(b"[a-\xff]", b"\x80")
        );
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "*a".repeat(500) + "b";
        assert!(!m(&pattern, &"a".repeat(5000)));
    }

    /// The definition, without regard to cost.
    fn plain(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|from| plain(rest, &text[from..])),
            _ => one(pattern, text.first().copied()).is_some_and(|rest| plain(rest, &text[1..])),
        }
    }

    proptest! {
        #[test]
        fn stars_match_by_their_definition(pattern in "[ab*?\\[\\]^\\\\-]{0,9}", text in "[ab*\\]]{1,9}") {
            prop_assert_eq!(m(&pattern, &text), plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
