//! Commands of people that are answered when the cluster has become what was asked for: switchover
//! and layout changes.

use crate::conn::Conn;
use crate::core::Core;
use crate::layouts::shown;
use cluster::map::Mode;
use model::{GroupId, Keyspace, NodeId, Reply};
use resp::{Proto, Resp};
use router::Target;

/// How long such a command waits, in ms.
const PATIENCE_MS: u64 = 10_000;

/// After this time a change that another one came in between of is given up, in ms: by then this node has heard of
/// both.
const SUPERSEDED_MS: u64 = 1000;

/// What is waited for.
#[derive(Debug, Clone)]
pub(crate) enum Goal {
    /// None of these groups is led by the node any more.
    Switched(Vec<GroupId>, NodeId, Option<NodeId>),
    /// The keyspace is open again after this epoch, with this layout.
    Layout(Keyspace, u64, &'static str),
    /// All shards obey this mode of the keyspace, which nobody has changed since this epoch.
    Mode(Keyspace, Mode, u64),
}

/// A connection that waits for a goal.
#[derive(Debug)]
pub(crate) struct Poll {
    conn: u64,
    place: u64,
    goal: Goal,
    until_ms: u64,
}

impl Core {
    /// The connection is answered when the goal is reached.
    pub(crate) fn poll(&mut self, conn: &mut Conn, goal: Goal) {
        let until_ms = self.now.mono_ms() + PATIENCE_MS;
        let place = conn.reserve();
        self.polls.push(Poll { conn: conn.id, place, goal, until_ms });
    }

    /// Looks at all goals and pursues those that are not reached.
    pub(crate) fn drive_polls(&mut self) {
        for poll in std::mem::take(&mut self.polls) {
            let late = self.now.mono_ms() >= poll.until_ms;
            match self.reached(&poll.goal) {
                Some(result) => self.end_poll(&poll, result),
                None if late => {
                    let text =
                        "ERR not reached in time; it may still happen, see everstore status".to_owned();
                    self.end_poll(&poll, Err(text));
                }
                None if self.is_superseded(&poll) => {
                    let text =
                        "ERR another change of the keyspace came in between; see KEYSPACE GET".to_owned();
                    self.end_poll(&poll, Err(text));
                }
                None => {
                    self.pursue(&poll.goal);
                    self.polls.push(poll);
                }
            }
        }
    }

    /// Whether another mode was asked for since this one was.
    fn is_superseded(&self, poll: &Poll) -> bool {
        let Goal::Mode(ks, mode, epoch) = &poll.goal else { return false };
        let (row, begun_ms) = (self.map.mode(*ks), poll.until_ms - PATIENCE_MS);
        let waited = self.now.mono_ms() >= begun_ms + SUPERSEDED_MS;
        waited && row.epoch > *epoch && row.mode != *mode && self.routes[0].is_empty()
    }

    /// Asks again for what was not reached, because somebody was not ready for it.
    fn pursue(&mut self, goal: &Goal) {
        match goal {
            Goal::Switched(groups, from, to) => self.switch(groups, *from, *to),
            Goal::Layout(ks, epoch, layout) => {
                if self.map.layout(*ks).epoch == *epoch && self.routes[0].is_empty() {
                    self.ask_meta(&[b"begin-layout", ks.to_string().as_bytes(), layout.as_bytes()]);
                }
            }
            // Not once somebody else has asked for another mode: two would undo each other's for ever, and one that
            // nobody waits for any more would undo what was answered since.
            Goal::Mode(ks, mode, epoch) => {
                let now = self.map.mode(*ks);
                if now.mode != *mode && now.epoch == *epoch && self.routes[0].is_empty() {
                    let (ks, words) = (ks.to_string(), crate::modes::words(*mode));
                    self.ask_meta(&crate::modes::with(&[b"begin-mode", ks.as_bytes()], &words));
                }
            }
        }
    }

    /// Asks the leaders of these groups to hand over what `from` still leads.
    pub(crate) fn switch(&mut self, groups: &[GroupId], from: NodeId, to: Option<NodeId>) {
        for &group in groups {
            if self.routes[group.0 as usize].leader().is_some_and(|(leader, _)| leader == from) {
                self.wish_transfer(group, to);
            }
        }
    }

    fn reached(&self, goal: &Goal) -> Option<Result<(), String>> {
        match goal {
            Goal::Switched(groups, from, _) => {
                let moved = |g: &GroupId| {
                    self.routes[g.0 as usize].leader().is_some_and(|(leader, _)| leader != *from)
                };
                groups.iter().all(moved).then_some(Ok(()))
            }
            Goal::Mode(ks, mode, _) => {
                let row = self.map.mode(*ks);
                (row.mode == *mode && row.settled).then_some(Ok(()))
            }
            Goal::Layout(ks, epoch, wanted) => {
                let row = self.map.layout(*ks);
                let open = matches!(row.phase, cluster::map::Phase::Open(_));
                if !open || row.epoch <= *epoch {
                    return None;
                }
                Some(if shown(&self.map, *ks).0 == *wanted {
                    Ok(())
                } else {
                    Err(format!(
                        "ERR keyspace {ks} holds keys: its layout can be chosen only while it is empty"
                    ))
                })
            }
        }
    }

    fn end_poll(&mut self, poll: &Poll, result: Result<(), String>) {
        let mut out = Vec::new();
        // Both look the same in every protocol.
        let mut reply = Resp { buf: &mut out, proto: Proto::Resp2 };
        match result {
            Ok(()) => reply.ok(),
            Err(text) => reply.error(&text),
        }
        let target = Target::Slot { conn: poll.conn, slot: poll.place };
        self.complete(target, &out, GroupId::META, (0, 0));
    }
}
