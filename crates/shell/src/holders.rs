//! Who has what after a majority was lost in a cluster whose shards had moved or were split: a file of each survivor, written by
//! the recovery and read at every start of that incarnation of the cluster.
//!
//! Without it every survivor is a voter of every group, as the first members are. With it only those are that had
//! a replica, and the steps of members which were in their logs then mean nothing any more: the members of
//! the new incarnation are those listed. Splits are as the file says, whatever map and shards knew of them.

use crate::split::Found;
use cluster::map::{Divisions, FoundSplits};
use env::Disk;
use model::{GroupId, Index, NodeId, ShardId};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// First line of the file; of one with splits.
const HEAD: &str = "everstore holders 1";
const HEAD_SPLIT: &str = "everstore holders 2";
/// Longest file that is read: 1025 groups with seven nodes each take far less.
const MAX_BYTES: usize = 1 << 20;

/// What the recovery found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    /// By group: the last entry of this folder's log then, and the survivors with a replica.
    groups: BTreeMap<GroupId, (Index, Vec<NodeId>)>,
    /// The splits, if there were any.
    pub(crate) splits: Option<FoundSplits>,
    /// By group, entries of splits that were never committed for certain and are void: those of a generation up to an
    /// index.
    pub(crate) void: BTreeMap<GroupId, Vec<(u64, Index)>>,
}

impl Holders {
    /// Adds a group.
    pub fn add(&mut self, group: GroupId, last: Index, nodes: Vec<NodeId>) {
        self.groups.insert(group, (last, nodes));
    }

    /// Says of the entries of a split that are void in this folder, whose log of the group ends at `last`, that they are.
    pub(crate) fn add_void(&mut self, group: GroupId, last: Index, found: Option<&Found>) {
        let Some(found) = found.filter(|found| found.void.contains(&group)) else { return };
        let generation = found.splits.divisions.generations.last();
        self.void.entry(group).or_default().extend(generation.map(|generation| (*generation, last)));
    }

    /// The survivors with a replica of a group, ascending.
    pub fn of(&self, group: GroupId) -> &[NodeId] {
        self.groups.get(&group).map_or(&[], |(_, nodes)| nodes)
    }

    /// Steps of members up to this entry mean nothing.
    pub fn void_steps(&self, group: GroupId) -> Index {
        self.groups.get(&group).map_or(0, |(last, _)| *last)
    }

    /// Entries of splits that are void, by their generation up to an index.
    pub fn void_splits(&self, group: GroupId) -> &[(u64, Index)] {
        self.void.get(&group).map_or(&[], |void| void)
    }

    fn path(dir: &Path, incarnation: u64) -> PathBuf {
        dir.join(format!("holders-{incarnation}"))
    }

    /// Writes the file, durably.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&self, disk: &dyn Disk, dir: &Path, incarnation: u64) -> io::Result<()> {
        let split = self.splits.is_some() || !self.void.is_empty();
        let mut text = format!("{}\n", if split { HEAD_SPLIT } else { HEAD });
        for (group, (last, nodes)) in &self.groups {
            text += &format!("{} {last} {}\n", group.0, listed(nodes));
        }
        if let Some(FoundSplits { divisions, unmade }) = &self.splits {
            let closed: Vec<u16> = divisions.closed.iter().map(|shard| shard.0).collect();
            text += &format!("splits {} {}\n", listed(&divisions.generations), listed(&closed));
            for (shard, makers) in unmade {
                text += &format!("make {} {}\n", shard.0, listed(makers));
            }
        }
        for (group, void) in &self.void {
            for (generation, upto) in void {
                text += &format!("void {} {generation} {upto}\n", group.0);
            }
        }
        disk.write_atomic(&Holders::path(dir, incarnation), text.as_bytes())
    }

    /// Removes the file of an incarnation, durably, if there is one.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn remove(disk: &dyn Disk, dir: &Path, incarnation: u64) -> io::Result<()> {
        match disk.remove(&Holders::path(dir, incarnation)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        // Also if it is not there: who removed it may have died before that was durable.
        disk.sync_dir(dir)
    }

    /// Reads the file of an incarnation; `None` if there is none.
    ///
    /// # Errors
    /// In words: it can not be read, or makes no sense.
    pub fn read(disk: &dyn Disk, dir: &Path, incarnation: u64) -> Result<Option<Holders>, String> {
        let path = Holders::path(dir, incarnation);
        let bytes = match disk.read(&path, MAX_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|error| format!("{}: {error}", path.display()))?,
        };
        let text = String::from_utf8_lossy(&bytes);
        let parsed = Holders::parse(&text).ok_or(format!("{}: it is no list of holders", path.display()))?;
        Ok(Some(parsed))
    }

    fn parse(text: &str) -> Option<Holders> {
        let mut lines = text.lines();
        let mut holders = Holders::default();
        let split = match lines.next()? {
            HEAD => false,
            HEAD_SPLIT => true,
            _ => return None,
        };
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["splits", generations, closed] if split && holders.splits.is_none() => {
                    let generations = list(generations)?;
                    let closed = list(closed)?.into_iter().map(ShardId).collect();
                    let divisions = Divisions { generations, closed };
                    holders.splits = Some(FoundSplits { divisions, unmade: BTreeMap::new() });
                }
                ["make", shard, makers] if split => {
                    let makers = list(makers)?.into_iter().map(NodeId).collect();
                    holders.splits.as_mut()?.unmade.insert(ShardId(shard.parse().ok()?), makers);
                }
                ["void", group, generation, upto] if split => {
                    let void = (generation.parse().ok()?, upto.parse().ok()?);
                    holders.void.entry(GroupId(group.parse().ok()?)).or_default().push(void);
                }
                [group, last, nodes] => {
                    let nodes = list(nodes)?.into_iter().map(NodeId).collect();
                    holders.add(GroupId(group.parse().ok()?), last.parse().ok()?, nodes);
                }
                _ => return None,
            }
        }
        Some(holders)
    }
}

