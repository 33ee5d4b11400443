//! The disk pool of a simulated node: jobs one after the other, each a little late.

use everstore_node::{FetchJob, Job, JobDone, Read};
use model::{GroupId, NodeId};
use shard::Machine;
use std::collections::{BTreeMap, VecDeque};
use storage::rows::memory::MemoryStores;
use storage::rows::snapshot::{Added, SnapshotEncoder, SnapshotIngest};
use storage::rows::{RowStores, RowView};

/// Bytes of a chunk: small, so that a snapshot has several.
const CHUNK_BYTES: usize = 1024;

/// A snapshot being read, with the chunk after the one given out last.
struct Sending {
    encoder: SnapshotEncoder,
    next: u64,
    ahead: Option<Vec<u8>>,
    _view: Box<dyn RowView>,
}

/// Jobs that wait and what they have to remember.
#[derive(Default)]
pub struct Jobs {
    waiting: VecDeque<(u64, Job)>,
    sending: BTreeMap<(GroupId, NodeId), Sending>,
    staging: BTreeMap<u64, SnapshotIngest>,
    streams: u64,
}

impl Jobs {
    /// Takes a job that is done at `due_ns` or when those before it are.
    pub fn push(&mut self, due_ns: u64, job: Job) {
        self.waiting.push_back((due_ns, job));
    }

    /// Does the next job that is due. `Some(None)`: done, without an answer.
    pub fn run_due(&mut self, now_ns: u64, stores: &MemoryStores) -> Option<Option<JobDone>> {
        let (_, job) = self.waiting.pop_front_if(|(due, _)| *due <= now_ns)?;
        Some(self.run(job, stores))
    }

    fn run(&mut self, job: Job, stores: &MemoryStores) -> Option<JobDone> {
        match job {
            Job::Checkpoint { group, tree, at, mut changes } => {
                changes.sort();
                let mut rows = changes.iter().map(|(name, row)| (name.to_vec(), row.map(<[u8]>::to_vec)));
                let result = stores.open(tree).and_then(|s| s.ingest(&mut rows));
                let result = result.map_err(|e| e.to_string());
                Some(JobDone::Checkpoint { group, tree, at, result })
            }
            Job::ReadSnapshot { group, tree, to, next, .. } => {
                let result = self.read(stores, (group, to), tree, next);
                Some(JobDone::SnapshotChunk { group, to, result, damaged: false })
            }
            Job::EndSnapshot { group, to } => {
                self.sending.remove(&(group, to));
                None
            }
            Job::StageChunk { group, from, tree, chunk } => {
                Some(JobDone::Staged { group, from, result: self.stage(stores, tree, &chunk) })
            }
            Job::LoadStaged { group, tree, mut machine } => {
                let loaded = load(stores, tree, &mut machine);
                Some(JobDone::Loaded { group, tree, result: loaded.map(|()| machine) })
            }
            // Nothing is asynchronous here, but a node without any rows can not know that.
            Job::KeepLoss { group, name, .. } => Some(JobDone::LossKept { group, name, result: Ok(()) }),
            Job::ForgetLoss { .. } | Job::LeaveTree { .. } => None,
            Job::KeepHeard { .. } => Some(JobDone::HeardKept { result: Ok(()) }),
            // None is asked for within so short a time.
            Job::Scrub { group, tree, .. } => {
                Some(JobDone::Scrubbed { group, tree, result: Ok((None, 0)), damaged: false })
            }
            Job::Compare { .. } => unreachable!("nobody compares replicas here"),
            Job::Divide { .. } => unreachable!("nobody splits shards here"),
            Job::DropTree { tree } => {
                self.staging.remove(&tree);
                stores.destroy(tree).unwrap();
                None
            }
        }
    }

    fn read(
        &mut self,
        stores: &MemoryStores,
        key: (GroupId, NodeId),
        tree: u64,
        next: u64,
    ) -> Result<(u64, Vec<u8>, bool), String> {
        if next == 0 {
            let view = stores.open(tree).and_then(|s| s.snapshot()).map_err(|e| e.to_string())?;
            self.streams += 1;
            let mut encoder = SnapshotEncoder::with_chunk_bytes(&*view, self.streams, CHUNK_BYTES)
                .map_err(|e| e.to_string())?;
            let ahead = encoder.next_chunk().map_err(|e| e.to_string())?;
            self.sending.insert(key, Sending { encoder, next: 0, ahead, _view: view });
        }
        let sending = self.sending.get_mut(&key).ok_or("not open any more")?;
        if sending.next != next {
            return Err(format!("chunk {next} asked for, {} is next", sending.next));
        }
        let chunk = sending.ahead.take().ok_or("there are no more chunks")?;
        sending.ahead = sending.encoder.next_chunk().map_err(|e| e.to_string())?;
        sending.next += 1;
        Ok((next, chunk, sending.ahead.is_none()))
    }

    fn stage(&mut self, stores: &MemoryStores, tree: u64, chunk: &[u8]) -> Result<(u64, bool), String> {
        let text = |e: storage::rows::RowError| e.to_string();
        let mut ingest = match self.staging.remove(&tree) {
            Some(ingest) => ingest,
            None => {
                let mut r = model::varint::Reader::new(chunk);
                r.take(2).map_err(|e| e.to_string())?;
                let stream = r.u64().map_err(|e| e.to_string())?;
                SnapshotIngest::start(stores.open(tree).map_err(text)?, stream).map_err(text)?
            }
        };
        let complete = matches!(ingest.add(chunk).map_err(text)?, Added::Complete { .. });
        let next = ingest.next();
        if !complete {
            self.staging.insert(tree, ingest);
        }
        Ok((next, complete))
    }
}

/// Reads rows that are not in memory.
pub fn fetch(stores: &MemoryStores, job: FetchJob) -> JobDone {
    let FetchJob { group, tree, fetch } = job;
    let read = || -> Result<Read, storage::rows::RowError> {
        let (store, mut read) = (stores.open(tree)?, Read::default());
        store.for_each(&mut |name, content| {
            let Ok(at) = model::row::parse_key_name(name) else { return };
            let wanted = |w: &shard::machine::Wanted| {
                (w.ks, w.generation, w.position) == (at.ks, at.generation, at.position)
            };
            if fetch.wanted.iter().any(wanted) {
                read.rows.push((name.to_vec(), content.to_vec()));
            }
            if fetch.list.as_ref().is_some_and(|l| (l.ks, l.generation) == (at.ks, at.generation)) {
                let (_, expire, _) = model::row::decode_value(content).unwrap();
                read.listed.push((at.position, expire, at.key));
            }
        })?;
        Ok(read)
    };
    let result = read().map_err(|e| e.to_string());
    JobDone::Fetched { group, tree, ticket: fetch.ticket, result, damaged: false }
}

/// Puts all rows of a tree into a machine.
pub fn load(stores: &MemoryStores, tree: u64, machine: &mut Machine) -> Result<(), String> {
    let store = stores.open(tree).map_err(|e| e.to_string())?;
    let mut error = None;
    let visited = store.for_each(&mut |name, content| {
        if let Err(e) = machine.load(name, content) {
            error = Some(e.to_string());
        }
    });
    visited.map_err(|e| e.to_string())?;
    error.map_or(Ok(()), Err)
}
