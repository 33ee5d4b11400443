//! Writers that keep account: many connections in a closed loop, each with a batch of writes outstanding, and every
//! answer judged.

mod ledger;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::client::Client;
use ledger::{Kind, Ledger};

/// Enough that every shard has writers.
pub const CONNECTIONS: usize = 64;
/// Longest wait for the last outstanding replies; above the quorum timeout.
const LAST_REPLIES: Duration = Duration::from_secs(15);
/// Longest wait for events before it is looked whether to go on.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Reads outstanding while the account is made, so that no socket buffer fills up.
const READS: usize = 200;

/// What the writers were promised, and what of it holds.
#[derive(Debug, Default)]
pub struct Account {
    /// Longest time between two acknowledged writes of one connection.
    pub gap: Duration,
    /// Acknowledged writes.
    pub acknowledged: u64,
    /// Acknowledged SETs that are not there as they were written.
    pub lost: u64,
    /// INCR replies that are not one more than the one before, and counters that do not end where they must.
    pub miscounted: u64,
    /// Error replies.
    pub errors: u64,
    /// How many there were of each kind, by the word they begin with.
    pub kinds: BTreeMap<String, u64>,
    /// The first of what is wrong.
    pub first_error: Option<String>,
}

impl Account {
    /// Adds another account to this one.
    pub fn add(&mut self, other: Account) {
        self.gap = self.gap.max(other.gap);
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.miscounted += other.miscounted;
        self.errors += other.errors;
        for (word, times) in other.kinds {
            *self.kinds.entry(word).or_default() += times;
        }
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// What the writers do.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    /// Connections are spread over these in turn.
    pub through: &'a [SocketAddr],
    /// Makes the keys unique.
    pub name: &'a str,
    /// Writes sent together by a connection; the next ones when all are answered.
    pub pipeline: u64,
    /// Bytes of a value that is set, at least.
    pub value: usize,
}

#[derive(Debug)]
struct Writer {
    stream: TcpStream,
    ledger: Ledger,
    last: Instant,
    gap: Duration,
    unread: Vec<u8>,
}

/// All writers of one account.
#[derive(Debug)]
pub struct Writers {
    poll: Poll,
    writers: Vec<Writer>,
    pipeline: u64,
    acknowledged: u64,
    address: SocketAddr,
    stopping: bool,
}

impl Writers {
    /// Connects; half of the connections count with INCR, half set a new key each time.
    ///
    /// # Errors
    /// Nobody accepts.
    pub fn connect(shape: Shape) -> Result<Writers, String> {
        let poll = Poll::new().map_err(|e| e.to_string())?;
        let mut writers = Vec::new();
        for number in 0..CONNECTIONS {
            let target = shape.through[number % shape.through.len()];
            let stream = std::net::TcpStream::connect(target).map_err(|e| format!("{target}: {e}"))?;
            stream
                .set_nodelay(true)
                .and_then(|()| stream.set_nonblocking(true))
                .map_err(|e| e.to_string())?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry()
                .register(&mut stream, Token(number), Interest::READABLE)
                .map_err(|e| e.to_string())?;
            // Not by the number's parity: with an even number of nodes each would get one kind only.
            let kind = if number < CONNECTIONS / 2 {
                Kind::Counters { each: shape.pipeline }
            } else {
                Kind::Values { bytes: shape.value }
            };
            let ledger = Ledger::new(format!("{}:{number}", shape.name), kind);
            let (last, gap) = (Instant::now(), Duration::ZERO);
            writers.push(Writer { stream, ledger, last, gap, unread: Vec::new() });
        }
        let address = shape.through[0];
        Ok(Writers { poll, writers, pipeline: shape.pipeline, acknowledged: 0, address, stopping: false })
    }

    /// Writes for this long.
    ///
    /// # Errors
    /// The node closes a connection.
    pub fn run(&mut self, time: Duration) -> Result<(), String> {
        let started = Instant::now();
        self.run_while(|| started.elapsed() < time)
    }

    /// Writes while something else says so.
    ///
    /// # Errors
    /// As [`Writers::run`].
    pub fn run_while(&mut self, mut go_on: impl FnMut() -> bool) -> Result<(), String> {
        let mut events = Events::with_capacity(CONNECTIONS);
        for number in 0..CONNECTIONS {
            self.send(number)?;
        }
        while go_on() && self.writers.iter().any(|writer| writer.ledger.waits()) {
            match self.poll.poll(&mut events, Some(LOOK_EVERY)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.to_string()),
                _ => {}
            }
            for event in &events {
                self.receive(event.token().0)?;
            }
        }
        Ok(())
    }

    /// Acknowledged writes so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Only gaps after this count: the gap of a fault spans from the last write acknowledged before it.
    pub fn forget_gaps(&mut self) {
        self.writers.iter_mut().for_each(|writer| writer.gap = Duration::ZERO);
    }

    /// The longest gap; one that is still open counts as far as it has come.
    pub fn gap(&mut self) -> Duration {
        let now = Instant::now();
        for writer in self.writers.iter_mut().filter(|writer| writer.ledger.waits()) {
            writer.gap = writer.gap.max(now - writer.last);
        }
        self.writers.iter().map(|writer| writer.gap).max().unwrap_or_default()
    }

    /// Takes the outstanding replies and sends nothing more.
    ///
    /// # Errors
    /// As [`Writers::run`].
    pub fn finish(&mut self) -> Result<(), String> {
        self.gap();
        self.stopping = true;
        self.run(LAST_REPLIES)
    }

    fn send(&mut self, number: usize) -> Result<(), String> {
        let writer = &mut self.writers[number];
        if writer.ledger.waits() || self.stopping {
            return Ok(());
        }
        let mut batch = Vec::new();
        (0..self.pipeline).for_each(|_| writer.ledger.append_next(&mut batch));
        // A few KiB on a connection without anything outstanding always fit.
        writer.stream.write_all(&batch).map_err(|e| e.to_string())
    }

    fn receive(&mut self, number: usize) -> Result<(), String> {
        let writer = &mut self.writers[number];
        let mut buffer = [0u8; 4096];
        loop {
            match writer.stream.read(&mut buffer) {
                Ok(0) => return Err("the node closed a connection of a writer".into()),
                Ok(read) => writer.unread.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        let (used, acknowledged) = writer.ledger.read(&writer.unread);
        writer.unread.drain(..used);
        if acknowledged > 0 {
            let now = Instant::now();
            writer.gap = writer.gap.max(now - writer.last);
            writer.last = now;
            self.acknowledged += acknowledged;
        }
        self.send(number)
    }

    /// Reads everything back and closes the account.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn account(self) -> Result<Account, String> {
        let mut account = Account {
            gap: self.writers.iter().map(|writer| writer.gap).max().unwrap_or_default(),
            acknowledged: self.acknowledged,
            ..Account::default()
        };
        let mut client = Client::connect(self.address)?;
        for Writer { ledger, .. } in &self.writers {
            ledger.tell(&mut account);
            let promised = ledger.promised();
            for part in promised.chunks(READS) {
                client.send_all(part.iter().map(|(key, _)| format!("GET {key}")))?;
                for (key, expected) in part {
                    let found = match client.reply() {
                        Ok(found) => Some(found),
                        Err(null) if null == "$-1" => None,
                        Err(error) => return Err(format!("GET {key}: {error}")),
                    };
                    if !expected.is(found.as_deref()) {
                        *ledger.wrong(&mut account) += 1;
                        let what = || format!("{key} is {found:?}, not {expected:?}");
                        account.first_error.get_or_insert_with(what);
                    }
                }
            }
        }
        Ok(account)
    }
}
