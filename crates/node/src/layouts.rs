//! Layouts of keyspaces: by its own rows a shard knows what it serves, and the node that leads the
//! meta group carries a change through all shards.

use crate::core::Core;
use crate::internal;
use crate::ops::Step;
use crate::witness::WITNESS;
use cluster::map::{EPOCH_ROW, LayoutError, Phase, SLOTS_ROW, layout_name};
use cluster::{ClusterMap, JoinToken, KeyspaceLayout, Seat, ShardLayout, ZoneRole};
use model::limits::{KEYSPACES, SLOTS, SPACES};
use model::slot::Slot;
use model::{GroupId, Keyspace, NodeId};
use router::{Flags, Forward, Request, Target};
use shard::Machine;
use shard::data::{Context, Done, Stop};

use crate::replica::Replica;

/// Most requests that wait for a keyspace to be open again.
const MAX_DEFERRED: usize = 65_536;
/// Time between two requests for ids of joining nodes, in ms.
const JOIN_MS: u64 = 200;
/// Answer of a shard that holds keys of a keyspace that is to be closed.
const NOT_EMPTY: &str = "NOTEMPTY the keyspace holds keys";

/// What a shard's own row says of a keyspace.
fn row_of(machine: &Machine, ks: Keyspace, shards: u16) -> ShardLayout {
    machine
        .system(&layout_name(ks))
        .and_then(|content| ShardLayout::decode(content, shards).ok())
        .unwrap_or(ShardLayout::first(ks, shards))
}

/// Whether the shard's own rows say less of a keyspace than the map.
pub(crate) fn is_behind(replica: &Replica, map: &ClusterMap) -> bool {
    let shards = map.formation.shards;
    (0..SPACES)
        .map(Keyspace)
        .any(|ks| row_of(&replica.machine, ks, shards).yields_to(&map.layout(ks).for_shards()))
}

/// Whether the shard serves a keyspace, by its own rows (safety rule 20).
#[inline]
pub(crate) fn serves(replica: &mut Replica, ks: Keyspace, shards: u16) -> bool {
    follow_rows(replica, shards);
    replica.serves >> ks.0 & 1 == 1 && (replica.closing.is_empty() || !replica.closing.contains_key(&ks))
}

/// What is known of layouts and modes is as the shard's rows say.
#[inline]
pub(crate) fn follow_rows(replica: &mut Replica, shards: u16) {
    if replica.layouts_seen != Some(replica.machine.system_version()) {
        refresh(replica, shards);
    }
}

#[cold]
fn refresh(replica: &mut Replica, shards: u16) {
    let Some(shard) = replica.id.shard() else { return };
    replica.layouts_seen = Some(replica.machine.system_version());
    (replica.serves, replica.owned.spread) = (0, 0);
    replica.follow_slots(shards);
    crate::modes::refresh(replica);
    for ks in 0..SPACES {
        let row = row_of(&replica.machine, Keyspace(ks), shards);
        replica.serves |= u32::from(row.serves(shard)) << ks;
        let spread = row.open == Some(KeyspaceLayout::Spread);
        replica.machine.set_spread(Keyspace(ks), spread);
        replica.owned.spread |= u32::from(spread) << ks;
        if replica.closing.get(&Keyspace(ks)).is_some_and(|epoch| row.epoch >= *epoch) {
            replica.closing.remove(&Keyspace(ks));
        }
    }
}

/// Closes the keyspace in this shard if it holds none of its keys. Arguments: epoch, shards.
pub(crate) fn close(cx: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (epoch, shards) = (internal::number(args.get(1))?, internal::number(args.get(2))? as u16);
    let ks = cx.data.keyspace();
    if !cx.data.space().is_empty() {
        return Err(Stop::error(NOT_EMPTY));
    }
    // Of a shard that was divided some replica may still hold rows that are another shard's: with another layout they
    // would be keys of this one.
    if cx.data.system(SLOTS_ROW).is_some() {
        cx.data.flush();
    }
    set_row(cx, ks, ShardLayout { epoch, open: None }, shards);
    cx.reply.ok();
    Ok(())
}

