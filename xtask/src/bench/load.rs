//! The load generator: one thread, non-blocking sockets, closed loop. It costs as little as it can, so
//! that on a small machine the measured processes get the rest.

mod connection;
mod etcd;
mod histogram;
mod resp;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use connection::Connection;
pub use histogram::Histogram;

/// Bytes of one shared read buffer.
const READ_BUFFER: usize = 256 * 1024;
/// A load that writes fewer keys in a second is given up, after ten minutes at the earliest.
const SLOWEST: u64 = 5000;
/// Longest wait for answers when nothing is sent any more.
const LAST_ANSWERS: Duration = Duration::from_secs(60);
/// Events taken from one poll.
const EVENTS: usize = 256;

/// What one operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `SET key value`.
    Set,
    /// `SET key value` and `WAIT 1 1000`, sent together; done when both are answered and WAIT says 1.
    SetWait,
    /// `GET key`.
    Get,
    /// `ZRANK zset key`.
    Rank,
    /// `ZRANGE zset n n`, where key n stands.
    AtRank,
    /// Put over etcd's gRPC interface.
    EtcdPut,
}

/// What to send, where, and for how long.
#[derive(Debug, Clone)]
pub struct Load {
    /// Connections are spread over these in turn.
    pub targets: Vec<SocketAddr>,
    /// Number of connections.
    pub connections: usize,
    /// Operations sent together by a connection.
    pub pipeline: usize,
    /// What an operation is.
    pub operation: Operation,
    /// `SELECT` sent first on every connection.
    pub keyspace: u16,
    /// Keys are drawn uniformly from this many.
    pub keys: u64,
    /// Bytes of a value.
    pub value: usize,
    /// When it ends.
    pub until: Until,
}

/// When a load ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// After this time; what is outstanding then counts for nothing.
    Elapsed(Duration),
    /// Nothing is sent after this time, and everything sent was answered: long waits count as well.
    Answered(Duration),
    /// After every key was used once, in order: for filling.
    EveryKeyOnce,
}

/// What came out.
#[derive(Debug)]
pub struct Outcome {
    /// Operations that were answered.
    pub operations: u64,
    /// From the first send to the last counted answer.
    pub elapsed: Duration,
    /// Times of batches (a single operation without pipelining).
    pub times: Histogram,
    /// Error replies.
    pub errors: u64,
    /// The first of them.
    pub first_error: Option<String>,
}

