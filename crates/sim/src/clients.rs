//! Clients: they speak RESP over simulated connections, remember what they asked and were told, and do on
//! trouble what client libraries do.

pub mod collections;
pub mod command;
pub mod handled;
pub mod hoards;
pub mod reply;
pub mod streams;
pub mod uploads;
pub mod workload;

use crate::net::{CLIENTS, Network, Owner, SimStream};
use crate::time::{MS, S, Time};
use crate::watch::accounted;
use check::history::KeyId;
use check::history::{Event, Failover};
use check::items::{Came, Handling, ItemHistory};
use check::moved::Sight;
use check::{
    Action, Balance, Class, History, Operation, Outcome, Promise, StreamHistory, streams as entries,
};
use command::{Command, Role};
use env::Rng;
use node::losses::account::Account;
use reply::First;
use std::collections::{BTreeSet, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use workload::Maker;

/// A client gives a command up after this time, ns.
const PATIENCE_NS: u64 = 9 * S;
/// A bound on staleness is kept by the clocks of nodes, whose rates differ by up to 0.2 %; ns.
const STALENESS_MARGIN_NS: u64 = 5 * MS;
/// Most commands without an answer, of clients with a pipeline.
pub const MAX_WAITING: usize = 32;

/// What all clients saw.
#[derive(Default)]
pub struct Book {
    /// Keys only; operations are added when they are over.
    history: History,
    operations: Vec<Operation>,
    /// What was done with items of collections.
    pub items: ItemHistory,
    /// What was done with streams.
    pub streams: StreamHistory,
    /// What was learned of hoards.
    pub sights: Vec<Sight>,
    /// What sets of accounts held at one moment.
    pub balances: Vec<Balance>,
    /// All sets of accounts.
    banks: BTreeSet<String>,
    /// Since this time everything is well, ns: whoever asks from now on must be answered.
    pub well_since_ns: u64,
    /// Commands that nobody answered although everything was well.
    pub stuck: Vec<String>,
    /// Replies that made no sense.
    pub strange: Vec<String>,
    /// What was asked and answered, for the timeline; `None` where nobody wants it.
    pub said: Option<Vec<String>>,
}

impl Book {
    /// An empty one; `said`: what is answered is wanted for a timeline.
    pub fn new(said: bool) -> Book {
        Book { said: said.then(Vec::new), well_since_ns: u64::MAX, ..Book::default() }
    }

    fn call(&mut self, of: Asking, connection: u32, now: u64, command: &Command) -> Called {
        let Asking { client, class, promise, asynchronous } = of;
        let handling = command.handled.as_ref().map(|handled| {
            let (deed, came) = (handled.deed.clone(), Came::Unknown);
            let handling = Handling { client, connection, call_ns: now, return_ns: None, deed, came };
            self.items.call(handling, collections::order_of)
        });
        let act = |deed: &entries::Deed| {
            let (deed, came) = (deed.clone(), entries::Came::Unknown);
            entries::Act { client, call_ns: now, return_ns: None, deed, came }
        };
        let deeds = command.streamed.iter().flat_map(|streamed| &streamed.deeds);
        let acts = deeds.map(|(name, deed)| self.streams.call(name, streams::is_capped(name), act(deed)));
        let acts = acts.collect();
        self.banks.extend(command.bank.clone());
        let first = self.operations.len();
        for (key, action) in &command.parts {
            let key: KeyId = self.history.key(class, key.as_bytes());
            self.operations.push(Operation {
                client,
                connection,
                call_ns: now,
                return_ns: None,
                key,
                promise,
                asynchronous,
                action: action.clone(),
                outcome: Outcome::Unknown,
            });
        }
        Called { first, handling, acts, at_ns: now, client }
    }

    fn answer(&mut self, called: &Called, command: &Command, wire: &reply::Wire, now: u64) {
        let first = called.first;
        if let Some(said) = &mut self.said {
            let since = called.at_ns / 1000;
            let wire = format!("{wire:?}");
            said.push(format!(
                " {} (asked at {since} us) -> {}",
                shown(command),
                &wire[..wire.len().min(80)]
            ));
        }
        if let (Some(handled), Some(number)) = (&command.handled, called.handling) {
            match handled.came(wire) {
                Ok(came) => self.items.answer(number, now, came),
                Err(why) => self.strange.push(format!("{}: {why}", shown(command))),
            }
        }
        if let Some(streamed) = &command.streamed {
            match streamed.came(wire) {
                Ok(came) => {
                    for (((name, _), number), came) in streamed.deeds.iter().zip(&called.acts).zip(came) {
                        self.streams.answer(name, *number, now, came);
                    }
                }
                Err(why) => self.strange.push(format!("{}: {why}", shown(command))),
            }
        }
        if let Some((sighted, fact)) = command.sighted.as_ref().and_then(|s| Some((s, s.fact(wire)?))) {
            let (hoard, client, call_ns) = (sighted.hoard().clone(), called.client, called.at_ns);
            self.sights.push(Sight { hoard, client, call_ns, return_ns: now, fact });
        }
        if let (Some(set), Some(amounts)) = (&command.bank, command.amounts(wire)) {
            let (set, client, call_ns) = (set.clone(), called.client, called.at_ns);
            self.balances.push(Balance { set, client, call_ns, return_ns: now, amounts });
        }
        let promised = self.operations.get(first).is_some_and(|of| of.promise == Promise::Final);
        match command.outcomes(wire) {
            // Nobody removes anything then.
            _ if promised && matches!(wire, reply::Wire::Error(text) if uploads::is_gone(text)) => {
                self.strange.push(format!("{}: {wire:?}", shown(command)));
            }
            Ok(outcomes) => {
                for (at, outcome) in outcomes.into_iter().enumerate() {
                    let operation = &mut self.operations[first + at];
                    operation.return_ns = Some(now);
                    operation.outcome = outcome;
                }
            }
            Err(why) => self.strange.push(format!("{}: {why}", shown(command))),
        }
    }

    /// Number of operations, those on items, streams and hoards included.
    pub fn count(&self) -> usize {
        self.operations.len() + self.items.len() + self.streams.len() + self.sights.len()
    }

    /// What shows all that a keyspace holds: its keys, its places, its streams and its accounts, each ascending.
    pub fn looks(&self, keyspace: u64) -> Vec<Command> {
        let names = self.history.keys().map(|(_, key)| String::from_utf8_lossy(&key.name).into_owned());
        let mut names: Vec<String> = names.filter(|name| workload::keyspace_of(name) == keyspace).collect();
        names.sort_unstable();
        let keys = names.into_iter().map(|key| Command::of(key, Action::Get));
        let places = self.items.places().filter(|place| workload::keyspace_of(place) == keyspace);
        let feeds = self.streams.names().filter(|name| workload::keyspace_of(name) == keyspace);
        let banks = self.banks.iter().filter(|set| workload::keyspace_of(set) == keyspace);
        // The accounts of a set are keys as well: here they are seen together.
        let banks = banks.map(|set| Command { parts: Vec::new(), ..collections::balance(set) });
        let places = places.map(|place| collections::look(place));
        keys.chain(places).chain(feeds.map(|name| streams::look(name))).chain(banks).collect()
    }

    /// Whether nothing answered in an asynchronous keyspace, or to an asynchronous connection, was lost silently.
    ///
    /// # Errors
    /// The property and what is missing.
    pub fn accounted<'a>(
        &self,
        accounts: impl Iterator<Item = &'a Account>,
    ) -> Result<(), (&'static str, String)> {
        let asynchronous =
            |of: &Operation| of.asynchronous || self.history.key_of(of.key).class == Class::Async;
        accounted::check(&self.operations, asynchronous, accounts)
    }

    /// A leader was lost that had answered what was not committed.
    pub fn failover(&mut self, failover: Failover) {
        // One more than can be kept would be one that nobody can judge: the check says so.
        if let Err(why) = self.history.push_event(Event::Failover(failover)) {
            self.strange.push(why.to_string());
        }
    }

    /// Everything as a history.
    ///
    /// # Errors
    /// In words: an operation that can not be; a fault of the simulator.
    pub fn into_history(self) -> Result<History, String> {
        let mut history = self.history;
        for operation in self.operations {
            history.push(operation).map_err(|why| why.to_string())?;
        }
        Ok(history)
    }
}

