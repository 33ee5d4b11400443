//! What becomes of commands that this node executed as leader and did not commit before it lost the
//! leadership.
//!
//! Their replies are held until the fate of their entries is known (safety rule 3): committed, the
//! reply leaves; certainly not done, the command goes through the route to the new leader; not to be
//! learned in time, the client gets an explicit error. Until then the route of the group is frozen,
//! so that later commands of the same connections do not overtake.
//!
//! No command runs again after a later one of its connection that was executed. Entries of a term are
//! committed as a prefix, and a command waits for an entry not after that of a later one with effects
//! (commands run in the order of the connection, marks of the pending entry never go back). So if a
//! later one is committed, this one's fate is "committed" too, and its reply is kept here, in
//! memory; replies that are dropped with the lease are dropped with their connection. A command
//! that went through the route before (it waited for the lease, or is a part of one over several
//! shards) kept no reply here: it is told to be passed when a later one that ran here had effects.
//! If none had, that one runs again, and with it the reads after it: none may be older than one before it.
//! A fate that can not be learned never leads to a rerun: later ones may have been done.

use crate::conn::{Conn, Fate, Mark};
use crate::core::Core;
use crate::execute::{NO_EFFECT, UNKNOWN};
use model::GroupId;
use model::slot::{Slot, slot_of};
use router::{Flags, Forward, Request, Target};
use std::collections::{BTreeMap, BTreeSet};

/// The commands of one group whose fate is open.
#[derive(Debug)]
pub(crate) struct Lost {
    /// Connection and place.
    places: Vec<(u64, u64)>,
    /// Found to be not done: they run again when all fates are known.
    reruns: Vec<Forward>,
    until_ms: u64,
}

/// A command whose fate is open.
struct Fated {
    conn: u64,
    place: u64,
    mark: Mark,
    /// What is known of it now.
    fate: Fate,
    /// It was done, without effects, and runs again all the same.
    rerun: bool,
}

