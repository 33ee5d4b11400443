use super::*;
use crate::salvage::WentOn;
use crate::survivors::Holding;
use cluster::map::Child;
use model::entry::EntryBuilder;
use storage::log::Entry;
use storage::rows::RowStores;
use storage::rows::memory::MemoryStores;

/// The generation of the only split of a cluster with two shards.
const SPLIT: u64 = 70;
/// Index of the entry that divides shard 0.
const AT: Index = 50;

fn formation() -> Formation {
    let members = vec![NodeId(1), NodeId(2), NodeId(3)];
    Formation { replicas: 3, shards: 2, members, ..Formation::default() }
}

/// What shard 0 says after it was divided.
fn divided(parted: bool) -> ShardSlots {
    let voters = vec![NodeId(1), NodeId(2), NodeId(3)];
    let child = Child { shard: ShardId(2), slots: (4096, 8191), at: AT, time: 1, voters, parted };
    ShardSlots { generation: SPLIT, slots: (0, 4095), child: Some(child) }
}

/// A shard that was made by the split.
fn made() -> Told {
    Told { slots: Some(ShardSlots { generation: SPLIT, slots: (0, 9), child: None }), ..Told::default() }
}

fn known(closed: &[u16]) -> Told {
    let closed = closed.iter().map(|shard| ShardId(*shard)).collect();
    Told { divisions: Some(Divisions { generations: vec![SPLIT], closed }), ..Told::default() }
}

fn rows(stored: Index, row: ShardSlots) -> Told {
    Told { stored, slots: Some(row), ..Told::default() }
}

fn logged(stored: Index, rows: &[(Index, ShardSlots)]) -> Told {
    Told { stored, later: rows.to_vec(), ..Told::default() }
}

/// A node that has the groups of these numbers, up to a last entry and a committed one.
fn node(id: u64, groups: Vec<(u32, Index, Index, Told)>) -> BTreeMap<GroupId, Held> {
    let held = |(group, last, committed, told): (u32, Index, Index, Told)| {
        let last = (3, last);
        let holding = Holding { node: NodeId(id), last, committed, stored: told.stored, written_ms: None };
        let went_on = WentOn { last, committed, terms: Vec::new() };
        (GroupId(group), Held { holding, went_on, told })
    };
    groups.into_iter().map(held).collect()
}

/// The whole of shard 1 and its child beside what a test is about.
fn rest(meta: Told) -> Vec<(u32, Index, Index, Told)> {
    let child = Child { shard: ShardId(3), ..divided(true).child.unwrap() };
    let one = ShardSlots { child: Some(child), ..divided(true) };
    vec![(0, 9, 9, meta), (2, 90, 90, rows(90, one)), (4, 20, 20, made())]
}

fn find_in(nodes: &[BTreeMap<GroupId, Held>]) -> Found {
    find(&formation(), nodes).unwrap().unwrap()
}

fn unmade(found: &Found) -> Vec<(u16, Vec<u64>)> {
    let makers = |nodes: &Vec<NodeId>| nodes.iter().map(|node| node.0).collect();
    found.splits.unmade.iter().map(|(shard, nodes)| (shard.0, makers(nodes))).collect()
}

#[test]
fn a_cluster_that_was_never_split_is_told_so() {
    let nodes = [node(1, vec![(0, 9, 9, Told::default()), (1, 9, 9, Told::default())])];
    assert_eq!(find(&formation(), &nodes), Ok(None));
}

#[test]
fn shards_that_are_all_there_are_as_the_newest_map_says() {
    let all =
        |meta: Told| [rest(meta), vec![(1, 80, 80, rows(80, divided(true))), (3, 20, 20, made())]].concat();
    let open = find_in(&[node(1, all(known(&[])))]);
    assert_eq!(
        (open.splits.divisions.generations.clone(), open.splits.divisions.closed.len()),
        (vec![SPLIT], 0)
    );
    assert!(open.splits.unmade.is_empty() && open.void.is_empty());
    assert_eq!(
        find_in(&[node(1, all(known(&[2, 3]))), node(2, all(known(&[2])))]).splits.divisions.closed.len(),
        1
    );
    // Its map does not know of the split.
    let later = find_in(&[node(1, all(Told::default()))]);
    assert_eq!(later.splits.divisions.closed, BTreeSet::from([ShardId(2), ShardId(3)]));
}

#[test]
fn a_shard_that_nobody_has_is_made_of_a_parent_that_was_never_divided() {
    let nodes = [1, 2]
        .map(|id| node(id, [rest(known(&[])), vec![(1, 40, 40, rows(40, made().slots.unwrap()))]].concat()));
    let mut nodes = nodes.to_vec();
    nodes[0].get_mut(&GroupId(1)).unwrap().told.slots = None;
    nodes[1].get_mut(&GroupId(1)).unwrap().told.slots = None;
    let found = find_in(&nodes);
    assert_eq!((unmade(&found), found.void.len()), (vec![(2, vec![1, 2])], 0));
    assert_eq!(found.splits.divisions.closed, BTreeSet::from([ShardId(2)]), "though it was open");
}