/// Opens the keyspace in this shard. Arguments: epoch, shards, `spread` or the shard's number.
pub(crate) fn open(cx: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (epoch, shards) = (internal::number(args.get(1))?, internal::number(args.get(2))? as u16);
    let layout = match args.get(3) {
        Some(&b"spread") => KeyspaceLayout::Spread,
        shard => KeyspaceLayout::Single(model::ShardId(internal::number(shard)? as u16)),
    };
    let ks = cx.data.keyspace();
    set_row(cx, ks, ShardLayout { epoch, open: Some(layout) }, shards);
    cx.reply.ok();
    Ok(())
}

fn set_row(cx: &mut Context<'_>, ks: Keyspace, new: ShardLayout, shards: u16) {
    let name = layout_name(ks);
    let old = cx.data.system(&name).and_then(|content| ShardLayout::decode(content, shards).ok());
    let old = old.unwrap_or(ShardLayout::first(ks, shards));
    if old.yields_to(&new) {
        cx.data.put_system(&name, Some(&new.encode()));
    }
}

impl Core {
    /// Whether a keyspace is spread over all shards.
    pub(crate) fn is_spread(&self, ks: Keyspace) -> bool {
        self.map.layout(ks).phase == Phase::Open(KeyspaceLayout::Spread)
    }

    /// Last slot of the run of slots around `slot` that one shard owns.
    pub(crate) fn last_slot_of_run(&self, ks: Keyspace, slot: Slot) -> Slot {
        if !self.is_spread(ks) {
            return SLOTS - 1;
        }
        let runs = self.map.shards.iter().flat_map(|shard| shard.slots.iter());
        runs.copied().find(|(first, last)| (*first..=*last).contains(&slot)).map_or(SLOTS - 1, |run| run.1)
    }

    /// The nodes with a vote in a group.
    pub(crate) fn voters(&self, group: GroupId) -> Vec<NodeId> {
        match group.shard() {
            Some(shard) => self.map.shards.get(usize::from(shard.0)).map_or(Vec::new(), |s| s.voters.clone()),
            None => self.map.meta_voters.clone(),
        }
    }

    /// The map follows the rows of the meta group.
    pub(crate) fn reload_map(&mut self) {
        let Some(meta) = self.replicas.first().and_then(Option::as_deref) else { return };
        if meta.raft.is_witness() {
            return; // It has none of the rows: the group's leader sends the map.
        }
        if self.map_seen == Some(meta.machine.system_version()) {
            return;
        }
        self.map_seen = Some(meta.machine.system_version());
        if !self.understands_own_map() {
            return;
        }
        let Some(meta) = self.replicas.first().and_then(Option::as_deref) else { return };
        // A replica that has just come reads the past.
        if meta.machine.system(EPOCH_ROW).is_some_and(|row| cluster::map::epoch(row) < Some(self.map.epoch)) {
            return;
        }
        for (name, value) in meta.machine.systems(b"") {
            if let Err(error) = self.map.apply_row(name, Some(value)) {
                self.outbox.fatal =
                    Some(format!("meta group: row can not be read ({error}); the node stops"));
            }
        }
        self.map_changed();
        self.send_map();
    }