/// Numbers separated by commas; `-` if there are none.
fn listed<T: ToString>(numbers: &[T]) -> String {
    match numbers {
        [] => "-".to_owned(),
        _ => numbers.iter().map(T::to_string).collect::<Vec<_>>().join(","),
    }
}

fn list<T: std::str::FromStr>(text: &str) -> Option<Vec<T>> {
    match text {
        "-" => Some(Vec::new()),
        _ => text.split(',').map(|number| number.parse().ok()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use env::MemDisk;

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let (disk, dir) = (MemDisk::new(), Path::new("/data"));
        disk.create_dir_all(dir).unwrap();
        let mut holders = Holders::default();
        holders.add(GroupId(0), 300, vec![NodeId(1), NodeId(4)]);
        holders.add(GroupId(7), 0, vec![NodeId(4)]);
        holders.write(&disk, dir, 2).unwrap();
        assert_eq!(Holders::read(&disk, dir, 2), Ok(Some(holders.clone())));
        assert_eq!(Holders::read(&disk, dir, 1), Ok(None));
        Holders::remove(&disk, dir, 1).unwrap();
        holders.write(&disk, dir, 9).unwrap();
        Holders::remove(&disk, dir, 9).unwrap();
        assert_eq!(Holders::read(&disk, dir, 9), Ok(None));
        assert_eq!((holders.of(GroupId(7)), holders.void_steps(GroupId(0))), (&[NodeId(4)][..], 300));
        for bad in [
            "",
            "everstore holders 3\n",
            "everstore holders 1\nmake 1 2\n",
            "everstore holders 1\n1 2\n",
            "everstore holders 1\n1 2 x\n",
        ] {
            assert_eq!(Holders::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn splits_are_read_as_they_were_written() {
        let (disk, dir) = (MemDisk::new(), Path::new("/data"));
        disk.create_dir_all(dir).unwrap();
        let mut holders = Holders::default();
        holders.add(GroupId(1), 300, vec![NodeId(4)]);
        holders.add(GroupId(2), 0, Vec::new());
        let divisions = Divisions { generations: vec![9, 70], closed: [ShardId(2), ShardId(3)].into() };
        let unmade = BTreeMap::from([(ShardId(3), vec![NodeId(1), NodeId(4)])]);
        holders.splits = Some(FoundSplits { divisions, unmade });
        holders.void.insert(GroupId(2), vec![(9, 20), (70, 301)]);
        holders.write(&disk, dir, 2).unwrap();
        assert_eq!(Holders::read(&disk, dir, 2), Ok(Some(holders.clone())));
        assert_eq!(holders.void_splits(GroupId(2)).len() + holders.void_splits(GroupId(1)).len(), 2);
        // All shards are made and open.
        holders.splits = Some(FoundSplits {
            divisions: Divisions { generations: vec![9], ..Divisions::default() },
            ..FoundSplits::default()
        });
        holders.write(&disk, dir, 3).unwrap();
        assert_eq!(Holders::read(&disk, dir, 3), Ok(Some(holders)));
    }
}
