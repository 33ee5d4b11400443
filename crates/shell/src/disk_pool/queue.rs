//! Which task is next: lanes in turn, tasks of a lane in order. Touches neither disk nor clock.

use super::lane::{After, Lane, Task};
use super::{MAX_CHUNK_BYTES, MAX_CHUNKS};
use env::Rng;
use model::GroupId;
use node::{Job, JobDone};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Whose tasks must keep their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LaneId {
    /// Those of a group.
    Group(GroupId),
    /// Those of a tree that no job has named together with a group.
    Tree(u64),
}

#[derive(Default)]
struct Waiting {
    tasks: VecDeque<Task>,
    /// `None` while a thread works for the lane.
    lane: Option<Box<Lane>>,
}

/// The queue of all lanes.
pub(super) struct Queue {
    lanes: BTreeMap<LaneId, Waiting>,
    /// Lanes with a task and nobody at work, the longest waiting first.
    ready: VecDeque<LaneId>,
    /// Lanes that wait for a time (monotonic ms) to try again.
    asleep: Vec<(u64, LaneId)>,
    /// The group of each tree that a job has named and that was not dropped since.
    owners: BTreeMap<u64, GroupId>,
    /// Trees whose folder has failed. Bounded by the replicas that a node has had.
    left: BTreeSet<u64>,
    chunks: usize,
    chunk_bytes: usize,
    running: usize,
    retries: u64,
    streams: Rng,
    stopped: bool,
}

impl Queue {
    pub(super) fn new(streams: Rng) -> Queue {
        Queue {
            lanes: BTreeMap::new(),
            ready: VecDeque::new(),
            asleep: Vec::new(),
            owners: BTreeMap::new(),
            left: BTreeSet::new(),
            chunks: 0,
            chunk_bytes: 0,
            running: 0,
            retries: 0,
            streams,
            stopped: false,
        }
    }

    /// Queues a job of the core.
    pub(super) fn submit(&mut self, job: Job) {
        let group = match job {
            Job::Checkpoint { group, tree, .. }
            | Job::ReadSnapshot { group, tree, .. }
            | Job::StageChunk { group, tree, .. }
            | Job::LoadStaged { group, tree, .. } => {
                self.owners.insert(tree, group);
                Some(group)
            }
            Job::Divide { group, .. }
            | Job::EndSnapshot { group, .. }
            | Job::Scrub { group, .. }
            | Job::Compare { group, .. }
            | Job::KeepLoss { group, .. }
            | Job::ForgetLoss { group, .. } => Some(group),
            Job::KeepHeard { .. } => Some(GroupId::META),
            Job::LeaveTree { group, tree } => {
                self.leave(group, tree);
                Some(group)
            }
            // Behind everything that uses the tree.
            Job::DropTree { tree } => self.owners.remove(&tree),
        };
        let id = match (group, &job) {
            (Some(group), _) => LaneId::Group(group),
            (None, Job::DropTree { tree }) => LaneId::Tree(*tree),
            (None, _) => return,
        };
        let task = self.admit(job);
        self.push(id, task);
    }

    /// Checkpoints that wait to be written to a tree, or to be tried again, are answered in their places.
    fn leave(&mut self, group: GroupId, tree: u64) {
        self.left.insert(tree);
        let waiting = self.lanes.get_mut(&LaneId::Group(group));
        let tasks = waiting.map(|waiting| &mut waiting.tasks);
        tasks.into_iter().flatten().for_each(|task| task.give_up_write(&self.left));
    }

