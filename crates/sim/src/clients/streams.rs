//! What clients do with streams: entries are added, read by who follows or waits, removed, trimmed and counted.

use super::command::{Command, Next, Role};
use super::reply::Wire;
use super::workload::Maker;
use check::streams::{Came, Deed, Id, Seen};

/// Entries that a capped stream keeps.
const CAP: u64 = 8;
/// Most ids of entries that a client remembers, to remove them.
const REMEMBERED: usize = 8;
/// Longest time that a command waits, ms: well below the patience of its client.
const MAX_WAIT_MS: u64 = 3000;

/// What the answer to a command on streams looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The id of an entry.
    Id,
    /// A number above 0 if something was removed.
    Removed,
    /// Entries of one stream.
    Entries,
    /// Names of streams and entries of them, or nil.
    ByStream,
    /// A number of entries.
    Length,
    /// What a stream says of itself.
    Info,
}

/// What a command does with streams.
#[derive(Clone, Debug)]
pub struct Streamed {
    /// With each.
    pub deeds: Vec<(String, Deed)>,
    /// What the answer looks like.
    pub form: Form,
}

/// Whether a stream loses its oldest entries.
pub fn is_capped(name: &str) -> bool {
    name.trim_start_matches("one:").starts_with("feedcap")
}

/// Shows all entries of a stream.
pub fn look(stream: &str) -> Command {
    let deed = Deed::Read { after: Some((0, 0)), count: 0, wait_ms: None };
    command(&format!("XRANGE {stream} - +"), &[(stream, deed)], Form::Entries)
}

fn command(text: &str, deeds: &[(&str, Deed)], form: Form) -> Command {
    let deeds = deeds.iter().map(|(stream, deed)| ((*stream).to_owned(), deed.clone())).collect();
    Command { streamed: Some(Streamed { deeds, form }), ..Command::noise(text) }
}

impl Streamed {
    /// What a reply says of each stream.
    ///
    /// # Errors
    /// The reply makes no sense for the command; that is a finding.
    pub fn came(&self, wire: &Wire) -> Result<Vec<Came>, String> {
        let all = |came: Came| Ok(vec![came; self.deeds.len()]);
        let strange = || format!("a reply of another shape: {wire:?}");
        match (self.form, wire) {
            (_, Wire::Error(text)) => match text.split(' ').next().unwrap_or_default() {
                "UNKNOWN" => all(Came::Unknown),
                "CLUSTERDOWN" | "TRYAGAIN" | "MISCONF" => all(Came::NotDone),
                _ if self.form == Form::Info && text == "ERR no such key" => all(Came::Counted(0, None)),
                _ => Err(format!("an error that no client expects: {text}")),
            },
            (Form::Id, id) => all(Came::Added(id_of(id).ok_or_else(strange)?)),
            (Form::Removed, Wire::Int(count)) => all(Came::Deleted(*count > 0)),
            (Form::Length, Wire::Int(count)) => all(Came::Counted(count.unsigned_abs(), None)),
            (Form::Entries, entries) => all(Came::Entries(entries_of(entries).ok_or_else(strange)?)),
            (Form::Info, Wire::Array(parts)) => all(info(parts).ok_or_else(strange)?),
            (Form::ByStream, Wire::Bulk(None)) => all(Came::Nothing),
            (Form::ByStream, Wire::Array(streams)) => self.by_stream(streams).ok_or_else(strange),
            _ => Err(strange()),
        }
    }

    /// Streams that are not named have nothing.
    fn by_stream(&self, streams: &[Wire]) -> Option<Vec<Came>> {
        let mut came = vec![Came::Entries(Vec::new()); self.deeds.len()];
        for stream in streams {
            let Wire::Array(pair) = stream else { return None };
            let [Wire::Bulk(Some(name)), entries] = &pair[..] else { return None };
            let at = self.deeds.iter().position(|(stream, _)| stream.as_bytes() == &**name)?;
            came[at] = Came::Entries(entries_of(entries)?);
        }
        Some(came)
    }
}

