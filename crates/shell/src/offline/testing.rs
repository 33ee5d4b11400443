//! For tests of what is read offline: a cluster of five that was formed and is down. Each node has two data folders: the meta
//! group and group 1 are in the home folder `/home-N`, group 2 is in `/further-N`.

use crate::survivors::Survivors;
use cluster::identity::{FolderId, Further, FurtherFolder, Marker};
use cluster::{Addresses, Folder, Formation, Secret, Start, Tenure};
use env::{Disk, MemDisk, Rng};
use model::entry::EntryBuilder;
use model::{GroupId, Index, NodeId};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::log::{BatchBuilder, HardState, Install, Log, LogOptions};
use storage::rows::RowStores;
use storage::rows::memory::MemoryStores;

/// The group in further folders.
pub(crate) const APART: GroupId = GroupId(2);
const TERM: u64 = 3;

pub(crate) fn home(node: u64) -> PathBuf {
    PathBuf::from(format!("/home-{node}"))
}

pub(crate) fn further(node: u64) -> PathBuf {
    PathBuf::from(format!("/further-{node}"))
}

/// Where the home folder looks for the further one, if that is not where it was.
pub(crate) fn before(node: u64) -> PathBuf {
    PathBuf::from(format!("/before-{node}"))
}

fn start(node: u64) -> Start {
    let addresses =
        Addresses { redis: format!("h:{node}"), peer: format!("p:{node}"), ..Addresses::default() };
    Start {
        bootstrap: node == 1,
        replicas: 5,
        shards: 2,
        join: if node == 1 { Vec::new() } else { vec!["p:1".to_owned()] },
        witness: false,
        secret: Some(Secret::new([5; 32])),
        addresses,
        random: [node as u8; 32],
    }
}

fn write_log(disk: &Arc<dyn Disk>, dir: &Path, cluster: [u8; 16], batch: BatchBuilder) {
    let options = LogOptions {
        segment_bytes: 64 << 10,
        direct: false,
        keep: false,
        cluster,
        begun: disk.exists(dir).unwrap(),
    };
    let options = LogOptions { begun: options.begun && !disk.list(dir).unwrap().is_empty(), ..options };
    let (mut log, _) =
        Log::open(Arc::clone(disk), dir, options, Rng::new(dir.as_os_str().len() as u64)).unwrap();
    log.append(&[batch.finish()]).unwrap();
    log.sync().unwrap();
    log.close().unwrap();
}

fn entries(batch: &mut BatchBuilder, group: GroupId, last: Index) {
    for index in 1..=last {
        batch.entry(group, index, TERM, 0, &EntryBuilder::default().finish(1_000 + index));
    }
    batch.hard_state(group, HardState { term: TERM, vote: 1, commit: last });
}

/// A cluster on one disk; `last`: of each node the last entry of each group.
pub(crate) fn cluster(last: &[u64; 5]) -> MemDisk {
    let mem = MemDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(mem.clone());
    let members: Vec<NodeId> = (1..=5).map(NodeId).collect();
    let formation = Formation { replicas: 5, shards: 2, members, ..Formation::default() };
    let mut id = None;
    for (node, last) in (1..).zip(last) {
        let mut folder = Folder::open(&disk, &home(node), &start(node)).unwrap();
        let cluster = *id.get_or_insert_with(|| folder.cluster().unwrap());
        if node > 1 {
            folder.joined(cluster, NodeId(node), &[]).unwrap();
        }
        folder.formed(&formation).unwrap();
        let of = FolderId([node as u8; 16]);
        folder.set_further(vec![Further { number: 1, id: of, path: further(node) }]).unwrap();
        let marker = Marker { cluster, node: NodeId(node), number: 1, id: of, log_started: false };
        let mut apart = FurtherFolder::create(&disk, &further(node), marker).unwrap();
        let (mut of_home, mut of_apart) = (BatchBuilder::new(), BatchBuilder::new());
        entries(&mut of_home, GroupId::META, *last);
        entries(&mut of_home, GroupId(1), *last);
        let record = Tenure::Elsewhere { generation: 0, folder: 1, incarnation: 0 };
        of_home.install(APART, Install { conf_state: record.encode(), ..Install::default() });
        entries(&mut of_apart, APART, *last);
        write_log(&disk, &folder.log_dir(), cluster.0.to_be_bytes(), of_home);
        write_log(&disk, &apart.log_dir(), cluster.0.to_be_bytes(), of_apart);
        folder.log_started().unwrap();
        apart.log_started().unwrap();
    }
    mem
}

/// The home folder looks for its further one elsewhere from now on.
pub(crate) fn lose(disk: &MemDisk, node: u64) {
    look_for(disk, node, before(node));
}

/// And where it is again.
pub(crate) fn find(disk: &MemDisk, node: u64) {
    look_for(disk, node, further(node));
}

fn look_for(disk: &MemDisk, node: u64, path: PathBuf) {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut folder = Folder::open_offline(&disk, &home(node)).unwrap();
    let known =
        folder.further().iter().map(|known| Further { path: path.clone(), ..known.clone() }).collect();
    folder.set_further(known).unwrap();
}

pub(crate) fn no_rows(_: &Path) -> Result<Arc<dyn RowStores>, String> {
    Ok(Arc::new(MemoryStores::new()))
}

pub(crate) fn examine(disk: &MemDisk, dirs: &[PathBuf]) -> Result<Survivors, String> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Survivors::examine(&disk, dirs, &[], &no_rows)
}