    /// Counts chunks, and turns those that are too many into a refusal, which keeps its place in the lane.
    fn admit(&mut self, job: Job) -> Task {
        let bytes = match &job {
            Job::StageChunk { chunk, .. } => chunk.len(),
            Job::ReadSnapshot { .. } => 0,
            _ => return Task::of(job, 0),
        };
        let full = self.chunks >= MAX_CHUNKS
            || (bytes > 0 && self.chunk_bytes > 0 && self.chunk_bytes + bytes > MAX_CHUNK_BYTES);
        if !full {
            self.chunks += 1;
            self.chunk_bytes += bytes;
            return Task::of(job, self.streams.next_u64());
        }
        let why = || format!("{} chunks of snapshots wait already", self.chunks);
        Task::Refuse(match job {
            Job::StageChunk { group, from, .. } => JobDone::Staged { group, from, result: Err(why()) },
            Job::ReadSnapshot { group, to, .. } => {
                JobDone::SnapshotChunk { group, to, result: Err(why()), damaged: false }
            }
            other => return Task::of(other, 0),
        })
    }

    pub(super) fn push(&mut self, id: LaneId, task: Task) {
        let waiting = self
            .lanes
            .entry(id)
            .or_insert_with(|| Waiting { tasks: VecDeque::new(), lane: Some(Box::default()) });
        waiting.tasks.push_back(task);
        let idle = waiting.lane.is_some() && waiting.tasks.len() == 1;
        if idle {
            self.ready.push_back(id);
        }
    }

    /// The next task that may run, and its lane, to be given back.
    pub(super) fn take(&mut self, now_ms: u64) -> Option<(LaneId, Task, Box<Lane>)> {
        self.asleep.sort_unstable();
        while self.asleep.first().is_some_and(|(due_ms, _)| *due_ms <= now_ms) {
            self.ready.push_back(self.asleep.remove(0).1);
        }
        let id = self.ready.pop_front()?;
        let waiting = self.lanes.get_mut(&id)?;
        let (task, lane) = (waiting.tasks.pop_front()?, waiting.lane.take()?);
        match &task {
            Task::Stage { chunk, .. } => {
                self.chunks -= 1;
                self.chunk_bytes -= chunk.len();
            }
            Task::Read { .. } => self.chunks -= 1,
            _ => {}
        }
        self.running += 1;
        Some((id, task, lane))
    }

    /// A task is over.
    pub(super) fn give_back(&mut self, id: LaneId, lane: Box<Lane>, after: After, now_ms: u64) {
        self.running -= 1;
        let Some(waiting) = self.lanes.get_mut(&id) else { return };
        waiting.tasks.extend(after.more);
        if let Some((mut task, wait_ms)) = after.retry {
            task.give_up_write(&self.left);
            self.retries += 1;
            waiting.tasks.push_front(task);
            waiting.lane = Some(lane);
            self.asleep.push((now_ms + wait_ms, id));
        } else if !waiting.tasks.is_empty() {
            waiting.lane = Some(lane);
            self.ready.push_back(id);
        } else if lane.is_empty() {
            self.lanes.remove(&id);
        } else {
            waiting.lane = Some(lane);
        }
    }

