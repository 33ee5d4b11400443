//! The commented configuration file that `everstore config --print-default` prints.

use std::fmt::Write;

use super::kind::Kind;
use super::table::{KEYS, Key};

/// Widest comment line in characters.
const WIDTH: usize = 100;

/// A TOML file in which every key stands with its meaning, what is allowed, and its default commented out.
pub fn default_file() -> String {
    let mut out = String::from(
        "# Everstore: configuration of one node.\n\
         # Precedence: flag (--key value) > environment (EVERSTORE_KEY) > this file > default.\n\
         # Keys marked 'online' can also be changed with CONFIG SET while the node runs.\n",
    );
    for key in KEYS.iter().filter(|key| !key.env_only()) {
        out.push('\n');
        for line in wrapped(key.about) {
            let _ = writeln!(out, "# {line}");
        }
        let online = if key.online { "; online" } else { "" };
        for line in wrapped(&format!("Allowed: {}{online}.", key.kind.allowed())) {
            let _ = writeln!(out, "# {line}");
        }
        let _ = writeln!(out, "#{} = {}", key.name, literal(key));
    }
    out
}

/// The default as TOML. A key without one shows an example that fits its kind.
fn literal(key: &Key) -> String {
    if key.default.is_empty() {
        return match key.name {
            "peer-port" => "16379".into(),
            "admin-port" => "26379".into(),
            _ if matches!(key.kind, Kind::AddressList | Kind::IpList) => "[]".into(),
            _ => "\"\"".into(),
        };
    }
    if key.kind.is_bare() { key.default.into() } else { format!("\"{}\"", key.default) }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("never empty");
        if !last.is_empty() && last.len() + word.len() + 3 > WIDTH {
            lines.push(word.to_string());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::Effective;
    use super::*;

    #[test]
    fn every_line_fits_and_every_key_stands_there() {
        let text = default_file();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        for key in KEYS.iter().filter(|key| !key.env_only()) {
            assert!(text.contains(&format!("\n#{} = ", key.name)), "{}", key.name);
        }
    }

    #[test]
    fn the_file_with_all_comments_taken_off_is_the_default() {
        let uncommented: String = default_file()
            .lines()
            .filter_map(|line| line.strip_prefix('#'))
            .filter(|line| !line.starts_with(' '))
            .map(|line| format!("{line}\n"))
            .collect();
        let mut file = tempfile::NamedTempFile::new().expect("a temp file");
        file.write_all(uncommented.as_bytes()).expect("written");
        let from_file = Effective::load(&[], &[], Some(file.path())).expect("a valid file");
        let default = Effective::load(&[], &[], None).expect("defaults");
        assert_eq!(from_file.config(), default.config());
    }
}
