//! With what the survivors of a recovery went on: a file in the folder of each.

use env::Disk;
use model::{GroupId, Index, Term};
use shard::checkpoint::Applied;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use storage::log::GroupLog;

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
    pub(super) fn has(&self, index: Index, term: Term) -> bool {
        let of_run = self.terms.iter().rev().find(|(first, _)| *first <= index);
        index <= self.committed || index <= self.last.1 && of_run.is_some_and(|(_, known)| *known == term)
    }

    /// How many entries up to `index`, the last of which has this term if it is known, are not there, at most.
    pub(super) fn lacks_up_to(&self, index: Index, term: Option<Term>) -> u64 {
        match term {
            Some(term) if self.has(index, term) => 0,
            // One leader has written both its last and this one, and the log between them.
            Some(term) if term == self.last.0 => index.saturating_sub(self.last.1),
            _ => index.saturating_sub(self.committed),
        }
    }

    /// Whether a log that is applied up to there has all of it for certain.
    pub(super) fn is_part_of(&self, applied: Applied) -> bool {
        let same_leader = applied.term == self.last.0;
        applied.index >= self.last.1 && (same_leader || self.committed >= self.last.1)
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

/// What was written down in the folders of survivors; of each group that of the newest log, which has led.
pub(super) fn read_all(
    disk: &dyn Disk,
    survivors: &[PathBuf],
    incarnation: u64,
) -> Result<BTreeMap<GroupId, WentOn>, String> {
    let mut all: BTreeMap<GroupId, WentOn> = BTreeMap::new();
    for survivor in survivors {
        for (group, other) in read_file(disk, &survivor.join(file_name(incarnation)))? {
            if all.get(&group).is_none_or(|known| known.last < other.last) {
                all.insert(group, other);
            }
        }
    }
    Ok(all)
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
    fn how_many_entries_before_a_checkpoint_are_not_there() {
        let went_on = WentOn { last: (5, 10), committed: 8, terms: vec![(9, 5)] };
        let lacks = |index, term| went_on.lacks_up_to(index, term);
        assert_eq!((lacks(7, None), lacks(8, Some(4)), lacks(9, Some(5)), lacks(10, Some(5))), (0, 0, 0, 0));
        assert_eq!(lacks(14, Some(5)), 4, "after the last, of the same leader");
        assert_eq!((lacks(14, Some(6)), lacks(14, None)), (6, 6), "perhaps also what is not known committed");
        assert_eq!((lacks(10, Some(6)), lacks(10, None)), (2, 2));
    }

    #[test]
    fn only_a_log_with_all_of_it_has_it() {
        let went_on = WentOn { last: (5, 10), committed: 8, terms: vec![(9, 5)] };
        let applied = |index, term| Applied { index, term, shard_time: 0, rolling: 0 };
        assert!(went_on.is_part_of(applied(10, 5)) && went_on.is_part_of(applied(14, 5)));
        assert!(!went_on.is_part_of(applied(9, 5)) && !went_on.is_part_of(applied(14, 6)));
        assert!(WentOn { committed: 10, ..went_on }.is_part_of(applied(14, 6)));
    }
}
