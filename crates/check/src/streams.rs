//! Streams of entries whose payloads are unique in a run: added, read, removed, counted.
//!
//! An entry gets its id from the store, and a higher one than every entry before it. So what a reader must have seen
//! behind the id it knows follows from the ids alone, and nothing is ever undecided. A *capped* stream loses its
//! oldest entries when others are added; of the others only XDEL removes any.

mod grows;
mod kept;
mod known;

#[cfg(test)]
mod tests;

use crate::history::{Bytes, certain_by, shown_bytes, shown_time};
use crate::verdict::Violation;
use known::Known;
use std::collections::BTreeMap;

/// Id of an entry: its time, ms, and a number.
pub type Id = (u64, u64);

/// An entry that somebody saw.
pub type Seen = (Id, Bytes);

/// What a client asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Deed {
    /// An entry is added, with an id that the store gives it.
    Add {
        /// What it holds, which no other entry of the history does.
        payload: Bytes,
    },
    /// An entry is removed.
    Delete {
        /// Which.
        id: Id,
    },
    /// Entries are read.
    Read {
        /// Those behind this id; `None`: those that come from now on.
        after: Option<Id>,
        /// How many at most; 0 = all.
        count: usize,
        /// Waits so long if there is none, ms.
        wait_ms: Option<u64>,
    },
    /// The stream is asked how many entries it has, and, if it says more, for the last id it gave and how many
    /// entries it ever had.
    Count,
}

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Came {
    /// Executed at most once, at any time from its call on.
    Unknown,
    /// Certainly not executed.
    NotDone,
    /// An entry was added under this id.
    Added(Id),
    /// Whether an entry was removed.
    Deleted(bool),
    /// Entries.
    Entries(Vec<Seen>),
    /// Nothing was there, nor in the other streams that were read with it, until the wait was over.
    Nothing,
    /// How many entries there are; the last id given and how many there ever were.
    Counted(u64, Option<(Id, u64)>),
}

/// One deed of a client on one stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Act {
    /// The client.
    pub client: u32,
    /// When it was called, ns of the world's clock.
    pub call_ns: u64,
    /// When the client had the outcome, ns; none if it never did.
    pub return_ns: Option<u64>,
    /// What was asked.
    pub deed: Deed,
    /// How it ended.
    pub came: Came,
}

impl Act {
    /// When it had certainly taken effect if it ever did, ns; see [`certain_by`].
    fn done_by(&self) -> u64 {
        certain_by(self.return_ns, self.came != Came::Unknown)
    }

    /// In one line.
    fn describe(&self) -> String {
        let until = self.return_ns.map_or("?".to_owned(), shown_time);
        let deed = match &self.deed {
            Deed::Add { payload } => format!("add {}", shown_bytes(payload)),
            Deed::Delete { id } => format!("delete {}", shown(*id)),
            Deed::Read { after, count, wait_ms } => {
                let after = after.map_or("$".to_owned(), shown);
                format!("read {count} behind {after}, waiting {wait_ms:?} ms")
            }
            Deed::Count => "count".to_owned(),
        };
        let came = match &self.came {
            Came::Added(id) => shown(*id),
            Came::Entries(entries) => {
                let entry = |(id, payload): &Seen| format!("{} {}", shown(*id), shown_bytes(payload));
                entries.iter().map(entry).collect::<Vec<_>>().join(", ")
            }
            other => format!("{other:?}"),
        };
        format!("[{} .. {until}] client {}: {deed} -> {came}", shown_time(self.call_ns), self.client)
    }
}

fn shown(id: Id) -> String {
    format!("{}-{}", id.0, id.1)
}

/// Everything clients did with one stream.
#[derive(Clone, Default, Debug)]
struct Stream {
    capped: bool,
    acts: Vec<Act>,
}

/// Everything clients did with streams.
#[derive(Clone, Default, Debug)]
pub struct StreamHistory {
    streams: BTreeMap<String, Stream>,
    acts: usize,
}

impl StreamHistory {
    /// Adds an act that is not over; its number. `capped`: the stream loses its oldest entries.
    pub fn call(&mut self, stream: &str, capped: bool, act: Act) -> usize {
        let stream = self.streams.entry(stream.to_owned()).or_default();
        stream.capped = capped;
        stream.acts.push(act);
        self.acts += 1;
        stream.acts.len() - 1
    }

    /// An act is over.
    pub fn answer(&mut self, stream: &str, number: usize, now_ns: u64, came: Came) {
        let act = self.streams.get_mut(stream).and_then(|stream| stream.acts.get_mut(number));
        act.into_iter().for_each(|act| (act.return_ns, act.came) = (Some(now_ns), came.clone()));
    }

    /// Names of all streams, ascending.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.streams.keys()
    }

    /// Number of acts.
    pub fn len(&self) -> usize {
        self.acts
    }

    /// Whether nothing was done.
    pub fn is_empty(&self) -> bool {
        self.acts == 0
    }
}

/// What is found in the acts of one stream.
struct Found<'a> {
    name: &'a str,
    acts: &'a [Act],
    violations: &'a mut Vec<Violation>,
}

impl Found<'_> {
    /// A property does not hold, as these acts show.
    fn add(&mut self, property: &'static str, what: &str, shown: &[usize]) {
        let details = shown.iter().filter_map(|at| self.acts.get(*at)).map(Act::describe).collect();
        let sentence = format!("stream {}: {what}", self.name);
        self.violations.push(Violation { property, sentence, details });
    }
}

/// Checks every property of streams. The same history gives the same violations.
pub fn check(history: &StreamHistory) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, stream) in &history.streams {
        let mut found = Found { name, acts: &stream.acts, violations: &mut violations };
        let known = Known::new(&stream.acts, &mut found);
        kept::check(stream, &known, &mut found);
        grows::check(stream, &known, &mut found);
    }
    violations
}
