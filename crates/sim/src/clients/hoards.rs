//! What clients do with hoards: collections that are made once and then only moved between a few keys.

use super::command::{Command, Next, Role};
use super::reply::Wire;
use super::workload::Maker;
use check::moved::{Fact, Hoard, Kind};

/// Keys of a hoard.
const KEYS: u64 = 3;
/// Kinds of collections, first those that are moved as a whole.
const KINDS: [&str; 7] = ["list", "hash", "zset", "set", "stream", "pieceset", "piecelist"];

/// What the answer to `EXEC` says of a hoard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighted {
    /// It was made, if the answer is no error.
    Made(String),
    /// What each key holds.
    Seen(String),
}

impl Sighted {
    /// Name of the hoard.
    pub fn hoard(&self) -> &String {
        match self {
            Sighted::Made(hoard) | Sighted::Seen(hoard) => hoard,
        }
    }

    /// What is learned from an answer, if anything.
    pub fn fact(&self, wire: &Wire) -> Option<Fact> {
        let Wire::Array(answers) = wire else { return None };
        match self {
            Sighted::Made(_) => {
                answers.iter().all(|answer| !matches!(answer, Wire::Error(_))).then_some(Fact::Made)
            }
            Sighted::Seen(hoard) => {
                let keys = answers.iter().map(|answer| {
                    let mut elements = Vec::new();
                    flatten(answer, &mut elements)?;
                    if is_unordered(hoard) {
                        elements = sorted(elements, kind(hoard) == "hash");
                    }
                    Some(elements)
                });
                keys.collect::<Option<Vec<_>>>().map(Fact::Seen)
            }
        }
    }
}

type Bytes = check::history::Bytes;

/// All texts in an answer, in order; `None` if there is something else.
fn flatten(wire: &Wire, into: &mut Vec<Bytes>) -> Option<()> {
    match wire {
        Wire::Bulk(Some(bytes)) => into.push(bytes.clone()),
        Wire::Array(parts) => parts.iter().try_for_each(|part| flatten(part, into))?,
        _ => return None,
    }
    Some(())
}

fn sorted(elements: Vec<Bytes>, in_pairs: bool) -> Vec<Bytes> {
    let mut pieces: Vec<&[Bytes]> = elements.chunks(if in_pairs { 2 } else { 1 }).collect();
    pieces.sort_unstable();
    pieces.concat()
}

/// What kind of collection a hoard is.
fn kind(hoard: &str) -> &'static str {
    let name = hoard.trim_start_matches("one:").trim_start_matches("hoard");
    KINDS.into_iter().find(|kind| name.starts_with(kind)).unwrap_or("set")
}

fn is_unordered(hoard: &str) -> bool {
    matches!(kind(hoard), "hash" | "set" | "pieceset")
}

/// How many elements a hoard has: few, or so many that a small collection does not hold them.
fn len(hoard: &str) -> u64 {
    [3, 7, 24][hoard.bytes().map(usize::from).sum::<usize>() % 3]
}

/// What a hoard is made of.
pub fn hoard_of(hoard: &str) -> Hoard {
    let of = if kind(hoard).starts_with("piece") { Kind::Pieces } else { Kind::Whole };
    let element = |number: u64| match kind(hoard) {
        "hash" => vec![format!("e{number:02}"), format!("v{number}")],
        "zset" => vec![format!("e{number:02}"), number.to_string()],
        "stream" => vec![format!("{}-1", number + 1), "f".to_owned(), format!("v{number}")],
        _ => vec![format!("e{number:02}")],
    };
    let elements = (0..len(hoard)).flat_map(element).map(|text| text.into_bytes().into()).collect();
    Hoard { kind: of, elements }
}

fn key(hoard: &str, number: u64) -> String {
    format!("{hoard}:{number}")
}

fn keys(hoard: &str) -> String {
    (0..KEYS).map(|number| key(hoard, number)).collect::<Vec<_>>().join(" ")
}

fn show(hoard: &str, number: u64) -> Command {
    let key = key(hoard, number);
    Command::noise(&match kind(hoard) {
        "list" | "piecelist" => format!("LRANGE {key} 0 -1"),
        "hash" => format!("HGETALL {key}"),
        "zset" => format!("ZRANGE {key} 0 -1 WITHSCORES"),
        "stream" => format!("XRANGE {key} - +"),
        _ => format!("SMEMBERS {key}"),
    })
}

/// Commands that make a hoard under its first key.
fn made(hoard: &str) -> Vec<Command> {
    let (key, numbers) = (key(hoard, 0), 0..len(hoard));
    let all = |word: &str, element: &dyn Fn(u64) -> String| {
        let elements: Vec<String> = numbers.clone().map(element).collect();
        vec![Command::noise(&format!("{word} {key} {}", elements.join(" ")))]
    };
    match kind(hoard) {
        "list" | "piecelist" => all("RPUSH", &|number| format!("e{number:02}")),
        "hash" => all("HSET", &|number| format!("e{number:02} v{number}")),
        "zset" => all("ZADD", &|number| format!("{number} e{number:02}")),
        "stream" => {
            let add = |number| Command::noise(&format!("XADD {key} {}-1 f v{number}", number + 1));
            numbers.map(add).collect()
        }
        _ => all("SADD", &|number| format!("e{number:02}")),
    }
}

