//! The loop of the shard thread: waits for sockets, the log and the disk, and lets the core make turns.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use env::{Clock, RealClock};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Registry, Token};
use model::Now;
use model::time::MS;
use node::Core;

use super::clients::Clients;
use super::disks::Disks;
use super::ending::Ending;
use super::links::{Around, Links};
use super::node::Node;
use super::resolver::Resolver;
use super::signals::Signals;
use super::sockets::Accepted;
use super::wake::Wake;

/// Events taken from the operating system at a time.
const EVENTS: usize = 1024;
/// Longest time the loop blocks.
const MAX_WAIT_NS: u64 = 5 * MS;
/// Longest time the loop blocks while the cluster is not formed.
const FORMING_WAIT_NS: u64 = 50 * MS;
/// How often links, calls and the end are looked after.
const UPKEEP_NS: u64 = 5 * MS;

const WAKE: Token = Token(0);
const SIGNALS: Token = Token(1);
/// First token of the listeners, of links, and of clients.
const LISTENERS: usize = 2;
const LINKS: usize = 1 << 20;
const CLIENTS: usize = 1 << 32;

/// Who a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Redis clients.
    Redis,
    /// Other nodes.
    Peer,
}

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

/// Why a node stops at once.
#[derive(Debug)]
pub enum Stop {
    /// It can not go on.
    Failed(String),
    /// It is not let in, or must not take part: a person has to change something first.
    Refused(String),
}

impl From<String> for Stop {
    fn from(why: String) -> Stop {
        Stop::Failed(why)
    }
}

/// Everything the loop works with.
pub struct EventLoop {
    poll: Poll,
    events: Events,
    wake: Arc<Wake>,
    signals: Signals,
    listeners: Vec<Listener>,
    clients: Clients,
    links: Links,
    resolver: Resolver,
    node: Node,
    ending: Ending,
    complaint: Complaint,
    buf: Vec<u8>,
    next_upkeep_ns: u64,
    /// Something is left to be done: the next pass must not wait.
    more: bool,
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

    /// A loop around a node.
    ///
    /// # Errors
    /// As [`EventLoop::wake_and_poll`].
    pub fn new(
        poll: Poll,
        wake: Arc<Wake>,
        sockets: Vec<(TcpListener, Port)>,
        node: Node,
    ) -> io::Result<EventLoop> {
        let signals = Signals::new(poll.registry(), SIGNALS)?;
        let mut listeners = Vec::new();
        for (number, (mut socket, port)) in sockets.into_iter().enumerate() {
            poll.registry().register(&mut socket, Token(LISTENERS + number), Interest::READABLE)?;
            listeners.push(Listener { socket, port, ready: true });
        }
        Ok(EventLoop {
            poll,
            events: Events::with_capacity(EVENTS),
            resolver: Resolver::start(Arc::clone(&wake))?,
            wake,
            signals,
            listeners,
            clients: Clients::new(CLIENTS, node.keepalive_s()),
            links: Links::new(LINKS),
            node,
            ending: Ending::default(),
            complaint: Complaint::default(),
            buf: vec![0; super::READ_BYTES],
            next_upkeep_ns: 0,
            more: true,
        })
    }

    /// Runs until the node is to end in good order.
    ///
    /// # Errors
    /// Why the node must stop at once: nothing may be sent any more.
    pub fn run(mut self) -> Result<(), Stop> {
        loop {
            self.wait()?;
            self.pass()?;
            if let Some(why) = self.node.membership.ends() {
                return Err(Stop::Refused(why));
            }
            if self.ending.is_over() {
                if let Some(disks) = self.node.disks.take() {
                    disks.stop();
                }
                return Ok(());
            }
        }
    }

