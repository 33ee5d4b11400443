//! The loop of the shard thread: waits for sockets, the log and the disk, and lets the shell make passes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use env::{Clock, RealClock};
use mio::event::Event;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use model::Now;
use model::time::MS;
use shell::{Port, Ready, Shell, Stop};

use super::figures::Figures;
use super::platform::{Os, Socket};
use super::signals::Signals;
use super::sockets::{self, Accepted};
use super::wake::Wake;

/// Events taken from the operating system at a time.
const EVENTS: usize = 1024;
/// Longest time the loop blocks.
const MAX_WAIT_NS: u64 = 5 * MS;
/// Longest time the loop blocks while the cluster is not formed.
const FORMING_WAIT_NS: u64 = 50 * MS;

const WAKE: Token = Token(0);
const SIGNALS: Token = Token(1);
/// First token of the listeners.
const LISTENERS: usize = 2;

/// A listening socket.
#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    port: Port,
    /// There may be more to accept.
    ready: bool,
}

/// Tells at most once a second that connections cannot be accepted.
#[derive(Debug, Default)]
struct Complaint {
    not_before_ns: u64,
}

impl Complaint {
    fn say(&mut self, error: &io::Error, now: Now) {
        if now.mono_ns >= self.not_before_ns {
            self.not_before_ns = now.mono_ns + 1000 * MS;
            tracing::error!(%error, "cannot accept connections");
        }
    }
}

/// Everything the loop works with.
pub struct EventLoop {
    poll: Poll,
    events: Events,
    wake: Arc<Wake>,
    signals: Signals,
    listeners: Vec<Listener>,
    shell: Shell<Os>,
    figures: Figures,
    complaint: Complaint,
    /// Since when the thread waits, if it does, monotonic ns.
    waits_since_ns: Option<u64>,
}

impl EventLoop {
    /// The parts that need no node yet.
    ///
    /// # Errors
    /// When the operating system has no file descriptor or thread to give.
    pub fn wake_and_poll() -> io::Result<(Poll, Arc<Wake>)> {
        let poll = Poll::new()?;
        let wake = Wake::new(poll.registry(), WAKE)?;
        Ok((poll, wake))
    }

    /// A loop around a shell.
    ///
    /// # Errors
    /// As [`EventLoop::wake_and_poll`].
    pub fn new(
        poll: Poll,
        wake: Arc<Wake>,
        sockets: Vec<(TcpListener, Port)>,
        shell: Shell<Os>,
        figures: Figures,
    ) -> io::Result<EventLoop> {
        let signals = Signals::new(poll.registry(), SIGNALS)?;
        let mut listeners = Vec::new();
        for (number, (mut socket, port)) in sockets.into_iter().enumerate() {
            poll.registry().register(&mut socket, Token(LISTENERS + number), Interest::READABLE)?;
            listeners.push(Listener { socket, port, ready: true });
        }
        let events = Events::with_capacity(EVENTS);
        let complaint = Complaint::default();
        let waits_since_ns = None;
        Ok(EventLoop { poll, events, wake, signals, listeners, shell, figures, complaint, waits_since_ns })
    }

    /// Runs until the node is to end in good order.
    ///
    /// # Errors
    /// Why the node must stop at once: nothing may be sent any more.
    pub fn run(mut self) -> Result<(), Stop> {
        let result = self.passes();
        if let Err(Stop::Failed(why)) = &result {
            self.shell.farewell(why, &RealClock);
        }
        result
    }

    fn passes(&mut self) -> Result<(), Stop> {
        loop {
            self.wait()?;
            self.pass()?;
            if self.shell.ending.is_asked() {
                self.listeners.clear();
            }
            if self.shell.ending.is_over() {
                self.shell.stop();
                return Ok(());
            }
        }
    }

    /// Blocks until there is something to do, and notes what.
    fn wait(&mut self) -> Result<(), String> {
        let now_ns = RealClock.mono_ns();
        let until_pass = self.shell.next_pass_ns().saturating_sub(now_ns);
        let formed = self.shell.node.disks.is_some();
        let wait_ns = match until_pass {
            0 => 0,
            ns if formed => ns.min(MAX_WAIT_NS),
            _ => FORMING_WAIT_NS,
        };
        let wait_ns = if wait_ns == 0 || !self.wake.may_sleep() { 0 } else { wait_ns };
        self.waits_since_ns = (wait_ns > 0).then_some(now_ns);
        match self.poll.poll(&mut self.events, Some(Duration::from_nanos(wait_ns))) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                Err(format!("cannot wait for sockets: {error}"))
            }
            _ => Ok(()),
        }
    }

    /// One pass: what happened goes into the shell, which does the rest.
    fn pass(&mut self) -> Result<(), Stop> {
        let now = self.shell.begin(&RealClock)?;
        if let Some(since_ns) = self.waits_since_ns {
            self.shell.node.core.waited(now.mono_ns.saturating_sub(since_ns));
        }
        for event in &self.events {
            match event.token() {
                WAKE => {}
                SIGNALS => {
                    if self.signals.came() {
                        self.shell.ending.ask("a signal");
                    }
                }
                Token(token) if self.shell.ready(token, ready(event), now) => {}
                Token(at) => {
                    if let Some(listener) = self.listeners.get_mut(at - LISTENERS) {
                        listener.ready = true;
                    }
                }
            }
        }
        let more = self.accept(now);
        self.shell.work(now, more)?;
        self.shell.send(&RealClock)?;
        self.figures.turned(&mut self.shell, now);
        Ok(())
    }

    /// New connections. True if there may be more.
    fn accept(&mut self, now: Now) -> bool {
        let mut more = false;
        for listener in self.listeners.iter_mut().filter(|listener| listener.ready) {
            let accepted = sockets::accept(&listener.socket, |stream, address| {
                self.shell.accepted(listener.port, Socket(stream), address, now);
            });
            match accepted {
                Accepted::All => listener.ready = false,
                Accepted::More => more = true,
                // It stays ready and is tried in every pass, but is no reason for one.
                Accepted::Failed(error) => self.complaint.say(&error, now),
            }
        }
        more
    }
}

fn ready(event: &Event) -> Ready {
    Ready {
        readable: event.is_readable(),
        writable: event.is_writable(),
        closed: event.is_read_closed() || event.is_error(),
    }
}
