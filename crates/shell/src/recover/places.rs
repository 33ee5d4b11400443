//! Which log has which group. What the log of the home folder says decides: a replica in it, or the folder that has it.
//!
//! - A folder that is named and is not here, or whose part of the group is damaged: the replica is *lost*. It is as one
//!   that has left, so it never votes again; should the folder come back before another one is made, it is
//!   taken as it was, since nothing was promised without it.
//! - A folder that is named, is whole and has nothing of the replica: power went off between the record of the home log
//!   and the replica's own. It never promised anything; those before it did, and have left.
//! - What a further folder has of a group and is not named for counts for nothing: another replica has taken its place, or it
//!   was never recorded, and then it never promised anything either.

use super::group::tenure_of;
use super::{RecoverError, RecoverReport};
use cluster::Tenure;
use model::GroupId;
use model::planted::{Bug, is_planted};
use node::seats::Left;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use storage::log::{Damage, GroupLog, Recovery};

/// What the log of a folder says.
#[derive(Debug)]
pub struct Found {
    /// Number of the folder; the home folder, 0, comes first.
    pub folder: u32,
    /// What was read.
    pub recovery: Recovery,
}

/// The groups of all logs.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// Each with its log.
    pub(super) groups: BTreeMap<GroupId, (usize, GroupLog)>,
    /// Of the home log.
    pub(super) damage: Vec<Damage>,
}

/// Finds the replica of each group. The report says which are lost, which have left and what is stale.
pub(super) fn merge(found: Vec<Found>) -> Result<(Merged, RecoverReport), RecoverError> {
    let (mut merged, mut report) = (Merged::default(), RecoverReport::default());
    let (mut folders, mut further) = (Vec::new(), Vec::new());
    for (at, Found { folder, recovery }) in found.into_iter().enumerate() {
        folders.push(folder);
        if at == 0 {
            merged.damage = recovery.damage;
            merged.groups = recovery.groups.into_iter().map(|(group, log)| (group, (0, log))).collect();
            further.push(BTreeMap::new());
        } else {
            further.push(sound(recovery));
        }
    }
    let elsewhere = |log: &GroupLog| match tenure_of(log) {
        Ok(Some(Tenure::Elsewhere { generation, folder, incarnation })) => {
            Some((Which { generation, incarnation }, folder))
        }
        _ => None,
    };
    let named: Vec<(GroupId, Which, u32)> = merged
        .groups
        .iter()
        .filter_map(|(group, (_, log))| elsewhere(log).map(|(which, folder)| (*group, which, folder)))
        .collect();
    for (group, which, folder) in named {
        // Its mark of damage is the home log's: which of the group's promises were in it is not known.
        let Some((_, home)) = merged.groups.get(&group).filter(|(_, log)| !log.damaged) else { continue };
        let hard = home.hard.unwrap_or_default();
        let lost = Left { generation: which.generation, term: hard.term, vote: hard.vote };
        let at = folders.iter().position(|number| *number == folder);
        let part = at.map(|at| (at, further[at].remove(&group)));
        merged.groups.remove(&group);
        match part {
            // Planted: see model/planted.rs
            None if which.generation == 0 && is_planted(Bug::LostVotesAgain) => {
                merged.groups.insert(group, (0, GroupLog::default()));
            }
            None | Some((_, Some(Part::Damaged))) => {
                report.lost.push((group, folder));
                report.left.push((group, lost));
            }
            Some((at, Some(Part::Sound(log)))) => match held_by(&log)? {
                (held, true) if is_same(which, held) => {
                    report.recorded.insert(group);
                    merged.groups.insert(group, (at, log));
                }
                // The record of one, home or here, is later than what the other had when power went off: nothing
                // was promised by the later one, and the one before it is over. Both stay until another replica
                // is recorded: alone the one at home would look like that of a replica without a record of its own.
                (held, _) => {
                    let hard = log.hard.unwrap_or_default();
                    let generation = held.generation.min(which.generation);
                    report.left.push((group, Left { generation, term: hard.term, vote: hard.vote }));
                }
            },
            // The first replica of this node begins there; a later one is made again as the map says. The one before it has
            // left: its record was replaced by this one, which has its term and vote, and others remember what it promised.
            Some((at, None)) if which.generation == 0 => {
                report.recorded.insert(group);
                merged.groups.insert(group, (at, GroupLog::default()));
            }
            Some((_, None)) => report.left.push((group, Left { generation: which.generation - 1, ..lost })),
        }
    }
    for (at, parts) in further.into_iter().enumerate() {
        report.stale.extend(parts.into_keys().map(|group| (at, group)));
    }
    Ok((merged, report))
}

