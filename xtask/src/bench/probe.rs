//! Four clients with one command at a time beside what is measured: how long they wait before and meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::load::{self, Histogram, Load, Operation, Outcome, Until};

/// Connections, so few that they leave the machine some time.
pub const CONNECTIONS: usize = 4;
/// Length of one look: GET, then SET for as long. Short, so that what takes seconds is seen by both.
const LOOK: Duration = Duration::from_millis(250);

/// The clients.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Connections are spread over these in turn.
    pub targets: Vec<SocketAddr>,
    /// Keys, all of which exist.
    pub keys: u64,
    /// Bytes of a value.
    pub value: usize,
}

/// How long they waited.
#[derive(Debug, Clone, Default)]
pub struct Times {
    /// For a GET.
    pub get: Histogram,
    /// For a SET.
    pub set: Histogram,
    /// Error replies.
    pub errors: u64,
    /// The first of them.
    pub first_error: Option<String>,
}

impl Times {
    /// This quantile of GET and of SET, µs.
    pub fn quantile_us(&self, share: f64) -> [f64; 2] {
        [self.get.quantile_us(share), self.set.quantile_us(share)]
    }

    fn add(&mut self, get: Outcome, set: Outcome) {
        self.get.merge(&get.times);
        self.set.merge(&set.times);
        self.errors += get.errors + set.errors;
        self.first_error = self.first_error.take().or(get.first_error).or(set.first_error);
    }
}

impl Probe {
    /// GET and SET in turn for this long.
    ///
    /// # Errors
    /// A connection breaks.
    pub fn run(&self, time: Duration) -> Result<Times, String> {
        let started = Instant::now();
        self.run_while(|| started.elapsed() < time)
    }

    /// The same in a thread of its own until it is stopped.
    pub fn start(&self) -> Watch {
        let stopped = Arc::new(AtomicBool::new(false));
        let (probe, told) = (self.clone(), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || probe.run_while(|| !told.load(Ordering::Relaxed)));
        Watch { stopped, thread }
    }

    /// One look at least.
    fn run_while(&self, go_on: impl Fn() -> bool) -> Result<Times, String> {
        let mut times = Times::default();
        loop {
            times.add(self.look(Operation::Get)?, self.look(Operation::Set)?);
            if !go_on() {
                return Ok(times);
            }
        }
    }

    fn look(&self, operation: Operation) -> Result<Outcome, String> {
        load::run(&Load {
            targets: self.targets.clone(),
            connections: CONNECTIONS,
            pipeline: 1,
            operation,
            keyspace: 0,
            keys: self.keys,
            value: self.value,
            until: Until::Answered(LOOK),
        })
    }
}

/// Clients at work.
#[derive(Debug)]
pub struct Watch {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<Result<Times, String>>,
}

impl Watch {
    /// They end with the look they are at.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether they have ended.
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Stops them and waits for them.
    ///
    /// # Errors
    /// A connection broke.
    pub fn times(self) -> Result<Times, String> {
        self.stop();
        self.thread.join().map_err(|_| "the clients broke")?
    }
}
