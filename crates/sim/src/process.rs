//! A node of the world: its machine with disk and clocks, and the process on it, if one runs.

use crate::disks::Pace;
use crate::net::{GRAIN_NS, Happening, Incoming, Network, Owner};
use crate::platform::SimPlatform;
use crate::time::{MachineClock, Reading, S, Time, US};
use cluster::{Addresses, Secret, ZoneRole};
use env::{Disk, MemDisk, Rng};
use model::{GroupId, Now};
use node::losses::account::Account;
use node::{CollectionLimits, Core, Settings};
use shell::recover::Timing;
use shell::{Disks, LogMode, Port, Setup, Shell, Stop};
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use storage::rows::memory::MemoryStores;

/// A pass takes this long, ns.
const PASS_NS: u64 = 15 * US;
/// Where a node has its data.
pub const FOLDER: &str = "/data";
/// Its further data folder, in worlds with two.
pub const FURTHER: &str = "/further";
/// The learner zone.
pub const FAR: &str = "far";
/// Bytes of a log segment: small, so that segments change often.
pub const SEGMENT_BYTES: u64 = 256 << 10;
/// Bytes of a log segment in worlds where an entry may have a whole chunk.
pub const LARGE_SEGMENT_BYTES: u64 = 2 << 20;
/// Between the end of a scrub and the next one, ms, where replicas are compared all the time.
const SCRUB_INTERVAL_MS: u64 = 700;
/// Log that is filled before shards are checkpointed.
pub const LOG_SHARE: u64 = 192 << 10;

/// What a cluster starts with.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Nodes, all of them with a replica of each shard at first.
    pub nodes: u64,
    /// Nodes that join later; their machines are those after the first ones.
    pub spares: u64,
    /// The first node that is a witness, 0 = none is.
    pub witness: u64,
    /// These are of a learner zone.
    pub learners: bool,
    /// A node that is not heard from for so long is given up, ms, 0 = never.
    pub replace_after_ms: u64,
    /// Groups whose members change at the same time, at most.
    pub max_moves: usize,
    /// Shards.
    pub shards: u16,
    /// Bytes of memory for rows on each node, 0 = no limit.
    pub max_memory: u64,
    /// How large small collections are.
    pub small: Small,
    /// Replicas are compared all the time.
    pub compares: bool,
    /// Values may have whole chunks, and the log segments in which they fit.
    pub whole_chunks: bool,
    /// Each node has two data folders.
    pub further: bool,
}

impl Default for Shape {
    fn default() -> Shape {
        let Settings { replace_after_ms, max_moves, max_memory, .. } = Settings::default();
        Shape {
            nodes: 3,
            spares: 0,
            witness: 0,
            learners: false,
            replace_after_ms,
            max_moves,
            shards: 1,
            max_memory,
            small: Small::Usual,
            compares: false,
            whole_chunks: false,
            further: false,
        }
    }
}

impl Shape {
    /// Bytes of a log segment.
    pub fn segment_bytes(&self) -> u64 {
        if self.whole_chunks { LARGE_SEGMENT_BYTES } else { SEGMENT_BYTES }
    }
}

/// How large collections may be before their elements get an index: nodes need not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Small {
    /// As in a new configuration.
    Usual,
    /// A few elements, on all nodes.
    Few,
    /// A few elements on every second node.
    Differs,
}

impl Small {
    /// All kinds.
    pub const ALL: [Small; 3] = [Small::Usual, Small::Few, Small::Differs];

    fn limits(self, machine: u64) -> CollectionLimits {
        let few = self == Small::Few || self == Small::Differs && machine.is_multiple_of(2);
        if !few {
            return CollectionLimits::default();
        }
        CollectionLimits {
            hash_entries: 4,
            hash_value: 32,
            sorted_set_entries: 4,
            sorted_set_value: 32,
            integer_set_entries: 4,
            set_entries: 4,
            set_value: 32,
            list_entries: 4,
            list_bytes: 150,
            ..CollectionLimits::default()
        }
    }
}

