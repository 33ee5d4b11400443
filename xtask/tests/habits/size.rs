//! Files are one concept long and functions fit on a screen.

use super::support::{root, rust_files, shown};

/// Most lines of a file, its tests included.
const MAX_FILE: usize = 660;
/// A function has fewer lines than this, signature and closing brace included.
const MAX_FUNCTION: usize = 70;

#[test]
fn files_are_one_concept_long() {
    let mut long = Vec::new();
    for folder in ["crates", "xtask"] {
        for path in rust_files(&root().join(folder)) {
            let lines = std::fs::read_to_string(&path).expect("readable").lines().count();
            if lines > MAX_FILE {
                long.push(format!("{} has {lines} lines", shown(&path)));
            }
        }
    }
    assert!(long.is_empty(), "more than {MAX_FILE} lines; is that one concept?\n{}", long.join("\n"));
}

#[test]
fn functions_fit_on_a_screen() {
    let mut long = Vec::new();
    for folder in ["crates", "xtask"] {
        for path in rust_files(&root().join(folder)) {
            let text = std::fs::read_to_string(&path).expect("readable");
            for (name, line, length) in functions(&text) {
                if length >= MAX_FUNCTION {
                    long.push(format!("{}:{line} {name} has {length} lines", shown(&path)));
                }
            }
        }
    }
    assert!(long.is_empty(), "functions of {MAX_FUNCTION} lines or more:\n{}", long.join("\n"));
}

/// (name, first line, lines) of every function with a body, nested ones included.
fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let code = code_only(text);
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = code[from..].find("fn ").map(|at| at + from) {
        from = at + 3;
        let starts_word = at == 0 || !is_word(code.as_bytes()[at - 1]);
        let name: String = code[from..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if !starts_word || name.is_empty() {
            continue;
        }
        if let Some(end) = body_end(&code[from..]).map(|end| end + from) {
            let first = code[..at].matches('\n').count() + 1;
            let last = code[..end].matches('\n').count() + 1;
            found.push((name, first, last - first + 1));
        }
    }
    found
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where the body that follows a signature ends; `None` if a `;` ends the signature (a trait's method).
fn body_end(code: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut brackets = 0isize;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets -= 1,
            b';' if depth == 0 && brackets == 0 => return None,
            b'{' => depth += 1,
            b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 && brackets == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// The text with comments, strings and character literals blanked, so that braces in them do not count.
fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        if end == at {
            out.push(bytes[at]);
            at += 1;
        } else {
            out.extend(bytes[at..end].iter().map(|b| if *b == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8(out).expect("only whole literals are blanked")
}

/// The end of the comment, string or character that starts at `at`; `at` itself if none does.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let after_word = at > 0 && is_word(bytes[at - 1]);
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return rest.windows(2).position(|pair| pair == b"*/").map_or(bytes.len(), |end| at + end + 2);
    }
    if !after_word && let Some(end) = raw_string_end(rest) {
        return at + end;
    }
    match rest {
        [b'"', ..] => at + quoted_end(rest),
        [b'\'', b'\\', ..] => at + quoted_end(rest),
        [b'\'', ..] => {
            // A character, or a lifetime, which has no closing quote after one character.
            let character = std::str::from_utf8(&rest[1..]).ok().and_then(|text| text.chars().next());
            let length = character.map_or(1, char::len_utf8);
            if rest.get(1 + length) == Some(&b'\'') { at + length + 2 } else { at }
        }
        _ => at,
    }
}

fn raw_string_end(rest: &[u8]) -> Option<usize> {
    let start = if rest.starts_with(b"br") {
        2
    } else if rest.starts_with(b"r") {
        1
    } else {
        return None;
    };
    let hashes = rest[start..].iter().take_while(|b| **b == b'#').count();
    if rest.get(start + hashes) != Some(&b'"') {
        return None;
    }
    let closing = [&b"\""[..], &b"#".repeat(hashes)].concat();
    let body = start + hashes + 1;
    let end = rest[body..].windows(closing.len()).position(|window| window == closing)?;
    Some(body + end + closing.len())
}

fn quoted_end(rest: &[u8]) -> usize {
    let quote = rest[0];
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

#[test]
fn the_counter_counts() {
    let text = "fn short() {}\n\
        trait T { fn none(&self) -> [u8; 4]; }\n\
        impl<'a> X<'a> {\n    fn long(&'a self) -> char {\n        let _ = \"}}} \\\" }\";\n        \
        let _ = r#\"}\"#; // }\n        /* } */\n        '}'\n    }\n}\n";
    let found = functions(text);
    assert_eq!(found, [("short".to_string(), 1, 1), ("long".to_string(), 4, 6)]);
}
