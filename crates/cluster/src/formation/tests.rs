use super::forming::witness_refused;
use super::*;
use crate::identity::{Folder, FolderError, Start};
use crate::peer::{Addresses, Boot, JoinToken};
use env::{Disk, MemDisk, Rng};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

#[test]
fn survivors_are_members_and_a_minority() {
    let nodes = |ids: &[u64]| ids.iter().map(|id| NodeId(*id)).collect::<Vec<_>>();
    let five = Formation {
        replicas: 5,
        shards: 4,
        members: nodes(&[1, 2, 3, 4, 5]),
        incarnation: 6,
        before: NodeId(0),
        witness: Some(NodeId(5)),
    };
    let two = five.of_survivors(&nodes(&[4, 2, 4])).unwrap();
    let (members, before) = (nodes(&[2, 4]), NodeId(5));
    let expected = Formation { replicas: 2, shards: 4, members, incarnation: 7, before, witness: None };
    assert_eq!(two, expected);
    // A witness has no data to go on with.
    for refused in [&[][..], &[1, 2, 3], &[1, 6], &[1, 5]] {
        assert_eq!(five.of_survivors(&nodes(refused)), None, "{refused:?}");
    }
    let one = two.of_survivors(&nodes(&[4])).expect("one of two is no majority");
    assert_eq!((one.incarnation, one.before, one.highest_id()), (8, NodeId(5), NodeId(5)));
}

fn start(replicas: u32) -> Start {
    Start {
        bootstrap: true,
        replicas,
        shards: 4,
        join: Vec::new(),
        witness: false,
        secret: None,
        addresses: addresses(1),
        random: [1; 32],
    }
}

fn addresses(n: u8) -> Addresses {
    Addresses { redis: format!("h:700{n}"), peer: format!("h:710{n}"), ..Addresses::default() }
}

fn joiner(n: u8) -> Joiner {
    Joiner {
        token: JoinToken([n; 16]),
        addresses: addresses(n),
        incarnation: 1,
        boot: Boot([n; 16]),
        witness: false,
    }
}

fn open(disk: &MemDisk, replicas: u32) -> Folder {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Folder::open(&disk, Path::new("/data"), &start(replicas)).unwrap()
}

