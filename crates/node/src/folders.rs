//! The data folders of this node, as people see them, and what becomes of replicas whose folder is gone.
//!
//! Such a replica is one that has left: nothing is taken, voted or acknowledged in its name ([`crate::seats`]). As long as
//! the map wants it this node asks for another one in its place. The group's leader then changes the members as if this
//! node had gone and come back, and the new replica, empty and of a higher generation, is made in a folder that works.

use crate::core::Core;
use crate::logs::{HOME, folder_of};
use crate::outbox::Job;
use crate::seats::Left;
use cluster::heartbeat::{FolderReport, MEMBERS_LEVEL};
use cluster::{Seat, Tenure};
use model::GroupId;

/// Groups for which this node asks for another replica at a time.
const MAX_ASKED: usize = 8;

/// A data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFolder {
    /// Its number; 0 is the home folder.
    pub number: u32,
    /// Where it is.
    pub path: String,
    /// Why it is not used, if it is not.
    pub lost: Option<String>,
}

impl Core {
    /// All data folders that this node should have, the home folder first.
    pub fn set_data_folders(&mut self, folders: Vec<DataFolder>) {
        self.folders = folders;
    }

    /// Groups whose replica was lost with a folder, and the number of that. Before [`Core::start`].
    pub fn set_lost(&mut self, lost: Vec<(GroupId, u32)>) {
        self.lost_with = lost.into_iter().collect();
    }

    /// What others are told of them; nothing of a node with one.
    pub(crate) fn folder_reports(&self) -> Vec<FolderReport> {
        if self.folders.len() < 2 {
            return Vec::new();
        }
        let lost = self.lost_seats();
        let lacks = |number: u32| {
            lost.iter().filter(|(group, _)| self.lost_with.get(group) == Some(&number)).count() as u32
        };
        let holds = |number: u32| {
            let log = self.logs.all().iter().position(|line| line.folder == number);
            self.replicas.iter().flatten().filter(|replica| Some(replica.log) == log).count() as u32
        };
        let report = |folder: &DataFolder| FolderReport {
            number: folder.number,
            path: folder.path.clone(),
            replicas: if folder.lost.is_some() { lacks(folder.number) } else { holds(folder.number) },
            lost: folder.lost.clone().unwrap_or_default(),
        };
        self.folders.iter().map(report).collect()
    }

    /// A further folder has failed while the node runs: what is in it can be neither read nor made durable any more.
    /// Its replicas are gone from this moment on, as if they had never been written; what the log had made
    /// durable before was acknowledged, and nothing after.
    pub fn folder_failed(&mut self, log: usize, why: &str) {
        if log == HOME || !self.logs.works(log) {
            return;
        }
        let line = self.logs.of(log);
        line.fail();
        let number = line.folder;
        self.transfers.forget_drops(log);
        tracing::error!(number, reason = why, "a data folder has failed: its replicas on this node are lost");
        for folder in self.folders.iter_mut().filter(|folder| folder.number == number) {
            folder.lost = Some(format!("it has failed: {why}"));
        }
        for at in 0..self.replicas.len() {
            if self.replicas[at].as_deref().is_some_and(|replica| replica.log == log) {
                self.abandon(GroupId(at as u32), number);
            }
        }
        self.send_reports();
    }

