//! Placements to read; the rules as properties are in [`properties`], a large cluster in [`scale`].

mod learners;
mod properties;
mod scale;
mod world;

use super::{Placed, Site, Standing, explain, place};
use crate::map::ZoneRole;
use model::{GroupId, NodeId};

/// Sites from a line like `1:a 2:b*2 3:b- 4:c?`: node, zone, weight, `-` leaving, `?` away.
fn sites(line: &str) -> Vec<Site> {
    let site = |word: &str| {
        let (word, standing) = match word.as_bytes().last() {
            Some(b'-') => (&word[..word.len() - 1], Standing::Leaving),
            Some(b'?') => (&word[..word.len() - 1], Standing::Away),
            _ => (word, Standing::Serving),
        };
        let (word, weight) = word.split_once('*').unwrap_or((word, "1"));
        let (node, zone) = word.split_once(':').unwrap_or((word, ""));
        let node = NodeId(node.parse().expect("a number"));
        Site {
            node,
            zone: zone.to_owned(),
            role: ZoneRole::Voter,
            weight: weight.parse().expect("a number"),
            standing,
        }
    };
    line.split_whitespace().map(site).collect()
}

/// Groups from a line like `123 231`: a word per group, from group 1 on, a digit per replica.
fn groups(line: &str) -> Vec<Placed> {
    let group = |(number, word): (usize, &str)| Placed {
        group: GroupId(number as u32 + 1),
        replicas: word
            .trim_matches('.')
            .chars()
            .map(|c| NodeId(c.to_digit(10).expect("a digit").into()))
            .collect(),
        learners: Vec::new(),
        bytes: 1000,
        load: 0,
    };
    line.split_whitespace().enumerate().map(group).collect()
}

fn line(lists: &[Vec<NodeId>]) -> String {
    let words = lists.iter().map(|list| list.iter().map(NodeId::to_string).collect::<String>());
    words.collect::<Vec<_>>().join(" ")
}

fn placed(nodes: &str, before: &str, replicas: usize) -> String {
    line(&place(&sites(nodes), &groups(before), replicas))
}

#[test]
fn examples_to_read() {
    for (what, nodes, before, replicas, after) in [
        ("nothing to do", "1 2 3", "123 231 312", 3, "123 231 312"),
        ("the first placement", "1 2 3", ". . .", 3, "123 213 312"),
        ("on more nodes", "1 2 3 4 5 6", ". . . . . .", 3, "236 145 312 456 524 613"),
        ("a node comes", "1 2 3 4", "123 231 312 123", 3, "412 234 314 123"),
        ("a node is drained", "1- 2 3 4", "123 231 312 123", 3, "234 234 324 423"),
        ("nobody can replace it", "1- 2 3", "123 231 312", 3, "213 231 312"),
        ("a node that is no member", "2 3 4", "123 231 312", 3, "234 423 324"),
        ("away: others lead", "1? 2 3 4", "123 142 134", 3, "213 412 314"),
        ("too few, one candidate", "1 2", "1 2 12", 3, "12 21 12"),
        ("too many", "1 2 3 4", "1234 2341 3412 4123", 3, "123 241 341 423"),
        ("too many, one is away", "1 2 3? 4", "1234", 3, "124"),
        ("a zone with two", "1:a 2:a 3:b 4:b 5:c 6:c", "123 234 345 561", 3, "136 245 352 614"),
        ("two zones for three", "1:a 2:a 3:b 4:b", ". . . .", 3, "134 213 412 324"),
        ("a small zone works more", "1:a 2:b 3:b", ". . . .", 2, "13 21 31 12"),
        ("weights", "1 2 3*2", ". . . . . . . .", 1, "3 3 1 3 2 3 1 2"),
        ("weight 0 keeps", "1*0 2 3", "1 2 2 2", 1, "1 3 2 2"),
        ("weight 0 in a zone with two", "1:a*0 2:a 3:b", "12", 2, "23"),
        ("too many, in one zone", "1:b*0 2 3:b*0 4:b? 5:c", "1234", 3, "235"),
        ("leaders are evened out", "1 2 3", "123 123 123", 3, "312 123 213"),
        ("nobody", "", "12 .", 3, "12 "),
    ] {
        assert_eq!(placed(nodes, before, replicas), after, "{what}: {nodes} | {before}");
    }
}