fn nodes(ids: &[u64]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

#[test]
fn three_nodes_form_a_cluster_once() {
    let disk = MemDisk::new();
    let mut folder = open(&disk, 3);
    let mut forming = Forming::start(&mut folder).unwrap();
    assert_eq!(forming.progress(&folder), Some((1, 3)));
    assert_eq!(forming.admit(&mut folder, &joiner(2)).unwrap(), Admission::Member(NodeId(2)));
    assert_eq!(forming.admit(&mut folder, &joiner(2)).unwrap(), Admission::Member(NodeId(2)));
    assert_eq!((folder.formation(), forming.progress(&folder)), (None, Some((2, 3))));
    assert_eq!(forming.admit(&mut folder, &joiner(3)).unwrap(), Admission::Member(NodeId(3)));
    let formed = Formation { replicas: 3, shards: 4, members: nodes(&[1, 2, 3]), ..Formation::default() };
    assert_eq!(folder.formation(), Some(&formed));
    assert_eq!(forming.uninformed(&folder), nodes(&[2, 3]));
    forming.informed(NodeId(2));
    assert_eq!(forming.uninformed(&folder), nodes(&[3]));
    assert_eq!(forming.admit(&mut folder, &joiner(3)).unwrap(), Admission::Member(NodeId(3)));
    assert_eq!(forming.admit(&mut folder, &joiner(4)).unwrap(), Admission::Later);
    forming.assign_later(&mut folder, &joiner(4), NodeId(4)).unwrap();
    assert_eq!(forming.admit(&mut folder, &joiner(4)).unwrap(), Admission::Member(NodeId(4)));
    assert_eq!(folder.formation(), Some(&formed));
}

#[test]
fn a_cluster_is_formed_with_one_witness_at_most_and_remembers_it() {
    let disk = MemDisk::new();
    let mut folder = open(&disk, 3);
    let mut forming = Forming::start(&mut folder).unwrap();
    let witness = |n: u8| Joiner { witness: true, ..joiner(n) };
    assert_eq!(forming.admit(&mut folder, &witness(2)).unwrap(), Admission::Member(NodeId(2)));
    let why = "node 2 is a witness already, and a cluster is formed with one at most";
    // Also after a restart: it is in the folder.
    drop(folder);
    let mut folder = open(&disk, 3);
    assert_eq!(forming.admit(&mut folder, &witness(3)).unwrap(), Admission::Refused(why.into()));
    assert_eq!(forming.admit(&mut folder, &joiner(3)).unwrap(), Admission::Member(NodeId(3)));
    let formed = folder.formation().unwrap();
    assert_eq!((formed.witness, &formed.members), (Some(NodeId(2)), &nodes(&[1, 2, 3])));
    assert_eq!(formed.voters(GroupId(1)), nodes(&[3, 1, 2]));
    drop(folder);
    assert_eq!(open(&disk, 3).formation().unwrap().witness, Some(NodeId(2)));
    let mut alone = open(&MemDisk::new(), 1);
    assert_eq!(witness_refused(&alone).map(|why| why.contains("--replicas 3 or more")), Some(true));
    let mut forming = Forming::start(&mut alone).unwrap();
    assert_eq!(forming.admit(&mut alone, &witness(2)).unwrap(), Admission::Later, "it is formed already");
}

#[test]
fn one_replica_needs_no_other_node() {
    let mut folder = open(&MemDisk::new(), 1);
    assert_eq!(folder.formation(), None);
    let mut forming = Forming::start(&mut folder).unwrap();
    let formed = Formation { replicas: 1, shards: 4, members: nodes(&[1]), ..Formation::default() };
    assert_eq!(folder.formation(), Some(&formed));
    assert_eq!(forming.uninformed(&folder), []);
    assert_eq!(forming.admit(&mut folder, &joiner(2)).unwrap(), Admission::Later);
}

#[test]
fn a_member_without_its_folder_is_refused_whatever_the_cluster_does() {
    let mut folder = open(&MemDisk::new(), 3);
    let mut forming = Forming::start(&mut folder).unwrap();
    forming.admit(&mut folder, &joiner(2)).unwrap();
    let emptied = Joiner { token: JoinToken([9; 16]), boot: Boot([9; 16]), ..joiner(2) };
    let text = "node 2 at h:7102 was a member and lost its data folder; its replicas can not vote again; \
                everstore node replace has them made anew elsewhere";
    let refused = Admission::Refused(text.into());
    assert_eq!(forming.admit(&mut folder, &emptied).unwrap(), refused);
    forming.admit(&mut folder, &joiner(3)).unwrap();
    assert_eq!(forming.admit(&mut folder, &emptied).unwrap(), refused);
    forming.give_up(&[NodeId(2)].into());
    assert_eq!(
        forming.admit(&mut folder, &emptied).unwrap(),
        Admission::Later,
        "another node comes in its place"
    );
    forming.give_up(&[NodeId(1), NodeId(2)].into());
    let at_own = Joiner { token: JoinToken([9; 16]), boot: Boot([9; 16]), ..joiner(1) };
    let Admission::Refused(text) = forming.admit(&mut folder, &at_own).unwrap() else { panic!() };
    assert!(text.starts_with("node 1 at h:7101 was a member"), "{text}");
}

/// Found by the simulator: a slow answer to a joining node was overtaken by the news of it.
#[test]
fn who_was_admitted_elsewhere_and_has_not_heard_of_it_comes_again() {
    let mut folder = open(&MemDisk::new(), 3);
    let mut forming = Forming::start(&mut folder).unwrap();
    folder.learn(&[joiner(2).as_node(NodeId(2))]).unwrap();
    let Admission::NotNow(text) = forming.admit(&mut folder, &joiner(2)).unwrap() else { panic!() };
    assert_eq!(text, "this node is being admitted as node 2 by another one");
    let emptied = Joiner { boot: Boot([9; 16]), ..joiner(2) };
    assert!(matches!(forming.admit(&mut folder, &emptied).unwrap(), Admission::Refused(_)));
}

/// Found by the simulator: power went off everywhere right after the meta group had recorded a node.
#[test]
fn who_was_recorded_and_has_started_again_since_is_not_taken_for_one_without_its_folder() {
    let mut folder = open(&MemDisk::new(), 1);
    let mut forming = Forming::start(&mut folder).unwrap();
    folder.learn(&[joiner(2).as_node(NodeId(2))]).unwrap();
    let again = Joiner { boot: Boot([9; 16]), incarnation: 2, ..joiner(2) };
    assert!(matches!(forming.admit(&mut folder, &again).unwrap(), Admission::NotNow(_)));
    forming.recorded([NodeId(1), NodeId(2)].into_iter());
    let refused = forming.admit(&mut folder, &again).unwrap();
    assert!(matches!(refused, Admission::Refused(_)), "with whose token is known now, and it is another one");
    let mut first = open(&MemDisk::new(), 1);
    let mut forming = Forming::start(&mut first).unwrap();
    let at_own = Joiner { token: JoinToken([9; 16]), boot: Boot([9; 16]), ..joiner(1) };
    assert!(matches!(forming.admit(&mut first, &at_own).unwrap(), Admission::Refused(_)));
}

#[test]
fn a_copy_of_a_joiners_folder_is_refused_and_its_next_start_is_not() {
    let mut folder = open(&MemDisk::new(), 3);
    let mut forming = Forming::start(&mut folder).unwrap();
    let second = Joiner { incarnation: 2, ..joiner(2) };
    forming.admit(&mut folder, &second).unwrap();
    for copy in [joiner(2), Joiner { boot: Boot([9; 16]), ..second.clone() }] {
        let Admission::Refused(text) = forming.admit(&mut folder, &copy).unwrap() else { panic!() };
        assert_eq!(text, "this is an older or a second copy of the data folder of node 2");
    }
    let again = Joiner { incarnation: 3, boot: Boot([9; 16]), addresses: addresses(8), ..second };
    assert_eq!(forming.admit(&mut folder, &again).unwrap(), Admission::Member(NodeId(2)));
    assert_eq!(folder.peers().next().unwrap(), &again.as_node(NodeId(2)));
}

#[test]
fn only_the_bootstrap_node_admits_while_the_cluster_forms() {
    let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
    let secret = Some(crate::Secret::new([1; 32]));
    let join =
        Start { bootstrap: false, join: vec!["h:7101".into()], secret, addresses: addresses(2), ..start(3) };
    let mut folder = Folder::open(&disk, Path::new("/data"), &join).unwrap();
    let first = Joiner { ..joiner(1) }.as_node(NodeId(1));
    folder.joined(crate::ClusterId(5), NodeId(2), &[first]).unwrap();
    let mut forming = Forming::start(&mut folder).unwrap();
    assert_eq!(forming.progress(&folder), None);
    let text = "the cluster is forming: only node 1 at h:7101 admits nodes now";
    assert_eq!(forming.admit(&mut folder, &joiner(3)).unwrap(), Admission::NotNow(text.into()));
    folder
        .formed(&Formation { replicas: 3, shards: 4, members: nodes(&[1, 2, 3]), ..Formation::default() })
        .unwrap();
    assert_eq!(forming.admit(&mut folder, &joiner(4)).unwrap(), Admission::Later);
}

/// What the bootstrap node told others; none of it may ever be taken back.
#[derive(Default)]
struct Told {
    ids: std::collections::BTreeMap<u8, NodeId>,
    formation: Option<Formation>,
}

/// One life of the bootstrap node: joiners ask in the given order until the disk fails.
fn live(disk: &MemDisk, order: &[u8], told: &mut Told) -> Result<(), FolderError> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut folder = Folder::open(&shared, Path::new("/data"), &start(3))?;
    let mut forming = Forming::start(&mut folder)?;
    for &n in order {
        if let Admission::Member(id) = forming.admit(&mut folder, &joiner(n))? {
            assert_eq!(*told.ids.entry(n).or_insert(id), id, "joiner {n} got another id");
        }
        if let Some(formation) = folder.formation() {
            assert_eq!(told.formation.get_or_insert(formation.clone()), formation);
            assert!(told.ids.values().all(|id| formation.members.contains(id)));
        }
    }
    Ok(())
}

