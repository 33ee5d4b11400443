//! The logs of this node, one per data folder: what is being written to each, and how far each is durable.
//!
//! Each replica has all of its records in one log. The log of the home folder says of every group whose replica
//! is in another folder which one that is: before anything a new replica writes counts, that record is durable.
//! So a folder that is gone is never taken for a replica that has not promised anything.

use crate::core::Core;
use crate::turn::Built;
use cluster::Tenure;
use model::planted::{Bug, is_planted};
use model::{GroupId, Term};
use std::collections::VecDeque;
use storage::log::{BatchBuilder, HardState, Install, MAX_PUT_OFF_NS};

/// The log of the home folder.
pub const HOME: usize = 0;

/// A further folder has room for trees with these ids: its number, then the id within it.
const TREE_BITS: u32 = 40;

/// The id of a tree in a folder, as the core and the logs know it. The home folder has number 0.
pub fn tree_in(folder: u32, tree: u64) -> u64 {
    u64::from(folder) << TREE_BITS | tree
}

/// The number of the folder that holds a tree, and the tree's id within it.
pub fn folder_of(tree: u64) -> (u32, u64) {
    ((tree >> TREE_BITS) as u32, tree & ((1 << TREE_BITS) - 1))
}

/// Where a new replica goes: the meta group's to the log of the home folder, which no node goes on without, others to
/// the log with the fewest replicas of those that work, the first of equals.
pub fn place(group: GroupId, replicas: &[usize], works: impl Fn(usize) -> bool) -> usize {
    let logs = if group == GroupId::META { 0..1 } else { 0..replicas.len() };
    logs.filter(|log| works(*log)).min_by_key(|log| replicas[*log]).unwrap_or(HOME)
}

/// A batch that was handed over.
#[derive(Debug)]
struct Handed {
    number: u64,
    /// It counts once the home log is durable up to this batch.
    after_home: u64,
    built: Vec<Built>,
}

/// One log.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Number of its folder; 0 is the home folder.
    pub folder: u32,
    /// Id for the next tree in its folder, without the folder's number.
    pub next_tree: u64,
    /// The batch under construction.
    pub builder: BatchBuilder,
    /// What it holds.
    pub building: Vec<Built>,
    /// Somebody waits for it to be durable.
    pub urgent: bool,
    /// Number of the batch under construction.
    pub next_batch: u64,
    /// Number of the last batch that is known to be written.
    pub written: u64,
    /// Nothing is written to it any more, and nothing that was counts.
    pub failed: bool,
    after_home: u64,
    /// When the batch before was handed over, monotonic ns.
    last_ns: u64,
    durable: u64,
    /// Number of the last batch that is durable with all it rests on.
    counted: u64,
    batches: VecDeque<Handed>,
}

impl Line {
    fn new(folder: u32, next_tree: u64) -> Line {
        Line { folder, next_tree, next_batch: 1, ..Line::default() }
    }

    /// Forgets everything of a log that has failed.
    pub(crate) fn fail(&mut self) {
        let Line { folder, next_tree, next_batch, .. } = *self;
        *self = Line { folder, next_tree, next_batch, failed: true, ..Line::default() };
    }

    fn is_empty(&self) -> bool {
        self.building.is_empty() && self.builder.is_empty()
    }

    /// When the batch under construction is handed over, monotonic ns; 0 = now, `None` = there is none.
    /// One that nobody waits for, to be durable or written, collects what comes for a while.
    fn due_ns(&self) -> Option<u64> {
        if self.is_empty() || self.failed {
            return None;
        }
        let waits = !self.urgent && !self.builder.is_announced();
        Some(if waits { self.last_ns + MAX_PUT_OFF_NS } else { 0 })
    }

    /// What is written now and was not before.
    pub(crate) fn newly_written(&mut self, batch: u64) -> impl Iterator<Item = Built> {
        let seen = self.written;
        self.written = seen.max(batch);
        let new = self.batches.iter().filter(move |handed| handed.number > seen && handed.number <= batch);
        new.flat_map(|handed| handed.built.iter().copied())
    }

    /// What counts as durable from now on. `home`: up to where the home log is.
    fn newly_durable(&mut self, home: u64) -> Vec<Built> {
        let mut all = Vec::new();
        let durable = self.durable;
        while let Some(handed) =
            self.batches.pop_front_if(|handed| handed.number <= durable && handed.after_home <= home)
        {
            self.counted = handed.number;
            match all.is_empty() {
                true => all = handed.built,
                false => all.extend(handed.built),
            }
        }
        all
    }
}

/// All logs, the one of the home folder first.
#[derive(Debug)]
pub(crate) struct Logs(Vec<Line>);

impl Default for Logs {
    fn default() -> Logs {
        Logs(vec![Line::new(0, 0)])
    }
}