impl Outcome {
    /// Operations per second.
    pub fn rate(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// How keys are chosen.
#[derive(Debug)]
pub enum Keys {
    /// Uniformly, from a small generator whose seed is the number of the run in this process: what one run has
    /// read is no sample of the next.
    Random {
        /// State of the generator.
        state: u64,
        /// Number of keys.
        count: u64,
    },
    /// 0, 1, 2, … up to the end.
    Sequence {
        /// The next one.
        next: u64,
        /// The end.
        end: u64,
    },
}

/// Runs so far.
static RUNS: AtomicU64 = AtomicU64::new(1);

impl Keys {
    fn random(run: u64, count: u64) -> Keys {
        // The generator stands still at 0, which an odd factor makes of no run but the 0th.
        Keys::Random { state: run.wrapping_mul(0x9e37_79b9_7f4a_7c15), count }
    }

    /// The next key, `None` after the last one of a sequence.
    pub fn next(&mut self) -> Option<u64> {
        match self {
            Keys::Random { state, count } => {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                Some(*state % *count)
            }
            Keys::Sequence { next, end } => {
                let key = *next;
                *next += 1;
                (key < *end).then_some(key)
            }
        }
    }
}

/// Runs the load to its end.
///
/// # Errors
/// A connection cannot be made, breaks, or brings something that is no reply.
pub fn run(load: &Load) -> Result<Outcome, String> {
    let mut generator = Generator::connect(load)?;
    generator.drive(load)?;
    Ok(generator.outcome)
}

struct Generator {
    poll: Poll,
    connections: Vec<Connection>,
    keys: Keys,
    outcome: Outcome,
    busy: usize,
    /// Nothing is sent from here on.
    last_send: Option<Instant>,
}

impl Generator {
    fn connect(load: &Load) -> Result<Generator, String> {
        let poll = Poll::new().map_err(|e| e.to_string())?;
        let mut connections = Vec::new();
        for number in 0..load.connections {
            let target = load.targets[number % load.targets.len()];
            let mut connection = Connection::open(target, load).map_err(|e| format!("{target}: {e}"))?;
            poll.registry()
                .register(&mut connection.stream, Token(number), Interest::READABLE | Interest::WRITABLE)
                .map_err(|e| e.to_string())?;
            connections.push(connection);
        }
        let keys = match load.until {
            Until::Elapsed(_) | Until::Answered(_) => {
                Keys::random(RUNS.fetch_add(1, Ordering::Relaxed), load.keys)
            }
            Until::EveryKeyOnce => Keys::Sequence { next: 0, end: load.keys },
        };
        let outcome = Outcome {
            operations: 0,
            elapsed: Duration::ZERO,
            times: Histogram::default(),
            errors: 0,
            first_error: None,
        };
        Ok(Generator { poll, connections, keys, outcome, busy: 0, last_send: None })
    }

    fn drive(&mut self, load: &Load) -> Result<(), String> {
        let started = Instant::now();
        for number in 0..self.connections.len() {
            self.send(number, started)?;
        }
        let limit = match load.until {
            Until::Elapsed(time) => time,
            Until::Answered(time) => {
                self.last_send = Some(started + time);
                time + LAST_ANSWERS
            }
            Until::EveryKeyOnce => Duration::from_secs(600 + load.keys / SLOWEST),
        };
        let mut events = Events::with_capacity(EVENTS);
        let mut buffer = vec![0u8; READ_BUFFER];
        while self.busy > 0 {
            let elapsed = started.elapsed();
            if elapsed >= limit {
                if self.last_send.is_some() {
                    return Err(format!("{} connections without an answer for {LAST_ANSWERS:?}", self.busy));
                }
                break;
            }
            match self.poll.poll(&mut events, Some(limit - elapsed)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.to_string()),
                _ => {}
            }
            for event in &events {
                let number = event.token().0;
                if event.is_writable() {
                    self.connections[number].flush().map_err(|e| e.to_string())?;
                }
                if event.is_readable() || event.is_read_closed() {
                    self.receive(number, &mut buffer)?;
                }
            }
            self.outcome.elapsed = started.elapsed();
        }
        Ok(())
    }

    fn send(&mut self, number: usize, now: Instant) -> Result<(), String> {
        let connection = &mut self.connections[number];
        if connection.send(&mut self.keys, now).map_err(|e| e.to_string())? {
            self.busy += 1;
        }
        Ok(())
    }

    fn receive(&mut self, number: usize, buffer: &mut [u8]) -> Result<(), String> {
        let connection = &mut self.connections[number];
        let done = connection.receive(buffer, &mut self.outcome)?;
        if let Some((operations, sent)) = done {
            let now = Instant::now();
            self.outcome.operations += operations;
            self.outcome.times.add(now - sent);
            self.busy -= 1;
            if self.last_send.is_none_or(|last| now < last) {
                self.send(number, now)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// Operations that count of a load that ends at once, where the answer comes later.
    fn counted(until: Until) -> u64 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let load = Load {
            targets: vec![listener.local_addr().expect("bound")],
            connections: 1,
            pipeline: 1,
            operation: Operation::Get,
            keyspace: 0,
            keys: 1,
            value: 1,
            until,
        };
        let node = std::thread::spawn(move || {
            let mut stream = listener.accept().expect("a client").0;
            let read = stream.read(&mut [0; 64]).expect("a request");
            assert!(read > 0);
            // The client may be gone already.
            let _ = stream.write_all(b"$-1\r\n");
        });
        let outcome = run(&load).expect("a load");
        node.join().expect("the request has come");
        outcome.operations
    }

    #[test]
    fn what_is_outstanding_at_the_end_is_waited_for_or_not() {
        assert_eq!(counted(Until::Answered(Duration::ZERO)), 1);
        assert_eq!(counted(Until::Elapsed(Duration::ZERO)), 0);
    }

    #[test]
    fn runs_draw_different_keys_in_their_range() {
        let draw = |run| {
            let mut keys = Keys::random(run, 1000);
            (0..100).map(|_| keys.next().expect("endless")).collect::<Vec<_>>()
        };
        assert_ne!(draw(1), draw(2));
        assert!(draw(1).iter().chain(&draw(2)).all(|key| *key < 1000));
    }
}
