//! Who has what after a majority was lost in a cluster whose shards had moved: a file of each survivor, written by
//! the recovery and read at every start of that incarnation of the cluster.
//!
//! Without it every survivor is a voter of every group, as the first members are. With it only those are that had
//! a replica, and the steps of members which were in their logs then mean nothing any more: the members of
//! the new incarnation are those listed.

use env::Disk;
use model::{GroupId, Index, NodeId};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// First line of the file.
const HEAD: &str = "everstore holders 1";
/// Longest file that is read: 1025 groups with seven nodes each take far less.
const MAX_BYTES: usize = 1 << 20;

/// What the recovery found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    /// By group: the last entry of this folder's log then, and the survivors with a replica.
    groups: BTreeMap<GroupId, (Index, Vec<NodeId>)>,
}

impl Holders {
    /// Adds a group.
    pub fn add(&mut self, group: GroupId, last: Index, nodes: Vec<NodeId>) {
        self.groups.insert(group, (last, nodes));
    }

    /// The survivors with a replica of a group, ascending.
    pub fn of(&self, group: GroupId) -> &[NodeId] {
        self.groups.get(&group).map_or(&[], |(_, nodes)| nodes)
    }

    /// Steps of members up to this entry mean nothing.
    pub fn void_steps(&self, group: GroupId) -> Index {
        self.groups.get(&group).map_or(0, |(last, _)| *last)
    }

    fn path(dir: &Path, incarnation: u64) -> PathBuf {
        dir.join(format!("holders-{incarnation}"))
    }

    /// Writes the file, durably.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&self, disk: &dyn Disk, dir: &Path, incarnation: u64) -> io::Result<()> {
        let mut text = format!("{HEAD}\n");
        for (group, (last, nodes)) in &self.groups {
            let nodes: Vec<String> = nodes.iter().map(NodeId::to_string).collect();
            text += &format!("{} {last} {}\n", group.0, nodes.join(","));
        }
        disk.write_atomic(&Holders::path(dir, incarnation), text.as_bytes())
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
        (lines.next()? == HEAD).then_some(())?;
        for line in lines {
            let mut words = line.split(' ');
            let (group, last, nodes) = (words.next()?, words.next()?, words.next()?);
            let nodes = nodes.split(',').map(|node| node.parse().ok().map(NodeId));
            let nodes = nodes.collect::<Option<Vec<NodeId>>>()?;
            words.next().is_none().then_some(())?;
            holders.add(GroupId(group.parse().ok()?), last.parse().ok()?, nodes);
        }
        Some(holders)
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
        assert_eq!((holders.of(GroupId(7)), holders.void_steps(GroupId(0))), (&[NodeId(4)][..], 300));
        for bad in ["", "everstore holders 2\n", "everstore holders 1\n1 2\n", "everstore holders 1\n1 2 x\n"]
        {
            assert_eq!(Holders::parse(bad), None, "{bad}");
        }
    }
}