    /// Gives a replica up at once, without the disk it is on and whatever is under way.
    fn abandon(&mut self, group: GroupId, folder: u32) {
        let now = self.now;
        self.propose(group);
        if let Some(replica) = self.replica(group).filter(|replica| replica.raft.is_leader()) {
            replica.raft.resign();
            // As for any leader that is one no more: undone, and whoever waits is told or sent elsewhere.
            self.advance(group);
        }
        // What its replies rested on can not be proven any more.
        if self.replica(group).is_some_and(|replica| replica.may_leave(now) != Some(true)) {
            self.distrusted.insert(group);
        }
        self.give_up_fates(group);
        // The tail is in memory still, and its account is kept in the home folder. Nothing is applied here any more that
        // would decide it, perhaps never again.
        self.must_account_all(group);
        self.leave_undecided(group);
        self.end_transfers(group);
        // Else its rows, in a tree of the folder, would be taken for those of the replica that comes next.
        self.take_withheld(group, false);
        self.leave_cold(group);
        let Some(replica) = self.replicas[group.0 as usize].take() else { return };
        let (term, vote) = (replica.raft.term(), replica.raft.vote().unwrap_or_default().0);
        let generation = replica.raft.generation();
        self.outbox.jobs.push(Job::LeaveTree { group, tree: replica.tree });
        // Not in the home log: should the trouble pass, as where it was that of many disks at once, the next start finds
        // what was durable before it, without which the group might never have a majority again.
        self.left.insert(group, Left { generation, term, vote });
        self.lost_with.insert(group, folder);
        let waiting = replica.waiting.iter().chain(&replica.waiting_early);
        self.touched.extend(waiting.map(|(_, conn)| *conn));
        self.routes[group.0 as usize].restart();
        self.pumping.insert(group);
        self.outbox.again = true;
    }

    /// Whether a tree is in a folder that has failed.
    pub(crate) fn is_lost_tree(&self, tree: u64) -> bool {
        let (folder, _) = folder_of(tree);
        self.logs.all().iter().any(|line| line.folder == folder && line.failed)
    }

    /// Of lost replicas that the map does not want any more nothing is missed: the home log says that they have left.
    fn forget_unwanted(&mut self) {
        let me = self.me.node;
        let unwanted = |(group, _): &(&GroupId, &u32)| {
            let generation = self.left.get(group).map_or(u64::MAX, |left| left.generation);
            self.map.epoch > generation && self.map.set_of(**group).seat(me).is_none() && !self.holds(**group)
        };
        let groups: Vec<GroupId> = self.lost_with.iter().filter(unwanted).map(|(group, _)| *group).collect();
        for group in groups {
            self.lost_with.remove(&group);
            let Some(&Left { generation, term, vote }) = self.left.get(&group) else { continue };
            self.record_at_home(HOME, (group, &Tenure::Left { generation }), (term, vote));
        }
    }

    /// Whether a data folder is not used.
    pub fn lacks_folder(&self) -> bool {
        self.folders.iter().any(|folder| folder.lost.is_some())
    }

    /// Once a second: asks for other replicas in place of those that were lost with their folders. Only in groups that
    /// go on without this node: where none leads the folder may be the only one with the data, and should it
    /// come back, it is taken as it is.
    pub(crate) fn renew_lost(&mut self) {
        if self.forming.is_some() || self.map.level < MEMBERS_LEVEL || !self.routes[0].is_empty() {
            return;
        }
        self.forget_unwanted();
        let (me, mut asked) = (self.me.node, 0);
        for (group, seat) in self.lost_seats() {
            let led = self.routes.get(group.0 as usize).and_then(|route| route.leader());
            if !led.is_some_and(|(leader, _)| leader != me && self.is_up(leader)) {
                continue;
            }
            tracing::info!(%group, generation = seat.generation, "asking for a replica in place of one that is lost");
            let args = [group.0.to_string(), me.to_string(), seat.generation.to_string()];
            self.ask_meta(&[b"renew-seat", args[0].as_bytes(), args[1].as_bytes(), args[2].as_bytes()]);
            asked += 1;
            if asked == MAX_ASKED {
                return;
            }
        }
    }

    /// Replicas that the map wants and that this node had and has no more.
    pub(crate) fn lost_seats(&self) -> Vec<(GroupId, Seat)> {
        let lost = self.left.iter().filter_map(|(&group, left)| {
            let seat = self.map.set_of(group).seat(self.me.node)?;
            (seat.generation <= left.generation && !self.holds(group)).then_some((group, seat))
        });
        lost.collect()
    }

    fn holds(&self, group: GroupId) -> bool {
        self.replicas.get(group.0 as usize).is_some_and(Option::is_some)
    }
}
