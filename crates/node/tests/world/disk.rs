//! The disk pool of a core in these tests: checkpoints are done at once, fetches unless they are blocked.

use everstore_node::{Core, FetchJob, Job, JobDone, Read};
use model::row::{decode_value, parse_key_name};
use storage::rows::RowStores;
use storage::rows::memory::MemoryStores;

/// Does what the core asks for of the row store.
pub fn work(core: &mut Core, stores: &MemoryStores, node: u64, blocked: &mut Option<Vec<(u64, FetchJob)>>) {
    let mut jobs = std::mem::take(&mut core.outbox.jobs);
    for job in jobs.extract_if(.., |job| matches!(job, Job::Checkpoint { .. })).collect::<Vec<_>>() {
        let Job::Checkpoint { group, tree, at, mut changes } = job else { continue };
        changes.sort();
        let mut rows = changes.iter().map(|(name, row)| (name.to_vec(), row.map(<[u8]>::to_vec)));
        let result = stores.open(tree).and_then(|store| store.ingest(&mut rows));
        core.job_done(JobDone::Checkpoint { group, tree, at, result: result.map_err(|e| e.to_string()) });
    }
    core.outbox.jobs.extend(jobs);
    let jobs = std::mem::take(&mut core.outbox.jobs);
    for job in jobs {
        let Job::Compare { group, tree, at, first: Some(scope) } = job else {
            core.outbox.jobs.push(job);
            continue;
        };
        let mut digest = shard::checkpoint::Digest::new(scope);
        stores.open(tree).unwrap().for_each(&mut |name, content| digest.add(name, content).unwrap()).unwrap();
        let hashed = everstore_node::compare::Hashed { bytes: 1, hashes: Some(digest.finish().0) };
        core.job_done(JobDone::Compared { group, tree, at, result: Ok(hashed), damaged: false });
    }
    for job in std::mem::take(&mut core.outbox.fetches) {
        match blocked {
            Some(blocked) => blocked.push((node, job)),
            None => core.job_done(fetch(stores, job)),
        }
    }
}

/// Reads what is wanted.
pub fn fetch(stores: &MemoryStores, job: FetchJob) -> JobDone {
    let FetchJob { group, tree, fetch } = job;
    let mut read = Read::default();
    let visited = stores.open(tree).unwrap().for_each(&mut |name, content| {
        let Ok(at) = parse_key_name(name) else { return };
        let wanted = |w: &shard::machine::Wanted| {
            (w.ks, w.generation, w.position) == (at.ks, at.generation, at.position)
        };
        if fetch.wanted.iter().any(wanted) {
            read.rows.push((name.to_vec(), content.to_vec()));
        }
        if fetch.list.as_ref().is_some_and(|list| (list.ks, list.generation) == (at.ks, at.generation)) {
            let (_, expire, _) = decode_value(content).unwrap();
            read.listed.push((at.position, expire, at.key));
        }
    });
    let result = visited.map(|_| read).map_err(|e| e.to_string());
    JobDone::Fetched { group, tree, ticket: fetch.ticket, result, damaged: false }
}