    /// A request to the meta group: rows to propose, or the text of the error. Computed from the
    /// committed map, so only one change is under way at a time.
    pub(crate) fn meta_rows(&self, args: &[&[u8]]) -> Result<Vec<cluster::map::Row>, String> {
        let text = |at: usize| args.get(at).and_then(|a| std::str::from_utf8(a).ok()).unwrap_or_default();
        let number = |at: usize| text(at).parse::<u64>().map_err(|_| "ERR malformed request".to_owned());
        let shown = |error: LayoutError| format!("ERR {error}");
        match text(0) {
            "begin-layout" => {
                self.check_undivided()?;
                let ks = Keyspace(number(1)? as u16);
                let to = match text(2) {
                    "spread" => KeyspaceLayout::Spread,
                    _ => KeyspaceLayout::single(ks, self.base_shards()),
                };
                match self.map.begin_change(ks, to) {
                    Err(LayoutError::Same(_)) => Ok(Vec::new()),
                    rows => rows.map_err(shown),
                }
            }
            "finish-layout" => self.map.finish_change(Keyspace(number(1)? as u16), number(2)?).map_err(shown),
            "abort-layout" => self.map.abort_change(Keyspace(number(1)? as u16), number(2)?).map_err(shown),
            "divide-shards" => self.division_rows(),
            "open-shard" => Ok(self.map.open_rows(model::ShardId(number(1)? as u16))),
            "begin-mode" => {
                self.check_undivided()?;
                self.mode_rows(args)
            }
            "settle-mode" => Ok(self.map.settle_mode(Keyspace(number(1)? as u16), number(2)?)),
            "member" => self.member_rows(args),
            "join" => self.join_rows(args),
            "recovered" => Ok(self.map.recovery_rows(self.moving.found.as_deref())),
            "raise-level" => Ok(self.map.level_rows(number(1)?)),
            "set-replicas" => {
                self.check_undivided()?;
                let rows = self.map.replicas_rows(u32::try_from(number(1)?).unwrap_or(u32::MAX));
                rows.map_err(|error| format!("ERR {error}"))
            }
            verb @ ("set-zone" | "first-zone") => {
                self.check_undivided()?;
                let role = ZoneRole::parse(text(2)).ok_or("ERR malformed request")?;
                match verb {
                    "set-zone" => self.zone_rows(text(1), role),
                    _ => self.first_zone_rows(text(1), role, NodeId(number(3)?)),
                }
            }
            "seat-replicas" => {
                self.check_undivided()?;
                self.seating_rows(args)
            }
            verb @ ("drain-node" | "undrain-node" | "remove-node" | "replace-node") => {
                self.check_undivided()?;
                self.node_rows(verb, NodeId(number(1)?), text(2))
            }
            "renew-seat" => {
                self.check_undivided()?;
                let lost = Seat { node: NodeId(number(2)?), generation: number(3)? };
                Ok(self.map.renew_rows(GroupId(number(1)? as u32), lost))
            }
            "settle-replicas" => {
                let seats = |at| crate::members::parse_seats(text(at)).ok_or("ERR malformed request");
                let learners = if args.len() > 3 { seats(3)? } else { Vec::new() };
                Ok(self.map.settle_rows(GroupId(number(1)? as u32), &seats(2)?, &learners))
            }
            other => Err(format!("ERR unknown request '{other}'")),
        }
    }

    /// Rows that record where a member is and which start of it runs.
    fn member_rows(&self, args: &[&[u8]]) -> Result<Vec<cluster::map::Row>, String> {
        let bad = || "ERR malformed request".to_owned();
        let text = |at: usize| args.get(at).and_then(|a| std::str::from_utf8(a).ok()).ok_or_else(bad);
        let node = NodeId(text(1)?.parse().map_err(|_| bad())?);
        let mut member = self.map.members.get(&node).cloned().unwrap_or_default();
        member.incarnation = text(2)?.parse().map_err(|_| bad())?;
        member.addresses = cluster::Addresses {
            redis: text(3)?.to_owned(),
            peer: text(4)?.to_owned(),
            admin: text(5)?.to_owned(),
            // Not said by a node of an older version.
            cluster: text(6).unwrap_or_default().to_owned(),
        };
        member.zone = cluster::map::zone_name(text(7).unwrap_or_default());
        Ok(self.map.member_rows(node, &member))
    }

    /// Rows of a node that joins after the cluster was formed; none if it has an id already.
    fn join_rows(&self, args: &[&[u8]]) -> Result<Vec<cluster::map::Row>, String> {
        let bad = || "ERR malformed request".to_owned();
        let text = |at: usize| args.get(at).and_then(|a| std::str::from_utf8(a).ok()).ok_or_else(bad);
        let token = JoinToken::parse(text(1)?).ok_or_else(bad)?;
        let addresses = cluster::Addresses {
            redis: text(2)?.to_owned(),
            peer: text(3)?.to_owned(),
            admin: text(4)?.to_owned(),
            cluster: text(5).unwrap_or_default().to_owned(),
        };
        let witness = text(6).is_ok_and(|kind| kind == WITNESS);
        self.map.join_rows(token, addresses, witness).map_err(|error| format!("ERR {error}"))
    }