    /// Blocks until there is something to do, and notes what.
    fn wait(&mut self) -> Result<(), String> {
        let now_ns = RealClock.mono_ns();
        let until_tick = self.node.core.next_tick_ns().saturating_sub(now_ns).min(MAX_WAIT_NS);
        let wait_ns = if self.node.disks.is_some() { until_tick } else { FORMING_WAIT_NS };
        let wait_ns = if self.more || !self.wake.may_sleep() { 0 } else { wait_ns };
        match self.poll.poll(&mut self.events, Some(Duration::from_nanos(wait_ns))) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(format!("cannot wait for sockets: {error}"));
            }
            _ => {}
        }
        Ok(())
    }

    /// One pass: completions, other nodes, clients, the turn, and what it leaves to be sent.
    fn pass(&mut self) -> Result<(), String> {
        let now = now();
        self.node.core.set_now(now);
        self.completions()?;
        self.sort_events(now);
        self.more = self.accept(now);
        let mut around = around(&mut self.node, self.poll.registry(), now);
        self.more |= self.links.read(&mut self.buf, &mut around);
        if !self.node.disks.as_ref().is_some_and(Disks::is_full) {
            self.more |= self.clients.read(&mut self.node.core, &mut self.buf);
        }
        self.node.core.turn(now);
        self.node.turned(now);
        self.check()?;
        if let Some(disks) = &mut self.node.disks {
            disks.hand_over(&mut self.node.core)?;
        }
        // Fresh, because the lease is judged by it: everything above took time.
        let now = fresh(&mut self.node.core);
        self.check()?;
        self.send(now);
        if now.mono_ns >= self.next_upkeep_ns {
            self.next_upkeep_ns = now.mono_ns + UPKEEP_NS;
            self.upkeep(now)?;
        }
        self.more |= std::mem::take(&mut self.node.core.outbox.again);
        Ok(())
    }

    /// What the log and the disk pool have done.
    fn completions(&mut self) -> Result<(), String> {
        if !self.wake.awake() {
            return Ok(());
        }
        if let Some(why) = self.wake.log_failed() {
            return Err(format!("the log has failed: {why}"));
        }
        if let Some(disks) = &self.node.disks {
            self.node.core.log_done(self.wake.synced());
            disks.jobs_done(&mut self.node.core);
        }
        Ok(())
    }

    /// Hands every event to its socket.
    fn sort_events(&mut self, now: Now) {
        let registry = self.poll.registry();
        for event in &self.events {
            match event.token() {
                WAKE => {}
                SIGNALS => {
                    if self.signals.came() {
                        self.ending.ask("a signal");
                    }
                }
                Token(CLIENTS..) => self.clients.event(event),
                Token(LINKS..) => self.links.event(event, &mut around(&mut self.node, registry, now)),
                Token(at) => {
                    if let Some(listener) = self.listeners.get_mut(at - LISTENERS) {
                        listener.ready = true;
                    }
                }
            }
        }
    }

    /// New connections. True if there may be more.
    fn accept(&mut self, now: Now) -> bool {
        let registry = self.poll.registry();
        let mut more = false;
        for listener in self.listeners.iter_mut().filter(|listener| listener.ready) {
            let accepted = match listener.port {
                Port::Redis => self.clients.accept(&listener.socket, registry, &mut self.node.core),
                Port::Peer => self.links.accept(&listener.socket, &mut around(&mut self.node, registry, now)),
            };
            match accepted {
                Accepted::All => listener.ready = false,
                Accepted::More => more = true,
                // It stays ready and is tried in every pass, but is no reason for one.
                Accepted::Failed(error) => self.complaint.say(&error, now),
            }
        }
        more
    }

    /// Frames to other nodes, then replies to clients.
    fn send(&mut self, now: Now) {
        let mut around = around(&mut self.node, self.poll.registry(), now);
        while let Some(node) = around.core.outbox.hang_up.pop() {
            self.links.hang_up(node, "its answers could be wrong", &mut around);
        }
        self.links.write(&mut around);
        let mut ids = std::mem::take(&mut self.node.core.outbox.conns);
        self.clients.write(&mut self.node.core, &mut ids);
        if self.node.core.outbox.conns.is_empty() {
            // The buffer goes back, so that no pass allocates.
            self.node.core.outbox.conns = ids;
        }
    }

    /// The core or the data folder says that the node must stop.
    fn check(&mut self) -> Result<(), String> {
        if let Some(why) = self.node.core.outbox.fatal.take() {
            return Err(why);
        }
        match self.node.membership.failed() {
            Some(error) => Err(error.to_string()),
            None => Ok(()),
        }
    }

    /// What has time until the next tick.
    fn upkeep(&mut self, now: Now) -> Result<(), String> {
        if self.links.take_joined() {
            // The core was made before the node had an id. Clients connect again.
            self.clients.close_all(&mut self.node.core);
            self.node.new_core(now);
            self.links.announce(&mut self.node.core);
        }
        if self.node.form(&self.wake, now)? {
            self.links.tell_formation(&mut around(&mut self.node, self.poll.registry(), now));
        }
        if let Some(disks) = &self.node.disks {
            let log = disks.log_status();
            self.node.core.set_log_full(log.reserve_low() && log.reserve_error().is_some());
        }
        self.call_nodes(now);
        self.links.expire(&mut around(&mut self.node, self.poll.registry(), now));
        self.node.measure(now);
        if std::mem::take(&mut self.node.core.outbox.shutdown) {
            self.ending.ask("SHUTDOWN");
        }
        if self.ending.is_asked() && !self.listeners.is_empty() {
            self.listeners.clear();
        }
        self.ending.drive(&mut self.node, self.links.count_up(), self.wake.synced(), now);
        Ok(())
    }

    /// Calls nodes without a connection.
    fn call_nodes(&mut self, now: Now) {
        let registry = self.poll.registry();
        let links = &mut self.links;
        while let Some((number, found)) = self.resolver.answer() {
            let mut around = around(&mut self.node, registry, now);
            match found {
                Some(address) => links.dial(number, address, &mut around),
                None => drop(around.dialer.failed(number, now.mono_ns, false, "the name has no address")),
            }
        }
        while let Some(number) = self.node.dialer.next(now.mono_ns, |node| links.is_up(node)) {
            let mut around = around(&mut self.node, registry, now);
            match around.dialer.address(number).parse() {
                Ok(address) => links.dial(number, address, &mut around),
                Err(_) if self.resolver.ask(number, around.dialer.address(number)) => {}
                Err(_) => drop(around.dialer.failed(number, now.mono_ns, false, "too many names to look up")),
            }
        }
    }
}

fn around<'a>(node: &'a mut Node, registry: &'a Registry, now: Now) -> Around<'a> {
    let Node { core, membership, dialer, .. } = node;
    Around { core, membership, dialer, registry, now_ns: now.mono_ns }
}

/// The time.
pub fn now() -> Now {
    Now { mono_ns: RealClock.mono_ns(), wall_ms: RealClock.wall_ms() }
}

/// The core's last check before anything is sent. Answers the time of it.
fn fresh(core: &mut Core) -> Now {
    let now = now();
    core.flush(now);
    now
}
