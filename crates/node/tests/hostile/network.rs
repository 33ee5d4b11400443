//! Connections between nodes: in order while they hold, silent at times, and broken with loss.

use env::Rng;
use std::collections::{BTreeMap, VecDeque};

/// What a node hears of another.
#[derive(Debug)]
pub enum Event {
    /// A connection is there; the incarnation of the other side.
    Up(u64, u64),
    /// It is gone.
    Down,
    /// Connecting was refused: the process is not there.
    Refused,
    /// Frames.
    Data(Vec<u8>),
}

#[derive(Default)]
struct Direction {
    events: VecDeque<(u64, Event)>,
    last_ns: u64,
    /// Nothing arrives before.
    blocked_ns: u64,
    /// Number of the connection the receiver knows, 0 = none.
    seen: u64,
}

#[derive(Default)]
struct Link {
    /// Number of the connection, 0 = none.
    number: u64,
    reconnect_ns: u64,
}

/// All connections.
#[derive(Default)]
pub struct Network {
    directions: BTreeMap<(u64, u64), Direction>,
    links: BTreeMap<(u64, u64), Link>,
    numbers: u64,
    /// Longest delay of a frame.
    delay_ns: u64,
}

fn pair(a: u64, b: u64) -> (u64, u64) {
    (a.min(b), a.max(b))
}

impl Network {
    pub fn new(delay_ns: u64) -> Network {
        Network { delay_ns, ..Network::default() }
    }

    fn push(&mut self, from: u64, to: u64, at_ns: u64, event: Event) {
        let direction = self.directions.entry((from, to)).or_default();
        let due = at_ns.max(direction.last_ns).max(direction.blocked_ns);
        direction.last_ns = due;
        direction.events.push_back((due, event));
    }

    /// Connects two nodes again if it is time.
    pub fn connect(&mut self, a: (u64, u64), b: (u64, u64), now_ns: u64) {
        let link = self.links.entry(pair(a.0, b.0)).or_default();
        if link.number != 0 || link.reconnect_ns > now_ns {
            return;
        }
        self.numbers += 1;
        link.number = self.numbers;
        let number = link.number;
        self.push(a.0, b.0, now_ns, Event::Up(number, a.1));
        self.push(b.0, a.0, now_ns, Event::Up(number, b.1));
    }

    /// Breaks a connection: some of what is on its way is lost.
    pub fn cut(&mut self, a: u64, b: u64, now_ns: u64, for_ns: u64, rng: &mut Rng) {
        let link = self.links.entry(pair(a, b)).or_default();
        link.reconnect_ns = link.reconnect_ns.max(now_ns + for_ns);
        if std::mem::take(&mut link.number) == 0 {
            return;
        }
        for (from, to) in [(a, b), (b, a)] {
            let direction = self.directions.entry((from, to)).or_default();
            let lost = rng.below(direction.events.len() as u64 + 1);
            for _ in 0..lost {
                if let Some((due, event)) = direction.events.pop_back()
                    && !matches!(event, Event::Data(_))
                {
                    direction.events.push_back((due, event));
                    break;
                }
            }
            self.push(from, to, now_ns + rng.below(2_000_000), Event::Down);
        }
    }

    /// Tells the others that nobody listens at a node.
    pub fn refuse(&mut self, from: u64, to: u64, now_ns: u64) {
        self.push(from, to, now_ns, Event::Refused);
    }

    /// Nothing arrives for a while, in one direction.
    pub fn block(&mut self, from: u64, to: u64, until_ns: u64) {
        let direction = self.directions.entry((from, to)).or_default();
        direction.blocked_ns = direction.blocked_ns.max(until_ns);
        for (due, _) in &mut direction.events {
            *due = (*due).max(until_ns);
        }
    }

    /// A process forgets what it has not read.
    pub fn forget(&mut self, node: u64) {
        for ((_, to), direction) in &mut self.directions {
            if *to == node {
                direction.events.clear();
                direction.seen = 0;
            }
        }
    }

    /// All troubles end.
    pub fn heal(&mut self, now_ns: u64) {
        for direction in self.directions.values_mut() {
            direction.blocked_ns = 0;
            direction.last_ns = now_ns;
            direction.events.iter_mut().for_each(|(due, _)| *due = (*due).min(now_ns));
        }
        self.links.values_mut().for_each(|link| link.reconnect_ns = 0);
    }

    /// Sends frames over the connection that the sender knows.
    pub fn send(&mut self, from: u64, to: u64, bytes: Vec<u8>, now_ns: u64, rng: &mut Rng) {
        let number = self.links.get(&pair(from, to)).map_or(0, |link| link.number);
        let seen = self.directions.get(&(to, from)).map_or(0, |d| d.seen);
        if number != 0 && number == seen {
            self.push(from, to, now_ns + rng.below(self.delay_ns + 1), Event::Data(bytes));
        }
    }

    /// What has arrived at `to` from `from`.
    pub fn receive(&mut self, from: u64, to: u64, now_ns: u64) -> Option<Event> {
        let direction = self.directions.entry((from, to)).or_default();
        let (_, event) = direction.events.pop_front_if(|(due, _)| *due <= now_ns)?;
        match event {
            Event::Up(number, _) => direction.seen = number,
            Event::Down => direction.seen = 0,
            Event::Refused | Event::Data(_) => {}
        }
        Some(event)
    }
}