/// Number of the address of each node, the first one's at 1.
pub type Places = Rc<RefCell<Vec<u8>>>;

/// A machine and its process.
pub struct Process {
    /// Its machine, 1, 2, 3, …
    pub machine: u64,
    /// Its clocks.
    pub clock: MachineClock,
    /// Its disk.
    pub disk: MemDisk,
    /// Its row stores, and those of its further data folder.
    pub stores: [MemoryStores; 2],
    /// How fast the disk is.
    pub pace: Rc<RefCell<Pace>>,
    /// A pass takes so many times as long as usual.
    pub slowness: u64,
    /// Its power is cut in the middle of a write: after so many more passes with something unsynced, for
    /// so many ns.
    pub power_cut: Option<(u64, u64)>,
    /// It stands still until this time, ns.
    pub paused_until_ns: u64,
    /// The next pass is interrupted between its turn and sending, for so many ns.
    pub interrupt_ns: u64,
    /// The next pass is interrupted after it has read the clock, for so many ns.
    pub interrupt_early_ns: u64,
    /// A pass is interrupted and goes on at this time.
    sending_ns: Option<u64>,
    /// It has read this from the clock, and nothing else was done.
    begun: Option<Now>,
    /// When it is looked at next, ns.
    pub wake_ns: u64,
    /// Why it ended by itself.
    pub stopped: Option<Stop>,
    /// What its program understands from its next start on.
    pub level: u64,
    /// Numbers of the addresses at which all nodes listen, as whoever starts them knows.
    places: Places,
    /// Passes made.
    pub passes: u64,
    shell: Option<Shell<SimPlatform>>,
    /// The cluster was formed for it.
    formed: bool,
    /// It was started, and was not removed from the cluster.
    pub exists: bool,
    /// When its process last ended: its loss accounts, and whether it had replicas.
    pub left: (Vec<Account>, bool),
    /// The last pass took until then, ns.
    rested_ns: u64,
    life: u64,
    time: Time,
    net: Network,
    rng: Rng,
    shape: Shape,
    happenings: Vec<Happening>,
    calls: Vec<Incoming>,
}

/// Where the node of a machine can be reached.
fn address(machine: u64, place: u8, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, place, machine as u8)), port)
}

impl Process {
    /// A machine with an empty disk.
    pub fn new(
        machine: u64,
        shape: Shape,
        places: Places,
        time: Time,
        net: Network,
        mut rng: Rng,
    ) -> Process {
        let clock = MachineClock { rate_ppm: 0, start_ns: S + rng.below(1000 * S), wall_off_ms: 0 };
        Process {
            machine,
            clock,
            disk: MemDisk::new(),
            stores: Default::default(),
            pace: Rc::default(),
            slowness: 1,
            power_cut: None,
            paused_until_ns: 0,
            interrupt_ns: 0,
            interrupt_early_ns: 0,
            sending_ns: None,
            begun: None,
            wake_ns: u64::MAX,
            stopped: None,
            level: Settings::default().level,
            places,
            passes: 0,
            shell: None,
            formed: false,
            exists: false,
            left: Default::default(),
            rested_ns: 0,
            life: 0,
            time,
            net,
            rng,
            shape,
            happenings: Vec::new(),
            calls: Vec::new(),
        }
    }

    /// True while the process runs, also when it stands still.
    pub fn is_up(&self) -> bool {
        self.shell.is_some()
    }

    /// The core of the process, if it runs.
    pub fn core(&self) -> Option<&Core> {
        self.shell.as_ref().map(|shell| &shell.node.core)
    }

    /// The same, to ask it for something.
    pub fn core_mut(&mut self) -> Option<&mut Core> {
        self.shell.as_mut().map(|shell| &mut shell.node.core)
    }