    /// The member that joined with this token, as far as this node knows.
    pub fn member_by_token(&self, token: JoinToken) -> Option<NodeId> {
        self.map.member_by_token(token)
    }

    /// Asks the meta group for an id for a node that joins after the cluster was formed, but not more
    /// often than every [`JOIN_MS`]. The answer is a row: see [`Core::member_by_token`].
    pub fn admit_later(&mut self, token: JoinToken, addresses: &cluster::Addresses, witness: bool) {
        let now_ms = self.now.mono_ms();
        if self.forming.is_some() || now_ms < self.next_join_ms || self.routes[0].leader().is_none() {
            return;
        }
        self.next_join_ms = now_ms + JOIN_MS;
        let token = token.to_string();
        let kind = if witness { WITNESS } else { "" };
        let at = addresses;
        let args = ["join", &token, &at.redis, &at.peer, &at.admin, &at.cluster, kind];
        self.ask_meta(&args.map(str::as_bytes));
    }

    /// After a recovery from a lost majority the meta group is told which members were given up.
    pub(crate) fn announce_recovery(&mut self) {
        let known = self.forming.is_some() || self.map.is_recovery_recorded();
        if !known && self.routes[0].leader().is_some() && self.routes[0].is_empty() {
            self.ask_meta(&[b"recovered"]);
        }
    }

    /// Tells the meta group where this node is, until the map says so.
    pub(crate) fn announce_member(&mut self) {
        let known = self.map.members.get(&self.me.node);
        let current = known.is_some_and(|m| {
            let here = m.addresses == self.me.addresses && m.zone == self.settings.zone;
            m.incarnation >= self.me.incarnation && here
        });
        if self.forming.is_some()
            || current
            || self.routes[0].leader().is_none()
            || !self.routes[0].is_empty()
        {
            return;
        }
        // One that has just come waits until it is known what its zone is for: until then it gets nothing.
        let new = self.map.members.get(&self.me.node).is_none_or(|member| member.incarnation == 0);
        if self.wishes_for_zone() && new {
            return;
        }
        let (node, incarnation) = (self.me.node.to_string(), self.me.incarnation.to_string());
        let at = self.me.addresses.clone();
        let zone = self.settings.zone.clone();
        let args = ["member", &node, &incarnation, &at.redis, &at.peer, &at.admin, &at.cluster, &zone];
        let args = args.map(str::as_bytes);
        self.ask_meta(&args);
    }

    /// Keeps a request until its keyspace is open again.
    pub(crate) fn defer(&mut self, group: GroupId, mut forward: Forward) {
        forward.before_split = false;
        forward.seq = 0;
        forward.order = u64::MAX;
        forward.passed = false;
        if self.moving.deferred.len() >= MAX_DEFERRED {
            return self.fail(
                forward.target,
                "TRYAGAIN too many commands wait for keyspaces that change their layout, or shards that are split",
            );
        }
        self.moving.deferred.push((group, forward));
    }

    /// True when a request of this connection is kept.
    #[inline]
    pub(crate) fn is_deferred(&self, conn: u64) -> bool {
        !self.moving.deferred.is_empty()
            && self.moving.deferred.iter().any(|(_, forward)| forward.domain == conn)
    }

    /// Whether this node leads the meta group, and so carries changes of keyspaces to the shards.
    pub(crate) fn drives_changes(&self) -> bool {
        let meta = self.replicas.first().and_then(Option::as_deref);
        self.forming.is_none() && meta.is_some_and(|meta| meta.leading().is_some())
    }

