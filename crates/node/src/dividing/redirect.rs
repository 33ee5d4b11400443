//! Requests on their way while slots become another shard's.
//!
//! A shard refuses what it does not own any more, and whoever asked asks the shard that the map names. When the map
//! opens a new shard, requests of this node for its keys may still be under way to its parent, and must run first, in
//! the order of their connections: what is for the new shard is held until all of them are answered.

use crate::core::Core;
use crate::internal;
use crate::ops::Op;
use crate::ownership::scan_slots;
use cluster::map::{Phase, Placement};
use model::limits::{CHUNKS, SLOTS};
use model::slot::{Slot, slot_of};
use model::{GroupId, Keyspace, Position, ShardId};
use resp::{Gather, Proto};
use router::request::Parts;
use router::{Flags, Forward, Request, Target};
use shard::table::{Merge, Route};
use std::collections::{BTreeMap, BTreeSet};

/// A command on several keys whose shard is divided, and behind which its connection has sent others: those on keys
/// that stay are executed before it.
pub(crate) const OVERTAKEN: &str =
    "TRYAGAIN the shard of the command's keys is being split, and more commands were sent behind this one";

/// New shards that this node has seen open, and those that are held.
#[derive(Debug, Default)]
pub(crate) struct Moving {
    /// Requests that a shard has refused, or that wait for a keyspace to be open again, with the group they were sent
    /// to (`META`: to none).
    pub(crate) deferred: Vec<(GroupId, Forward)>,
    /// Those whose opening was looked at.
    seen: BTreeSet<ShardId>,
    /// Held ones, with their parents.
    held: BTreeMap<ShardId, ShardId>,
    /// While a request is sent on: until when somebody waits for what becomes of it, monotonic ms, and its place in
    /// the order of all.
    sent_on: Option<(u64, u64)>,
    /// Requests that were handed in.
    born: u64,
    /// What the recovery that began this incarnation of the cluster found of splits.
    pub(crate) found: Option<Box<cluster::map::FoundSplits>>,
}

impl Core {
    /// The map has changed: there may be more shards, and new ones may be open.
    pub(crate) fn follow_shards(&mut self) {
        let groups = self.map.shards.len() + 1;
        if self.routes.len() < groups {
            self.replicas.resize_with(groups, || None);
            self.routes.resize_with(groups, Default::default);
        }
        let opened: Vec<ShardId> =
            self.map.open_shards().filter(|shard| !self.moving.seen.contains(shard)).collect();
        for shard in opened {
            self.moving.seen.insert(shard);
            let Some((parent, _)) = self.map.made_of(shard) else { continue };
            let map = &self.map;
            let goes = |slot: Slot| map.shard_of(CHUNKS, slot) != Placement::Shard(parent);
            // What has several keys may have some there; requests of the nodes themselves have one.
            let moves =
                |forward: &Forward| !forward.request.flags().has(Flags::INTERNAL) || goes(forward.slot);
            let route = &mut self.routes[parent.group().0 as usize];
            route.mark_moving(moves);
            if route.has_moving() || !self.moving.deferred.is_empty() {
                self.routes[shard.group().0 as usize].hold();
                self.moving.held.insert(shard, parent);
            }
        }
        self.release_moved();
    }

    /// New shards are held no more to which nothing is to come that must run first.
    pub(crate) fn release_moved(&mut self) {
        let moving = |parent: &ShardId| self.routes[parent.group().0 as usize].has_moving();
        let free: Vec<ShardId> =
            self.moving.held.iter().filter(|(_, parent)| !moving(parent)).map(|(shard, _)| *shard).collect();
        if free.is_empty() {
            return;
        }
        for shard in free {
            self.moving.held.remove(&shard);
            let group = shard.group();
            // Among them may be a part of a command on several keys that is older than what was deferred.
            let queued = self.routes[group.0 as usize].release();
            self.moving.deferred.extend(queued.into_iter().map(|forward| (group, forward)));
        }
        self.retry_deferred();
    }