/// A transaction whose answer says something of a hoard.
fn sighting(commands: Vec<Command>, sighted: Sighted) -> Vec<Command> {
    let mut transaction = Command::transaction(commands, None);
    transaction.last_mut().into_iter().for_each(|exec| exec.sighted = Some(sighted.clone()));
    transaction
}

fn asking(watched: String, ask: &str, next: Next) -> Vec<Command> {
    let watch = Command::noise(&format!("WATCH {watched}")).with_role(Role::Watches);
    let ask = Command { next: Some(next), ..Command::noise(ask).with_role(Role::Asks) };
    vec![watch, ask]
}

impl Maker {
    /// A hoard is made, moved, or looked at.
    pub(super) fn hoard(&mut self, now_ns: u64) -> Vec<Command> {
        let tag = self.tag(now_ns);
        let of = KINDS[self.rng.below(KINDS.len() as u64) as usize];
        let hoard = self.name(&format!("hoard{of}"), &tag);
        let from = self.rng.below(KEYS);
        let to = (from + 1 + self.rng.below(KEYS - 1)) % KEYS;
        match self.rng.below(10) {
            0 | 1 => {
                let exist = format!("EXISTS {}", keys(&hoard));
                asking(keys(&hoard), &exist, Next::Make(hoard))
            }
            2..5 => {
                let shown = (0..KEYS).map(|number| show(&hoard, number)).collect();
                sighting(shown, Sighted::Seen(hoard))
            }
            _ if of.starts_with("piece") => self.move_piece(&hoard, from, to),
            _ => self.move_whole(hoard, from, to),
        }
    }

    fn move_piece(&mut self, hoard: &str, from: u64, to: u64) -> Vec<Command> {
        let (from, to) = (key(hoard, from), key(hoard, to));
        let end = |chance: bool| if chance { "LEFT" } else { "RIGHT" };
        vec![Command::noise(&match kind(hoard) {
            "pieceset" => format!("SMOVE {from} {to} e{:02}", self.rng.below(len(hoard))),
            _ if self.rng.chance(1, 3) => format!("RPOPLPUSH {from} {to}"),
            _ => {
                let (out, into) = (end(self.rng.chance(1, 2)), end(self.rng.chance(1, 2)));
                format!("LMOVE {from} {to} {out} {into}")
            }
        })]
    }

    fn move_whole(&mut self, hoard: String, from: u64, to: u64) -> Vec<Command> {
        let (source, target) = (key(&hoard, from), key(&hoard, to));
        match self.rng.below(4) {
            0 => vec![Command::noise(&format!("RENAME {source} {target}"))],
            1 => vec![Command::noise(&format!("RENAMENX {source} {target}"))],
            2 => {
                let copy = Command::noise(&format!("COPY {source} {target}"));
                Command::transaction(vec![copy, Command::noise(&format!("DEL {source}"))], None)
            }
            _ => asking(keys(&hoard), &format!("DUMP {source}"), Next::Restore { source, target }),
        }
    }

    /// What follows a look at whether a hoard is there.
    pub(super) fn make_hoard(&self, hoard: &str, wire: &Wire, watched: bool) -> Vec<Command> {
        match wire {
            Wire::Int(0) if watched => sighting(made(hoard), Sighted::Made(hoard.to_owned())),
            _ => vec![Command::noise("UNWATCH")],
        }
    }

    /// What follows a `DUMP` of a key: it is restored under another name.
    pub(super) fn restore_hoard(
        &self,
        source: &str,
        target: &str,
        wire: &Wire,
        watched: bool,
    ) -> Vec<Command> {
        match wire {
            Wire::Bulk(Some(payload)) if watched => {
                let mut restore = Command::noise(&format!("RESTORE {target} 0"));
                restore.args.push(payload.to_vec());
                let delete = Command::noise(&format!("DEL {source}"));
                let commands =
                    if self.made.is_multiple_of(2) { vec![restore, delete] } else { vec![delete, restore] };
                Command::transaction(commands, None)
            }
            _ => vec![Command::noise("UNWATCH")],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::reply::{First, first};

    #[test]
    fn a_hoard_looks_as_it_was_made() {
        let seen = |hoard: &str, reply: &str| match first(reply.as_bytes()) {
            First::Whole(wire, _) => Sighted::Seen(hoard.to_owned()).fact(&wire),
            other => panic!("{reply:?} is {other:?}"),
        };
        let hash = "*1\r\n*6\r\n$3\r\ne02\r\n$2\r\nv2\r\n$3\r\ne00\r\n$2\r\nv0\r\n$3\r\ne01\r\n$2\r\nv1\r\n";
        let name = (0..9).map(|n| format!("hoardhash{{{n}}}")).find(|name| len(name) == 3).unwrap();
        assert_eq!(seen(&name, hash), Some(Fact::Seen(vec![hoard_of(&name).elements])));
        let stream = "*1\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$2\r\nv0\r\n";
        let Some(Fact::Seen(keys)) = seen("hoardstream{1}", stream) else { panic!("nothing") };
        assert_eq!(keys[0], hoard_of("hoardstream{1}").elements[..3]);
        assert_eq!(seen("hoardset{1}", "*1\r\n-ERR x\r\n"), None);
        assert_eq!((kind("one:hoardpieceset1"), kind("hoardset{1}")), ("pieceset", "set"));
        assert_eq!(Sighted::Made("h".to_owned()).fact(&Wire::Bulk(None)), None, "a watched key has changed");
    }
}
