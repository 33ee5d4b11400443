//! One process of the cluster: a pass takes in what happened, lets the core make a turn, and sends.

use env::{Clock, Disk, Rng};
use model::Now;
use model::time::MS;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::clients::Clients;
use crate::ending::Ending;
use crate::links::{Around, Links};
use crate::node::Node;
use crate::platform::{Disks, Platform, Ready};
use crate::setup::Setup;

/// Bytes read from a connection at a time, at most.
pub const MAX_READ_BYTES: usize = 256 * 1024;
/// How often links, calls and the end are looked after.
pub const UPKEEP_NS: u64 = 5 * MS;
/// Turns of a pass: what is written during one is answered by the next.
const MAX_TURNS: u32 = 4;
/// First token of links, and of clients. Smaller ones are the platform's.
const LINKS: usize = 1 << 20;
const CLIENTS: usize = 1 << 32;

/// Who a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Redis clients.
    Redis,
    /// Redis clients that speak Redis Cluster.
    Cluster,
    /// Other nodes.
    Peer,
}

/// Why a node stops at once.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// Everything of a process but its operating system.
pub struct Shell<P: Platform> {
    /// The operating system.
    pub platform: P,
    /// The node.
    pub node: Node<P::Disks>,
    /// The end in good order.
    pub ending: Ending,
    clients: Clients<P::Stream>,
    links: Links<P>,
    buf: Vec<u8>,
    next_upkeep_ns: u64,
    /// Something is left to be done: the next pass must not wait.
    more: bool,
}

impl<P: Platform> Shell<P> {
    /// Opens the data folder and, if the cluster is formed, brings the data back.
    ///
    /// # Errors
    /// In words for a person: the node must not start.
    pub fn open(
        setup: Setup,
        disk: Arc<dyn Disk>,
        rng: Rng,
        platform: P,
        clock: &dyn Clock,
    ) -> Result<Shell<P>, String> {
        let now = time(clock);
        let mut shell = Shell {
            platform,
            node: Node::open(setup, disk, rng, now)?,
            ending: Ending::default(),
            clients: Clients::new(CLIENTS),
            links: Links::new(LINKS),
            buf: vec![0; P::READ_BYTES],
            next_upkeep_ns: 0,
            more: true,
        };
        shell.node.form(&mut shell.platform, clock, now)?;
        Ok(shell)
    }

    /// Monotonic ns until when the next pass may wait if nothing happens.
    pub fn next_pass_ns(&self) -> u64 {
        if self.more {
            return 0;
        }
        let upkeep = self.next_upkeep_ns;
        let core = &self.node.core;
        if self.node.disks.is_none() {
            return upkeep;
        }
        let batch = core.batch_due_ns().unwrap_or(u64::MAX);
        upkeep.min(core.next_tick_ns()).min(core.next_frame_ns()).min(batch)
    }

    /// Begins a pass: the time, and what the disks have done.
    ///
    /// # Errors
    /// The log has failed.
    pub fn begin(&mut self, clock: &dyn Clock) -> Result<Now, Stop> {
        let now = time(clock);
        self.node.core.set_now(now);
        if let Some(disks) = &mut self.node.disks {
            disks.done(&mut self.node.core)?;
        }
        Ok(now)
    }

    /// Something became possible on a connection. False if the token is none of the shell's.
    pub fn ready(&mut self, token: usize, ready: Ready, now: Now) -> bool {
        match token {
            CLIENTS.. => self.clients.event(token, ready),
            LINKS.. => self.links.event(token, ready, &mut around(&mut self.node, &mut self.platform, now)),
            _ => return false,
        }
        true
    }

    /// Somebody has connected to a port of this node.
    pub fn accepted(&mut self, port: Port, stream: P::Stream, address: SocketAddr, now: Now) {
        match port {
            Port::Redis | Port::Cluster => {
                self.clients.accepted(port, stream, address, &mut self.platform, &mut self.node.core);
            }
            Port::Peer => {
                self.links.accepted(stream, address, &mut around(&mut self.node, &mut self.platform, now));
            }
        }
    }

    /// The middle of a pass: other nodes, clients, the turn, and its work for the disks. `more`: the
    /// platform has something left for the next pass.
    ///
    /// # Errors
    /// Why the node must stop at once: nothing may be sent any more.
    pub fn work(&mut self, now: Now, more: bool) -> Result<(), Stop> {
        self.more = more;
        let mut around = around(&mut self.node, &mut self.platform, now);
        self.more |= self.links.read(&mut self.buf, &mut around);
        if !self.node.disks.as_ref().is_some_and(Disks::is_full) {
            self.more |= self.clients.read(&mut self.node.core, &mut self.buf);
        }
        for turns in 1.. {
            self.node.core.turn(now);
            self.check()?;
            let Some(disks) = &mut self.node.disks else { break };
            if !disks.hand_over(&mut self.node.core)? {
                break;
            }
            if turns == MAX_TURNS {
                self.more = true;
                break;
            }
        }
        Ok(())
    }