#[test]
fn an_entry_that_divides_and_was_committed_for_certain_is_what_it_was() {
    let entry = (AT, divided(false));
    // One has the rows as of it, another only the entry, the third was not there.
    let one = node(1, [rest(known(&[2])), vec![(1, AT, AT, rows(AT, divided(false)))]].concat());
    let two = node(2, vec![(1, AT + 1, 9, logged(9, std::slice::from_ref(&entry)))]);
    let three = node(3, vec![(1, 9, 9, logged(9, &[]))]);
    let found = find_in(&[one, two.clone(), three.clone()]);
    assert_eq!((unmade(&found), found.void.len()), (vec![(2, vec![1, 2])], 0));
    // Nobody has applied it, and it may not have been committed.
    let four = node(4, rest(known(&[2])));
    let found = find_in(&[two, three.clone(), four.clone()]);
    assert_eq!((unmade(&found), found.void), (vec![(2, vec![2, 3])], BTreeSet::from([GroupId(1)])));
    // It was: its node knows so, or has an entry that comes after that.
    for (committed, entries) in [(AT, vec![entry.clone()]), (9, vec![entry.clone(), (AT + 9, divided(true))])]
    {
        let two = node(2, vec![(1, AT + 9, committed, logged(9, &entries))]);
        let found = find_in(&[two, three.clone(), four.clone()]);
        assert_eq!((unmade(&found), found.void.len()), (vec![(2, vec![2])], 0));
    }
}

#[test]
fn what_is_in_no_folder_and_what_would_be_in_two_shards_is_refused() {
    let refused = |groups: Vec<(u32, Index, Index, Told)>| {
        find(&formation(), &[node(1, [rest(known(&[])), groups].concat())]).unwrap_err()
    };
    let why = refused(vec![(1, 80, 80, rows(80, divided(true)))]);
    assert!(
        why.starts_with("no survivor has shard 2, nor the rows of shard 0 of which it was made"),
        "{why}"
    );
    let why = refused(vec![(1, 40, 40, logged(40, &[])), (3, 20, 20, made())]);
    assert!(
        why.starts_with("shard 0 of node 1 is as of before it was divided, though there is shard 2"),
        "{why}"
    );
    assert!(refused(vec![]).starts_with("no survivor has shard 0"));
    let other = ShardSlots { generation: SPLIT + 1, ..divided(true) };
    let why = refused(vec![(1, 80, 80, rows(80, other))]);
    assert!(why.contains("generation 71") && why.contains("as of 70"), "{why}");
}

#[test]
fn rows_and_log_of_a_node_are_read_and_what_is_void_is_not_seen() {
    let stores = MemoryStores::new();
    let entry = |index: Index, name: &[u8], value: Vec<u8>| {
        let mut entry = EntryBuilder::default();
        entry.push(Effect::System { name, value: Some(&value) });
        Entry { index, term: 1, kind: 0, data: entry.finish(5) }
    };
    let own = |name: &[u8]| model::row::system_name(&[b"own/", name].concat());
    let row = (own(SLOTS_ROW), Some(divided(false).encode()));
    stores.open(9).unwrap().ingest(&mut [row].into_iter()).unwrap();
    let entries =
        vec![entry(AT, SLOTS_ROW, divided(false).encode()), entry(AT + 4, SLOTS_ROW, divided(true).encode())];
    let mut log = GroupLog { entries, ..GroupLog::default() };
    let store = stores.open(9).unwrap();
    let told_of = |store, log: &GroupLog, stored: Index, void: &[(u64, Index)]| {
        Told::new(GroupId(1), log, store, stored, 2, void).unwrap()
    };
    let told = |log: &GroupLog, stored: Index, void: &[(u64, Index)]| told_of(None, log, stored, void);
    let stored = told_of(Some(&*store), &log, AT, &[]);
    assert_eq!((stored.slots.clone(), stored.later.len()), (Some(divided(false)), 1));
    assert!(stored.can_make(SPLIT) && stored.is_stored(SPLIT) && !stored.can_make(SPLIT + 1));
    assert!(!told_of(Some(&*store), &log, AT + 9, &[]).can_make(SPLIT), "the rows are later");
    let later = told(&log, 9, &[]);
    assert_eq!((later.logged(SPLIT), later.later.len(), later.slots), (Some(AT), 2, None));
    assert_eq!(told(&log, 9, &[(SPLIT, AT)]).later.len(), 1);
    assert!(!told(&log, 9, &[(SPLIT, AT + 4)]).is_of_split());

    let splits = Divisions { generations: vec![SPLIT], closed: BTreeSet::from([ShardId(3)]) };
    log.entries = vec![entry(1, DIVISIONS_ROW, splits.encode())];
    let meta = Told::new(GroupId::META, &log, None, 0, 2, &[]).unwrap();
    assert_eq!(meta.divisions, Some(splits));
}
