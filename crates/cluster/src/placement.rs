//! Placement: which nodes hold a replica of each group, and who of them should lead it.
//!
//! A pure function of the nodes and of what there is: no clock, no randomness, the same answer on every
//! node. It starts from what is and changes only what a rule demands, so that its own answer is left as
//! it is. The steps, each in a file: what is too much goes and what is missing comes, with
//! zones), replicas are evened out by weight, leaders by count, then by load. Why it is no solver:
//! `docs/decisions/0009-placement.md`.
//!
//! **Invariant:** a group never has fewer replicas than it came with, unless it came with too many.

mod balance;
mod board;
mod explain;
mod fill;
mod leaders;
mod loads;
mod shares;
#[cfg(test)]
mod tests;
mod witness;

use board::Board;
use model::{GroupId, NodeId};

pub use explain::explain;
pub use witness::place_with_witnesses;

/// A node that may hold replicas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Site {
    /// Its id. If two sites have the same the first counts.
    pub node: NodeId,
    /// What may fail as a whole: a rack, a building. Empty: unknown, a zone of its own.
    pub zone: String,
    /// Relative capacity: a node of weight 2 gets twice the replicas of one of weight 1. 0: takes nothing new
    /// and keeps what it has.
    pub weight: u32,
    /// Whether it takes, keeps, or gives up replicas.
    pub standing: Standing,
}

/// What a node is to do with replicas.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Takes and keeps replicas.
    Serving,
    /// What it holds is to leave (drained, or given up as dead): nothing new, and everything moves off as
    /// soon as others can take it.
    Leaving,
    /// Down, but not given up: keeps what it has, takes nothing new, should not lead.
    Away,
}

/// A group as it is, or is wanted to be already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Which group. The meta group is placed like any other, but not counted among those that a node leads.
    pub group: GroupId,
    /// The nodes with a replica; the first should lead.
    pub replicas: Vec<NodeId>,
    /// Size of one replica in bytes. Of several groups that could move, the smallest does.
    pub bytes: u64,
    /// Commands per second, which its leader has to do.
    pub load: u64,
}

/// Who should hold and lead each group, in the order of `groups`. A group that stays as it is comes out as it
/// went in; with the answer put in, the same answer comes out.
///
/// `replicas` is how many each group should have; 0 is taken for 1. Nodes in `groups` that are no site count as
/// leaving. What it costs depends on how much is to change: 15 to 240 ms for 1000 nodes and 16 384 groups (see
/// `examples/placement_bench.rs`).
pub fn place(sites: &[Site], groups: &[Placed], replicas: usize) -> Vec<Vec<NodeId>> {
    place_counted(sites, groups, replicas).0
}

/// [`place`], and the number of steps it took: looks at a zone, a replica or a candidate.
fn place_counted(sites: &[Site], groups: &[Placed], replicas: usize) -> (Vec<Vec<NodeId>>, u64) {
    let mut board = Board::new(sites, groups);
    let replicas = replicas.max(1);
    fill::trim(&mut board, replicas);
    fill::uncrowd(&mut board);
    let targets = shares::targets(&board, replicas);
    board.set_targets(&targets);
    fill::fill(&mut board, replicas);
    // Each change of either makes the groups less crowded or the nodes more even: this comes to an end.
    loop {
        let spread = fill::spread(&mut board);
        let evened = balance::balance(&mut board);
        if !spread && !evened {
            break;
        }
    }
    let lists = board.lists();
    let mut led = lists.clone();
    let leaders = leaders::elect(&board, &mut led);
    loads::even_out(&board, &mut led, leaders);
    let answer = |(mut list, led): (Vec<usize>, Vec<usize>)| {
        // Who leads has changed back and forth; the others keep the order in which they came.
        led.first().iter().for_each(|leader| leaders::put_first(&mut list, **leader));
        list.iter().map(|site| board.sites[*site].node).collect()
    };
    let answers = lists.into_iter().zip(led).map(answer).collect();
    (answers, board.steps.get())
}
