use super::testing::{APART, before, cluster, examine, find, further, home, lose, no_rows};
use crate::holders::Holders;
use crate::salvage::Salvage;
use cluster::{Folder, Formation};
use env::{Disk, MemDisk, Rng};
use model::{GroupId, NodeId};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::rows::RowStores;

fn shared(disk: &MemDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn refused(disk: &MemDisk, dirs: &[PathBuf]) -> String {
    match examine(disk, dirs) {
        Err(why) => why,
        Ok(_) => panic!("it was not refused"),
    }
}

fn holders(disk: &MemDisk, node: u64) -> Option<Holders> {
    Holders::read(disk, &home(node), 1).unwrap()
}

fn formation(disk: &MemDisk, node: u64) -> Formation {
    Folder::open_offline(&shared(disk), &home(node)).unwrap().formation().unwrap().clone()
}

#[test]
fn what_is_in_a_further_folder_survives_with_its_node() {
    let disk = cluster(&[9; 5]);
    let mut survivors = examine(&disk, &[home(1), home(2)]).unwrap();
    let best: Vec<_> = survivors.best().map(|(group, best)| (group.0, best.unwrap().last.1)).collect();
    assert_eq!(best, [(0, 9), (1, 9), (2, 9)]);
    assert!(!survivors.are_moved() && survivors.lost().is_empty());
    survivors.recover().unwrap();
    drop(survivors);
    assert_eq!(
        (formation(&disk, 1).incarnation, formation(&disk, 2).members),
        (1, vec![NodeId(1), NodeId(2)])
    );
    assert_eq!(holders(&disk, 1), None, "all have all");
}

#[test]
fn a_further_folder_is_found_where_it_is_named() {
    let disk = cluster(&[9; 5]);
    lose(&disk, 1);
    for dirs in [[home(1), further(1)], [further(1), home(1)]] {
        let survivors = examine(&disk, &dirs).unwrap();
        assert!(!survivors.are_moved() && survivors.lost().is_empty());
    }
    let why = refused(&disk, &[home(1), further(2)]);
    assert!(why.starts_with("/further-2 is the data folder 1 of node 2 of cluster "), "{why}");
    assert!(why.ends_with("name also the home folder of that node"), "{why}");
    let why = refused(&disk, &[home(1), further(1), further(1)]);
    assert!(why.contains("copies of one data folder"), "{why}");
    let why = refused(&disk, &[before(1)]);
    assert!(why.contains("no data folder of a node"), "{why}");
}

#[test]
fn a_lost_folder_takes_its_replicas_along_and_nothing_else() {
    let disk = cluster(&[9, 7, 7, 7, 7]);
    lose(&disk, 1);
    let why = refused(&disk, &[home(1)]);
    let lost = "node 1 has groups 2 in its data folder 1 (/before-1): it is missing";
    assert!(why.starts_with("no survivor has group 2") && why.contains(lost), "{why}");

    let mut survivors = examine(&disk, &[home(1), home(2)]).unwrap();
    assert_eq!(survivors.lost().iter().map(ToString::to_string).collect::<Vec<_>>(), [lost]);
    let best: Vec<_> = survivors.best().map(|(_, best)| best.map(|of| (of.node.0, of.last.1))).collect();
    assert_eq!(best, [Some((1, 9)), Some((1, 9)), Some((2, 7))]);
    let voters = |group| survivors.voters(group).iter().map(|node| node.0).collect::<Vec<_>>();
    assert_eq!((voters(GroupId(1)), voters(APART)), (vec![1, 2], vec![2]));
    survivors.recover().unwrap();
    for node in [1, 2] {
        let holders = holders(&disk, node).unwrap();
        assert_eq!(holders.of(APART), [NodeId(2)]);
        assert_eq!(
            (holders.void_steps(APART), holders.of(GroupId(1)).len()),
            (if node == 1 { 0 } else { 7 }, 2)
        );
    }
}

#[test]
fn where_no_group_has_lost_its_majority_nothing_is_given_up() {
    let disk = cluster(&[9; 5]);
    lose(&disk, 1);
    let all: Vec<PathBuf> = (1..=5).map(home).collect();
    assert!(refused(&disk, &all).contains("which is a majority: nothing is lost, start them"));
    [2, 3].into_iter().for_each(|node| lose(&disk, node));
    let survivors = examine(&disk, &all).unwrap();
    assert_eq!(
        survivors.voters(APART),
        [NodeId(4), NodeId(5)],
        "most replicas of it are lost with three folders"
    );
    assert_eq!(survivors.voters(GroupId(1)).len(), 5);
}

#[test]
fn a_folder_with_a_damaged_log_or_rows_counts_as_lost_and_an_emptied_one_as_well() {
    let why = |disk: &MemDisk| examine(disk, &[home(1), home(2)]).unwrap().lost()[0].why.clone();
    let disk = cluster(&[9; 5]);
    let names = disk.list(&further(1).join("log")).unwrap();
    names.iter().for_each(|name| disk.remove(&further(1).join("log").join(name)).unwrap());
    assert!(why(&disk).contains("no segment in use is left"), "{}", why(&disk));
    disk.remove_dir_all(&further(1)).unwrap();
    disk.create_dir_all(&further(1)).unwrap();
    assert!(why(&disk).starts_with("it is empty"));

    let disk = cluster(&[9; 5]);
    let rows = |dir: &Path| -> Result<Arc<dyn RowStores>, String> {
        if dir.starts_with(further(1)) { Err("a bad block".to_owned()) } else { no_rows(dir) }
    };
    let examine = |dirs: &[PathBuf]| crate::survivors::Survivors::examine(&shared(&disk), dirs, &[], &rows);
    let survivors = examine(&[home(1), home(2)]).unwrap();
    assert_eq!(survivors.lost()[0].why, "its rows: a bad block");
    assert_eq!(survivors.voters(APART), [NodeId(2)]);
    drop(survivors);
    assert!(examine(&[home(1)]).map(drop).unwrap_err().contains("no survivor has group 2"));
}

/// Power goes off at each moment of a recovery, the lost folder may have come back or another one been lost since, and
/// it is done again: all survivors must agree on who has what.
#[test]
fn a_recovery_that_was_cut_off_is_done_again_with_what_is_there_then() {
    let all = [home(1), home(2)];
    let mut cuts = 0;
    for (lost_first, lost_then) in [(Some(1), None), (None, Some(1)), (Some(1), Some(2)), (Some(1), Some(1))]
    {
        for ops in 0.. {
            let disk = cluster(&[9; 5]);
            lost_first.into_iter().for_each(|node| lose(&disk, node));
            let mut first = examine(&disk, &all).unwrap();
            disk.halt_after(ops);
            let done = first.recover().is_ok();
            disk.power_cut(&mut Rng::new(ops));
            drop(first);
            lost_first.into_iter().for_each(|node| find(&disk, node));
            lost_then.into_iter().for_each(|node| lose(&disk, node));
            if done {
                break;
            }
            cuts += 1;
            check_again(&disk, &all, lost_then, &format!("{lost_first:?}, {lost_then:?} after {ops}"));
        }
    }
    assert!(cuts > 20, "{cuts}");
}

fn check_again(disk: &MemDisk, all: &[PathBuf], lost: Option<u64>, what: &str) {
    let mut again = match examine(disk, all) {
        Ok(again) => again,
        // Nodes that went on without the one have nothing to go on with without the other.
        Err(why) => {
            assert!(why.contains("no survivor has group 2") && lost == Some(2), "{what}: {why}");
            return;
        }
    };
    let voters = again.voters(APART);
    let moved = again.are_moved();
    again.recover().unwrap();
    drop(again);
    assert!(!lost.is_some_and(|node| voters.contains(&NodeId(node))), "{what}: {voters:?}");
    assert!(!voters.is_empty(), "{what}");
    assert_eq!(formation(disk, 1), formation(disk, 2), "{what}");
    for node in [1, 2] {
        let listed = holders(disk, node).map(|holders| holders.of(APART).to_vec());
        assert_eq!(listed, moved.then(|| voters.clone()), "{what}: node {node}");
    }
}

#[test]
fn a_folder_that_a_recovery_went_on_without_counts_for_nothing_in_the_next() {
    let disk = cluster(&[9, 7, 7, 7, 7]);
    lose(&disk, 1);
    examine(&disk, &[home(1), home(2)]).unwrap().recover().unwrap();
    find(&disk, 1);
    // Now node 2 is lost as well, which alone had the group since then.
    let why = refused(&disk, &[home(1)]);
    assert!(why.contains("no survivor has group 2"), "{why}");
}

#[test]
fn what_only_the_further_folder_of_a_lost_node_had_is_salvaged() {
    let disk = cluster(&[5, 5, 8, 5, 5]);
    examine(&disk, &[home(1), home(2)]).unwrap().recover().unwrap();
    let salvage = |lost: &[PathBuf]| Salvage::read(&shared(&disk), lost, &[home(1), home(2)], &no_rows);
    let found = salvage(&[home(3)]).unwrap();
    let entries: Vec<(u32, Vec<u64>)> = found
        .groups
        .iter()
        .map(|salvaged| (salvaged.group.0, salvaged.entries.iter().map(|entry| entry.index).collect()))
        .collect();
    assert_eq!(entries, [(0, vec![6, 7, 8]), (1, vec![6, 7, 8]), (2, vec![6, 7, 8])]);
    drop(found);
    lose(&disk, 3);
    let found = salvage(&[home(3)]).unwrap();
    assert_eq!((found.groups[2].entries.len(), found.lost[0].groups.clone()), (0, vec![APART]));
    drop(found);
    let found = salvage(&[further(3), home(3)]).unwrap();
    assert_eq!((found.groups[2].entries.len(), found.lost.len()), (3, 0));
    drop(found);
    let why = |lost: &[PathBuf]| salvage(lost).map(drop).unwrap_err();
    assert_eq!(why(&[further(3)]), "0 home folders of the lost node were named; allowed: 1");
    assert!(why(&[home(3), further(4)]).starts_with("/further-4 is the data folder 1 of node 4"));
}
