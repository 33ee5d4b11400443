use check::Action;

use crate::check;
use crate::script::{INCR, number, set, set_for, sync};

/// Clocks differ by at most this much in these tests, ms.
const SLACK_MS: u64 = 10;

const NAME: &str = check::property::staleness::NAME;

#[test]
fn a_replica_may_be_late_within_the_bound() {
    let two = || sync().set(1, 0, 10, "a").set(1, 20, 30, "b");
    two().read_only((100, 101), 80, "a").passes();
    two().read_only((100, 101), 69, "a").fails(NAME, &["read-only", "\"b\" would have been right"]);
    two().read_only((100, 101), 69, "b").passes();
    two().read_only((100, 101), 95, "").passes();
    two().read_only((100, 101), 85, "").fails(NAME, &[]);
}

#[test]
fn a_replica_does_not_know_the_future() {
    sync().read_only((0, 1), 500, "a").set(1, 2, 3, "a").fails(NAME, &[]);
    sync().read_only((0, 2), 500, "a").set(1, 2, 3, "a").passes();
    sync().set(1, 0, 1, "a").read_only((2, 3), 500, "x").fails(NAME, &["\"x\""]);
}

#[test]
fn two_replicas_may_be_late_differently() {
    let two = sync().set(1, 0, 10, "a").set(1, 20, 30, "b");
    two.read_only((40, 41), 500, "b").read_only((42, 43), 500, "a").passes();
}

#[test]
fn unknown_and_counted_values() {
    sync().set(1, 0, 1, "a").unknown(2, 2, 3, set("b")).read_only((900, 901), 10, "b").passes();
    let counted = || sync().done(1, 0, 1, INCR, number(1)).done(1, 2, 3, INCR, number(2));
    counted().read_only((10, 11), 7, "1").passes();
    counted().read_only((10, 11), 6, "1").fails(NAME, &[]);
    counted().done(1, 4, 5, Action::Del, number(1)).read_only((10, 11), 6, "2").passes();
}

#[test]
fn what_is_not_linearizable_is_not_blamed_on_replicas() {
    let broken = sync().set(1, 0, 1, "a").get(2, 2, 3, "").read_only((4, 5), 1, "a");
    let verdict = broken.verdict();
    let blamed: Vec<&str> = verdict.violations.iter().map(|violation| violation.property).collect();
    assert_eq!(blamed, [check::property::linearizable::NAME]);
}

#[test]
fn a_replica_whose_clock_is_ahead_may_find_a_key_expired_that_its_leader_still_has() {
    let seen = |ttl_ms| {
        let set = sync().done(1, 0, 1, set_for("a", ttl_ms), check::Reply::Ok);
        set.read_only((500, 501), 10, "").get(2, 502, 503, "a")
    };
    seen(500 + SLACK_MS).passes();
    seen(600 + SLACK_MS).fails(NAME, &[]);
}