    /// When the next lane wakes, if one sleeps.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.asleep.iter().map(|(due_ms, _)| *due_ms).min()
    }

    pub(super) fn pending(&self) -> usize {
        self.running + self.lanes.values().map(|waiting| waiting.tasks.len()).sum::<usize>()
    }

    pub(super) fn retries(&self) -> u64 {
        self.retries
    }

    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::NodeId;

    const A: GroupId = GroupId(1);
    const B: GroupId = GroupId(2);

    fn queue() -> Queue {
        Queue::new(Rng::new(1))
    }

    fn end(group: GroupId, to: u64) -> Job {
        Job::EndSnapshot { group, to: NodeId(to) }
    }

    fn stage(group: GroupId, tree: u64, bytes: usize) -> Job {
        Job::StageChunk { group, from: NodeId(1), tree, chunk: vec![0; bytes] }
    }

    fn number(task: &Task) -> u64 {
        match task {
            Task::End { to } => to.0,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_lane_keeps_its_order_and_lanes_take_turns() {
        let mut queue = queue();
        [end(A, 1), end(A, 2), end(B, 3)].into_iter().for_each(|job| queue.submit(job));
        let (a, first, lane) = queue.take(0).unwrap();
        let (b, second, _) = queue.take(0).unwrap();
        assert_eq!((a, number(&first)), (LaneId::Group(A), 1));
        assert_eq!((b, number(&second)), (LaneId::Group(B), 3));
        assert!(queue.take(0).is_none(), "the rest of A waits for its first task");
        queue.give_back(a, lane, After::default(), 0);
        assert_eq!(number(&queue.take(0).unwrap().1), 2);
        assert_eq!(queue.pending(), 2);
    }

    #[test]
    fn a_retry_comes_first_and_not_before_its_time() {
        let mut queue = queue();
        [end(A, 1), end(A, 2)].into_iter().for_each(|job| queue.submit(job));
        let (id, task, lane) = queue.take(0).unwrap();
        queue.give_back(id, lane, After { more: Vec::new(), retry: Some((task, 50)) }, 100);
        assert_eq!((queue.next_due_ms(), queue.retries()), (Some(150), 1));
        queue.submit(end(A, 3));
        assert!(queue.take(149).is_none());
        let (id, task, lane) = queue.take(150).unwrap();
        assert_eq!(number(&task), 1);
        queue.give_back(id, lane, After::default(), 150);
        assert_eq!(number(&queue.take(150).unwrap().1), 2);
        assert_eq!(queue.next_due_ms(), None);
    }

    #[test]
    fn a_checkpoint_is_not_tried_again_where_the_folder_has_failed() {
        let mut machine = shard::Machine::new(model::KeyHasher::new(1), 1000, 1);
        machine.apply_empty(1, 1);
        assert!(machine.begin_checkpoint());
        let mut changes = machine.checkpoint_slice(usize::MAX);
        let mut write =
            |tree| Job::Checkpoint { group: A, tree, at: (1, 1), changes: changes.take().unwrap() };
        // While it is at work, and its folder fails.
        let mut queue = queue();
        queue.submit(write(7));
        queue.submit(end(A, 1));
        let (id, task, lane) = queue.take(0).unwrap();
        queue.submit(Job::LeaveTree { group: A, tree: 7 });
        queue.give_back(id, lane, After { more: Vec::new(), retry: Some((task, 50)) }, 0);
        let (id, task, lane) = queue.take(50).unwrap();
        let Task::Refuse(JobDone::Checkpoint { tree: 7, result: Err(_), .. }) = task else {
            panic!("{task:?}")
        };
        queue.give_back(id, lane, After::default(), 50);
        assert_eq!(number(&queue.take(50).unwrap().1), 1, "the group's other jobs are done");
    }

    #[test]
    fn a_tree_is_dropped_behind_what_uses_it() {
        let mut queue = queue();
        [stage(A, 7, 1), Job::DropTree { tree: 7 }, Job::DropTree { tree: 9 }]
            .into_iter()
            .for_each(|job| queue.submit(job));
        assert_eq!(queue.take(0).unwrap().0, LaneId::Group(A));
        assert_eq!(queue.take(0).unwrap().0, LaneId::Tree(9));
        assert!(queue.take(0).is_none());
    }

    #[test]
    fn chunks_are_bounded_by_number_and_bytes() {
        let mut full = queue();
        full.submit(stage(A, 7, MAX_CHUNK_BYTES + 1));
        full.submit(stage(B, 8, 1));
        assert!(matches!(full.take(0).unwrap().1, Task::Stage { .. }));
        assert!(matches!(full.take(0).unwrap().1, Task::Refuse(JobDone::Staged { result: Err(_), .. })));
        full.submit(stage(B, 8, 1));
        assert_eq!((full.chunks, full.chunk_bytes), (1, 1));

        let mut full = queue();
        (0..=MAX_CHUNKS as u64).for_each(|n| {
            full.submit(Job::ReadSnapshot {
                group: GroupId(n as u32),
                tree: n,
                to: NodeId(1),
                next: 0,
                metadata: false,
            });
        });
        assert_eq!(full.chunks, MAX_CHUNKS);
        let refused = full.lanes.values().flat_map(|w| &w.tasks).filter(|t| matches!(t, Task::Refuse(_)));
        assert_eq!(refused.count(), 1);
    }
}