    /// Whether a request that was refused would be overtaken if it waited: it has keys that moved and may have others,
    /// and its connection has sent more since. What has keys of one slot is followed by refusals of that slot only.
    pub(crate) fn is_overtaken(&self, forward: &Forward) -> bool {
        let Ok(parts) = forward.request.parts() else { return false };
        let alone = parts.flags.has(Flags::INTERNAL) || parts.flags.has(Flags::TRANSACTION);
        let open = matches!(self.map.layout(parts.ks).phase, Phase::Open(_));
        let spec = shard::table::resolve(parts.args[0], parts.args.get(1).copied());
        let several = spec.is_ok_and(|spec| match spec.route {
            Route::PerKey(_) => spec.key_positions(&parts.args).count() > 1,
            Route::AllShards(_) => true,
            _ => false,
        });
        let place = match forward.target {
            Target::Slot { slot, .. } => Some(slot),
            Target::Part { op, .. } => match self.ops.get(&op) {
                Some(Op::Gather { target: Target::Slot { slot, .. }, .. }) => Some(*slot),
                _ => None,
            },
        };
        let conn = self.conns.get(&forward.domain);
        let followed = conn.zip(place).is_some_and(|(conn, place)| !conn.is_last(place));
        !alone && open && several && followed
    }

    /// A request that is handed in now. One that is put together anew for one that is sent on takes its place.
    pub(crate) fn new_forward(&mut self, target: Target, request: Request, slot: Slot) -> Forward {
        self.moving.born += 1;
        let now = (self.now.mono_ms() + self.settings.quorum_timeout_ms, self.moving.born);
        let (deadline_ms, born) = self.moving.sent_on.unwrap_or(now);
        Forward { born, ..Forward::new(target, request, slot, deadline_ms) }
    }

    fn hand_in(&mut self, group: GroupId, forward: Forward) {
        if let Err(forward) = self.routes[group.0 as usize].push(forward) {
            self.fail(forward.target, &crate::execute::queue_full(group));
        }
        self.pumping.insert(group);
    }

    /// Sends the kept requests on their way again.
    pub(crate) fn retry_deferred(&mut self) {
        let mut deferred = std::mem::take(&mut self.moving.deferred);
        // Refusals come in any order.
        deferred.sort_by_key(|(_, forward)| forward.born);
        for (group, forward) in deferred {
            let ks = forward.request.parts().map_or(Keyspace(0), |p| p.ks);
            if forward.deadline_ms <= self.now.mono_ms() {
                let text = match self.map.layout(ks).phase {
                    Phase::Open(_) => "TRYAGAIN the shard of the command's keys is being split".to_owned(),
                    Phase::Closing { .. } => crate::dispatch::closed(ks),
                };
                self.fail(forward.target, &text);
                continue;
            }
            let shard = match self.map.shard_of(ks, forward.slot) {
                Placement::Shard(shard) if !self.moving.held.contains_key(&shard) => shard,
                _ => {
                    self.moving.deferred.push((group, forward));
                    continue;
                }
            };
            self.moving.sent_on = Some((forward.deadline_ms, forward.born));
            self.send_on(group, shard, forward);
            self.moving.sent_on = None;
        }
    }

    /// Sends a request that `group` refused, or that was kept from the beginning (`META`), where its keys are now.
    /// `shard`: that of its slot.
    fn send_on(&mut self, group: GroupId, shard: ShardId, forward: Forward) {
        let request = forward.request.clone();
        let Ok(parts) = request.parts() else { return };
        if parts.flags.has(Flags::TRANSACTION) {
            return self.hand_in(shard.group(), forward);
        }
        if parts.flags.has(Flags::INTERNAL) {
            return self.redirect_internal(group, shard, &parts, forward);
        }
        let spec = shard::table::resolve(parts.args[0], parts.args.get(1).copied());
        match spec.map(|spec| (spec, spec.route)) {
            Ok((spec, Route::PerKey(merge))) => {
                let step = spec.keys.step.unsigned_abs().max(1) as usize;
                let keys: Vec<usize> = spec.key_positions(&parts.args).collect();
                self.redirect_keys(shard, merge, step, &keys, &parts, forward);
            }
            Ok((spec, Route::AllShards(merge))) => {
                let all = spec.name == "flushall";
                self.redirect_all(group, merge, all, &parts, forward);
            }
            Ok((_, Route::Random)) => {
                if let Target::Part { op, .. } = forward.target {
                    let spread = self.is_spread(parts.ks);
                    let shards = if spread { self.pieces(group, forward.slot) } else { vec![shard] };
                    self.random_again(op, shards);
                } else {
                    self.hand_in(shard.group(), forward);
                }
            }
            _ => self.hand_in(shard.group(), forward),
        }
    }