    /// True when the node has its id, and when the cluster is formed for it.
    pub fn progress(&self) -> (bool, bool) {
        let Some(shell) = &self.shell else { return (false, false) };
        (shell.node.membership.folder.node().is_some(), shell.node.disks.is_some())
    }

    fn place(&self, node: u64) -> u8 {
        self.places.borrow()[node as usize]
    }

    /// Its id, once it has one.
    pub fn node(&self) -> Option<u64> {
        self.shell.as_ref().and_then(|shell| shell.node.membership.folder.node()).map(|node| node.0)
    }

    /// It listens at another address when it starts again.
    pub fn move_away(&mut self) {
        let place = &mut self.places.borrow_mut()[self.machine as usize];
        *place = place.wrapping_add(1) % 200;
    }

    /// It is not where it was when the world began.
    pub fn has_moved(&self) -> bool {
        self.places.borrow()[self.machine as usize] != 0
    }

    /// True once the cluster was formed for it, in any life.
    pub fn progress_ever(&self) -> bool {
        self.formed || self.progress().1
    }

    /// It has something to do at this time, ns.
    pub fn hint(&mut self, at_ns: u64) {
        if self.shell.is_some() {
            let busy = self.sending_ns.or(Some(self.paused_until_ns)).unwrap_or(0);
            self.wake_ns = self.wake_ns.min(at_ns).max(busy).max(self.rested_ns);
        }
    }

    /// Where clients reach it.
    pub fn redis_address(&self) -> SocketAddr {
        address(self.machine, self.place(self.machine), 6379)
    }

    /// The life of its process; each start has another.
    pub fn life(&self) -> u64 {
        self.life
    }

    /// Bytes of its log that may be there: what the share of the log needs, the segments in reserve, and those that
    /// the shards at work fill until their checkpoints are done.
    pub fn log_bound(&self) -> u64 {
        (64 * LOG_SHARE).max(16 * self.shape.segment_bytes())
    }

    /// Bytes of its log's segments.
    pub fn log_bytes(&self) -> u64 {
        let disks = self.shell.as_ref().and_then(|shell| shell.node.disks.as_ref());
        disks.map_or(0, crate::disks::SimDisks::log_bytes)
    }

    fn owner(&self) -> Owner {
        Owner { machine: self.machine, life: self.life }
    }

    /// What its clocks show now.
    pub fn now(&self) -> Now {
        self.clock.at(self.time.ns()).0
    }

    /// The process starts. A folder it can not go on with leaves it stopped.
    pub fn start(&mut self) {
        if self.shell.is_some() {
            return;
        }
        self.life += 1;
        self.stopped = None;
        self.net.powered(self.machine);
        let place = self.place(self.machine);
        let (redis, peer) = (self.redis_address(), address(self.machine, place, 7379));
        let platform = SimPlatform {
            net: self.net.clone(),
            owner: self.owner(),
            address: address(self.machine, place, 0),
            time: self.time.clone(),
            pace: Rc::clone(&self.pace),
            stores: self.stores.clone(),
            rng: Rng::new(self.rng.next_u64()),
        };
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let setup = self.setup(redis, peer);
        let rng = Rng::new(self.rng.next_u64());
        let clock = self.clock.at(self.time.ns());
        match Shell::open(setup, disk, rng, platform, &clock) {
            Ok(shell) => {
                self.shell = Some(shell);
                self.net.listen(redis, self.owner(), false);
                self.net.listen(peer, self.owner(), true);
                self.wake_ns = self.time.ns();
            }
            Err(why) => self.end(Stop::Failed(why)),
        }
    }

    /// Whether it has a further data folder: a witness has not.
    pub(crate) fn has_further(&self) -> bool {
        self.shape.further && self.machine != self.shape.witness
    }

