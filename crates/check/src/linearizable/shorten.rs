//! From a history that has no order to the few operations a person needs to see why.

use std::collections::{BTreeMap, BTreeSet};

use super::{Decision, Item, Rules, decide};
use crate::history::{Action, Bytes, Condition, Operation, Reply};

/// Operations searched, over all attempts to leave some out.
const MAX_WORK: usize = 200_000;
/// Values that are tried as the reply that would have been right.
const MAX_PROBES: usize = 12;

/// Why there is no order.
#[derive(Debug)]
pub(crate) struct Failure<'a> {
    /// With its return no order was possible any more.
    pub failing: &'a Operation,
    /// Operations, the failing one among them, that have no order by themselves; by call.
    pub kept: Vec<&'a Operation>,
    /// Those of the history up to there that overlap the failing one.
    pub concurrent: Vec<&'a Operation>,
    /// What a failing GET could have returned, nil as none; not complete.
    pub could_be: Vec<Option<Bytes>>,
}

/// `items` must have no order.
pub(crate) fn shorten<'a>(items: &[Item<'a>], rules: Rules, limit: u64) -> Option<Failure<'a>> {
    let fails = |items: &[Item<'_>]| decide(items, rules, limit).0 == Decision::No;
    let mut known: Vec<Item<'a>> = shortest_prefix(items, &fails);
    known.sort_by_key(|item| item.call);
    let replied = known.iter().filter(|item| item.reply.is_some());
    let last = *replied.max_by_key(|item| (item.ret, item.op.action.is_read()))?;
    let others = known.iter().filter(|item| !std::ptr::eq(item.op, last.op));
    let overlap = others.filter(|item| item.ret >= last.call && item.call <= last.ret);
    let concurrent = overlap.map(|item| item.op).collect();
    let could_be = probe(&known, &last, rules, limit);
    leave_out(&mut known, last.op, &fails);
    Some(Failure { failing: last.op, kept: known.iter().map(|item| item.op).collect(), concurrent, could_be })
}

/// A history that has an order has one at every moment before, so the first moment without is found by
/// halving.
fn shortest_prefix<'a>(items: &[Item<'a>], fails: &dyn Fn(&[Item<'_>]) -> bool) -> Vec<Item<'a>> {
    let returns: BTreeSet<u64> =
        items.iter().filter(|item| item.reply.is_some()).map(|item| item.ret).collect();
    let returns: Vec<u64> = returns.into_iter().collect();
    let prefix = |until: u64| items.iter().filter_map(|item| item.until(until)).collect::<Vec<_>>();
    let first = returns.partition_point(|until| !fails(&prefix(*until)));
    // Past the end only if a search was undecided on the way.
    returns.get(first).map_or_else(|| items.to_vec(), |until| prefix(*until))
}

/// Leaves out what is not needed for the failure, such that what is left still had an order if the whole
/// had one: among plain SETs and GETs a value with everything that saw it, and reads.
fn leave_out(known: &mut Vec<Item<'_>>, failing: &Operation, fails: &dyn Fn(&[Item<'_>]) -> bool) {
    let mut work = 0;
    for groups in [values(known), reads(known)] {
        let mut groups = groups;
        groups.retain(|group| !group.contains(&std::ptr::from_ref(failing)));
        let mut size = groups.len();
        while size > 0 && work < MAX_WORK {
            let mut from = 0;
            while from < groups.len() && work < MAX_WORK {
                work += known.len();
                let until = (from + size).min(groups.len());
                let without: BTreeSet<Place> = groups[from..until].iter().flatten().copied().collect();
                let stays = |item: &&Item<'_>| !without.contains(&std::ptr::from_ref(item.op));
                let rest: Vec<Item<'_>> = known.iter().filter(stays).copied().collect();
                if fails(&rest) {
                    known.retain(|item| stays(&item));
                    groups.drain(from..until);
                } else {
                    from = until;
                }
            }
            size /= 2;
        }
    }
}

/// An operation, by where it lies.
type Place = *const Operation;

/// Values with their writes and reads; none if the key has other operations than plain SETs and GETs.
fn values(known: &[Item<'_>]) -> Vec<Vec<Place>> {
    let mut groups: BTreeMap<&[u8], Vec<Place>> = BTreeMap::new();
    for item in known {
        let value = match (&item.op.action, item.reply) {
            (Action::Get, Some(Reply::Value(value))) => value,
            (Action::Get, _) => continue,
            (
                Action::Set { value, condition: Condition::None, get: false, ttl_ms: None, keep_ttl: false },
                _,
            ) => value,
            _ => return Vec::new(),
        };
        groups.entry(value).or_default().push(std::ptr::from_ref(item.op));
    }
    groups.into_values().collect()
}

fn reads(known: &[Item<'_>]) -> Vec<Vec<Place>> {
    let reads = known.iter().filter(|item| item.op.action.is_read());
    reads.map(|item| vec![std::ptr::from_ref(item.op)]).collect()
}

/// What the failing read could have returned.
fn probe(known: &[Item<'_>], last: &Item<'_>, rules: Rules, limit: u64) -> Vec<Option<Bytes>> {
    if last.op.action != Action::Get {
        return Vec::new();
    }
    let mut replies = vec![Reply::Nil];
    for item in known.iter().rev() {
        if let Action::Set { value, .. } | Action::GetSet { value } = &item.op.action {
            let reply = Reply::Value(value.clone());
            if !replies.contains(&reply) && replies.len() < MAX_PROBES {
                replies.push(reply);
            }
        }
    }
    let fits = |reply: &Reply| {
        let with = known.iter().map(|item| {
            let probed = std::ptr::eq(item.op, last.op);
            if probed { Item { reply: Some(reply), ..*item } } else { *item }
        });
        decide(&with.collect::<Vec<_>>(), rules, limit).0 == Decision::Yes
    };
    let fitting = replies.iter().filter(|reply| fits(reply));
    fitting
        .map(|reply| match reply {
            Reply::Value(value) => Some(value.clone()),
            _ => None,
        })
        .collect()
}