fn id_of(wire: &Wire) -> Option<Id> {
    let Wire::Bulk(Some(text)) = wire else { return None };
    let (ms, seq) = std::str::from_utf8(text).ok()?.split_once('-')?;
    Some((ms.parse().ok()?, seq.parse().ok()?))
}

/// Entries with one field, whose value is their payload.
fn entries_of(wire: &Wire) -> Option<Vec<Seen>> {
    let Wire::Array(entries) = wire else { return None };
    let entry = |entry: &Wire| {
        let Wire::Array(parts) = entry else { return None };
        let [id, Wire::Array(fields)] = &parts[..] else { return None };
        let [_, Wire::Bulk(Some(payload))] = &fields[..] else { return None };
        Some((id_of(id)?, payload.clone()))
    };
    entries.iter().map(entry).collect()
}

fn info(parts: &[Wire]) -> Option<Came> {
    let named = |name: &str| {
        let is = |wire: &Wire| matches!(wire, Wire::Bulk(Some(bytes)) if &**bytes == name.as_bytes());
        parts.chunks(2).find(|pair| is(&pair[0])).and_then(|pair| pair.get(1))
    };
    let number = |name: &str| match named(name)? {
        Wire::Int(number) => Some(number.unsigned_abs()),
        _ => None,
    };
    Some(Came::Counted(
        number("length")?,
        Some((id_of(named("last-generated-id")?)?, number("entries-added")?)),
    ))
}

/// What a client knows of streams.
#[derive(Debug, Default)]
pub struct Follower {
    /// Up to where it has read each.
    upto: std::collections::BTreeMap<String, Id>,
    /// Entries that it has seen, the newest last.
    seen: Vec<(String, Id)>,
}

impl Follower {
    /// What an answer shows.
    pub fn learn(&mut self, asked: &Command, wire: &Wire) {
        let Some(streamed) = &asked.streamed else { return };
        for ((stream, _), came) in streamed.deeds.iter().zip(streamed.came(wire).unwrap_or_default()) {
            let Came::Entries(entries) = came else { continue };
            let Some((last, _)) = entries.last() else { continue };
            self.upto.insert(stream.clone(), *last);
            self.seen.push((stream.clone(), *last));
        }
        let surplus = self.seen.len().saturating_sub(REMEMBERED);
        self.seen.drain(..surplus);
    }
}

impl Maker {
    /// The next command on streams.
    pub(super) fn feed(&mut self, now_ns: u64) -> Command {
        let tag = self.tag(now_ns);
        let (feed, capped) = (self.name("feed", &tag), self.name("feedcap", &tag));
        let one = if self.rng.chance(1, 3) { &capped } else { &feed };
        match self.rng.below(16) {
            0..6 => self.add(one),
            6..10 => self.read(&[one]),
            10 => self.read(&[&feed, &capped]),
            11 => self.wait_behind_last(one),
            12 => match self.follower.seen.pop().filter(|(stream, _)| self.is_home(stream)) {
                Some((stream, id)) => {
                    let text = format!("XDEL {stream} {}-{}", id.0, id.1);
                    command(&text, &[(&stream, Deed::Delete { id })], Form::Removed)
                }
                None => Command::noise(&format!("XTRIM {capped} MAXLEN {}", self.rng.below(CAP))),
            },
            13 => command(&format!("XLEN {one}"), &[(one, Deed::Count)], Form::Length),
            14 => command(&format!("XINFO STREAM {one}"), &[(one, Deed::Count)], Form::Info),
            _ => look(one),
        }
    }

    fn add(&mut self, stream: &str) -> Command {
        let mut payload = format!("<{}.{}>", self.client, self.made).into_bytes();
        payload.resize(payload.len() + self.rng.below(self.longest.min(80)) as usize, b'x');
        let cap = match is_capped(stream) {
            true => format!("MAXLEN {} {CAP} ", ["=", "~"][self.rng.below(2) as usize]),
            false => String::new(),
        };
        let deed = Deed::Add { payload: payload.clone().into() };
        let mut add = command(&format!("XADD {stream} {cap}* p"), &[(stream, deed)], Form::Id);
        add.args.push(payload);
        add
    }