    /// Ends a pass: what the turn left is sent. The clock is read anew, because the lease is judged by
    /// it and everything before took time.
    ///
    /// # Errors
    /// As [`Shell::work`].
    pub fn send(&mut self, clock: &dyn Clock) -> Result<(), Stop> {
        let now = time(clock);
        self.node.core.flush(now);
        self.check()?;
        self.send_all(now);
        if now.mono_ns >= self.next_upkeep_ns {
            self.next_upkeep_ns = now.mono_ns + UPKEEP_NS;
            self.upkeep(clock, now)?;
        }
        self.more |= std::mem::take(&mut self.node.core.outbox.again);
        match self.node.membership.ends() {
            Some(why) => Err(Stop::Refused(why)),
            None => Ok(()),
        }
    }

    /// Ends the node after its end in good order is over.
    pub fn stop(&mut self) {
        if let Some(disks) = self.node.disks.take() {
            disks.stop();
        }
    }

    /// The node stops at once because of `why`. Other nodes are told, as far as their connections take it
    /// without waiting; nothing else is sent, and nobody is acknowledged anything any more.
    pub fn farewell(&mut self, why: &str, clock: &dyn Clock) {
        self.node.core.farewell(why);
        self.links.write(&mut around(&mut self.node, &mut self.platform, time(clock)));
    }

    /// Frames to other nodes, then replies to clients.
    fn send_all(&mut self, now: Now) {
        let mut around = around(&mut self.node, &mut self.platform, now);
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
    fn check(&mut self) -> Result<(), Stop> {
        if let Some(why) = self.node.core.outbox.refused.take() {
            self.node.membership.outdated(&why);
            return Err(Stop::Refused(why));
        }
        if let Some(why) = self.node.core.outbox.too_old.take() {
            return Err(Stop::Refused(why));
        }
        if let Some(why) = self.node.core.outbox.fatal.take() {
            return Err(Stop::Failed(why));
        }
        match self.node.membership.failed() {
            Some(error) => Err(Stop::Failed(error.to_string())),
            None => Ok(()),
        }
    }

    /// What has time until the next tick.
    fn upkeep(&mut self, clock: &dyn Clock, now: Now) -> Result<(), String> {
        if self.links.take_joined() {
            // The core was made before the node had an id. Clients connect again.
            self.clients.close_all(&mut self.node.core);
            self.node.new_core(now);
            self.links.announce(&mut self.node.core);
        }
        if self.node.form(&mut self.platform, clock, now)? {
            self.links.tell_formation(&mut around(&mut self.node, &mut self.platform, now));
        }
        if let Some(disks) = &mut self.node.disks {
            self.node.core.set_disk(disks.state(now.mono_ns));
            self.node.log_way.follow(&self.node.core, disks);
        }
        self.call_nodes(now);
        self.links.expire(&mut around(&mut self.node, &mut self.platform, now));
        if std::mem::take(&mut self.node.core.outbox.shutdown) {
            self.ending.ask("SHUTDOWN");
        }
        self.ending.drive(&mut self.node, self.links.count_up(), now);
        Ok(())
    }

    /// Calls nodes without a connection.
    fn call_nodes(&mut self, now: Now) {
        let links = &mut self.links;
        while let Some((number, found)) = self.platform.resolved() {
            let mut around = around(&mut self.node, &mut self.platform, now);
            match found {
                Some(address) => links.dial(number, address, &mut around),
                None => drop(around.dialer.failed(number, now.mono_ns, false, "the name has no address")),
            }
        }
        while let Some(number) = self.node.dialer.next(now.mono_ns, |node| links.is_up(node)) {
            let mut around = around(&mut self.node, &mut self.platform, now);
            match around.dialer.address(number).parse() {
                Ok(address) => links.dial(number, address, &mut around),
                Err(_) if around.platform.resolve(number, around.dialer.address(number)) => {}
                Err(_) => drop(around.dialer.failed(number, now.mono_ns, false, "too many names to look up")),
            }
        }
    }
}

fn around<'a, P: Platform>(node: &'a mut Node<P::Disks>, platform: &'a mut P, now: Now) -> Around<'a, P> {
    let Node { core, membership, dialer, .. } = node;
    Around { core, membership, dialer, platform, now_ns: now.mono_ns }
}

/// The time of a clock.
fn time(clock: &dyn Clock) -> Now {
    Now { mono_ns: clock.mono_ns(), wall_ms: clock.wall_ms() }
}