fn shown(command: &Command) -> String {
    let words = command.args.iter().map(|arg| arg[..arg.len().min(40)].escape_ascii().to_string());
    words.collect::<Vec<_>>().join(" ")
}

/// Who asks, and what is promised to it.
struct Asking {
    client: u32,
    class: Class,
    promise: Promise,
    asynchronous: bool,
}

/// Where a command stands in the book.
#[derive(Clone, Default)]
struct Called {
    first: usize,
    handling: Option<usize>,
    /// Of each of its streams.
    acts: Vec<usize>,
    at_ns: u64,
    client: u32,
}

struct Waiting {
    command: Command,
    called: Called,
    since_ns: u64,
}

/// How a client behaves.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Longest pause between two sends, ns.
    pub think_ns: u64,
    /// Most commands sent at once.
    pub burst: u64,
    /// Most commands without an answer.
    pub depth: usize,
    /// A command whose connection broke is sent again where that is harmless.
    pub retries: bool,
    /// Its connections are `READONLY` with this bound, ms: followers may answer its reads.
    pub max_staleness_ms: Option<u64>,
}

/// One client.
pub struct Client {
    /// Its number.
    pub id: u32,
    /// When it is looked at next, ns.
    pub wake_ns: u64,
    /// When it was last answered, ns.
    pub answered_ns: u64,
    /// What it still has to ask before it is done; `None`: it goes on for ever.
    pub script: Option<VecDeque<Command>>,
    /// No new commands.
    pub quiet: bool,
    maker: Option<Maker>,
    manner: Manner,
    time: Time,
    net: Network,
    rng: Rng,
    connections: u32,
    stream: Option<SimStream>,
    waiting: VecDeque<Waiting>,
    again: VecDeque<Command>,
    /// What is sent next, one behind the other on one connection.
    batch: VecDeque<Command>,
    /// It asks nothing else before it has the answer to what it asked last.
    asks: bool,
    /// The last `WATCH` was answered with OK.
    watches: bool,
    /// Since this time the first command without an answer is the first, ns.
    first_since_ns: u64,
    unread: Vec<u8>,
    unsent: Vec<u8>,
    next_ns: u64,
    target: usize,
    /// The node refuses: another one is tried.
    fed_up: bool,
    promise: Promise,
    class: Class,
    /// Of one without workload.
    keyspace: u64,
}

