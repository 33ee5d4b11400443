use super::*;

/// A peer heard from every 20 ms, `n` times, and when it was last.
fn regular(n: u64) -> (PeerHealth, u64) {
    let mut peer = PeerHealth::new();
    (1..=n).for_each(|at| peer.heard(at * HEARTBEAT_INTERVAL_NS, 0));
    (peer, n * HEARTBEAT_INTERVAL_NS)
}

#[test]
fn silence_goes_from_up_over_suspect_to_unreachable() {
    let (peer, last) = regular(200);
    let seen: Vec<(u64, Health)> =
        [0, 20, 40, 60, 90, 100, 1000].map(|ms| (ms, peer.health(last + ms * MS))).to_vec();
    let gone = Health::Unreachable { since_ns: last };
    let expected = [
        (0, Health::Up),
        (20, Health::Up),
        (40, Health::Up),
        (60, Health::Suspect),
        (90, Health::Suspect),
        (100, gone),
        (1000, gone),
    ];
    assert_eq!(seen, expected);
    let grows: Vec<f64> = (0..40).map(|at| peer.suspicion(last + at * 10 * MS)).collect();
    assert!(grows.windows(2).all(|pair| pair[0] <= pair[1]), "{grows:?}");
    assert_eq!(peer.suspicion(u64::MAX), MAX_SUSPICION);
}

#[test]
fn an_irregular_peer_is_given_more_time() {
    let (regular, last) = regular(100);
    let mut irregular = PeerHealth::new();
    let mut at = 0;
    for n in 0..100 {
        at += if n % 4 == 0 { 120 * MS } else { 10 * MS };
        irregular.heard(at, 0);
    }
    assert!(irregular.suspicion(at + 120 * MS) < SUSPECT);
    assert!(regular.suspicion(last + 120 * MS) > UNREACHABLE);
}

#[test]
fn the_first_heartbeat_is_enough_and_bunches_do_not_make_it_nervous() {
    assert_eq!(PeerHealth::new().health(u64::MAX), Health::NeverSeen);
    assert_eq!(PeerHealth::new().suspicion(u64::MAX), 0.0);
    let (one, last) = regular(1);
    assert_eq!(one.health(last + 30 * MS), Health::Up);
    assert!(matches!(one.health(last + 200 * MS), Health::Unreachable { .. }));
    let mut bunches = PeerHealth::new();
    (0..WINDOW as u64).for_each(|n| bunches.heard(1000 * MS + n, 0));
    assert_eq!(bunches.health(1030 * MS), Health::Up);
}

#[test]
fn an_outage_is_forgotten_within_a_window() {
    let (mut peer, last) = regular(100);
    let back = last + 3_600_000 * MS;
    peer.heard(back, 0);
    assert_eq!(peer.health(back), Health::Up);
    (1..=WINDOW as u64).for_each(|n| peer.heard(back + n * HEARTBEAT_INTERVAL_NS, 0));
    let last = back + WINDOW as u64 * HEARTBEAT_INTERVAL_NS;
    assert_eq!(peer.health(last + 100 * MS), Health::Unreachable { since_ns: last });
}

#[test]
fn a_refused_connection_is_evidence_at_once_and_a_heartbeat_refutes_it() {
    let (mut peer, last) = regular(100);
    peer.refused();
    assert_eq!(peer.health(last + MS), Health::Unreachable { since_ns: last });
    assert_eq!(peer.suspicion(last + MS), MAX_SUSPICION);
    peer.heard(last + 2 * MS, 0);
    assert_eq!(peer.health(last + 2 * MS), Health::Up);
    let mut unseen = PeerHealth::new();
    unseen.refused();
    assert_eq!(unseen.health(0), Health::NeverSeen);
}

#[test]
fn a_thread_that_stands_still_is_told_from_silence() {
    let (mut peer, last) = regular(100);
    let now = last + HEARTBEAT_INTERVAL_NS;
    peer.heard(now, MAX_STALL_NS);
    assert_eq!(peer.health(now), Health::Up);
    peer.heard(now, MAX_STALL_NS + 1);
    assert_eq!(peer.health(now), Health::Stalled { since_ns: now - MAX_STALL_NS - 1 });
    peer.heard(now, 0);
    assert_eq!(peer.health(now), Health::Up);
}

#[test]
fn time_that_goes_back_is_no_panic_and_no_silence() {
    let (mut peer, last) = regular(3);
    peer.heard(0, 0);
    assert_eq!(peer.last_heard_ns(), Some(last));
    assert_eq!(peer.health(0), Health::Up);
}

#[test]
fn the_fastest_round_trip_tells_the_clock() {
    let mut wall = WallOffset::default();
    assert_eq!(wall.estimate_ms(), None);
    wall.sample(1_000, 1_500, 400 * MS);
    assert_eq!(wall.estimate_ms(), Some(700));
    wall.sample(2_000, 2_499, 2 * MS);
    wall.sample(3_000, 3_000, 900 * MS);
    assert_eq!(wall.estimate_ms(), Some(500));
    (0..16).for_each(|_| wall.sample(u64::MAX, 0, 3 * MS));
    assert_eq!(wall.estimate_ms(), Some(i64::MIN));
}

#[test]
fn one_wrong_clock_never_is_the_middle_one() {
    assert_eq!(cluster_offset_ms([]), None);
    assert_eq!(cluster_offset_ms([-9_000]), Some(-9_000));
    assert_eq!(cluster_offset_ms([-9_000, 3]), Some(0));
    assert_eq!(cluster_offset_ms([-9_000, -8_000]), Some(-8_000));
    assert_eq!(cluster_offset_ms([5, -9_000, 3]), Some(3));
    let mut peer = PeerHealth::new();
    peer.wall().sample(1, 4, 0);
    assert_eq!(peer.wall_offset_ms(), Some(3));
}
