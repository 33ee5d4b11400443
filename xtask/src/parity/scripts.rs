//! `cargo xtask parity scripts`: the golden scripts of the command handlers, and those that need a whole server,
//! against both sides and in both protocols.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use shard::table;

use super::compare::{Freedom, SLACK, freedom, same};
use super::connection::Command;
use super::contenders::{Contenders, Pair};
use super::script::{Script, Step, arguments};
use super::value::Value;
use crate::run::root;

/// Folders of scripts.
const FOLDERS: [&str; 2] = ["crates/shard/tests/scripts", "xtask/parity"];
/// Scripts are written for values of so many bytes at most; a larger one is refused by name of the limit.
pub const MAX_VALUE: [&str; 2] = ["--max-value", "200000"];

/// What became of all lines.
#[derive(Debug, Default)]
struct Tally {
    compared: usize,
    left_out: usize,
    wrong: Vec<String>,
}

/// Runs the scripts whose names begin with one of these, or all.
///
/// # Errors
/// A side breaks, or no script has such a name.
pub fn scripts(names: &[String], contenders: &Contenders) -> Result<ExitCode, String> {
    let mut all: Vec<Script> = FOLDERS.iter().flat_map(|folder| Script::all(&root().join(folder))).collect();
    all.retain(|script| {
        let chosen = names.is_empty() || names.iter().any(|name| script.name().starts_with(name.as_str()));
        chosen && has_counterpart(script)
    });
    if all.is_empty() {
        return Err(format!("no script in {} begins with {}", FOLDERS.join(" or "), names.join(", ")));
    }
    let mut tally = Tally::default();
    for (turn, script) in all.iter().enumerate() {
        for resp3 in [false, true] {
            let mut pair = contenders.connect(turn, resp3)?;
            run(script, &mut pair, resp3, &mut tally)?;
        }
    }
    tally.wrong.iter().for_each(|text| println!("{text}"));
    println!(
        "{} scripts: {} lines compared, {} left out (marked, or their command is not in the table yet), {} differ",
        all.len(),
        tally.compared,
        tally.left_out,
        tally.wrong.len()
    );
    Ok(if tally.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether Redis knows any command of a script. Of one with none the golden tests see to all: a cluster has other ids in
/// its replies than they have.
fn has_counterpart(script: &Script) -> bool {
    script.steps.iter().any(|step| matches!(step, Step::Command { marks, .. } if !marks.contains('!')))
}

fn run(script: &Script, pair: &mut Pair, resp3: bool, tally: &mut Tally) -> Result<(), String> {
    for step in &script.steps {
        match step {
            Step::Text(_) => {}
            Step::Wait(ms) => std::thread::sleep(Duration::from_millis(*ms)),
            Step::Command { marks, line, reply } => {
                let command = arguments(line, wall());
                let unknown = table::resolve(&command[0], command.get(1).map(|arg| &arg[..])).is_err();
                let meant = reply.first().is_some_and(|line| line.starts_with("-ERR unknown"));
                if unknown && !meant {
                    tally.left_out += 1;
                    continue;
                }
                let timed = marks.contains('~') || freedom(&command) == Freedom::Time;
                let expected = Expected { marks, timed, lines: resp3.then_some(&reply[..]) };
                let verdict = expected.judge(pair, &command)?;
                tally.compared += 1;
                if let Some(text) = verdict {
                    let protocol = if resp3 { "RESP3" } else { "RESP2" };
                    tally.wrong.push(format!("{} in {protocol}: {line}\n{text}", shown(&script.path)));
                }
            }
        }
    }
    Ok(())
}

/// What the script says.
struct Expected<'a> {
    marks: &'a str,
    /// Numbers in it depend on the time.
    timed: bool,
    /// The reply's lines, which are those of RESP3.
    lines: Option<&'a [String]>,
}

impl Expected<'_> {
    fn judge(&self, pair: &mut Pair, command: &Command) -> Result<Option<String>, String> {
        let ours = pair.ours.run(command)?;
        if self.marks.contains('!') {
            // Cursors are positions, which depend on the cluster.
            let differs = freedom(command) != Freedom::Pages && !self.is_like(&ours);
            return Ok(differs.then(|| self.text(&[("Everstore", &ours)])));
        }
        let theirs = pair.theirs.run(command)?;
        let sorted =
            |value: &Value| if self.marks.contains('s') { value.clone().sorted() } else { value.clone() };
        let both = (sorted(&ours), sorted(&theirs));
        let like = same(command, &both.0, &both.1) || self.timed && ours.near(&theirs, SLACK);
        let fine = like && self.is_like(&ours) && self.is_like(&theirs);
        Ok((!fine).then(|| self.text(&[("Everstore", &ours), ("Redis", &theirs)])))
    }

    /// Whether a reply is what the file says; times in it were right when it was written.
    fn is_like(&self, value: &Value) -> bool {
        let Some(lines) = self.lines else { return true };
        let value = if self.marks.contains('s') { value.clone().sorted() } else { value.clone() };
        let now = value.render();
        if now == lines {
            return true;
        }
        let number = |line: &String| line.trim_start().starts_with(':');
        let alike = |(a, b): (&String, &String)| a == b || number(a) && number(b);
        let limit = |line: &String| line.starts_with("-ERR string exceeds maximum allowed size");
        self.timed && now.len() == lines.len() && now.iter().zip(lines).all(alike)
            || now.len() == 1 && lines.len() == 1 && limit(&now[0]) && limit(&lines[0])
    }

    fn text(&self, replies: &[(&str, &Value)]) -> String {
        let indented =
            |lines: &[String]| lines.iter().map(|line| format!("    {line}\n")).collect::<String>();
        let mut text = self.lines.map_or(String::new(), |lines| format!("  file:\n{}", indented(lines)));
        for (name, value) in replies {
            text.push_str(&format!("  {name}:\n{}", indented(&value.render())));
        }
        text
    }
}

fn wall() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis() as u64)
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