/// The replicas of a node that does not run.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Each with the number of its folder and its log.
    pub(crate) groups: BTreeMap<GroupId, (u32, GroupLog)>,
    /// Which are lost, with the number of their folder.
    pub(crate) lost: Vec<(GroupId, u32)>,
}

/// Finds the replica of each group, to look at it. The home log is whole.
pub(crate) fn places(found: Vec<Found>) -> Result<Places, RecoverError> {
    let numbers: Vec<u32> = found.iter().map(|found| found.folder).collect();
    let (merged, report) = merge(found)?;
    let groups = merged.groups.into_iter().map(|(group, (at, log))| (group, (numbers[at], log)));
    Ok(Places { groups: groups.collect(), lost: report.lost })
}

enum Part {
    Sound(GroupLog),
    /// Synced bytes of it are lost.
    Damaged,
}

fn sound(recovery: Recovery) -> BTreeMap<GroupId, Part> {
    let damaged: BTreeSet<GroupId> =
        recovery.damage.iter().flat_map(|damage| damage.groups.iter().copied()).collect();
    let part = |(group, log): (GroupId, GroupLog)| match log.damaged || damaged.contains(&group) {
        true => (group, Part::Damaged),
        false => (group, Part::Sound(log)),
    };
    recovery.groups.into_iter().map(part).collect()
}

/// A replica of a node: its generation, and the incarnation of the cluster in which that was written.
#[derive(Clone, Copy)]
struct Which {
    generation: u64,
    incarnation: u64,
}

/// The replica in a log, and whether it is still there.
fn held_by(log: &GroupLog) -> Result<(Which, bool), RecoverError> {
    Ok(match tenure_of(log)? {
        Some(Tenure::Holds { generation, members, .. }) => {
            (Which { generation, incarnation: members.incarnation }, true)
        }
        Some(Tenure::Left { generation } | Tenure::Elsewhere { generation, .. }) => {
            (Which { generation, incarnation: 0 }, false)
        }
        None => (Which { generation: 0, incarnation: 0 }, true),
    })
}