    /// Carries layout changes on, on the node that leads the meta group.
    pub(crate) fn drive_layouts(&mut self) {
        if !self.drives_changes() {
            return;
        }
        for ks in (0..KEYSPACES).map(Keyspace) {
            let row = self.map.layout(ks);
            let step = (ks, row.epoch);
            if self.driving.contains_key(&step) {
                continue;
            }
            match row.phase {
                Phase::Closing { .. } => self.drive(step, internal::CLOSE, None),
                Phase::Open(layout) if row.epoch > 1 && self.may_be_behind(ks, &row.for_shards()) => {
                    self.drive(step, internal::OPEN, Some(layout));
                }
                Phase::Open(_) => {}
            }
        }
    }

    /// Whether some shard may still have another row. Of those without a replica here nothing is known until all
    /// have said, once, that they have this one.
    fn may_be_behind(&self, ks: Keyspace, row: &ShardLayout) -> bool {
        let shards = self.base_shards();
        let told = self.opened.get(&ks) == Some(&row.epoch);
        let behind = |replica: &Option<Box<Replica>>| match replica {
            Some(replica) => row_of(&replica.machine, ks, shards).yields_to(row),
            None => !told,
        };
        self.replicas.iter().skip(1).any(behind)
    }

    fn drive(&mut self, step: (Keyspace, u64), name: &[u8], layout: Option<KeyspaceLayout>) {
        let shards = self.base_shards();
        let (epoch, count) = (step.1.to_string(), shards.to_string());
        let layout = match layout {
            Some(KeyspaceLayout::Spread) => "spread".to_owned(),
            Some(KeyspaceLayout::Single(shard)) => shard.to_string(),
            None => String::new(),
        };
        let args: [&[u8]; 4] = [name, epoch.as_bytes(), count.as_bytes(), layout.as_bytes()];
        let kind = if name == internal::CLOSE { Step::Close } else { Step::Open };
        self.drive_shards(step, kind, &args);
    }

    /// Asks all shards to take a step of a change of a keyspace.
    pub(crate) fn drive_shards(&mut self, step: (Keyspace, u64), kind: Step, args: &[&[u8]]) {
        let flags = Flags::INTERNAL.with(Flags::WRITE, true);
        let op = self.open_driver(step, kind, self.all_shards().count());
        self.driving.insert(step, op);
        for shard in self.all_shards() {
            let request = Request::new(flags, step.0, args);
            self.ask(op, u32::from(shard.0), shard.group(), 0, request);
        }
    }

    /// All shards have answered a step of a change.
    pub(crate) fn driven(&mut self, step: (Keyspace, u64), kind: Step, replies: &[Vec<u8>]) {
        self.driving.remove(&step);
        let all = replies.iter().all(|r| r == b"+OK\r\n");
        if all && kind == Step::Open {
            self.opened.insert(step.0, step.1);
        }
        let verb: &[u8] = match kind {
            Step::Close if all => b"finish-layout",
            Step::Close if replies.iter().any(|r| r.starts_with(b"-NOTEMPTY")) => b"abort-layout",
            Step::Mode if all && !self.map.mode(step.0).settled => b"settle-mode",
            // Nothing is to be told, or some shard could not be reached: the step is tried again.
            _ => return,
        };
        let (ks, epoch) = (step.0.to_string(), step.1.to_string());
        self.ask_meta(&[verb, ks.as_bytes(), epoch.as_bytes()]);
    }

    /// Sends a request to the meta group without waiting for the answer.
    pub(crate) fn ask_meta(&mut self, args: &[&[u8]]) {
        let request = Request::new(Flags::INTERNAL.with(Flags::WRITE, true), Keyspace(0), args);
        let deadline = self.now.mono_ms() + self.settings.quorum_timeout_ms;
        let forward = Forward::new(Target::Part { op: 0, part: 0 }, request, 0, deadline);
        if self.routes[0].push(forward).is_err() {
            tracing::warn!("the meta group's queue is full");
        }
        self.pumping.insert(GroupId::META);
    }
}

/// The layout a client sees.
pub(crate) fn shown(map: &ClusterMap, ks: Keyspace) -> (&'static str, Option<u16>) {
    match map.layout(ks).shown() {
        KeyspaceLayout::Spread => ("spread", None),
        KeyspaceLayout::Single(shard) => ("single", Some(shard.0)),
    }
}
