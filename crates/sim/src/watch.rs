//! What is checked while the world goes on: one file per property.

pub mod accounted;
mod bounded;
mod commit;
mod compared;
mod exposure;
mod leases;
mod members;
mod replicas;
mod sick;
mod terms;

use crate::process::{Process, Shape};
use crate::violation::Violation;
use model::{GroupId, NodeId};
use node::Inspect;
use std::collections::BTreeSet;

/// Between two looks at the queues of a node, passes.
const LOOK_AT_LOADS: u64 = 64;

/// A replica that was looked at.
#[derive(Clone, Copy, Debug)]
struct Seen {
    machine: u64,
    group: GroupId,
    before: Option<Inspect>,
    now: Inspect,
}

/// All watchers.
#[derive(Default)]
pub struct Watch {
    /// By machine and group.
    last: Vec<Vec<Option<(u64, Inspect)>>>,
    terms: terms::Terms,
    commit: commit::Commit,
    replicas: replicas::Replicas,
    leases: leases::Leases,
    members: members::MembersSeen,
    /// The node that is a witness, 0 = none is.
    witness: u64,
    /// Nodes that were given up by a recovery.
    void: BTreeSet<u64>,
    bounded: bounded::Bounded,
    compared: compared::Compared,
    /// What leaders expose.
    pub exposures: exposure::Exposures,
    /// How long disks have been sick.
    pub sick: sick::Sick,
    /// The first thing found.
    pub found: Option<Violation>,
    /// Changes of leadership, for the timeline; `None` where nobody wants it.
    pub said: Option<Vec<String>>,
}

impl Watch {
    /// Watchers that have seen nothing; `said`: changes of leadership are wanted for a timeline.
    pub fn new(said: bool, shape: Shape) -> Watch {
        let mut watch = Watch { said: said.then(Vec::new), ..Watch::default() };
        (watch.witness, watch.members.witness) = (shape.witness, shape.witness);
        let all = shape.nodes as usize;
        // A voter that has lost its folder goes before it comes again, as long as the others are a majority.
        // Beside a witness it may be one of two with data, and the witness goes as well.
        let alone = shape.witness > 0 && all <= 3;
        let least = match shape.further {
            true if alone => 1,
            true => all / 2 + 1,
            false => all,
        };
        watch.members.replicas = if shape.spares > 0 { least } else { 0 };
        watch
    }

    /// These nodes must never have a vote.
    pub fn never_vote(&mut self, nodes: impl Iterator<Item = u64>) {
        self.members.learners.extend(nodes.map(NodeId));
    }

    /// After a recovery members are others, and those that never voted are the only ones. Terms and entries that only
    /// lost nodes knew of may come again, in another incarnation of the cluster.
    pub fn begins_anew(&mut self) {
        self.members = members::MembersSeen::default();
        (self.terms, self.commit) = (terms::Terms::default(), commit::Commit::default());
        (self.replicas, self.leases) = (replicas::Replicas::default(), leases::Leases::default());
        self.last.clear();
    }

    /// What a node knows is of another incarnation of the cluster from now on, and counts for nothing.
    pub fn given_up(&mut self, node: u64) {
        self.void.insert(node);
    }

    /// So many nodes were removed by force.
    pub fn forced(&mut self, nodes: usize) {
        self.members.forced = nodes;
    }

    /// Looks at a node after a pass.
    pub fn look(&mut self, process: &Process, at_ns: u64) {
        let Some(core) = process.core().filter(|_| !self.void.contains(&process.machine)) else { return };
        let (machine, life) = (process.machine, process.life());
        for group in (0..core.groups()).map(GroupId) {
            let Some(now) = core.inspect(group) else {
                *self.slot(machine, group) = None;
                continue;
            };
            let last = self.slot(machine, group).replace((life, now));
            // A replica that has come after another has promised nothing of what that one had.
            let same = |(of, inspect): &(u64, Inspect)| *of == life && inspect.generation == now.generation;
            let before = last.filter(same).map(|(_, inspect)| inspect);
            let quiet = before == Some(now);
            let seen = Seen { machine, group, before, now };
            let result = if quiet { Ok(()) } else { self.changed(&seen, process) };
            let result = result.and_then(|()| self.leases.look(&seen, process));
            self.keep(result, at_ns);
        }
        if process.passes.is_multiple_of(LOOK_AT_LOADS) {
            let result = self.bounded.look(process).and_then(|()| self.compared.look(process));
            self.keep(result, at_ns);
        }
    }

    /// Looks at all nodes after a pass of one.
    pub fn look_at_all(&mut self, processes: &[Process], at_ns: u64) {
        let result = self.sick.look(processes, at_ns);
        self.keep(result, at_ns);
    }

    fn slot(&mut self, machine: u64, group: GroupId) -> &mut Option<(u64, Inspect)> {
        let (machine, group) = (machine as usize, group.0 as usize);
        if self.last.len() <= machine {
            self.last.resize_with(machine + 1, Vec::new);
        }
        let of_machine = &mut self.last[machine];
        if of_machine.len() <= group {
            of_machine.resize(group + 1, None);
        }
        &mut of_machine[group]
    }

    fn changed(&mut self, seen: &Seen, process: &Process) -> Result<(), (&'static str, String)> {
        if let Some(said) = &mut self.said
            && seen
                .before
                .is_none_or(|b| (b.leads, b.term, b.last) != (seen.now.leads, seen.now.term, seen.now.last))
        {
            let Inspect { leads, term, commit, last, .. } = seen.now;
            let role = if leads { "leads" } else { "follows in" };
            said.push(format!(
                "node {} {role} group {}, term {term}, commit {commit}, last {last}",
                seen.machine, seen.group
            ));
        }
        self.terms.look(seen)?;
        self.commit.look(seen, process)?;
        if process.machine != self.witness {
            self.replicas.look(seen)?;
        } else if seen.now.leads {
            return Err((
                "a witness never leads",
                format!("node {} leads group {}", seen.machine, seen.group),
            ));
        }
        let moved = seen.before.is_none_or(|before| before.applied != seen.now.applied);
        if moved && self.members.replicas > 0 {
            self.members.look(seen, process.core().and_then(|core| core.members(seen.group)))?;
        }
        self.leases.note(seen, process);
        Ok(())
    }

    fn keep(&mut self, result: Result<(), (&'static str, String)>, at_ns: u64) {
        if let Err((property, sentence)) = result
            && self.found.is_none()
        {
            self.found = Some(Violation::new(property, at_ns, sentence));
        }
    }

    /// The largest figures of all queues seen, for the report.
    pub fn loads(&self) -> node::Loads {
        self.bounded.most()
    }

    /// Comparisons of replicas that ended.
    pub fn comparisons(&self) -> u64 {
        self.compared.ended()
    }

    /// Leaders seen, over all groups and terms.
    pub fn elections(&self) -> usize {
        self.terms.len()
    }
}
