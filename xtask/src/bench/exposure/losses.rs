//! What `everstore losses` says.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A loss as the cluster tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    id: String,
    node: u64,
    /// `lost`, `possible`, ...
    pub state: String,
    /// Of one of which only the bound is known.
    pub bound: Option<Stated>,
}

/// The bound of a loss whose writes nobody can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated {
    /// At most so many bytes are missing.
    pub bytes: u64,
    /// Of at most so many ms.
    pub ms: u64,
    /// What the dead leader had last announced as exposed, bytes.
    pub announced: u64,
}

/// The program's command, asking one node for all.
#[derive(Debug)]
pub struct Losses {
    program: PathBuf,
    node: String,
}

impl Losses {
    /// Asks the node at this Redis address.
    pub fn of(program: &Path, node: SocketAddr) -> Losses {
        Losses { program: program.to_path_buf(), node: node.to_string() }
    }

    fn run(&self, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command.arg("losses").args(words).args(["--node", &self.node]);
        let output = command.output().map_err(|e| e.to_string())?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(format!("losses {words:?}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        }
    }

    /// All losses that the nodes know of.
    ///
    /// # Errors
    /// The command fails.
    pub fn list(&self) -> Result<Vec<Loss>, String> {
        listed(&self.run(&["list", "--json"])?)
    }

    /// Every key that one of the accounts names, by its effects and by its keys alike.
    ///
    /// # Errors
    /// An account cannot be exported.
    pub fn keys(&self, accounts: &[Loss], folder: &Path) -> Result<BTreeSet<String>, String> {
        let mut keys = BTreeSet::new();
        for (number, loss) in accounts.iter().enumerate() {
            let file = folder.join(format!("lost-{number}.jsonl"));
            let _ = std::fs::remove_file(&file);
            self.run(&["export", &loss.id, &file.to_string_lossy(), "--at", &loss.node.to_string()])?;
            let text = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
            keys.extend(named(&text)?);
        }
        Ok(keys)
    }

    /// Removes the accounts.
    ///
    /// # Errors
    /// The command fails.
    pub fn acknowledge(&self, accounts: &[Loss]) -> Result<(), String> {
        accounts.iter().try_for_each(|loss| {
            self.run(&["acknowledge", &loss.id, "--at", &loss.node.to_string()]).map(drop)
        })
    }
}

fn listed(text: &str) -> Result<Vec<Loss>, String> {
    let all: Value = serde_json::from_str(text).map_err(|e| format!("losses list: {e}"))?;
    let losses = all["losses"].as_array().ok_or("losses list has no losses")?;
    losses.iter().map(loss).collect()
}

fn loss(value: &Value) -> Result<Loss, String> {
    let number = |name: &str| value[name].as_u64().ok_or(format!("no {name} in the loss {value}"));
    let word =
        |name: &str| value[name].as_str().map(String::from).ok_or(format!("no {name} in the loss {value}"));
    let state = word("state")?;
    let bound = match state.as_str() {
        "possible" => Some(Stated {
            bytes: number("bound-bytes")?,
            ms: number("bound-ms")?,
            announced: number("bytes")?,
        }),
        _ => None,
    };
    Ok(Loss { id: word("id")?, node: number("node")?, state, bound })
}

/// Keys that are text, of the lines that tell of effects and have their value: a write is named only as far as it can be
/// brought back.
fn named(lines: &str) -> Result<BTreeSet<String>, String> {
    let mut keys = BTreeSet::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).map_err(|e| format!("{line}: {e}"))?;
        if let (Some("put"), Some(key), true) =
            (line["effect"].as_str(), line["key"].as_str(), line["value"].is_string())
        {
            keys.insert(key.to_owned());
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_bounds_are_told_apart() {
        let text = r#"{"losses":[
            {"id":"3-7-300","state":"lost","node":2,"bytes":9},
            {"id":"3-9-400","state":"possible","node":1,"bytes":9,"bound-bytes":4096,"bound-ms":50}],"not_asked":[]}"#;
        let bound = Some(Stated { bytes: 4096, ms: 50, announced: 9 });
        let all = [
            Loss { id: "3-7-300".into(), node: 2, state: "lost".into(), bound: None },
            Loss { id: "3-9-400".into(), node: 1, state: "possible".into(), bound },
        ];
        assert_eq!(listed(text).expect("two losses"), all);
        let without = text.replace("bound-ms", "bound");
        assert!(listed(&without).unwrap_err().contains("no bound-ms"), "a bound without its time is none");
    }

    #[test]
    fn only_writes_with_their_value_are_named() {
        let lines = r#"{"what":"effect","effect":"put","keyspace":1,"key":"a","value":"1"}
{"what":"effect","effect":"delete","keyspace":1,"key":"b"}
{"what":"effect","effect":"put","keyspace":1,"key":"c"}
{"what":"key","keyspace":1,"key":"d","last":"present","value":"1"}"#;
        assert_eq!(named(lines).expect("lines"), BTreeSet::from(["a".to_owned()]));
        assert!(named("not JSON").is_err());
    }
}
