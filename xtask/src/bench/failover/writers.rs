//! Writers that keep account: many connections to one node, one write outstanding on each.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::super::client::Client;

/// Enough that every shard has writers.
pub const CONNECTIONS: usize = 64;
/// Longest wait for the last outstanding replies; above the quorum timeout.
const LAST_REPLIES: Duration = Duration::from_secs(15);

/// What the writers were promised, and what of it holds.
#[derive(Debug, Default)]
pub struct Account {
    /// Longest time between two acknowledged writes of one connection.
    pub gap: Duration,
    /// Acknowledged writes.
    pub acknowledged: u64,
    /// Acknowledged SETs that are not there.
    pub lost: u64,
    /// INCR replies that are not one more than the one before.
    pub miscounted: u64,
    /// Error replies and broken connections.
    pub errors: u64,
    /// The first of them.
    pub first_error: Option<String>,
}

#[derive(Debug)]
struct Writer {
    stream: TcpStream,
    counts: bool,
    /// Writes sent so far; the last one is outstanding while `waiting`.
    sent: u64,
    waiting: bool,
    /// Writes that were answered with an error: nothing was promised.
    refused: Vec<u64>,
    last: Instant,
    gap: Duration,
    reply: Vec<u8>,
}

/// All writers of one fault.
#[derive(Debug)]
pub struct Writers {
    poll: Poll,
    writers: Vec<Writer>,
    account: Account,
    address: SocketAddr,
    name: String,
    stopping: bool,
}

impl Writers {
    /// Connects to the surviving node; `name` makes the keys unique.
    ///
    /// # Errors
    /// It does not accept.
    pub fn connect(address: SocketAddr, name: &str) -> Result<Writers, String> {
        let poll = Poll::new().map_err(|e| e.to_string())?;
        let mut writers = Vec::new();
        for number in 0..CONNECTIONS {
            let stream = std::net::TcpStream::connect(address).map_err(|e| e.to_string())?;
            stream
                .set_nodelay(true)
                .and_then(|()| stream.set_nonblocking(true))
                .map_err(|e| e.to_string())?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry()
                .register(&mut stream, Token(number), Interest::READABLE)
                .map_err(|e| e.to_string())?;
            writers.push(Writer {
                stream,
                counts: number % 2 == 0,
                sent: 0,
                waiting: false,
                refused: Vec::new(),
                last: Instant::now(),
                gap: Duration::ZERO,
                reply: Vec::new(),
            });
        }
        let account = Account::default();
        Ok(Writers { poll, writers, account, address, name: name.into(), stopping: false })
    }

    /// Writes for this long.
    ///
    /// # Errors
    /// The surviving node closes a connection.
    pub fn run(&mut self, time: Duration) -> Result<(), String> {
        let started = Instant::now();
        let mut events = Events::with_capacity(CONNECTIONS);
        for number in 0..CONNECTIONS {
            self.send(number)?;
        }
        while started.elapsed() < time && self.writers.iter().any(|writer| writer.waiting) {
            let left = time.saturating_sub(started.elapsed());
            match self.poll.poll(&mut events, Some(left)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.to_string()),
                _ => {}
            }
            for event in &events {
                self.receive(event.token().0)?;
            }
        }
        Ok(())
    }

    /// Only gaps after this count: the gap of a fault spans from the last write acknowledged before it.
    pub fn forget_gaps(&mut self) {
        self.writers.iter_mut().for_each(|writer| writer.gap = Duration::ZERO);
    }

    /// Takes the outstanding replies and sends nothing more.
    ///
    /// # Errors
    /// As [`Writers::run`].
    pub fn finish(&mut self) -> Result<(), String> {
        // A gap that is still open counts as far as it has come.
        let now = Instant::now();
        for writer in self.writers.iter_mut().filter(|writer| writer.waiting) {
            writer.gap = writer.gap.max(now - writer.last);
        }
        self.stopping = true;
        self.run(LAST_REPLIES)
    }

    fn key(&self, number: usize) -> String {
        format!("{}:{number}", self.name)
    }

    fn send(&mut self, number: usize) -> Result<(), String> {
        let key = self.key(number);
        let writer = &mut self.writers[number];
        if writer.waiting || self.stopping {
            return Ok(());
        }
        writer.sent += 1;
        let request = if writer.counts {
            format!("INCR {key}\r\n")
        } else {
            format!("SET {key}:{} {}\r\n", writer.sent, writer.sent)
        };
        // A few bytes on a connection without anything outstanding always fit.
        writer.stream.write_all(request.as_bytes()).map_err(|e| e.to_string())?;
        writer.waiting = true;
        Ok(())
    }

    fn receive(&mut self, number: usize) -> Result<(), String> {
        let mut buffer = [0u8; 512];
        let writer = &mut self.writers[number];
        match writer.stream.read(&mut buffer) {
            Ok(0) => return Err("the surviving node closed a connection".into()),
            Ok(read) => writer.reply.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
        if !writer.reply.ends_with(b"\r\n") {
            return Ok(());
        }
        let reply = String::from_utf8_lossy(&std::mem::take(&mut writer.reply)).trim_end().to_string();
        writer.waiting = false;
        if reply.starts_with('-') {
            self.account.errors += 1;
            writer.refused.push(writer.sent);
            self.account.first_error.get_or_insert(reply);
        } else {
            let now = Instant::now();
            writer.gap = writer.gap.max(now - writer.last);
            writer.last = now;
            self.account.acknowledged += 1;
            // Behind an error the count is unknown: what was refused may have been done.
            if writer.counts && writer.refused.is_empty() && reply != format!(":{}", writer.sent) {
                self.account.miscounted += 1;
                self.account.first_error.get_or_insert(format!("INCR {} answered {reply}", writer.sent));
            }
        }
        self.send(number)
    }

    /// Reads everything back and closes the account.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn account(mut self) -> Result<Account, String> {
        let mut client = Client::connect(self.address)?;
        for number in 0..CONNECTIONS {
            let (key, writer) = (self.key(number), &self.writers[number]);
            if writer.counts {
                continue;
            }
            let promised = writer.sent - u64::from(writer.waiting);
            // Some at a time, so that neither side's socket buffer fills up.
            let all: Vec<u64> = (1..=promised).filter(|turn| !writer.refused.contains(turn)).collect();
            for part in all.chunks(100) {
                for turn in part {
                    client.send(&format!("GET {key}:{turn}"))?;
                }
                for turn in part {
                    self.account.lost += u64::from(client.reply().ok() != Some(turn.to_string()));
                }
            }
        }
        self.account.gap = self.writers.iter().map(|writer| writer.gap).max().unwrap_or_default();
        Ok(self.account)
    }
}