    fn setup(&mut self, redis: SocketAddr, peer: SocketAddr) -> Setup {
        let mut random = [0; 32];
        self.rng.fill(&mut random);
        let others = (1..=self.shape.nodes + self.shape.spares).filter(|other| *other != self.machine);
        let join = others.map(|other| address(other, self.place(other), 7379).to_string()).collect();
        let addresses =
            Addresses { redis: redis.to_string(), peer: peer.to_string(), ..Addresses::default() };
        let first = self.machine == 1 && self.life == 1;
        let learns = self.shape.learners && self.machine > self.shape.nodes;
        Setup {
            dir: PathBuf::from(FOLDER),
            further: if self.has_further() { vec![PathBuf::from(FURTHER)] } else { Vec::new() },
            start: cluster::Start {
                bootstrap: first,
                replicas: self.shape.nodes as u32,
                shards: self.shape.shards,
                join: if first { Vec::new() } else { join },
                witness: self.machine == self.shape.witness,
                secret: Some(Secret::new([7; 32])),
                addresses,
                random,
            },
            settings: Settings {
                log_batch: self.shape.segment_bytes() / 5,
                checkpoint_log_share: LOG_SHARE,
                max_memory: self.shape.max_memory,
                collections: self.shape.small.limits(self.machine),
                snapshot_rate: 4 << 20,
                replace_after_ms: self.shape.replace_after_ms,
                max_moves: self.shape.max_moves,
                zone: if learns { FAR.to_owned() } else { String::new() },
                zone_role: learns.then_some(ZoneRole::Learner),
                scrub_interval_ms: if self.shape.compares {
                    SCRUB_INTERVAL_MS
                } else {
                    Settings::default().scrub_interval_ms
                },
                scrub_rate: 64 << 20,
                level: self.level,
                ..Settings::default()
            },
            timing: Timing { tick_ms: 5, base_election_ms: 120, heartbeat_ms: 40 },
            segment_bytes: self.shape.segment_bytes(),
            log_mode: LogMode::Auto,
            table: None,
        }
    }

    /// The process ends by itself.
    fn end(&mut self, why: Stop) {
        self.stopped = Some(why);
        self.gone(true);
    }

    /// The process is killed. `power`: its machine keeps its power, and with it what the operating
    /// system holds of unsynced writes.
    pub fn kill(&mut self, power: bool, rng: &mut Rng) {
        if self.shell.is_some() {
            self.gone(power);
        }
        if !power {
            self.disk.power_cut(rng);
        }
    }

    fn gone(&mut self, power: bool) {
        self.net.died(self.owner(), power);
        if let Some(core) = self.core() {
            let holds = (0..core.groups()).any(|group| core.inspect(GroupId(group)).is_some());
            self.left = (core.losses().cloned().collect(), holds || core.groups() == 0);
        }
        self.shell = None;
        self.disk.crash_process();
        self.stores.iter().for_each(MemoryStores::crash);
        self.wake_ns = u64::MAX;
        (self.paused_until_ns, self.interrupt_ns, self.interrupt_early_ns) = (0, 0, 0);
        (self.sending_ns, self.begun, self.power_cut) = (None, None, None);
    }

    /// An end in good order is asked for.
    pub fn ask_to_end(&mut self) {
        if let Some(shell) = &mut self.shell {
            shell.ending.ask("the world");
        }
    }

    /// One pass. True if it made one.
    pub fn pass(&mut self) -> bool {
        let now_ns = self.time.ns();
        if self.shell.is_none() {
            self.wake_ns = u64::MAX;
            return false;
        }
        if self.paused_until_ns > now_ns {
            self.wake_ns = self.paused_until_ns;
            return false;
        }
        self.passes += 1;
        if let Some(shell) = &mut self.shell {
            shell.node.core.waited(now_ns.saturating_sub(self.rested_ns));
        }
        let result = self.run();
        match result {
            Err(why) => {
                let clock = self.clock.at(now_ns);
                if let (Some(shell), Stop::Failed(text)) = (&mut self.shell, &why) {
                    shell.farewell(text, &clock);
                }
                self.end(why);
            }
            Ok(true) => {
                if let Some(shell) = &mut self.shell {
                    shell.stop();
                }
                self.gone(true);
            }
            Ok(false) => self.sleep(),
        }
        true
    }