#[test]
fn zero_replicas_are_taken_for_one() {
    assert_eq!(placed("1 2", "12 .", 0), placed("1 2", "12 .", 1));
}

#[test]
fn the_meta_group_is_held_but_not_counted_as_led() {
    let mut groups = groups("12 12");
    groups[0].group = GroupId::META;
    // Counted, one of the two would be led by node 2.
    assert_eq!(line(&place(&sites("1 2"), &groups, 2)), "12 12");
    assert_eq!(line(&place(&sites("1? 2"), &groups, 2)), "21 21");
}

#[test]
fn of_equal_moves_the_smallest_follower_moves() {
    let mut groups = groups("12 12 21 21");
    for (group, bytes) in groups.iter_mut().zip([5, 1, 9, 7]) {
        group.bytes = bytes;
    }
    // Node 1 follows in the last two groups: the one of 7 bytes is less to copy. Node 2 likewise in the second.
    let after = line(&place(&sites("1 2 3"), &groups, 2));
    assert_eq!(
        after.split(' ').map(|word| word.contains('3')).collect::<Vec<_>>(),
        [false, true, false, true]
    );
}

#[test]
fn a_zone_that_must_hold_more_takes_it_from_all_others() {
    // Five replicas in four zones: each zone has one of every group at least, also the one with little weight. What
    // is left is in proportion: twice as much for the nodes of weight 20, which is one replica of every group.
    let nodes = "1:a 2:a 3:b*10 4:b*10 5:c*10 6:c*10 7:d*20 8:d*20";
    let lists = place(&sites(nodes), &groups(&". ".repeat(12)), 5);
    let count = |node: u64| lists.iter().filter(|list| list.contains(&NodeId(node))).count();
    assert_eq!((1..=8).map(count).collect::<Vec<_>>(), [6, 6, 6, 6, 6, 6, 12, 12]);
}

#[test]
fn load_is_evened_out_as_far_as_numbers_allow() {
    let mut groups = groups("12 12 21 21");
    for (group, load) in groups.iter_mut().zip([900, 800, 10, 20]) {
        group.load = load;
    }
    // Each still leads two; the heaviest two are apart.
    let lists = place(&sites("1 2"), &groups, 2);
    let led = |node: u64| {
        let mine = groups.iter().zip(&lists).filter(move |(_, list)| list[0] == NodeId(node));
        mine.map(|(group, _)| group.load).collect::<Vec<_>>()
    };
    assert_eq!((led(1), led(2)), (vec![800, 20], vec![900, 10]));
    // A small difference moves nothing.
    groups.iter_mut().zip([100, 110, 95, 100]).for_each(|(group, load)| group.load = load);
    assert_eq!(line(&place(&sites("1 2"), &groups, 2)), "12 12 21 21");
}

#[test]
fn reasons_for_people() {
    for (nodes, before, after, text) in [
        ("1 2 3", "123", "123", "shard 0: stays as it is"),
        (
            "1- 2 3 4",
            "123",
            "423",
            "shard 0: node 4 instead of node 1: node 1 is to hold nothing; node 4 leads instead of node 1",
        ),
        ("2 3 4", "213", "234", "shard 0: node 4 instead of node 1: node 1 is no member"),
        (
            "1:a 2:a 3:b 4:c",
            "123",
            "143",
            "shard 0: node 4 instead of node 2: zone a has more than one replica",
        ),
        (
            "1 2 3 4",
            "123",
            "124",
            "shard 0: node 4 instead of node 3: node 3 holds more than its share, node 4 less",
        ),
        ("1 2 3", "12", "123", "shard 0: node 3 gets a replica: the group has 2"),
        ("1 2 3 4", "1234", "123", "shard 0: node 4 gives up its replica: there are 4, 3 are enough"),
        ("1? 2 3", "123", "213", "shard 0: node 2 leads instead of node 1, which is down"),
        ("1 2 3", "123", "213", "shard 0: node 2 leads instead of node 1, so that leaders are spread evenly"),
    ] {
        let after: Vec<NodeId> = groups(after)[0].replicas.clone();
        assert_eq!(explain(&sites(nodes), &groups(before)[0], &after), text);
    }
    let meta = Placed { group: GroupId::META, ..groups("12")[0].clone() };
    assert_eq!(explain(&sites("1 2"), &meta, &meta.replicas), "meta group: stays as it is");
}
