//! Golden scripts: command lines and the replies to them, in text files that a person can read.
//!
//! ```text
//! # a comment
//! > SET key "a value\x00" PX 100
//! +OK
//! wait 150
//! > GET key
//! _
//! ```
//! Replies are shown as RESP3 lines, strings quoted. Marks before `>` concern the comparison with a
//! real Redis: `~` integers may differ by the time that passes, `s` the order of parts is free (they
//! are shown sorted), `!` we differ on
//! purpose and Redis is not asked. In a command `{ms+5}` and `{s-5}` mean 5 ms after
//! and 5 s before now, `{100*x}` a hundred x. `cargo xtask parity` runs the same scripts against whole servers.

use std::path::{Path, PathBuf};

/// A script with the file it came from.
pub struct Script {
    pub path: PathBuf,
    pub steps: Vec<Step>,
}

/// One part of a script.
#[derive(Debug)]
pub enum Step {
    /// A comment or an empty line.
    Text(String),
    /// Time goes on by so many ms.
    Wait(u64),
    /// A command: the marks and the line as written, and the reply's lines.
    Command { marks: String, line: String, reply: Vec<String> },
}

impl Script {
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// All scripts of a folder, sorted by name.
    pub fn all(folder: &Path) -> Vec<Script> {
        let files = std::fs::read_dir(folder).expect("the folder of scripts");
        let mut paths: Vec<_> = files.map(|file| file.expect("a readable folder").path()).collect();
        paths.sort();
        paths.iter().map(|path| Script::read(path)).collect()
    }

    fn read(path: &Path) -> Script {
        let mut steps = Vec::new();
        for line in std::fs::read_to_string(path).expect("a readable script").lines() {
            if let Some(ms) = line.strip_prefix("wait ") {
                steps.push(Step::Wait(ms.parse().expect("ms after wait")));
            } else if let Some((marks, command)) = line.split_once("> ").filter(|(marks, _)| marks.len() < 3)
            {
                let (marks, line) = (marks.to_string(), command.to_string());
                steps.push(Step::Command { marks, line, reply: Vec::new() });
            } else if line.is_empty() || line.starts_with("# ") {
                steps.push(Step::Text(line.to_string()));
            } else {
                let Some(Step::Command { reply, .. }) = steps.last_mut() else {
                    panic!("{}: {line:?} follows no command", path.display());
                };
                reply.push(line.to_string());
            }
        }
        Script { path: path.to_path_buf(), steps }
    }

    /// The file's text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for step in &self.steps {
            match step {
                Step::Text(line) => text.push_str(line),
                Step::Wait(ms) => text.push_str(&format!("wait {ms}")),
                Step::Command { marks, line, reply } => {
                    text.push_str(&format!("{marks}> {line}"));
                    reply.iter().for_each(|line| text.push_str(&format!("\n{line}")));
                }
            }
            text.push('\n');
        }
        text
    }
}

/// The arguments that a command line means at this time (ms since 1970).
pub fn arguments(line: &str, now: u64) -> Vec<Vec<u8>> {
    let mut args = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (arg, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
                (placeholder(word, now), after)
            }
        };
        args.push(arg);
        rest = after.trim_start();
    }
    args
}

/// Reads up to the closing quote; returns the bytes and what follows.
fn unquote(text: &str) -> (Vec<u8>, &str) {
    let (mut out, mut chars) = (Vec::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (out, &text[at + 1..]),
            '\\' => match chars.next().expect("something after a backslash").1 {
                'n' => out.push(b'\n'),
                'r' => out.push(b'\r'),
                'x' => {
                    let hex: String = chars.by_ref().take(2).map(|(_, c)| c).collect();
                    out.push(u8::from_str_radix(&hex, 16).expect("two hex digits"));
                }
                other => out.extend(other.to_string().bytes()),
            },
            other => out.extend(other.to_string().bytes()),
        }
    }
    panic!("no closing quote in {text:?}");
}

fn placeholder(word: &str, now: u64) -> Vec<u8> {
    let Some(inner) = word.strip_prefix('{').and_then(|w| w.strip_suffix('}')) else {
        return word.as_bytes().to_vec();
    };
    if let Some((times, byte)) = inner.split_once('*') {
        return byte.repeat(times.parse().expect("a number of times")).into_bytes();
    }
    let (unit, offset) = inner.split_at(inner.find(['+', '-']).expect("a sign in a placeholder"));
    let base = if unit == "ms" { now } else { now / 1000 } as i64;
    (base + offset.parse::<i64>().expect("a number in a placeholder")).to_string().into_bytes()
}

/// The line that means these arguments: what [`arguments`] reads.
pub fn line_of(args: &[Vec<u8>]) -> String {
    let plain = |arg: &[u8]| {
        !arg.is_empty() && arg[0] != b'{' && arg.iter().all(|b| b.is_ascii_graphic() && !b"\"\\".contains(b))
    };
    let word = |arg: &Vec<u8>| match plain(arg) {
        true => String::from_utf8_lossy(arg).into_owned(),
        false => format!("\"{}\"", quoted(arg)),
    };
    args.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn quoted(bytes: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        b'"' | b'\\' => format!("\\{}", char::from(*byte)),
        b' '..=b'~' => char::from(*byte).to_string(),
        other => format!("\\x{other:02x}"),
    };
    bytes.iter().map(one).collect()
}