    /// True when it has ended in good order.
    fn run(&mut self) -> Result<bool, Stop> {
        let now_ns = self.time.ns();
        let (goes_on, begun) = (self.sending_ns.take().is_some(), self.begun.take());
        if !goes_on || begun.is_some() {
            let now = begun.map_or_else(|| self.begin(), Ok)?;
            let interrupt = std::mem::take(&mut self.interrupt_early_ns);
            if interrupt > 0 {
                (self.sending_ns, self.begun) = (Some(now_ns + interrupt), Some(now));
                return Ok(false);
            }
            self.turn(now)?;
            let took = PASS_NS * self.slowness;
            let interrupt = std::mem::take(&mut self.interrupt_ns);
            if self.slowness > 1 || interrupt > 0 {
                // Others go on meanwhile.
                self.sending_ns = Some(now_ns + took + interrupt);
                return Ok(false);
            }
        }
        let clock = self.clock.at(now_ns + PASS_NS);
        let Some(shell) = &mut self.shell else { return Ok(false) };
        shell.send(&clock)?;
        Ok(shell.ending.is_over())
    }

    fn begin(&mut self) -> Result<Now, Stop> {
        let clock: Reading = self.clock.at(self.time.ns());
        self.shell.as_mut().map_or(Ok(clock.0), |shell| shell.begin(&clock))
    }

    fn turn(&mut self, now: Now) -> Result<(), Stop> {
        let owner = self.owner();
        let Some(shell) = &mut self.shell else { return Ok(()) };
        self.net.happened(owner, &mut self.happenings, &mut self.calls);
        for Happening { token, ready } in self.happenings.drain(..) {
            shell.ready(token, ready, now);
        }
        for Incoming { stream, from, for_peers } in self.calls.drain(..) {
            let port = if for_peers { Port::Peer } else { Port::Redis };
            shell.accepted(port, stream, from, now);
        }
        shell.work(now, false)
    }

    /// Decides when it is looked at next.
    fn sleep(&mut self) {
        let now = self.time.ns() + PASS_NS;
        self.rested_ns = now;
        self.formed |= self.progress().1;
        if let Some(at) = self.sending_ns {
            self.wake_ns = at;
            return;
        }
        let Some(shell) = &self.shell else { return };
        let due = match shell.next_pass_ns() {
            0 => now,
            mono_ns => self.clock.when(mono_ns, now),
        };
        let disks = shell.node.disks.as_ref().map_or(u64::MAX, crate::disks::SimDisks::next_ns);
        // Always on the grain of the network, so that what is due together is done together.
        let disks = disks.checked_next_multiple_of(GRAIN_NS).unwrap_or(u64::MAX);
        self.wake_ns = due.min(disks).min(self.net.next_ns(self.machine)).max(now);
    }

    /// It stands still no longer.
    pub fn go_on(&mut self) {
        (self.paused_until_ns, self.interrupt_ns, self.interrupt_early_ns) = (0, 0, 0);
        if let Some(at) = &mut self.sending_ns {
            *at = (*at).min(self.time.ns());
        }
    }

    /// After a pass: how long its power is cut now, if it is, in ns.
    pub fn take_power_cut(&mut self) -> Option<u64> {
        let unsynced = !self.is_flushed();
        let (passes, for_ns) = self.power_cut.as_mut().filter(|_| unsynced)?;
        if *passes > 0 {
            *passes -= 1;
            return None;
        }
        Some(*for_ns)
    }

    /// True when everything handed to the disk is durable, or nothing runs.
    pub fn is_flushed(&self) -> bool {
        self.shell.as_ref().and_then(|s| s.node.disks.as_ref()).is_none_or(Disks::is_flushed)
    }
}
