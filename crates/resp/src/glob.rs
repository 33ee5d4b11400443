//! Glob patterns as Redis's `stringmatchlen` reads them: `*`, `?`, `[a-c]`, `[^a]`, `\x`.

/// True if the whole of `text` matches; ASCII letters match in any case.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // Where to resume when what follows the last `*` does not match: one byte further.
    let mut resume: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some((b'*', rest)) = pattern.split_first() {
            resume = Some((rest, text));
            pattern = rest;
            continue;
        }
        let Some((&byte, rest)) = text.split_first() else { return pattern.is_empty() };
        match one(pattern, byte) {
            Some(after) => (pattern, text) = (after, rest),
            None => match resume {
                Some((after, [_, from @ ..])) => {
                    resume = Some((after, from));
                    (pattern, text) = (after, from);
                }
                _ => return false,
            },
        }
    }
}

/// The pattern after the part that matches this one byte.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let same = |a: u8| a.eq_ignore_ascii_case(&byte);
    match pattern {
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => class(rest, byte.to_ascii_lowercase()),
        [b'\\', escaped, rest @ ..] => same(*escaped).then_some(rest),
        [plain, rest @ ..] => same(*plain).then_some(rest),
        [] => None,
    }
}

/// The inside of `[…]`; without its end, the pattern's end is its end.
fn class(mut pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let negated = pattern.first() == Some(&b'^');
    if negated {
        pattern = &pattern[1..];
    }
    let mut found = false;
    loop {
        pattern = match pattern {
            [] => break,
            [b']', rest @ ..] => {
                pattern = rest;
                break;
            }
            [b'\\', escaped, rest @ ..] => {
                found |= escaped.eq_ignore_ascii_case(&byte);
                rest
            }
            [from, b'-', to, rest @ ..] => {
                let (from, to) = (from.to_ascii_lowercase(), to.to_ascii_lowercase());
                found |= (from.min(to)..=from.max(to)).contains(&byte);
                rest
            }
            [plain, rest @ ..] => {
                found |= plain.eq_ignore_ascii_case(&byte);
                rest
            }
        };
    }
    (found != negated).then_some(pattern)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_follow_redis() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("max*", "MAXmemory", true),
            ("*-log", "slow-log", true),
            ("*a*b*c", "xaybzbc", true),
            ("*a*b*c", "xaybzb", false),
            ("h?llo", "hello", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[c-a]llo", "hbllo", true),
            (r"h\*llo", "h*llo", true),
            (r"h\*llo", "hello", false),
            ("[ab", "a", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
        assert!(!matches(&b"*a".repeat(30), &[b'a'; 29]));
    }
}
