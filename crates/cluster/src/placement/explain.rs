//! Why a group is to change, in words.

use super::{Placed, Site, Standing};
use crate::map::ZoneRole;
use model::{GroupId, NodeId};

/// Why a group is to change from `before` to `after`, for people, in one line without its end: what
/// `everstore plan` prints. Says so if nothing changes.
pub fn explain(sites: &[Site], before: &Placed, after: &[NodeId]) -> String {
    let gone: Vec<NodeId> = without(&before.replicas, after);
    let come: Vec<NodeId> = without(after, &before.replicas);
    let mut reasons = Vec::new();
    for (place, node) in gone.iter().enumerate() {
        reasons.push(match come.get(place) {
            Some(to) => format!("node {to} instead of node {node}: {}", why_moved(sites, before, *node, *to)),
            None => format!("node {node} gives up its replica: {}", why_dropped(sites, before, after, *node)),
        });
    }
    for to in come.iter().skip(gone.len()) {
        reasons.push(format!("node {to} gets a replica: the group has {}", before.replicas.len()));
    }
    if let (Some(old), Some(new)) = (before.replicas.first(), after.first())
        && old != new
    {
        reasons.push(format!("node {new} leads instead of node {old}{}", why_led(sites, *old, &gone)));
    }
    if reasons.is_empty() {
        reasons.push("stays as it is".to_owned());
    }
    format!("{}: {}", name(before.group), reasons.join("; "))
}

/// Why a group is to change its replicas without a vote, like [`explain`]; `None` if it is not.
pub fn explain_learners(sites: &[Site], before: &Placed, after: &[NodeId]) -> Option<String> {
    let (gone, come) = (without(&before.learners, after), without(after, &before.learners));
    let zone = |node: NodeId| site(sites, node).map_or("", |site| site.zone.as_str());
    let mut reasons = Vec::new();
    for to in &come {
        let from = gone.iter().find(|from| zone(**from) == zone(*to));
        reasons.push(match (from, from.and_then(|from| site(sites, *from)).map(|site| site.standing)) {
            (Some(from), Some(Standing::Leaving)) => {
                format!("node {to} gets the learner of node {from}: node {from} is to hold nothing")
            }
            (Some(from), _) => {
                format!("node {to} gets the learner of node {from}, which holds more than its share")
            }
            _ => format!("node {to} gets a learner: zone {} has none", zone(*to)),
        });
    }
    let replaced = |from: &&NodeId| come.iter().any(|to| zone(*to) == zone(**from));
    for from in gone.iter().filter(|from| !replaced(from)) {
        let why = match site(sites, *from) {
            None => "it is no member".to_owned(),
            Some(site) if site.role == ZoneRole::Voter => format!("zone {} is to have voters", site.zone),
            Some(site) => format!("zone {} has another one", site.zone),
        };
        reasons.push(format!("node {from} gives up its learner: {why}"));
    }
    (!reasons.is_empty()).then(|| format!("{}: {}", name(before.group), reasons.join("; ")))
}

fn name(group: GroupId) -> String {
    group.shard().map_or_else(|| "meta group".to_owned(), |shard| format!("shard {shard}"))
}

/// What is in one list and not in the other, each once.
fn without(these: &[NodeId], those: &[NodeId]) -> Vec<NodeId> {
    let mut left: Vec<NodeId> = Vec::new();
    for node in these {
        if !those.contains(node) && !left.contains(node) {
            left.push(*node);
        }
    }
    left
}

fn site(sites: &[Site], node: NodeId) -> Option<&Site> {
    sites.iter().find(|site| site.node == node)
}

/// The zone of a node, if it shares it with another node of the list.
fn crowded<'a>(sites: &'a [Site], replicas: &[NodeId], node: NodeId) -> Option<&'a str> {
    let zone = site(sites, node).map(|site| site.zone.as_str()).filter(|zone| !zone.is_empty())?;
    let others = replicas.iter().filter(|other| **other != node);
    others.filter_map(|other| site(sites, *other)).any(|other| other.zone == zone).then_some(zone)
}

fn why_moved(sites: &[Site], before: &Placed, from: NodeId, to: NodeId) -> String {
    match site(sites, from) {
        None => format!("node {from} is no member"),
        Some(site) if site.role == ZoneRole::Learner => format!("zone {} is to have no votes", site.zone),
        Some(site) if site.standing == Standing::Leaving => format!("node {from} is to hold nothing"),
        Some(_) => match crowded(sites, &before.replicas, from) {
            Some(zone) => format!("zone {zone} has more than one replica"),
            None => format!("node {from} holds more than its share, node {to} less"),
        },
    }
}

fn why_dropped(sites: &[Site], before: &Placed, after: &[NodeId], node: NodeId) -> String {
    match site(sites, node) {
        None => format!("it is no member, and {} are enough", after.len()),
        Some(site) if site.standing == Standing::Leaving || site.role == ZoneRole::Learner => {
            format!("it is to hold nothing, and {} are enough", after.len())
        }
        Some(_) => format!("there are {}, {} are enough", before.replicas.len(), after.len()),
    }
}

fn why_led(sites: &[Site], old: NodeId, gone: &[NodeId]) -> &'static str {
    match site(sites, old).map(|site| site.standing) {
        _ if gone.contains(&old) => "",
        None => ", which is no member",
        Some(Standing::Leaving) => ", which is to hold nothing",
        Some(Standing::Away) => ", which is down",
        Some(Standing::Serving) => ", so that leaders are spread evenly",
    }
}
