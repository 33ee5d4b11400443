//! What leaders announced of groups that this node only follows as a learner: kept in a file, because on the day
//! their site is lost nothing else tells how much more there was.

use crate::core::Core;
use crate::outbox::Job;
use cluster::{GroupBeat, ZoneRole};
use model::{GroupId, Index, NodeId, Term};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Name of the file in the data folder.
pub const FILE: &str = "heard";
/// Longest file that is read: a line for each of 1025 groups takes far less.
pub const MAX_BYTES: usize = 1 << 20;
/// First words of the file; the incarnation of the cluster follows.
const HEAD: &str = "everstore heard 1";
/// Where nothing new was committed the time of the last contact is written so often, ms.
const QUIET_MS: u64 = 10_000;

/// The newest that a leader said of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Announced {
    /// The term in which it led.
    pub term: Term,
    /// What was committed.
    pub commit: Index,
    /// When it said so, by its own wall clock, ms since 1970.
    pub wall_ms: u64,
    /// Bytes of asynchronous writes that were answered and not committed, about a second before or after.
    pub exposed_bytes: u64,
}

/// What was heard, by group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// Incarnation of the cluster.
    pub incarnation: u64,
    /// The newest of each group.
    pub groups: BTreeMap<GroupId, Announced>,
}

impl Heard {
    /// The content of the file.
    pub fn show(&self) -> String {
        let mut text = format!("{HEAD} {}\n", self.incarnation);
        for (group, Announced { term, commit, wall_ms, exposed_bytes }) in &self.groups {
            let _ = writeln!(text, "{} {term} {commit} {wall_ms} {exposed_bytes}", group.0);
        }
        text
    }

    /// Reads the content of the file; `None` if it is none.
    pub fn parse(text: &str) -> Option<Heard> {
        let mut lines = text.lines();
        let incarnation = lines.next()?.strip_prefix(HEAD)?.strip_prefix(' ')?.parse().ok()?;
        let mut heard = Heard { incarnation, ..Heard::default() };
        for line in lines {
            let numbers = line.split(' ').map(|word| word.parse().ok()).collect::<Option<Vec<u64>>>()?;
            let [group, term, commit, wall_ms, exposed_bytes] = numbers[..] else { return None };
            let announced = Announced { term, commit, wall_ms, exposed_bytes };
            heard.groups.insert(GroupId(u32::try_from(group).ok()?), announced);
        }
        Some(heard)
    }
}

/// The file, as far as it is written.
#[derive(Debug, Default)]
pub(crate) struct HeardFile {
    heard: Heard,
    /// Something was committed since it was written.
    news: bool,
    /// When it was written, monotonic ms; 0 = never.
    written_ms: u64,
    /// It is being written.
    busy: bool,
}

impl Core {
    /// What the file has from before. Before [`Core::start`].
    pub fn set_heard(&mut self, heard: Heard) {
        self.losses.heard.heard = heard;
    }

    /// A node said what it knows of a group; `wall_ms`: its clock.
    pub(crate) fn note_heard(&mut self, from: NodeId, beat: &GroupBeat, wall_ms: u64) {
        if beat.leader != Some(from) {
            return;
        }
        let known = self.losses.heard.heard.groups.entry(beat.group).or_default();
        if (beat.term, beat.commit) >= (known.term, known.commit) {
            self.losses.heard.news |= beat.commit > known.commit;
            *known = Announced { term: beat.term, commit: beat.commit, wall_ms, exposed_bytes: 0 };
        }
    }

    /// Whether this node is in a learner zone, and so writes down what it hears.
    pub(crate) fn keeps_heard(&self) -> bool {
        self.map.role_of(self.me.node) == ZoneRole::Learner
    }

    /// Once a second: has written down what was heard since.
    pub(crate) fn write_heard(&mut self) {
        let now_ms = self.now.mono_ms();
        let due = self.losses.heard.news || now_ms >= self.losses.heard.written_ms + QUIET_MS;
        if !self.keeps_heard() || self.losses.heard.busy || !due || self.losses.heard.heard.groups.is_empty()
        {
            return;
        }
        let mut heard = self.losses.heard.heard.clone();
        heard.incarnation = self.map.incarnation;
        let reports = self.peers.values().filter_map(|peer| peer.report.as_ref());
        for group in reports.flat_map(|report| &report.groups).filter(|group| group.exposed_bytes > 0) {
            if let Some(announced) = heard.groups.get_mut(&GroupId(group.group)) {
                announced.exposed_bytes = group.exposed_bytes;
            }
        }
        (self.losses.heard.news, self.losses.heard.written_ms, self.losses.heard.busy) =
            (false, now_ms, true);
        self.outbox.jobs.push(Job::KeepHeard { content: heard.show().into_bytes() });
    }

    /// It is written, or could not be.
    pub(crate) fn heard_kept(&mut self, result: Result<(), String>) {
        self.losses.heard.busy = false;
        if let Err(error) = result {
            self.losses.heard.news = true;
            tracing::warn!(%error, "what the leaders announce could not be written down; trying again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_as_it_was_written() {
        let mut heard = Heard { incarnation: 2, ..Heard::default() };
        let announced = Announced { term: 3, commit: 400, wall_ms: 5_000_000, exposed_bytes: 6 };
        heard.groups.insert(GroupId(0), Announced { term: 1, ..Announced::default() });
        heard.groups.insert(GroupId(17), announced);
        let text = "everstore heard 1 2\n0 1 0 0 0\n17 3 400 5000000 6\n";
        assert_eq!(heard.show(), text, "files of older versions must be read");
        assert_eq!(Heard::parse(text), Some(heard));
        for bad in [
            "",
            "everstore heard 2 0\n",
            "everstore heard 1\n",
            "everstore heard 1 0\n1 2 3 4\n",
            "everstore heard 1 0\n1 2 3 4 x\n",
        ] {
            assert_eq!(Heard::parse(bad), None, "{bad}");
        }
    }
}