impl Core {
    /// This node stopped leading a group. The machine is rolled back already.
    pub(crate) fn leadership_lost(&mut self, group: GroupId) {
        // Requests of other nodes are sent again by them, for a later term; our own are still in the route.
        if let Some(replica) = self.replica(group) {
            replica.held.clear();
            replica.held_early.clear();
            replica.waiting.clear();
            replica.waiting_early.clear();
        }
        self.leave_cold(group);
        self.end_sendings(group);
        let mut places = Vec::new();
        let mut ids: Vec<u64> = self.conns.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            places.extend(self.conns[&id].marks(group).map(|(place, _)| (id, place)));
        }
        self.routes[group.0 as usize].restart();
        self.pumping.insert(group);
        if places.is_empty() {
            return;
        }
        let until_ms = self.now.mono_ms() + self.settings.quorum_timeout_ms;
        self.routes[group.0 as usize].freeze();
        match self.lost.get_mut(&group) {
            Some(lost) => {
                lost.places.extend(places);
                lost.places.sort_unstable();
                lost.places.dedup();
            }
            None => {
                self.lost.insert(group, Lost { places, reruns: Vec::new(), until_ms });
            }
        }
        self.resolve_lost(group);
    }

    /// The fates that are open will not be learned: this node's replica is about to be gone.
    pub(crate) fn give_up_fates(&mut self, group: GroupId) {
        if let Some(lost) = self.lost.get_mut(&group) {
            lost.until_ms = 0;
        }
        self.resolve_lost(group);
    }

    /// Looks at the open fates again.
    pub(crate) fn resolve_lost(&mut self, group: GroupId) {
        let Some(mut lost) = self.lost.remove(&group) else { return };
        let deadline = self.now.mono_ms() + self.settings.quorum_timeout_ms;
        let (fates, last) = self.fates(group, &lost);
        let (conns, touched) = (&mut self.conns, &mut self.touched);
        lost.places.clear();
        for Fated { conn: id, place, mark, fate, rerun } in fates {
            let Some(conn) = conns.get_mut(&id) else { continue };
            match fate {
                Fate::Pending => {
                    lost.places.push((id, place));
                    continue;
                }
                Fate::Committed => conn.settle(place),
                Fate::Unknown => {
                    conn.rerun(place);
                    let text = if mark.wrote { UNKNOWN } else { NO_EFFECT };
                    conn.answer(place, format!("-{text}\r\n").as_bytes());
                }
                Fate::NotDone => {
                    if let Some(bytes) = conn.rerun(place) {
                        let request = Request::from_bytes(bytes);
                        let slot = slot_of_request(&request);
                        let target = Target::Slot { conn: id, slot: place };
                        let mut forward = Forward::new(target, request, slot, deadline);
                        forward.order = mark.order;
                        forward.executed = rerun;
                        lost.reruns.push(forward);
                    }
                }
            }
            touched.push(id);
        }
        if !last.is_empty() {
            self.routes[group.0 as usize].passed_by(&last);
        }
        if lost.places.is_empty() {
            lost.reruns.sort_by_key(|f| f.order);
            self.routes[group.0 as usize].thaw(lost.reruns);
            self.pumping.insert(group);
        } else {
            self.lost.insert(group, lost);
        }
    }

    /// What is known now of the commands whose fate is open, and by connection the order of the last one
    /// that has, or may have had effects.
    fn fates(&self, group: GroupId, lost: &Lost) -> (Vec<Fated>, BTreeMap<u64, u64>) {
        let Some(replica) = self.replicas[group.0 as usize].as_deref() else { return Default::default() };
        let late = self.now.mono_ms() >= lost.until_ms;
        let (mut last, mut pending) = (BTreeMap::<u64, u64>::new(), BTreeSet::new());
        let mut fates = Vec::with_capacity(lost.places.len());
        for &(id, place) in &lost.places {
            let Some(mark) = self.conns.get(&id).and_then(|conn| conn.mark(place)) else { continue };
            let fate = match replica.fate(&mark) {
                Fate::Pending if late => Fate::Unknown,
                fate => fate,
            };
            if mark.wrote && matches!(fate, Fate::Committed | Fate::Unknown) {
                let last = last.entry(id).or_default();
                *last = mark.order.max(*last);
            }
            if mark.wrote && fate == Fate::Pending {
                pending.insert(id);
            }
            fates.push(Fated { conn: id, place, mark, fate, rerun: false });
        }
        let route = &self.routes[group.0 as usize];
        for fated in fates.iter_mut().filter(|f| !f.mark.wrote && f.fate == Fate::Committed) {
            // It must not be older than what one before it will read.
            let after = last.get(&fated.conn).copied().unwrap_or(0);
            if route.runs_again_before(fated.conn, after, fated.mark.order) {
                fated.rerun = !pending.contains(&fated.conn);
                fated.fate = if fated.rerun { Fate::NotDone } else { Fate::Pending };
            }
        }
        (fates, last)
    }

    /// A connection is gone, and with it the marks of what it executed here: if something of it is
    /// sent again, it must not run after that.
    pub(crate) fn forget_marks(&mut self, conn: &Conn) {
        for (group, order) in conn.last_writes() {
            self.routes[group.0 as usize].passed_by(&BTreeMap::from([(conn.id, order)]));
        }
    }

    /// Gives up what waited too long.
    pub(crate) fn expire_requests(&mut self) {
        let now_ms = self.now.mono_ms();
        for at in 0..self.routes.len() {
            for overdue in self.routes[at].overdue(now_ms) {
                let group = GroupId(at as u32);
                let text = if overdue.unknown { UNKNOWN.to_owned() } else { self.cluster_down(group) };
                self.fail(overdue.forward.target, &text);
            }
        }
        let open: Vec<GroupId> = self.lost.keys().copied().collect();
        for group in open {
            self.resolve_lost(group);
        }
    }

    /// The error for a shard that could not answer in time.
    pub(crate) fn cluster_down(&self, group: GroupId) -> String {
        let Some(shard) = group.shard() else { return "CLUSTERDOWN the meta group has no leader".to_owned() };
        let voters = self.voters(group);
        let reachable = voters.iter().filter(|&&n| n == self.me.node || self.is_up(n)).count();
        let needed = voters.len() / 2 + 1;
        format!(
            "CLUSTERDOWN shard {shard}: {reachable} of {} replicas reachable, {needed} needed",
            voters.len()
        )
    }
}

/// Slot of the first key of a request, 0 if it has none.
pub(crate) fn slot_of_request(request: &Request) -> Slot {
    let Ok(parts) = request.parts() else { return 0 };
    if parts.flags.has(Flags::INTERNAL) {
        return 0;
    }
    if parts.flags.has(Flags::TRANSACTION) {
        return crate::transaction::request::slot_of(&parts);
    }
    let first = parts.args.get(1).copied();
    let Ok(spec) = shard::table::resolve(parts.args[0], first) else { return 0 };
    spec.key_positions(&parts.args).next().map_or(0, |at| slot_of(parts.args[at]))
}