/// Whether a node says that it can not serve now.
fn is_refusal(wire: &reply::Wire) -> bool {
    let reply::Wire::Error(text) = wire else { return false };
    ["CLUSTERDOWN", "TRYAGAIN", "MISCONF", "UNKNOWN"].iter().any(|word| text.starts_with(word))
}

impl Client {
    /// A client of a workload.
    pub fn new(id: u32, maker: Maker, manner: Manner, time: Time, net: Network, mut rng: Rng) -> Client {
        let (next_ns, target) = (time.ns() + rng.below(20 * MS), rng.below(16) as usize);
        let class = maker.class();
        Client {
            id,
            wake_ns: next_ns,
            answered_ns: 0,
            script: None,
            quiet: false,
            maker: Some(maker),
            manner,
            time,
            net,
            rng,
            connections: 0,
            stream: None,
            waiting: VecDeque::new(),
            again: VecDeque::new(),
            batch: VecDeque::new(),
            asks: false,
            watches: false,
            first_since_ns: 0,
            unread: Vec::new(),
            unsent: Vec::new(),
            next_ns,
            target,
            fed_up: false,
            promise: Promise::Usual,
            class,
            keyspace: 0,
        }
    }

    /// A client that looks at what a keyspace holds at the end.
    pub fn reader(
        id: u32,
        keyspace: u64,
        looks: impl Iterator<Item = Command>,
        time: Time,
        net: Network,
        rng: Rng,
    ) -> Client {
        let manner =
            Manner { think_ns: MS, burst: 8, depth: MAX_WAITING, retries: true, max_staleness_ms: None };
        let script = looks.collect();
        let maker = Maker::new(workload::Workload::Registers, id, Rng::new(u64::from(id)), 1, 1);
        let mut client = Client::new(id, maker, manner, time, net, rng);
        (client.script, client.promise, client.maker) = (Some(script), Promise::Final, None);
        client.keyspace = keyspace;
        client.class = workload::class_of(keyspace);
        client
    }

    /// Who has its ends of connections.
    pub fn owner(&self) -> Owner {
        Owner { machine: CLIENTS + u64::from(self.id), life: 1 }
    }

    /// It waits for an answer, or has more to ask.
    pub fn is_busy(&self) -> bool {
        let scripted = self.script.as_ref().is_some_and(|script| !script.is_empty());
        scripted || !self.waiting.is_empty() || !self.again.is_empty() || !self.batch.is_empty()
    }

