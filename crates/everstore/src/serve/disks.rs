//! Log, row stores and disk pool of a node: opened when the cluster is formed, on every start.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use env::{Clock, Disk, RealClock, Rng};
use model::{GroupId, Index, NodeId, Now};
use node::replica::Replica;
use node::{Core, JobDone};
use storage::log::{Batch, Log, LogHandle, LogOptions, LogStatus, LogThread, SubmitError};
use storage::rows::RowStores;
use storage::rows::lsm::{LsmOptions, LsmStores};

use super::disk_pool::{DiskPool, THREADS};
use super::membership::Membership;
use super::recover::{self, Timing};
use super::wake::Wake;
use crate::config::Config;

/// Length of Raft's tick in ms.
const TICK_MS: u64 = 5;

/// What is open.
pub struct Disks {
    thread: LogThread,
    log: LogHandle,
    pool: DiskPool,
    done: Receiver<JobDone>,
    /// Batches the log did not take yet, in order. Bounded: while there are any, no client is read.
    waiting: VecDeque<(u64, Batch)>,
    floors: BTreeMap<GroupId, Index>,
    submitted: u64,
}

/// What the core starts with.
pub struct Recovered {
    /// The replicas of this node.
    pub replicas: Vec<Replica>,
    /// First free id for a tree.
    pub next_tree: u64,
}

impl Disks {
    /// Opens everything and brings the replicas back. `wake` is called when something is done.
    ///
    /// # Errors
    /// In words for a person: the node must not start.
    pub fn open(
        disk: &Arc<dyn Disk>,
        config: &Config,
        membership: &mut Membership,
        wake: &Arc<Wake>,
        seed: u64,
        now: Now,
    ) -> Result<(Disks, Recovered), String> {
        let folder = &mut membership.folder;
        let (Some(cluster), Some(node)) = (folder.cluster(), folder.node()) else {
            return Err("the data folder has a formation but no cluster".to_owned());
        };
        let options = LogOptions {
            segment_bytes: config.segment_size,
            direct: config.log_mode == "direct",
            cluster: cluster.0.to_be_bytes(),
        };
        let log_error = |error: storage::log::LogError| error.to_string();
        let (log, recovery) =
            Log::open(Arc::clone(disk), &folder.log_dir(), options, Rng::new(seed)).map_err(log_error)?;
        // From here on an empty log folder means that votes were lost (safety rule 2).
        folder.log_started().map_err(|error| error.to_string())?;
        let stores = LsmStores::open(Arc::clone(disk), &folder.rows_dir(), LsmOptions::default());
        let stores: Arc<dyn RowStores> = Arc::new(stores.map_err(|error| error.to_string())?);
        let formation = folder.formation().ok_or("the cluster is not formed")?;
        let start = recover::Start {
            formation,
            node,
            timing: Timing {
                tick_ms: TICK_MS,
                base_election_ms: config.base_election_timeout.as_millis() as u64,
                // Groups beat half as often as nodes, all of a node in the same frame.
                heartbeat_ms: (2 * config.heartbeat_interval)
                    .min(config.base_election_timeout / 3)
                    .as_millis() as u64,
            },
            hash_seed: cluster.hash_seed(),
            max_value: config.max_value as usize,
            now,
            seed,
        };
        let (replicas, report) =
            recover::recover(stores.as_ref(), recovery, &start).map_err(|error| error.to_string())?;
        say(node, &report);
        let next_tree = stores.next_id();
        let (disks, recovered) = (Disks::start(log, stores, wake)?, Recovered { replicas, next_tree });
        report.garbage.iter().for_each(|&(group, tree)| disks.pool.sweep(group, tree));
        Ok((disks, recovered))
    }

    fn start(log: Log, stores: Arc<dyn RowStores>, wake: &Arc<Wake>) -> Result<Disks, String> {
        let no_thread = |error: std::io::Error| format!("cannot start a thread: {error}");
        let clock: Arc<dyn Clock> = Arc::new(RealClock);
        let waker = Arc::clone(wake);
        let callback = Box::new(move |done| waker.log_done(done));
        let (thread, mut handles) = LogThread::start(log, clock, vec![callback]).map_err(no_thread)?;
        let log = handles.pop().expect("one handle per callback");
        // Bounded by the core: it has a bounded number of jobs under way.
        let (sender, done) = channel();
        let waker = Arc::clone(wake);
        let pool = DiskPool::start(stores, THREADS, move |outcome| {
            // The receiver is gone only when the node ends.
            let _ = sender.send(outcome);
            waker.post();
        });
        let pool = pool.map_err(no_thread)?;
        let (waiting, floors) = (VecDeque::new(), BTreeMap::new());
        Ok(Disks { thread, log, pool, done, waiting, floors, submitted: 0 })
    }

    /// Outcomes of jobs, for the core.
    pub fn jobs_done(&self, core: &mut Core) {
        while let Ok(done) = self.done.try_recv() {
            core.job_done(done);
        }
    }

    /// Hands over what the core has for the disks.
    ///
    /// # Errors
    /// In words: the log takes nothing more, the node must stop.
    pub fn hand_over(&mut self, core: &mut Core) -> Result<(), String> {
        let outbox = &mut core.outbox;
        self.waiting.extend(outbox.log.drain(..));
        while let Some((number, batch)) = self.waiting.pop_front() {
            match self.log.submit(batch) {
                Ok(given) if given == number => self.submitted = given,
                Ok(given) => return Err(format!("the log counts batch {number} as its batch {given}")),
                Err(SubmitError::Full(batch)) => {
                    self.waiting.push_front((number, batch));
                    break;
                }
                Err(SubmitError::TooLarge(bytes, max)) => {
                    return Err(format!("a batch of {bytes} bytes; the log takes {max}"));
                }
                Err(SubmitError::Stopped) => return Err("the log has stopped".to_owned()),
            }
        }
        outbox.jobs.drain(..).for_each(|job| self.pool.submit(job));
        if !outbox.floors.is_empty() {
            self.floors.extend(outbox.floors.drain(..));
        }
        if !self.floors.is_empty() && self.log.free(self.floors.clone()) {
            self.floors.clear();
        }
        Ok(())
    }

    /// True while the log has so much to write that it takes nothing more: clients must wait.
    pub fn is_full(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// True when everything handed over is durable. `synced`: number of the last durable batch.
    pub fn is_flushed(&self, synced: u64) -> bool {
        self.waiting.is_empty() && self.submitted <= synced
    }

    /// What is known about the log.
    pub fn log_status(&self) -> &LogStatus {
        self.log.status()
    }

    /// How often checkpoints had to be tried again.
    pub fn retries(&self) -> u64 {
        self.pool.retries()
    }

    /// Jobs that wait or run.
    pub fn jobs(&self) -> usize {
        self.pool.pending()
    }

    /// Ends the log, which writes what it has. Jobs of the pool end with the process, which is as harmless
    /// as a crash at that moment, instead of keeping it from ending.
    pub fn stop(self) {
        self.thread.stop();
        std::mem::forget(self.pool);
    }
}

fn say(node: NodeId, report: &recover::RecoverReport) {
    let recover::RecoverReport { shards, rows, entries, ms, .. } = report;
    tracing::info!(%node, shards, rows, entries, ms, dropped_trees = report.dropped.len(), "data recovered");
}