/// Whether two logs speak of one replica. After a recovery from a lost majority what the survivors have is of generation
/// 0, and either log may say so before the other does.
fn is_same(home: Which, held: Which) -> bool {
    match home.incarnation.cmp(&held.incarnation) {
        Ordering::Equal => home.generation == held.generation,
        Ordering::Less => held.generation == 0,
        Ordering::Greater => home.generation == 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::Members;
    use storage::log::{HardState, Install};

    const G: GroupId = GroupId(3);

    fn log(tenure: Option<Tenure>, term: u64) -> GroupLog {
        let install = tenure.map(|tenure| Install { conf_state: tenure.encode(), ..Install::default() });
        let hard = Some(HardState { term, vote: 1, commit: 0 });
        GroupLog { install, hard, ..GroupLog::default() }
    }

    fn elsewhere(generation: u64, folder: u32) -> GroupLog {
        elsewhere_in(0, generation, folder)
    }

    fn elsewhere_in(incarnation: u64, generation: u64, folder: u32) -> GroupLog {
        log(Some(Tenure::Elsewhere { generation, folder, incarnation }), 2)
    }

    fn holds(generation: u64) -> GroupLog {
        holds_in(0, generation)
    }

    fn holds_in(incarnation: u64, generation: u64) -> GroupLog {
        let members = Members { incarnation, voters: vec![model::NodeId(1)], ..Members::default() };
        log(Some(Tenure::Holds { generation, joined: true, members }), 5)
    }

    fn found(folder: u32, of: Option<GroupLog>) -> Found {
        let groups = of.map(|log| (G, log)).into_iter().collect();
        Found { folder, recovery: Recovery { groups, ..Recovery::default() } }
    }

    type Outcome = (Option<usize>, Option<(u64, u64)>, bool, Vec<usize>);

    /// Which log has the group; generation and term of what has left; whether it is lost; which logs have stale parts.
    fn outcome(found: Vec<Found>) -> Outcome {
        let (merged, report) = merge(found).unwrap();
        let at = merged.groups.get(&G).map(|(at, _)| *at);
        let left = report.left.first().map(|(_, left)| (left.generation, left.term));
        (at, left, !report.lost.is_empty(), report.stale.iter().map(|(at, _)| *at).collect())
    }

    #[test]
    fn the_home_log_says_which_folder_has_a_replica() {
        let both =
            |home: GroupLog| vec![found(0, Some(home)), found(1, Some(holds(0))), found(4, Some(holds(0)))];
        assert_eq!(outcome(both(elsewhere(0, 4))), (Some(2), None, false, vec![1]));
        assert_eq!(outcome(both(elsewhere(0, 1))), (Some(1), None, false, vec![2]));
        assert_eq!(outcome(both(holds(7))), (Some(0), None, false, vec![1, 2]));
        assert_eq!(outcome(vec![found(0, None), found(1, Some(holds(0)))]), (None, None, false, vec![1]));
    }

    #[test]
    fn a_replica_is_lost_with_its_folder_or_with_its_part_of_the_log() {
        let home = || found(0, Some(elsewhere(3, 1)));
        assert_eq!(outcome(vec![home()]), (None, Some((3, 2)), true, vec![]));
        let damaged = GroupLog { damaged: true, ..holds(3) };
        assert_eq!(outcome(vec![home(), found(1, Some(damaged))]), (None, Some((3, 2)), true, vec![]));
        let mut part = found(1, Some(holds(3)));
        part.recovery.damage.push(Damage { file: "seg".into(), offset: 9, groups: vec![G] });
        assert_eq!(outcome(vec![home(), part]), (None, Some((3, 2)), true, vec![]));
    }

    #[test]
    fn power_may_go_off_between_the_records_of_two_logs() {
        // The replica has no record of its own yet: the first of a node begins, a later one is made again.
        assert_eq!(
            outcome(vec![found(0, Some(elsewhere(0, 1))), found(1, None)]),
            (Some(1), None, false, vec![])
        );
        assert_eq!(
            outcome(vec![found(0, Some(elsewhere(9, 1))), found(1, None)]),
            (None, Some((8, 2)), false, vec![]),
            "what was before the ninth has left, and its term and vote are known"
        );
        // One has left, and another was to come.
        let left = |generation| log(Some(Tenure::Left { generation }), 6);
        let two = |home, part| outcome(vec![found(0, Some(home)), found(1, Some(part))]);
        assert_eq!(two(elsewhere(3, 1), left(3)), (None, Some((3, 6)), false, vec![]));
        assert_eq!(two(elsewhere(9, 1), left(3)), (None, Some((3, 6)), false, vec![]));
        assert_eq!(two(elsewhere(3, 1), holds(9)), (None, Some((3, 5)), false, vec![]));
        assert_eq!(two(left(3), left(3)), (Some(0), None, false, vec![1]), "the home log keeps the vote");
    }

    #[test]
    fn after_a_recovery_the_replica_that_survived_is_known_by_either_log() {
        let two = |home, part| outcome(vec![found(0, Some(home)), found(1, Some(part))]);
        let it = (Some(1), None, false, vec![]);
        assert_eq!(two(elsewhere_in(0, 7, 1), holds_in(1, 0)), it, "the home log is as of before");
        assert_eq!(two(elsewhere_in(0, 7, 1), holds_in(2, 0)), it, "also after a second one");
        assert_eq!(two(elsewhere_in(1, 0, 1), holds_in(0, 7)), it, "its own is");
        assert_eq!(two(elsewhere_in(1, 0, 1), log(None, 5)), it);
        // Another replica was to come after it when power went off, and had promised nothing.
        assert_eq!(two(elsewhere_in(1, 9, 1), holds_in(1, 0)), (None, Some((0, 5)), false, vec![]));
        assert_eq!(two(elsewhere_in(0, 7, 1), holds_in(1, 9)), (None, Some((7, 5)), false, vec![]));
        assert_eq!(two(elsewhere_in(1, 9, 1), holds_in(0, 7)), (None, Some((7, 5)), false, vec![]));
    }
}