    /// What it waits for, for a report.
    pub fn describe(&self) -> String {
        match self.waiting.front() {
            Some(w) => {
                format!("client {} waits for {} since {} ms", self.id, shown(&w.command), w.since_ns / MS)
            }
            None => format!("client {} has no connection", self.id),
        }
    }

    /// Takes note of what has come, and answers when more does.
    fn next_coming(&mut self) -> u64 {
        let (mut happenings, mut calls) = (Vec::new(), Vec::new());
        self.net.happened(self.owner(), &mut happenings, &mut calls);
        self.net.next_ns(self.owner().machine)
    }

    /// Does what it has to do now. `nodes`: addresses where it may connect.
    pub fn run(&mut self, nodes: &[SocketAddr], book: &mut Book) {
        let now = self.time.ns();
        if self.stream.is_some() {
            self.read(book);
        }
        if self.gives_up_ns() <= now {
            let judged = |w: &Waiting| w.since_ns > book.well_since_ns && w.command.is_checked();
            if self.waiting.front().is_some_and(judged) {
                book.stuck.push(self.describe());
            }
            self.hang_up();
        }
        if self.next_ns <= now {
            if self.stream.is_none() && (!self.quiet || self.is_busy()) {
                self.connect(nodes);
            }
            self.ask(book);
            self.next_ns = now + 1 + self.rng.below(self.manner.think_ns);
        }
        self.send();
        let patience = self.gives_up_ns();
        let idle = self.quiet && !self.is_busy();
        let next = if idle { u64::MAX } else { self.next_ns };
        self.wake_ns = next.min(patience).min(self.next_coming()).max(now + 1);
    }

    /// When it gives the first command up that has no answer. Others before it may have waited for long.
    fn gives_up_ns(&self) -> u64 {
        let since = self.waiting.front().map(|first| first.since_ns.max(self.first_since_ns));
        since.map_or(u64::MAX, |since| since + PATIENCE_NS)
    }

    fn connect(&mut self, nodes: &[SocketAddr]) {
        let Some(&to) = nodes.get(self.target % nodes.len().max(1)) else { return };
        let own = Ipv4Addr::new(10, 1, (self.id >> 8) as u8, self.id as u8);
        if let Ok(stream) = self.net.connect(self.owner(), SocketAddr::new(IpAddr::V4(own), 0), to) {
            self.net.watch(&stream, 1);
            self.stream = Some(stream);
            self.connections += 1;
            let keyspace = self.maker.as_mut().map_or(self.keyspace, Maker::keyspace);
            if keyspace > 0 {
                self.prepare(&format!("SELECT {keyspace}"));
            }
            if let Some(ms) = self.manner.max_staleness_ms {
                self.prepare(&format!("READONLY MAX-STALENESS {ms}"));
            }
        }
    }

    /// The first commands of a connection.
    fn prepare(&mut self, text: &str) {
        let command = Command::noise(text);
        reply::encode(&command.args, &mut self.unsent);
        self.waiting.push_back(Waiting { command, called: Called::default(), since_ns: self.time.ns() });
    }

    /// What is promised about the answer to a command.
    fn promise_of(&self, command: &Command) -> Promise {
        match self.manner.max_staleness_ms {
            Some(ms) if command.parts.iter().all(|(_, action)| action.is_read()) => {
                Promise::ReadOnly { max_staleness_ns: ms * MS + STALENESS_MARGIN_NS }
            }
            _ => self.promise,
        }
    }

    /// Asks the next commands.
    fn ask(&mut self, book: &mut Book) {
        let full = self.waiting.len() >= self.manner.depth && self.batch.is_empty();
        if self.stream.is_none() || self.asks || full {
            return;
        }
        let now = self.time.ns();
        for _ in 0..1 + self.rng.below(self.manner.burst) {
            if self.batch.is_empty() {
                let next = self.again.pop_front().or_else(|| self.script.as_mut()?.pop_front());
                match next {
                    Some(command) => self.batch.push_back(command),
                    None if self.quiet || self.script.is_some() => return,
                    None => self.batch.extend(self.maker.iter_mut().flat_map(|maker| maker.next(now))),
                }
            }
            while let Some(command) = self.batch.pop_front() {
                self.ask_one(command, book);
            }
            if self.asks {
                return;
            }
        }
    }

