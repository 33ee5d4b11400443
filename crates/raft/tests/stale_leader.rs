//! The two ways in which a leader can be replaced while it believes in its lease, tried at every
//! instant around the danger and with clocks as far apart as the drift margin allows. The world
//! checks that no two leases are valid at once and that a lease holder knows all acknowledged writes.

mod sim;

use everstore_raft::MessageType;
use model::NodeId;
use sim::World;

/// Clocks differ by at most twice this; the margin of 2 ms in 120 allows for 1.6 %.
const SKEW_PPM: i64 = 8_000;

/// Node 1 leads with a lease; its clock is the slowest, the others' the fastest.
fn leader_with_lease(seed: u64) -> World {
    let mut world = World::new(3, seed, |_| ());
    for id in 1..=3 {
        world.node(id).skew_ppm = if id == 1 { -SKEW_PPM } else { SKEW_PPM };
        world.crash(id, 0);
        world.restart(id);
    }
    world.run(300);
    // Clocks that run fast may have put another node first.
    while world.leader() != Some(1) {
        let (from, now) = (world.leader().expect("a leader"), world.now(world.leader().unwrap_or(1)));
        let _ = world.group(from).transfer(NodeId(1), now);
        world.run(200);
    }
    world
}

/// 1 ms in which node 1 takes reads, and who replaced it takes reads and writes. Node 1 takes no
/// writes: a node that misses one would be refused for its log, whatever was promised.
fn busy_ms(world: &mut World) {
    let now = world.now(1);
    world.group(1).want_lease(now);
    if let Some(leader) = world.leader().filter(|id| *id != 1) {
        let _ = world.propose(leader, "w");
        let now = world.now(leader);
        world.group(leader).want_lease(now);
    }
    world.run(1);
}

/// From now on node 1 hears nobody; what it sends still arrives, but not at node 3.
fn deafen(world: &mut World) {
    world.cut = vec![(2, 1), (3, 1), (1, 3)];
    world.net.retain(|m| m.to != 1);
}

#[test]
fn a_follower_that_hears_the_leader_elects_no_other() {
    let mut replaced = 0;
    for moment in (0..160).step_by(3) {
        let mut world = leader_with_lease(moment);
        (0..20).for_each(|_| busy_ms(&mut world));
        // Node 3 misses the leader and will ask node 2, which does not.
        world.cut = vec![(1, 3), (3, 1)];
        (0..moment).for_each(|_| busy_ms(&mut world));
        let now = world.now(1);
        assert!(world.group(1).lease_valid(now), "reads go on while one follower answers");
        deafen(&mut world);
        (0..400).for_each(|_| busy_ms(&mut world));
        replaced += u64::from(world.leader() != Some(1));
    }
    assert!(replaced > 40, "only {replaced} of 54 leaders were replaced");
}

#[test]
fn a_leader_whose_order_to_campaign_may_arrive_holds_no_lease() {
    let mut replaced = 0;
    for moment in (0..160).step_by(3) {
        let mut world = leader_with_lease(moment);
        (0..20).for_each(|_| busy_ms(&mut world));
        world.run(5);
        let now = world.now(1);
        world.group(1).transfer(NodeId(3), now).expect("it leads");
        world.ready(1);
        let order = world.net.iter().position(|m| m.msg_type == MessageType::MsgTimeoutNow);
        let order = order.and_then(|at| world.net.remove(at)).expect("node 3 has all entries");
        (0..moment).for_each(|_| busy_ms(&mut world));
        // The order arrives; its receiver is exempt from the promise, and node 1 learns nothing.
        deafen(&mut world);
        world.deliver(&order);
        (0..60).for_each(|_| busy_ms(&mut world));
        replaced += u64::from(world.leader() == Some(3));
    }
    assert!(replaced > 30, "only {replaced} of 54 orders were followed");
}
