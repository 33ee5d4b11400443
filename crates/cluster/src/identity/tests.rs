use super::*;
use crate::formation::Formation;
use crate::peer::{Addresses, Boot, Peer};
use env::{Disk, LockError, MemDisk, Op, RealDisk, Rng};
use model::NodeId;
use std::path::Path;
use std::sync::Arc;

const DIR: &str = "/data";

fn bootstrap(random: u8) -> Start {
    let addresses = Addresses { redis: "h:7001".into(), peer: "h:7101".into(), ..Addresses::default() };
    Start {
        bootstrap: true,
        replicas: 3,
        shards: 16,
        join: Vec::new(),
        witness: false,
        secret: None,
        addresses,
        random: [random; 32],
    }
}

fn join(random: u8) -> Start {
    let secret = Some(Secret::new([5; 32]));
    Start { bootstrap: false, join: vec!["h:7101".into()], secret, ..bootstrap(random) }
}

fn plain(random: u8) -> Start {
    Start { bootstrap: false, ..bootstrap(random) }
}

fn open(disk: &MemDisk, start: &Start) -> Result<Folder, FolderError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Folder::open(&disk, Path::new(DIR), start)
}

fn refusal(disk: &MemDisk, start: &Start) -> String {
    let text = open(disk, start).unwrap_err().to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

fn peer(n: u64, incarnation: u64, boot: Option<u8>) -> Peer {
    let addresses = Addresses { peer: format!("h:{n}:{incarnation}"), ..Addresses::default() };
    Peer { node: NodeId(n), addresses, incarnation, boot: boot.map(|b| Boot([b; 16])) }
}

#[test]
fn a_bootstrapped_folder_is_kept_and_every_start_has_a_higher_incarnation() {
    let disk = MemDisk::new();
    let folder = open(&disk, &bootstrap(1)).unwrap();
    let (cluster, secret, token) = (folder.cluster().unwrap(), folder.secret().clone(), folder.token());
    assert_eq!((folder.node(), folder.incarnation(), folder.wish()), (Some(NodeId(1)), 1, Some((3, 16))));
    assert_eq!(folder.itself().unwrap().addresses, bootstrap(1).addresses);
    let boot = folder.boot();
    drop(folder);
    for (incarnation, start) in [(2, plain(2)), (3, bootstrap(3)), (4, Start { shards: 9, ..bootstrap(4) })] {
        let folder = open(&disk, &start).unwrap();
        assert_eq!((folder.cluster(), folder.secret(), folder.token()), (Some(cluster), &secret, token));
        assert_eq!((folder.incarnation(), folder.wish()), (incarnation, Some((3, 16))));
        assert_ne!(folder.boot(), boot);
    }
    assert_eq!(disk.list(Path::new(DIR)).unwrap(), ["log", "losses", "node.toml", "rows", "secret"]);
}

#[test]
fn every_start_draws_its_own_ids() {
    let [a, b] = [1, 2].map(|random| open(&MemDisk::new(), &bootstrap(random)).unwrap());
    assert_ne!(a.cluster(), b.cluster());
    assert_ne!(a.secret(), b.secret());
    assert_ne!(a.token(), b.token());
    assert_ne!(a.boot(), b.boot());
    let different = [a.token().0, a.boot().0, a.cluster().unwrap().0.to_be_bytes()];
    assert!(different[0] != different[1] && different[1] != different[2] && different[0] != different[2]);
}

#[test]
fn an_empty_folder_needs_to_be_told_what_to_become() {
    let disk = MemDisk::new();
    let text = "data folder /data is empty: start it with --bootstrap to create a cluster, or with --join \
                PEER-ADDRESS to join one";
    assert_eq!(refusal(&disk, &plain(1)), text);
    assert!(!disk.exists(Path::new(DIR)).unwrap());
    disk.create_dir_all(Path::new(DIR)).unwrap();
    assert_eq!(refusal(&disk, &plain(1)), text);
    let no_secret = Start { secret: None, ..join(1) };
    assert!(refusal(&disk, &no_secret).starts_with("joining needs the cluster's secret: "));
    let both = Start { bootstrap: true, ..join(1) };
    assert!(refusal(&disk, &both).ends_with("give one of them"));
    assert_eq!(refusal(&disk, &Start { replicas: 2, ..bootstrap(1) }), "replicas 2; allowed: 1, 3, 5 or 7");
    assert_eq!(refusal(&disk, &Start { replicas: 9, ..bootstrap(1) }), "replicas 9; allowed: 1, 3, 5 or 7");
    assert_eq!(refusal(&disk, &Start { shards: 0, ..bootstrap(1) }), "shards 0; allowed: 1 to 1024");
    let mut odd = bootstrap(1);
    odd.addresses.redis = "a b".into();
    assert!(refusal(&disk, &odd).starts_with("\"a b\" is no address"));
}

#[test]
fn a_joining_folder_becomes_one_member_and_no_other() {
    let disk = MemDisk::new();
    let mut folder = open(&disk, &join(1)).unwrap();
    assert_eq!((folder.cluster(), folder.node(), folder.itself()), (None, None, None));
    let token = folder.token();
    drop(folder);
    folder = open(&disk, &join(2)).unwrap();
    assert_eq!(folder.token(), token);
    let cluster = ClusterId(9);
    folder.joined(cluster, NodeId(2), &[peer(1, 3, None), peer(2, 7, None)]).unwrap();
    folder.joined(cluster, NodeId(2), &[]).unwrap();
    drop(folder);
    let mut folder = open(&disk, &plain(3)).unwrap();
    assert_eq!((folder.cluster(), folder.node(), folder.incarnation()), (Some(cluster), Some(NodeId(2)), 3));
    assert_eq!(folder.peers().cloned().collect::<Vec<_>>(), [peer(1, 3, None)]);
    for (other, node) in [(ClusterId(8), 2), (cluster, 3)] {
        let text = folder.joined(other, NodeId(node), &[]).unwrap_err().to_string();
        assert!(text.starts_with("this data folder belongs to node 2 of cluster 0000"), "{text}");
    }
    assert_eq!((folder.local([1; 32]).cluster, folder.local([1; 32]).nonce), (Some(cluster), [1; 32]));
    drop(folder);
    let text = refusal(&disk, &Start { secret: Some(Secret::new([6; 32])), ..join(4) });
    assert_eq!(
        text,
        format!("data folder /data belongs to cluster {cluster}, whose secret is not the one given")
    );
}

#[test]
fn what_is_known_of_others_survives_and_never_goes_back() {
    let disk = MemDisk::new();
    let mut folder = open(&disk, &bootstrap(1)).unwrap();
    folder.learn(&[peer(2, 4, None), peer(1, 99, None)]).unwrap();
    folder.learn(&[peer(2, 3, Some(9))]).unwrap();
    assert_eq!(folder.known(NodeId(2)).unwrap().boot, None);
    folder.learn(&[peer(2, 4, Some(1))]).unwrap();
    folder.learn(&[peer(2, 4, None), peer(2, 4, Some(2))]).unwrap();
    let known = crate::Known { incarnation: 4, boot: Some(Boot([1; 16])), removed: false };
    assert_eq!((folder.known(NodeId(2)), folder.known(NodeId(1))), (Some(known), None));
    folder.learn(&[peer(2, 5, Some(2))]).unwrap();
    let moved = Addresses { peer: "h:99".into(), ..Addresses::default() };
    folder.remember(NodeId(2), &moved).unwrap();
    folder.remember(NodeId(7), &moved).unwrap();
    folder.remember(NodeId(1), &moved).unwrap();
    let formation = Formation { replicas: 1, shards: 2, members: vec![NodeId(1)], ..Formation::default() };
    folder.formed(&formation).unwrap();
    folder.formed(&formation).unwrap();
    let other = Formation { shards: 3, ..formation.clone() };
    let text = folder.formed(&other).unwrap_err().to_string();
    assert_eq!(
        text,
        "this data folder knows another formation of its cluster: 1 replicas, 2 shards, nodes 1 \
                      instead of 1 replicas, 3 shards, nodes 1"
    );
    disk.power_cut(&mut Rng::new(1));
    let folder = open(&disk, &plain(2)).unwrap();
    let expected = [
        Peer { addresses: moved.clone(), ..peer(2, 5, Some(2)) },
        Peer { addresses: moved, ..peer(7, 0, None) },
    ];
    assert_eq!(folder.peers().cloned().collect::<Vec<_>>(), expected);
    assert_eq!(folder.formation(), Some(&formation));
    assert_eq!((folder.news().members.len(), folder.news().formation), (3, Some(formation)));
}

#[test]
fn a_recovered_folder_knows_the_survivors_only_and_can_be_recovered_again() {
    let disk = MemDisk::new();
    let mut folder = open(&disk, &bootstrap(1)).unwrap();
    folder.learn(&[peer(2, 4, Some(1)), peer(3, 4, Some(1))]).unwrap();
    let members = vec![NodeId(1), NodeId(2), NodeId(3)];
    let formation = Formation { replicas: 3, shards: 2, members, ..Formation::default() };
    folder.formed(&formation).unwrap();
    drop(folder);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut folder = Folder::open_offline(&shared, Path::new(DIR)).unwrap();
    assert_eq!(folder.incarnation(), 1, "it is no start");
    let after = formation.of_survivors(&[NodeId(1)]).unwrap();
    let other = Formation { incarnation: 2, ..after.clone() };
    assert!(matches!(folder.recover(&other), Err(FolderError::OtherFormation { .. })));
    folder.recover(&after).unwrap();
    folder.recover(&after).unwrap();
    drop(folder);
    let folder = open(&disk, &plain(2)).unwrap();
    assert_eq!((folder.formation(), folder.peers().count()), (Some(&after), 0));
    assert_eq!(after.to_string(), "1 replicas, 2 shards, nodes 1, cluster incarnation 1");
    let empty: Arc<dyn Disk> = Arc::new(MemDisk::new());
    let refused = Folder::open_offline(&empty, Path::new(DIR)).map(drop).unwrap_err().to_string();
    assert_eq!(refused, "/data is no data folder of a node: it has no node.toml");
}

#[test]
fn what_is_known_already_is_not_written_again() {
    let disk = MemDisk::new();
    let mut folder = open(&disk, &bootstrap(1)).unwrap();
    folder.learn(&[peer(2, 4, Some(1))]).unwrap();
    disk.fail_once(Op::Write, 0);
    folder.learn(&[peer(2, 4, Some(1))]).unwrap();
    folder.remember(NodeId(2), &peer(2, 4, None).addresses).unwrap();
    let text = folder.learn(&[peer(2, 5, Some(2))]).unwrap_err().to_string();
    assert!(text.starts_with("data folder: cannot write /data/node.toml: "), "{text}");
    assert_eq!(folder.known(NodeId(2)).unwrap().incarnation, 4);
}

#[test]
fn folders_that_lost_something_are_refused() {
    let file = |disk: &MemDisk, name: &str, text: &[u8]| {
        disk.create_dir_all(Path::new(DIR)).unwrap();
        disk.write_atomic(&Path::new(DIR).join(name), text).unwrap();
    };
    let disk = MemDisk::new();
    file(&disk, "0001.log", b"");
    let text = "data folder /data has no node.toml but is not empty (it holds \"0001.log\"): it is no data \
                folder, or it lost its identity";
    for start in [bootstrap(1), join(1), plain(1)] {
        assert_eq!(refusal(&disk, &start), text);
    }
    let disk = MemDisk::new();
    drop(open(&disk, &bootstrap(1)).unwrap());
    disk.remove(&Path::new(DIR).join("node.toml")).unwrap();
    disk.write_atomic(Path::new("/data/log/1"), b"").unwrap();
    assert!(refusal(&disk, &bootstrap(1)).contains("it lost its identity"));

    let disk = MemDisk::new();
    let mut folder = open(&disk, &bootstrap(1)).unwrap();
    disk.write_atomic(&folder.log_dir().join("1"), b"x").unwrap();
    folder.log_started().unwrap();
    drop(folder);
    drop(open(&disk, &bootstrap(1)).unwrap());
    disk.remove(Path::new("/data/log/1")).unwrap();
    let text = "/data/log is gone or empty, but node 1 had one: its replicas can not vote again; everstore node replace has them made anew \
                elsewhere";
    assert_eq!(refusal(&disk, &bootstrap(1)), text);
    disk.remove_dir_all(Path::new("/data/log")).unwrap();
    assert_eq!(refusal(&disk, &bootstrap(1)), text);
}

#[test]
fn a_folder_once_told_to_be_old_takes_part_no_more() {
    let disk = MemDisk::new();
    let mut folder = open(&disk, &bootstrap(1)).unwrap();
    folder.outdated("nothing is to be feared of a folder without a log").unwrap();
    drop(folder);
    let mut folder = open(&disk, &bootstrap(1)).unwrap();
    disk.write_atomic(&folder.log_dir().join("1"), b"x").unwrap();
    folder.log_started().unwrap();
    folder.outdated("node 2 knows of index 7").unwrap();
    drop(folder);
    let incarnation = disk.read(Path::new("/data/node.toml"), 1 << 20).unwrap();
    for _ in 0..2 {
        let text = "data folder /data is not the newest of its node, an earlier start was told: node 2 knows of index 7";
        assert_eq!(refusal(&disk, &bootstrap(1)), text);
    }
    let after = disk.read(Path::new("/data/node.toml"), 1 << 20).unwrap();
    assert_eq!(after, incarnation, "no start makes it look newer");
}

#[test]
fn damage_is_noticed_and_another_format_is_named() {
    let disk = MemDisk::new();
    drop(open(&disk, &bootstrap(1)).unwrap());
    let (path, secret) = (Path::new("/data/node.toml"), Path::new("/data/secret"));
    let good = disk.read(path, 1 << 20).unwrap();
    for at in 0..good.len() as u64 {
        disk.flip_bit(path, at, 0).unwrap();
        let text = refusal(&disk, &plain(1));
        let format = text.contains("this program reads format 1");
        assert!(format || text.starts_with("/data/node.toml is damaged or was changed by hand: "), "{text}");
        disk.flip_bit(path, at, 0).unwrap();
    }
    disk.write_atomic(path, b"format = 2\nmore = \"unknown\"\n").unwrap();
    assert_eq!(refusal(&disk, &plain(1)), "/data/node.toml has format 2; this program reads format 1");
    disk.write_atomic(path, b"").unwrap();
    assert!(refusal(&disk, &plain(1)).ends_with("no checksum line"));
    disk.write_atomic(path, &good).unwrap();
    disk.write_atomic(secret, b"12\n").unwrap();
    let text = refusal(&disk, &plain(1));
    assert_eq!(
        text,
        "/data/secret is damaged or was changed by hand: not a cluster secret; allowed: 64 hexadecimal digits"
    );
    disk.remove(secret).unwrap();
    assert!(
        refusal(&disk, &plain(1))
            .ends_with("/data/secret is damaged or was changed by hand: it does not exist")
    );
}

#[test]
fn a_second_process_is_refused_and_told_the_first() {
    let temp = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let first = Folder::open(&disk, temp.path(), &bootstrap(1)).unwrap();
    let second = Folder::open(&disk, temp.path(), &plain(2)).unwrap_err();
    assert!(matches!(&second, FolderError::Lock(LockError::Held { .. })));
    let text = second.to_string();
    assert!(text.starts_with("data folder in use: "), "{text}");
    assert!(text.ends_with(&format!("is locked by process {}", std::process::id())), "{text}");
    drop(first);
    assert_eq!(Folder::open(&disk, temp.path(), &plain(3)).unwrap().incarnation(), 2);
}

/// Power cuts after every disk operation of a start: the incarnations that starts answered with
/// only ever rise, and the cluster that was seen once stays.
#[test]
fn incarnations_rise_whatever_fails() {
    for seed in 0..30 {
        let (disk, mut rng) = (MemDisk::new(), Rng::new(seed));
        let (mut highest, mut cluster) = (0, None);
        for ops in 0..40 {
            if ops % 4 != 0 {
                disk.halt_after(rng.below(ops));
            }
            if let Ok(folder) = open(&disk, &bootstrap(ops as u8)) {
                assert!(folder.incarnation() > highest);
                highest = folder.incarnation();
                assert_eq!(*cluster.get_or_insert(folder.cluster().unwrap()), folder.cluster().unwrap());
            }
            if rng.chance(1, 2) { disk.power_cut(&mut rng) } else { disk.crash_process() }
        }
        assert!(highest > 10, "{highest}");
    }
}

#[test]
fn node_toml_of_format_1_stays_readable() {
    let disk = MemDisk::new();
    let fixture = include_bytes!("../../tests/fixtures/node-1.toml");
    disk.create_dir_all(Path::new(DIR)).unwrap();
    disk.write_atomic(Path::new("/data/node.toml"), fixture).unwrap();
    disk.write_atomic(Path::new("/data/secret"), "ab".repeat(32).as_bytes()).unwrap();
    let folder = open(&disk, &plain(1)).unwrap();
    assert_eq!((folder.node(), folder.incarnation()), (Some(NodeId(1)), 4));
    assert_eq!(folder.secret(), &Secret::new([0xab; 32]));
    assert_eq!(folder.formation().unwrap().to_string(), "3 replicas, 16 shards, nodes 1 2 3");
    let second = folder.peers().next().unwrap();
    assert_eq!((second.node, second.incarnation, second.boot), (NodeId(2), 2, Some(Boot([2; 16]))));
    assert_eq!((second.addresses.admin.as_str(), second.addresses.cluster.as_str()), ("127.0.0.1:7202", ""));
    assert_eq!(folder.by_token(crate::JoinToken([4; 16])).unwrap().node, NodeId(2));
}

#[test]
fn a_cluster_port_is_kept_and_stands_in_the_file_only_if_there_is_one() {
    let disk = MemDisk::new();
    let mut folder = open(&disk, &bootstrap(1)).unwrap();
    let cluster = Addresses { cluster: "h:7302".into(), ..peer(2, 1, None).addresses };
    folder.learn(&[Peer { addresses: cluster.clone(), ..peer(2, 1, None) }, peer(3, 1, None)]).unwrap();
    drop(folder);
    let text = String::from_utf8(disk.read(Path::new("/data/node.toml"), 1 << 20).unwrap()).unwrap();
    assert_eq!(text.matches("\ncluster = \"h:").count(), 1, "{text}");
    let folder = open(&disk, &plain(2)).unwrap();
    let known: Vec<&Addresses> = folder.peers().map(|peer| &peer.addresses).collect();
    assert_eq!(known, [&cluster, &peer(3, 1, None).addresses]);
}

#[test]
fn the_secret_is_never_printed_and_ids_are() {
    let secret = Secret::parse(&format!(" {}\n", "0f".repeat(32))).unwrap();
    assert_eq!(secret, Secret::new([15; 32]));
    assert_eq!((format!("{secret:?}"), secret.to_hex()), ("Secret(..)".into(), "0f".repeat(32)));
    let local = open(&MemDisk::new(), &join(1)).unwrap().local([0; 32]);
    assert!(!format!("{local:?}").contains(&Secret::new([5; 32]).to_hex()));
    let wrong = Secret::parse("hunter2").unwrap_err();
    assert!(!wrong.contains("hunter2"), "{wrong}");
    let id = ClusterId(0xab);
    assert_eq!((id.to_string(), format!("{id:?}")), (format!("{:0>32}", "ab"), format!("ClusterId({id})")));
    assert_eq!(ClusterId::parse(&id.to_string()), Some(id));
    assert_eq!(ClusterId::parse("ab"), None);
    assert_ne!(ClusterId(1).hash_seed(), ClusterId(1 << 65).hash_seed());
}

#[test]
fn a_folder_is_a_witness_from_its_beginning_on_or_never() {
    let witness = |start: Start| Start { witness: true, ..start };
    let disk = MemDisk::new();
    assert!(open(&disk, &witness(join(1))).unwrap().is_witness());
    assert!(refusal(&disk, &plain(2)).contains("is that of a witness: start it with --witness"));
    assert!(open(&disk, &witness(plain(3))).unwrap().is_witness(), "and stays what it is");
    let disk = MemDisk::new();
    assert!(!open(&disk, &join(1)).unwrap().is_witness());
    assert!(refusal(&disk, &witness(plain(2))).contains("start it without --witness"));
    assert!(refusal(&MemDisk::new(), &witness(bootstrap(1))).contains("a witness joins one"));
}
