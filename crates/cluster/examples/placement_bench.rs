//! What placement costs at 1000 nodes and 16 384 shards with three replicas, and how large the answer is:
//! `cargo run --profile quick -p everstore-cluster --example placement_bench`.

// A measurement needs a clock.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use everstore_cluster::{Placed, Site, Standing, ZoneRole, place};
use model::varint::put_u64;
use model::{GroupId, NodeId};
use std::time::Instant;

const NODES: u64 = 1000;
const SHARDS: u32 = 16_384;

fn site(node: u64, zones: u64) -> Site {
    let zone = if zones == 0 { String::new() } else { format!("z{}", node % zones) };
    Site { node: NodeId(node), zone, role: ZoneRole::Voter, weight: 1, standing: Standing::Serving }
}

fn main() {
    for zones in [0, 3, 20] {
        let what = if zones == 0 { "no zones".to_owned() } else { format!("{zones} zones") };
        let mut sites: Vec<Site> = (1..=NODES).map(|node| site(node, zones)).collect();
        let mut groups: Vec<Placed> = (0..=SHARDS).map(group).collect();
        timed(&format!("{what}, from nothing"), &sites, &mut groups);
        timed(&format!("{what}, nothing to do"), &sites, &mut groups);
        sites.push(site(NODES + 1, zones));
        timed(&format!("{what}, a node comes"), &sites, &mut groups);
        sites[7].standing = Standing::Leaving;
        timed(&format!("{what}, a node leaves"), &sites, &mut groups);
        sites.iter_mut().take(500).for_each(|site| site.standing = Standing::Leaving);
        timed(&format!("{what}, half of them leave"), &sites, &mut groups);
        sites.iter_mut().for_each(|site| site.standing = Standing::Serving);
        timed(&format!("{what}, and come back"), &sites, &mut groups);
        // The worst there is: all replicas on three nodes, one in each of three zones.
        groups.iter_mut().for_each(|group| group.replicas = vec![NodeId(1), NodeId(2), NodeId(3)]);
        timed(&format!("{what}, all on three nodes"), &sites, &mut groups);
        size(&groups);
    }
}

fn group(group: u32) -> Placed {
    // Few groups have most of the load, as in life.
    let load = 1_000_000 / u64::from(1 + group.wrapping_mul(2_654_435_761) % SHARDS);
    let (replicas, learners) = (Vec::new(), Vec::new());
    Placed { group: GroupId(group), replicas, learners, bytes: u64::from(group * 7919 % 1000), load }
}

fn timed(what: &str, sites: &[Site], groups: &mut [Placed]) {
    let start = Instant::now();
    let lists = place(sites, groups, 3);
    let ms = start.elapsed().as_secs_f64() * 1000.0;
    let mut moved = 0;
    for (group, list) in groups.iter_mut().zip(lists) {
        moved += list.iter().filter(|node| !group.replicas.contains(node)).count();
        group.replicas = list;
    }
    println!("{what}: {ms:.1} ms, {moved} replicas move");
}

/// The bytes of the map if each group is a row of its number, its slots and its nodes, and in memory.
fn size(groups: &[Placed]) {
    let mut bytes = Vec::new();
    for group in groups {
        put_u64(&mut bytes, u64::from(group.group.0));
        put_u64(&mut bytes, u64::from(group.group.0));
        put_u64(&mut bytes, u64::from(group.group.0));
        put_u64(&mut bytes, group.replicas.len() as u64);
        group.replicas.iter().for_each(|node| put_u64(&mut bytes, node.0));
    }
    let memory = groups.len() * (size_of::<everstore_cluster::ShardInfo>() + 4 + 3 * size_of::<NodeId>());
    println!("the map: {} bytes encoded, {memory} bytes in memory", bytes.len());
}