impl Logs {
    /// One log; there is always the first.
    pub(crate) fn of(&mut self, log: usize) -> &mut Line {
        &mut self.0[log]
    }

    pub(crate) fn all(&self) -> &[Line] {
        &self.0
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Id for a new tree in the folder of a log.
    pub(crate) fn new_tree(&mut self, log: usize) -> u64 {
        let line = self.of(log);
        line.next_tree += 1;
        tree_in(line.folder, line.next_tree - 1)
    }

    /// An id of a tree that is in use or will be: later ones are above.
    pub(crate) fn used_tree(&mut self, tree: u64) {
        let (folder, id) = folder_of(tree);
        if let Some(line) = self.0.iter_mut().find(|line| line.folder == folder) {
            line.next_tree = line.next_tree.max(id + 1);
        }
    }

    /// The log of the folder that holds a tree, if it works.
    pub(crate) fn log_with(&self, tree: u64) -> Option<usize> {
        self.0.iter().position(|line| line.folder == folder_of(tree).0 && !line.failed)
    }

    pub(crate) fn works(&self, log: usize) -> bool {
        self.0.get(log).is_some_and(|line| !line.failed)
    }

    /// True once a batch and all it rests on is durable.
    pub(crate) fn is_durable(&self, log: usize, batch: u64) -> bool {
        self.0.get(log).is_some_and(|line| batch <= line.counted)
    }

    /// Number of the last batch that is durable with all it rests on.
    pub(crate) fn counted(&self, log: usize) -> u64 {
        self.0.get(log).map_or(0, |line| line.counted)
    }
}

impl Core {
    /// The data folders of this node, each with a log: their numbers, the home folder's (0) first, and the first
    /// free id for a tree in each. Before [`Core::start`].
    pub fn set_folders(&mut self, folders: &[(u32, u64)]) {
        self.logs = Logs(folders.iter().map(|&(folder, tree)| Line::new(folder, tree)).collect());
    }

    /// The log with the records of this node's replica of a group.
    pub(crate) fn log_of(&self, group: GroupId) -> usize {
        self.replicas.get(group.0 as usize).and_then(Option::as_deref).map_or(HOME, |replica| replica.log)
    }

    /// The log under construction of this node's replica of a group.
    pub(crate) fn line_of(&mut self, group: GroupId) -> &mut Line {
        let log = self.log_of(group);
        self.logs.of(log)
    }

    /// The log for a new replica of a group, another one than `avoided` if there is one.
    pub(crate) fn choose_log(&self, group: GroupId, avoided: Option<usize>) -> usize {
        let mut replicas = vec![0; self.logs.count()];
        self.replicas.iter().flatten().for_each(|replica| replicas[replica.log] += 1);
        place(group, &replicas, |log| self.logs.works(log) && Some(log) != avoided)
    }

    /// When the batches under construction are handed to the logs, monotonic ns; 0 = now, `None` = there is none.
    pub fn batch_due_ns(&self) -> Option<u64> {
        self.logs.all().iter().filter_map(Line::due_ns).min()
    }

    /// Hands over the batches that are due.
    pub(crate) fn finish_due_batches(&mut self) {
        for log in 0..self.logs.count() {
            if self.logs.of(log).due_ns().is_some_and(|due| due <= self.now.mono_ns) {
                self.finish_batch(log);
            }
        }
    }

    /// Hands the batch under construction to a log.
    pub(crate) fn finish_batch(&mut self, log: usize) {
        let now_ns = self.now.mono_ns;
        let line = self.logs.of(log);
        if line.failed {
            return line.fail();
        }
        if line.is_empty() {
            return;
        }
        let number = line.next_batch;
        line.next_batch += 1;
        line.last_ns = now_ns;
        let mut builder = std::mem::take(&mut line.builder);
        if !std::mem::take(&mut line.urgent) && builder.is_announced() {
            builder.put_off();
        }
        if let Some(buffer) = self.outbox.emptied.take() {
            line.builder = BatchBuilder::with_buffer(buffer);
        }
        self.outbox.log.push((log, number, builder.finish()));
        let (after_home, built) = (std::mem::take(&mut line.after_home), std::mem::take(&mut line.building));
        line.batches.push_back(Handed { number, after_home, built });
    }

    /// A log has written everything up to this batch: a crash of this process loses none of it.
    pub fn log_written(&mut self, log: usize, batch: u64) {
        let new = self.logs.of(log).newly_written(batch);
        if !self.replicas.iter().flatten().any(|replica| replica.answers_early()) {
            return; // Nobody waits for less than the commit.
        }
        let new: Vec<Built> = new.collect();
        self.built_is_written(&new);
    }

