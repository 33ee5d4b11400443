//! What a node had that was given up in a recovery from a lost majority, and that the survivors did not have.
//!
//! Its folder may turn up later. It is refused for good; what its log has is read here, and nothing is
//! changed in it. With what the survivors went on is kept in their folders ([`WentOn`]), since their own logs go on.

use crate::survivors::log_of;
use cluster::{ClusterId, Folder};
use env::Disk;
use model::{GroupId, Index, NodeId, Term};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::log::{Entry, GroupLog};

/// Bytes that the file of a recovery may have: a line for each of 16 384 groups.
const MAX_FILE: usize = 8 << 20;

/// With what the survivors of a recovery went on in a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WentOn {
    /// Term and index of the last entry.
    pub last: (Term, Index),
    /// Up to here all nodes that have entries have the same.
    pub committed: Index,
    /// Of the entries after that: those from an index on have a term.
    pub terms: Vec<(Index, Term)>,
}

impl WentOn {
    /// With the best log that a survivor has of a group.
    pub(crate) fn with(last: (Term, Index), committed: Index, log: &GroupLog) -> WentOn {
        let mut terms: Vec<(Index, Term)> = Vec::new();
        for entry in log.entries.iter().filter(|entry| entry.index > committed) {
            if terms.last().is_none_or(|(_, term)| *term != entry.term) {
                terms.push((entry.index, entry.term));
            }
        }
        WentOn { last, committed, terms }
    }

    /// Whether it has an entry.
    fn has(&self, index: Index, term: Term) -> bool {
        let of_run = self.terms.iter().rev().find(|(first, _)| *first <= index);
        index <= self.committed || index <= self.last.1 && of_run.is_some_and(|(_, known)| *known == term)
    }

    /// A line of the file: group, last term and index, committed index, and `index:term` of each run.
    fn line(&self, group: GroupId) -> String {
        let mut line = format!("{} {} {} {}", group.0, self.last.0, self.last.1, self.committed);
        for (index, term) in &self.terms {
            let _ = write!(line, " {index}:{term}");
        }
        line + "\n"
    }

    fn parse(line: &str) -> Option<(GroupId, WentOn)> {
        let mut words = line.split(' ');
        let group = GroupId(words.next()?.parse().ok()?);
        let mut number = || words.next()?.parse().ok();
        let (last, committed) = ((number()?, number()?), number()?);
        let run = |word: &str| {
            let (index, term) = word.split_once(':')?;
            Some((index.parse().ok()?, term.parse().ok()?))
        };
        Some((group, WentOn { last, committed, terms: words.map(run).collect::<Option<_>>()? }))
    }
}

/// Name of the file in a survivor's folder.
fn file_name(incarnation: u64) -> String {
    format!("recovery-{incarnation}")
}

/// Writes down with what the survivors go on, durably.
pub(crate) fn write_down(
    disk: &dyn Disk,
    dir: &Path,
    incarnation: u64,
    groups: &BTreeMap<GroupId, WentOn>,
) -> Result<(), String> {
    let path = dir.join(file_name(incarnation));
    let lines: String = groups.iter().map(|(group, went_on)| went_on.line(*group)).collect();
    disk.write_atomic(&path, lines.as_bytes()).map_err(|error| format!("{}: {error}", path.display()))
}

fn read_file(disk: &dyn Disk, path: &Path) -> Result<BTreeMap<GroupId, WentOn>, String> {
    let bytes = disk.read(path, MAX_FILE).map_err(|error| {
        format!("{}: {error}; it is in the folder of each node that survived the recovery", path.display())
    })?;
    let text = String::from_utf8_lossy(&bytes);
    let read = |(at, line)| {
        let why = || format!("line {} of {} can not be read: '{line}'", at + 1, path.display());
        WentOn::parse(line).ok_or_else(why)
    };
    text.lines().enumerate().map(read).collect()
}