/// A crash after every single disk operation, of the process and of the power.
#[test]
fn formation_is_the_same_whenever_the_bootstrap_node_dies() {
    for seed in 0..20 {
        let mut deaths = 0;
        for ops in 0.. {
            let (disk, mut told, mut rng) = (MemDisk::new(), Told::default(), Rng::new(seed * 1000 + ops));
            disk.halt_after(ops);
            let died = live(&disk, &[2, 3, 4], &mut told).is_err();
            if seed % 2 == 0 {
                disk.crash_process()
            } else {
                disk.power_cut(&mut rng)
            }
            live(&disk, &[4, 3, 2, 3, 4], &mut told).unwrap();
            let formation = told.formation.unwrap();
            assert_eq!(formation.members, nodes(&[1, 2, 3]));
            assert_eq!(told.ids.len(), 2);
            deaths += u64::from(died);
            if !died {
                break;
            }
        }
        assert!(deaths > 10, "{deaths}");
    }
}

proptest! {
    #[test]
    fn formations_round_trip(half in 0u32..4, shards in 1u16..=MAX_SHARDS, first in 1u64..u64::MAX / 2) {
        let replicas = half * 2 + 1;
        let members = (0..replicas).map(|n| NodeId(first + u64::from(n))).collect();
        let formation = Formation { replicas, shards, members, ..Formation::default() };
        let mut out = Vec::new();
        formation.encode(&mut out);
        prop_assert_eq!(Formation::decode(&mut Reader::new(&out)), Ok(formation));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        if let Ok(formation) = Formation::decode(&mut Reader::new(&bytes)) {
            prop_assert_eq!(formation.groups().count(), usize::from(formation.shards) + 1);
            for group in formation.groups() {
                prop_assert_eq!(formation.voters(group).len(), formation.replicas as usize);
            }
        }
    }
}
