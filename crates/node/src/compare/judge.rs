//! Who is right where replicas differ: a majority of the voters that has the same. Nobody else ever is.

use model::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// What hashes of several replicas as of one index say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All that have said something have the same.
    Equal,
    /// A majority of the voters has the same; these have not.
    Damaged {
        /// Voters that have the same.
        right: BTreeSet<NodeId>,
        /// Who has something else.
        wrong: BTreeSet<NodeId>,
    },
    /// They differ, and no majority of the voters has the same: nobody is known to be right.
    Undecided,
}

/// Judges. `voters`: all of the group, whether they have said something or not.
pub(crate) fn judge(voters: &BTreeSet<NodeId>, said: &BTreeMap<NodeId, Vec<u64>>) -> Verdict {
    let mut sides: BTreeMap<&[u64], BTreeSet<NodeId>> = BTreeMap::new();
    for (&node, hashes) in said {
        sides.entry(hashes).or_default().insert(node);
    }
    if sides.len() <= 1 {
        return Verdict::Equal;
    }
    let needed = voters.len() / 2 + 1;
    let right = sides.values().find(|side| side.intersection(voters).count() >= needed);
    match right {
        Some(side) => Verdict::Damaged {
            right: side.intersection(voters).copied().collect(),
            wrong: said.keys().filter(|node| !side.contains(node)).copied().collect(),
        },
        None => Verdict::Undecided,
    }
}

/// Numbers of the hashes that are not the same everywhere.
pub(crate) fn differing(said: &BTreeMap<NodeId, Vec<u64>>) -> Vec<usize> {
    let Some(first) = said.values().next() else { return Vec::new() };
    (0..first.len()).filter(|at| said.values().any(|hashes| hashes.get(*at) != first.get(*at))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(numbers: &[u64]) -> BTreeSet<NodeId> {
        numbers.iter().copied().map(NodeId).collect()
    }

    fn said(hashes: &[(u64, u64)]) -> BTreeMap<NodeId, Vec<u64>> {
        hashes.iter().map(|&(node, hash)| (NodeId(node), vec![7, hash])).collect()
    }

    #[test]
    fn who_differs_from_a_majority_of_the_voters_is_wrong() {
        let three = nodes(&[1, 2, 3]);
        assert_eq!(judge(&three, &said(&[(1, 5), (2, 5), (3, 5)])), Verdict::Equal);
        let wrong =
            |right: &[u64], wrong: &[u64]| Verdict::Damaged { right: nodes(right), wrong: nodes(wrong) };
        assert_eq!(judge(&three, &said(&[(1, 5), (2, 6), (3, 5)])), wrong(&[1, 3], &[2]));
        // Also who leads.
        assert_eq!(judge(&three, &said(&[(1, 5), (2, 6), (3, 6)])), wrong(&[2, 3], &[1]));
        // A learner has no say, and can be wrong.
        assert_eq!(judge(&three, &said(&[(1, 5), (2, 5), (9, 6)])), wrong(&[1, 2], &[9]));
        assert_eq!(
            judge(&nodes(&[1, 2, 3, 4, 5]), &said(&[(1, 5), (2, 6), (3, 5), (4, 7), (5, 5)])),
            wrong(&[1, 3, 5], &[2, 4])
        );
    }

    #[test]
    fn without_such_a_majority_nobody_is() {
        let two = nodes(&[1, 2]);
        assert_eq!(judge(&two, &said(&[(1, 5), (2, 6)])), Verdict::Undecided);
        assert_eq!(judge(&nodes(&[1, 2, 3]), &said(&[(1, 5), (2, 6), (3, 7)])), Verdict::Undecided);
        // The third has said nothing, and may agree with either.
        assert_eq!(judge(&nodes(&[1, 2, 3]), &said(&[(1, 5), (2, 6)])), Verdict::Undecided);
        // Learners do not make a majority.
        assert_eq!(judge(&two, &said(&[(1, 5), (2, 6), (8, 6), (9, 6)])), Verdict::Undecided);
        // Two of five agree against one: not three.
        let five = nodes(&[1, 2, 3, 4, 5]);
        assert_eq!(judge(&five, &said(&[(1, 5), (2, 5), (3, 6)])), Verdict::Undecided);
        // Half is no majority.
        assert_eq!(
            judge(&nodes(&[1, 2, 3, 4]), &said(&[(1, 5), (2, 5), (3, 6), (4, 7)])),
            Verdict::Undecided
        );
    }

    #[test]
    fn ranges_that_differ_are_named() {
        assert_eq!(differing(&said(&[(1, 5), (2, 6)])), [1]);
        assert!(differing(&said(&[(1, 5), (2, 5)])).is_empty() && differing(&said(&[])).is_empty());
    }
}