/// What only the lost node had of a group.
#[derive(Debug)]
pub struct Salvaged {
    /// The group.
    pub group: GroupId,
    /// The entries that the survivors did not have, in order.
    pub entries: Vec<Entry>,
    /// So many more are not in the log any more: what they did is in the node's rows alone.
    pub in_rows: u64,
}

/// A node that was given up, and what only it had.
#[derive(Debug)]
pub struct Salvage {
    /// The node.
    pub node: NodeId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// Each group.
    pub groups: Vec<Salvaged>,
}

impl Salvage {
    /// Compares the folder of a node that was given up with those of survivors, which may run.
    ///
    /// # Errors
    /// In words for a person: folders that do not belong together, or that can not be read.
    pub fn read(disk: &Arc<dyn Disk>, lost: &Path, survivors: &[PathBuf]) -> Result<Salvage, String> {
        let folder = Folder::open_offline(disk, lost).map_err(|error| error.to_string())?;
        let (Some(node), Some(cluster), Some(formation)) =
            (folder.node(), folder.cluster(), folder.formation())
        else {
            return Err(format!("{} belongs to no cluster that was formed", lost.display()));
        };
        let mut went_on: BTreeMap<GroupId, WentOn> = BTreeMap::new();
        for survivor in survivors {
            let file = survivor.join(file_name(formation.incarnation + 1));
            for (group, other) in read_file(disk.as_ref(), &file)? {
                // The one with the newest log has led.
                if went_on.get(&group).is_none_or(|known| known.last < other.last) {
                    went_on.insert(group, other);
                }
            }
        }
        let log = log_of(disk, &folder)?;
        let salvage = |group| salvaged(group, log.get(&group), went_on.get(&group));
        let groups = formation.groups().map(salvage).collect();
        Ok(Salvage { node, cluster, groups })
    }
}

fn salvaged(group: GroupId, log: Option<&GroupLog>, went_on: Option<&WentOn>) -> Salvaged {
    let Some(log) = log else { return Salvaged { group, entries: Vec::new(), in_rows: 0 } };
    let known = went_on.map_or(0, |went_on| went_on.last.1);
    let lacks = |entry: &&Entry| !went_on.is_some_and(|went_on| went_on.has(entry.index, entry.term));
    let entries = log.entries.iter().filter(lacks).cloned().collect();
    Salvaged { group, entries, in_rows: log.floor.saturating_sub(known) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_which_entries_there_are() {
        let went_on = WentOn { last: (7, 12), committed: 8, terms: vec![(9, 5), (11, 7)] };
        let line = went_on.line(GroupId(3));
        assert_eq!(line, "3 7 12 8 9:5 11:7\n");
        assert_eq!(WentOn::parse(line.trim_end()), Some((GroupId(3), went_on.clone())));
        for wrong in ["", "3", "3 7 12", "3 7 12 8 9", "3 7 12 8 9:", "x 7 12 8"] {
            assert_eq!(WentOn::parse(wrong), None, "{wrong}");
        }
        for (index, term, known) in [
            (8, 4, true),
            (9, 5, true),
            (10, 5, true),
            (10, 6, false),
            (11, 7, true),
            (12, 7, true),
            (13, 7, false),
        ] {
            assert_eq!(went_on.has(index, term), known, "{index} of term {term}");
        }
    }

    #[test]
    fn what_only_the_lost_node_had() {
        let entry = |index, term| Entry { index, term, kind: 0, data: Vec::new() };
        let went_on = WentOn { last: (5, 10), committed: 8, terms: vec![(9, 5)] };
        let mut log = GroupLog { floor: 7, ..GroupLog::default() };
        log.entries = vec![entry(8, 4), entry(9, 5), entry(10, 6), entry(11, 6)];
        let found = salvaged(GroupId(1), Some(&log), Some(&went_on));
        assert_eq!(found.entries, [entry(10, 6), entry(11, 6)]);
        assert_eq!(found.in_rows, 0);
        log = GroupLog { floor: 14, ..GroupLog::default() };
        assert_eq!(salvaged(GroupId(1), Some(&log), Some(&went_on)).in_rows, 4);
    }
}