    fn ask_one(&mut self, command: Command, book: &mut Book) {
        let now = self.time.ns();
        // Connections are told apart over all clients.
        let connection = self.id << 16 | (self.connections & 0xffff);
        let promise = self.promise_of(&command);
        let asynchronous = self.maker.as_ref().is_some_and(Maker::chose_async);
        let asking = Asking { client: self.id, class: self.class, promise, asynchronous };
        let called = book.call(asking, connection, now, &command);
        reply::encode(&command.args, &mut self.unsent);
        self.asks |= command.role == Role::Asks;
        self.waiting.push_back(Waiting { command, called, since_ns: now });
    }

    /// What follows from an answer.
    fn follow(&mut self, command: &Command, wire: &reply::Wire) {
        match command.role {
            Role::Alone => {}
            Role::Watches => self.watches = *wire == reply::Wire::Simple("OK".to_owned()),
            Role::Asks => {
                let watched = std::mem::take(&mut self.watches);
                let next = self.maker.iter_mut().flat_map(|maker| maker.follow(command, wire, watched));
                self.batch.extend(next);
                self.asks = false;
                self.next_ns = self.next_ns.min(self.time.ns() + self.rng.below(5 * MS));
            }
        }
    }

    fn send(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        if self.unsent.is_empty() {
            return;
        }
        match stream.write(&self.unsent) {
            Ok(_) => self.unsent.clear(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.hang_up(),
        }
    }

    fn read(&mut self, book: &mut Book) {
        let mut buf = [0; 16384];
        while let Some(stream) = &mut self.stream {
            match stream.read(&mut buf) {
                Ok(0) => self.hang_up(),
                Ok(count) => {
                    self.unread.extend_from_slice(&buf[..count]);
                    self.replies(book);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.hang_up(),
            }
        }
    }

    fn replies(&mut self, book: &mut Book) {
        let mut used = 0;
        loop {
            match reply::first(&self.unread[used..]) {
                First::Whole(wire, len) => {
                    used += len;
                    let refused = is_refusal(&wire);
                    if refused {
                        self.fed_up |= self.script.is_some() || self.rng.chance(1, 4);
                    } else {
                        self.answered_ns = self.time.ns();
                    }
                    self.first_since_ns = self.time.ns();
                    match self.waiting.pop_front() {
                        // What must be read at the end is asked for until it is answered.
                        Some(waiting) if self.script.is_some() && refused => {
                            book.answer(&waiting.called, &waiting.command, &wire, self.time.ns());
                            self.again.push_back(waiting.command);
                        }
                        Some(waiting) => {
                            book.answer(&waiting.called, &waiting.command, &wire, self.time.ns());
                            self.follow(&waiting.command, &wire);
                        }
                        // What the node says before it closes a connection answers nothing.
                        None if matches!(wire, reply::Wire::Error(_)) => {}
                        None => book.strange.push(format!("client {}: a reply too many: {wire:?}", self.id)),
                    }
                }
                First::Part => break,
                First::Nonsense => {
                    book.strange.push(format!("client {}: no reply: {:?}", self.id, &self.unread[used..]));
                    self.hang_up();
                    return;
                }
            }
        }
        self.unread.drain(..used);
        if self.fed_up && self.waiting.is_empty() {
            self.hang_up();
        }
    }

    /// The connection is over. What was not answered may or may not have been executed.
    fn hang_up(&mut self) {
        self.stream = None;
        self.fed_up = false;
        self.unread.clear();
        self.unsent.clear();
        self.batch.clear();
        (self.asks, self.watches) = (false, false);
        let lost: Vec<Waiting> = self.waiting.drain(..).collect();
        // Whatever is read or set again is as right as the first time.
        let harmless = |w: &Waiting| {
            matches!(&w.command.parts[..], [(_, Action::Get | Action::Exists | Action::StrLen)])
                || matches!(
                    &w.command.parts[..],
                    [(_, Action::Set { condition: check::Condition::None, ttl_ms: None, .. })]
                ) && w.command.args[0] != b"LARGE"
                || w.command.is_look()
        };
        let retries = self.manner.retries && self.maker.as_ref().is_some_and(Maker::keeps_keyspace);
        if retries || self.script.is_some() {
            self.again.extend(lost.into_iter().filter(harmless).map(|w| w.command));
        }
        // Who must be answered asks one node after the other: one may be gone for good.
        let drawn = self.rng.below(16) as usize;
        self.target = if self.script.is_some() { self.target + 1 } else { drawn };
        self.next_ns = self.time.ns() + 1 + self.rng.below(50 * MS);
    }
}
