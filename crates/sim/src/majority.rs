//! A majority of the nodes is gone for good, and what is left goes on: `everstore recover --force-majority-lost` in
//! the world.
//!
//! It strikes at the very end, when all replicas are known to be equal. So what survives has all that was ever
//! acknowledged, and everything that is demanded of histories is demanded still. (Elsewhere such a recovery may lose
//! what the survivors never had; it says so before it begins.) A node that was given up must find out that the
//! cluster is another one, and stay out of it.

use crate::process::{FOLDER, FURTHER};
use crate::time::S;
use crate::world::World;
use cluster::Folder;
use env::Disk;
use model::{GroupId, NodeId};
use shell::survivors::Survivors;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::rows::RowStores;

/// Survivors serve again within this time, ns, and who was given up has found out.
const WITHIN_NS: u64 = 20 * S;
/// More steps than a recovery writes on a disk.
const MOST_OPS: u64 = 16;
/// No split is asked for where there are so many shards.
const MOST_SHARDS: u32 = 32;

impl World {
    /// Takes all nodes away but one of a learner zone that has a copy of every group, and lets it go on. False if
    /// there is none.
    pub(crate) fn promote_learner(&mut self) -> bool {
        let Some(node) = self.whole_learner().filter(|_| self.found.is_none()) else { return false };
        let others: Vec<u64> = self.sound().into_iter().filter(|other| *other != node).collect();
        let Some(&returning) = others.first() else { return false };
        self.say(|| format!("only node {node} of the learner zone survives"));
        for &other in &others {
            self.kill(other, true);
            self.given_up(other);
        }
        self.kill(node, true);
        self.watch.begins_anew();
        if let Err(why) = self.recover_folder(node, &[node]) {
            self.report("recovery", format!("node {node} of the learner zone can not be recovered: {why}"));
            return false;
        }
        self.start(node);
        let until_ns = self.now_ns() + WITHIN_NS;
        if !self.run_while(until_ns, |world| !world.processes[node as usize - 1].progress().1) {
            self.report("recovery", format!("node {node} does not go on within {} s", WITHIN_NS / S));
        }
        self.come_back(returning);
        true
    }

    /// Takes a majority away and lets the rest go on. False if too few nodes have lost nothing.
    pub(crate) fn lose_majority(&mut self) -> bool {
        let sound = self.whole();
        let most = ((self.nodes() - 1) / 2) as usize;
        // One that comes back is among those that were given up.
        if sound.len() < 2 || self.found.is_some() {
            return false;
        }
        let divides_ns = self.plan.divides_ns.filter(|_| self.shards() < MOST_SHARDS);
        if let Some(after_ns) = divides_ns {
            self.ask_to_split();
            self.run_until(self.now_ns() + after_ns);
        }
        // Where shards were split, or made anew after a folder was lost, one call has to look at all nodes, and machines
        // have one each here.
        let count = match divides_ns.is_some() || self.plan.shape.further {
            true => 1,
            false => 1 + self.rng.below(most.min(sound.len() - 1) as u64) as usize,
        };
        let first = self.rng.below(sound.len() as u64) as usize;
        let at = |number: usize| sound[(first + number) % sound.len()];
        let survivors: Vec<u64> = (0..count).map(at).collect();
        let returning = at(count);
        self.say(|| format!("only nodes {survivors:?} survive"));
        if divides_ns.is_some() {
            // It may lack entries of the split, but nothing that clients wrote.
            self.watch.begins_anew();
        }
        for node in 1..=self.nodes() {
            self.kill(node, true);
            if !survivors.contains(&node) {
                self.given_up(node);
            }
        }
        for &node in &survivors {
            if let Err(why) = self.recover_folder(node, &survivors) {
                self.report("recovery", format!("node {node} can not be recovered: {why}"));
                return false;
            }
        }
        survivors.iter().for_each(|node| self.start(*node));
        let until_ns = self.now_ns() + WITHIN_NS;
        let idle =
            |world: &World| survivors.iter().any(|node| !world.processes[*node as usize - 1].progress().1);
        if !self.run_while(until_ns, idle) {
            self.report("recovery", format!("nodes {survivors:?} do not go on within {} s", WITHIN_NS / S));
        }
        let until_ns = self.now_ns() + WITHIN_NS;
        if !self.run_while(until_ns, World::is_dividing) {
            self.report("recovery", format!("a split is not over {} s after the recovery", WITHIN_NS / S));
        }
        self.come_back(returning);
        true
    }

    /// Nodes that have lost nothing, and have a replica of each group: one that lost a folder for a while may not.
    fn whole(&self) -> Vec<u64> {
        let has_all = |node: &u64| {
            let core = self.processes[*node as usize - 1].core();
            core.is_some_and(|core| (0..=self.shards()).all(|group| core.inspect(GroupId(group)).is_some()))
        };
        let mut sound = self.sound();
        sound.retain(|node| !self.plan.shape.further || has_all(node));
        sound
    }

    /// The folder of a survivor becomes one of the next incarnation of the cluster, on its own machine.
    fn recover_folder(&mut self, node: u64, survivors: &[u64]) -> Result<(), String> {
        let process = self.process(node);
        let disk: Arc<dyn Disk> = Arc::new(process.disk.clone());
        let [home, further] = process.stores.clone();
        let rows = move |dir: &Path| -> Result<Arc<dyn RowStores>, String> {
            let of_dir = if dir.starts_with(FURTHER) { &further } else { &home };
            Ok(Arc::new(of_dir.clone()))
        };
        let elsewhere: Vec<NodeId> =
            survivors.iter().filter(|other| **other != node).map(|n| NodeId(*n)).collect();
        let dirs = [PathBuf::from(FOLDER)];
        let mut found = Survivors::examine(&disk, &dirs, &elsewhere, &rows)?;
        // Whoever recovers is cut off in the middle of it, and does it again if it is not done.
        if self.plan.shape.further && self.rng.chance(1, 2) {
            let ops = self.rng.below(MOST_OPS);
            self.process(node).disk.halt_after(ops);
            // An error is what is wanted here.
            let _ = found.recover();
            let after = found.after().clone();
            drop(found);
            self.process(node).disk.crash_process();
            let folder = Folder::open_offline(&disk, &dirs[0]).map_err(|error| error.to_string())?;
            let is_done = folder.formation() == Some(&after);
            self.say(|| format!("the recovery of node {node} ends after {ops} steps, done: {is_done}"));
            if is_done {
                return Ok(());
            }
            drop(folder);
            found = Survivors::examine(&disk, &dirs, &elsewhere, &rows)?;
        }
        if let Some((group, _)) = found.best().find(|(_, holding)| holding.is_none()) {
            return Err(format!("it has nothing of group {group}"));
        }
        let unmade: Vec<String> = found.unmade().map(|(_, shard, _)| shard.to_string()).collect();
        if !unmade.is_empty() {
            self.say(|| format!("node {node} is to make shards {} again", unmade.join(", ")));
        }
        found.recover()
    }

    /// A node that was given up starts again, twice: it must end, and say why.
    fn come_back(&mut self, node: u64) {
        for _ in 0..2 {
            self.start(node);
            let until_ns = self.now_ns() + WITHIN_NS;
            let up = |world: &World| world.processes[node as usize - 1].is_up();
            let ended = self.run_while(until_ns, up);
            let why = format!("{:?}", self.process(node).stopped);
            if self.found.is_none() && (!ended || !why.contains("recovered after its majority was lost")) {
                let text = format!("node {node}, which was given up, does not end because of it: {why}");
                self.report("recovery", text);
            }
        }
    }
}