    fn redirect_internal(&mut self, group: GroupId, shard: ShardId, parts: &Parts<'_>, forward: Forward) {
        match parts.args[0] {
            internal::SCAN => {
                if let (Target::Part { op, .. }, Some(_)) = (forward.target, scan_slots(&parts.args)) {
                    let from = internal::number(parts.args.get(1)).unwrap_or(0);
                    self.scan_on(op, Position(from));
                }
            }
            // They speak of the shard they were sent to.
            internal::COLLECT | internal::FORGET => self.hand_in(group, forward),
            _ => self.hand_in(shard.group(), forward),
        }
    }

    /// A command on several keys: as many parts as there are shards of them now.
    fn redirect_keys(
        &mut self,
        shard: ShardId,
        merge: Merge,
        step: usize,
        keys: &[usize],
        parts: &Parts<'_>,
        forward: Forward,
    ) {
        let mut by_shard: BTreeMap<ShardId, (Slot, Vec<usize>)> = BTreeMap::new();
        for &at in keys {
            let slot = slot_of(parts.args[at]);
            if let Placement::Shard(shard) = self.map.shard_of(parts.ks, slot) {
                by_shard.entry(shard).or_insert((slot, Vec::new())).1.push(at);
            }
        }
        if by_shard.len() < 2 || keys.iter().any(|at| parts.args.get(*at..*at + step).is_none()) {
            return self.hand_in(shard.group(), forward);
        }
        let places =
            by_shard.values().map(|(_, keys)| keys.iter().map(|at| (at - 1) / step).collect()).collect();
        let requests = by_shard.iter().map(|(shard, (slot, keys))| {
            let mut part: Vec<&[u8]> = vec![parts.args[0]];
            keys.iter().for_each(|&at| part.extend_from_slice(&parts.args[at..at + step]));
            (shard.group(), *slot, Request::new(parts.flags, parts.ks, &part))
        });
        let requests = requests.collect();
        self.gather_for(Gather::new(merge, places), requests, forward);
    }

    /// A command on all of a shard: it goes to all shards that this has become.
    fn redirect_all(&mut self, group: GroupId, merge: Merge, all: bool, parts: &Parts<'_>, forward: Forward) {
        let shards = match group {
            GroupId::META if all => self.all_shards().collect(),
            GroupId::META => self.map.shards_of(parts.ks),
            // Of a keyspace that is in one shard all is where it was.
            _ if !all && !self.is_spread(parts.ks) => group.shard().into_iter().collect(),
            _ => self.pieces(group, forward.slot),
        };
        if let [shard] = shards[..] {
            let slot = self.last_slot_of(shard);
            return self.hand_in(shard.group(), Forward { slot, ..forward });
        }
        let requests: Vec<_> = shards
            .iter()
            .map(|shard| {
                let request = Request::new(parts.flags, parts.ks, &parts.args);
                (shard.group(), self.last_slot_of(*shard), request)
            })
            .collect();
        self.gather_for(Gather::new(merge, vec![Vec::new(); requests.len()]), requests, forward);
    }

    /// The shards that have the slots now that a shard had up to `last`.
    fn pieces(&self, group: GroupId, last: Slot) -> Vec<ShardId> {
        let Some(shard) = group.shard() else { return Vec::new() };
        // A shard keeps its first slots.
        let first = self.map.shards.get(usize::from(shard.0)).and_then(|info| info.slots.first());
        let (first, last) = (first.map_or(0, |slots| slots.0), last.min(SLOTS - 1));
        let has = |shard: &ShardId| {
            let slots = &self.map.shards[usize::from(shard.0)].slots;
            slots.iter().any(|slots| slots.0 <= last && slots.1 >= first)
        };
        self.map.open_shards().filter(has).collect()
    }

    /// The answer to a request is put together from those of several.
    fn gather_for(
        &mut self,
        gather: Gather,
        requests: Vec<(GroupId, Slot, Request)>,
        Forward { target, domain, request, .. }: Forward,
    ) {
        let proto = if request.flags().has(Flags::RESP3) { Proto::Resp3 } else { Proto::Resp2 };
        let op = self.open(Op::Gather { conn: domain, target, proto, gather });
        for (part, (group, slot, request)) in requests.into_iter().enumerate() {
            self.ask_in_order_of(domain, op, part as u32, group, slot, request);
        }
    }
}