    /// Who follows streams reads on behind what it has, and often waits for more.
    fn read(&mut self, streams: &[&str]) -> Command {
        let wait_ms = self.rng.chance(2, 3).then(|| self.stream_wait_ms());
        let count = if self.rng.chance(1, 3) { 1 + self.rng.below(4) as usize } else { 0 };
        let from_begin = self.rng.chance(1, 6);
        let upto = |stream: &&str| {
            self.follower.upto.get(*stream).copied().filter(|_| !from_begin).unwrap_or((0, 0))
        };
        let ids: Vec<Id> = streams.iter().map(upto).collect();
        let mut text = "XREAD".to_owned();
        if count > 0 {
            text.push_str(&format!(" COUNT {count}"));
        }
        if let Some(ms) = wait_ms {
            text.push_str(&format!(" BLOCK {ms}"));
        }
        let shown: Vec<String> = ids.iter().map(|(ms, seq)| format!("{ms}-{seq}")).collect();
        text.push_str(&format!(" STREAMS {} {}", streams.join(" "), shown.join(" ")));
        let deed = |id: Id| Deed::Read { after: Some(id), count, wait_ms };
        let deeds: Vec<(&str, Deed)> =
            streams.iter().zip(ids).map(|(stream, id)| (*stream, deed(id))).collect();
        let read = command(&text, &deeds, Form::ByStream);
        Command { next: Some(Next::Learn), ..read.with_role(Role::Asks) }
    }

    fn wait_behind_last(&mut self, stream: &str) -> Command {
        let ms = self.stream_wait_ms();
        let deed = Deed::Read { after: None, count: 0, wait_ms: Some(ms) };
        command(&format!("XREAD BLOCK {ms} STREAMS {stream} $"), &[(stream, deed)], Form::ByStream)
    }

    fn stream_wait_ms(&mut self) -> u64 {
        let most = [60, 400, MAX_WAIT_MS][self.rng.below(3) as usize];
        1 + self.rng.below(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::reply::{First, first};

    /// What a reply as it is sent says to who reads `a` and `b`.
    fn came(form: Form, reply: &str) -> Result<Vec<Came>, String> {
        let read = Deed::Read { after: None, count: 0, wait_ms: None };
        let deeds = vec![("a".to_owned(), read.clone()), ("b".to_owned(), read)];
        match first(reply.as_bytes()) {
            First::Whole(wire, _) => Streamed { deeds, form }.came(&wire),
            other => panic!("{reply:?} is {other:?}"),
        }
    }

    #[test]
    fn answers_of_all_forms_are_read() {
        let entry = "*1\r\n*2\r\n$3\r\n5-1\r\n*2\r\n$1\r\np\r\n$1\r\nx\r\n";
        let seen = Came::Entries(vec![((5, 1), b"x"[..].into())]);
        let by_stream = format!("*1\r\n*2\r\n$1\r\nb\r\n{entry}");
        assert_eq!(came(Form::ByStream, &by_stream), Ok(vec![Came::Entries(Vec::new()), seen.clone()]));
        assert_eq!(came(Form::ByStream, "*-1\r\n"), Ok(vec![Came::Nothing; 2]));
        assert_eq!(came(Form::Entries, entry), Ok(vec![seen; 2]));
        assert_eq!(came(Form::Id, "$4\r\n12-0\r\n"), Ok(vec![Came::Added((12, 0)); 2]));
        let info = "*6\r\n$6\r\nlength\r\n:1\r\n$17\r\nlast-generated-id\r\n$3\r\n5-1\r\n$13\r\nentries-added\r\n:2\r\n";
        assert_eq!(came(Form::Info, info), Ok(vec![Came::Counted(1, Some(((5, 1), 2))); 2]));
        assert_eq!(came(Form::Info, "-ERR no such key\r\n"), Ok(vec![Came::Counted(0, None); 2]));
        assert_eq!(came(Form::Id, "-UNKNOWN x\r\n"), Ok(vec![Came::Unknown; 2]));
        assert!(came(Form::Id, "-WRONGTYPE x\r\n").is_err());
        assert!(came(Form::ByStream, ":1\r\n").is_err());
    }
}