    /// A log has made everything up to this batch durable.
    pub fn log_done(&mut self, log: usize, batch: u64) {
        if batch > self.logs.of(log).written {
            self.log_written(log, batch);
        }
        let line = self.logs.of(log);
        line.durable = line.durable.max(batch);
        // What another log holds may have waited for the home log.
        let others = if log == HOME { 0..self.logs.count() } else { log..log + 1 };
        for log in others {
            let home = self.logs.of(HOME).durable;
            let built = self.logs.of(log).newly_durable(home);
            self.built_is_durable(built);
            self.installed_durable(log);
        }
    }

    /// Nothing of what the logs had of a group counts any more but its vote. The home log says which log has the
    /// new record, and is durable before anything after it counts.
    pub(crate) fn record_anew(
        &mut self,
        log: usize,
        (group, tenure): (GroupId, &Tenure),
        record: Install,
        hard: (Term, u64),
    ) {
        self.begin_record(log, group, record, hard);
        if log != HOME {
            self.record_at_home(log, (group, tenure), hard);
        }
    }

    /// The home log says which folder has the replica of a group, or that there is none any more.
    pub(crate) fn record_at_home(
        &mut self,
        log: usize,
        (group, tenure): (GroupId, &Tenure),
        hard: (Term, u64),
    ) {
        // Planted: see model/planted.rs
        if log != HOME && is_planted(Bug::FurtherAlone) {
            return;
        }
        let folder = self.logs.of(log).folder;
        let conf_state = match tenure {
            Tenure::Holds { generation, members, .. } => {
                Tenure::Elsewhere { generation: *generation, folder, incarnation: members.incarnation }
            }
            other => other.clone(),
        }
        .encode();
        self.begin_record(HOME, group, Install { conf_state, ..Install::default() }, hard);
        if log != HOME {
            let home = self.logs.of(HOME).next_batch;
            self.logs.of(log).after_home = home;
        }
    }

    fn begin_record(&mut self, log: usize, group: GroupId, record: Install, (term, vote): (Term, u64)) {
        self.finish_batch(log);
        let line = self.logs.of(log);
        line.builder.forget(group);
        line.builder.install(group, record);
        if term > 0 {
            line.builder.hard_state(group, HardState { term, vote, commit: 0 });
        }
        line.urgent = true;
        // One of the replica before may be on its way and must not be taken for one of the next.
        self.outbox.floors.push((log, group, 0));
    }

    /// What recovery has found the logs to lack: first replicas in further folders of which the home log says nothing
    /// yet, and groups that a log has and should not, each with its log. After [`Core::set_folders`] and before
    /// [`Core::start`], which may make and give up replicas: their records must be the later ones.
    pub fn amend_logs(&mut self, unrecorded: &[(usize, GroupId)], stale: &[(usize, GroupId)]) {
        for &(log, group) in stale {
            self.logs.of(log).builder.forget(group);
        }
        for &(log, group) in unrecorded {
            let (folder, incarnation) = (self.logs.of(log).folder, self.map.incarnation);
            let tenure = Tenure::Elsewhere { generation: 0, folder, incarnation };
            self.record_at_home(log, (group, &tenure), (0, 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_of_folders_have_ids_of_their_own() {
        assert_eq!(tree_in(0, 7), 7);
        assert_eq!(folder_of(tree_in(3, 9)), (3, 9));
        let mut logs = Logs(vec![Line::new(0, 5), Line::new(2, 5)]);
        assert_eq!((logs.new_tree(0), logs.new_tree(1), logs.new_tree(1)), (5, tree_in(2, 5), tree_in(2, 6)));
        logs.used_tree(tree_in(2, 20));
        assert_eq!((logs.new_tree(0), logs.new_tree(1)), (6, tree_in(2, 21)));
    }

    #[test]
    fn a_new_replica_goes_where_the_fewest_are() {
        assert_eq!(place(GroupId(1), &[2, 1, 1], |_| true), 1);
        assert_eq!(place(GroupId(1), &[0, 1, 1], |log| log != 0), 1);
        assert_eq!(place(GroupId(1), &[3, 0, 1], |log| log == HOME), HOME);
    }

    #[test]
    fn the_meta_group_is_in_the_home_folder_also_where_it_comes_later() {
        assert_eq!(place(GroupId::META, &[2, 0], |_| true), HOME);
    }

    #[test]
    fn what_rests_on_the_home_log_counts_only_with_it() {
        let handed = |number, after_home| {
            let built = Built { group: GroupId(number as u32), ready: 1, last: None, generation: 0 };
            Handed { number, after_home, built: vec![built] }
        };
        let mut line = Line::new(1, 1);
        line.batches.extend([handed(1, 0), handed(2, 9), handed(3, 0)]);
        line.durable = 3;
        let groups = |built: Vec<Built>| built.iter().map(|built| built.group.0).collect::<Vec<_>>();
        assert_eq!(groups(line.newly_durable(8)), [1]);
        assert_eq!(line.counted, 1, "the third comes after the second");
        assert_eq!(groups(line.newly_durable(9)), [2, 3]);
        assert_eq!(line.counted, 3);
    }
}
