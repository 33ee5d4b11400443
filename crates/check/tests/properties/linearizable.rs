use check::{Action, Bounds, Condition, Reply};

use crate::check;
use crate::script::{INCR, append, asynchronous, number, reply, set, set_if, sync};

const NAME: &str = check::property::linearizable::NAME;

#[test]
fn stale_read() {
    let history = sync().set(1, 0, 1, "a").set(1, 2, 3, "b").get(2, 4, 5, "a");
    history.fails(NAME, &["explains", "GET \"k\" -> \"a\"", "\"b\" would have been right", "<- this one"]);
}

#[test]
fn a_read_that_overlaps_the_write_sees_either() {
    sync().set(1, 0, 1, "a").set(1, 2, 6, "b").get(2, 3, 4, "a").get(2, 5, 7, "b").passes();
    sync().set(1, 0, 1, "a").set(1, 2, 6, "b").get(2, 3, 4, "b").passes();
}

#[test]
fn a_read_goes_back() {
    let history = sync().set(1, 0, 1, "a").set(1, 2, 9, "b").get(2, 3, 4, "b").get(3, 5, 6, "a");
    history.fails(NAME, &["client 3"]);
    sync().set(1, 0, 1, "a").set(1, 2, 9, "b").get(2, 3, 5, "b").get(3, 4, 6, "a").passes();
}

#[test]
fn a_value_never_written() {
    sync().set(1, 0, 1, "a").get(2, 0, 3, "x").fails(NAME, &["\"x\""]);
    sync().not_done(1, 0, 1, set("x")).get(2, 2, 3, "x").fails(NAME, &["\"x\""]);
}

#[test]
fn a_lost_update() {
    let history = sync().done(1, 0, 2, INCR, number(1)).done(2, 0, 2, INCR, number(1));
    history.fails(NAME, &["INCRBY"]);
    sync().done(1, 0, 2, INCR, number(2)).done(2, 0, 2, INCR, number(1)).passes();
    let swapped = |second: &str| {
        let get_set = |value: &str| Action::GetSet { value: value.as_bytes().into() };
        sync().set(9, 0, 1, "a").done(1, 2, 5, get_set("b"), reply("a")).done(
            2,
            2,
            5,
            get_set("c"),
            reply(second),
        )
    };
    swapped("a").fails(NAME, &["GETSET"]);
    swapped("b").passes();
}

#[test]
fn nx_is_given_to_one() {
    let nx = |value| set_if(value, Condition::Nx, false);
    sync().done(1, 0, 5, nx("a"), Reply::Ok).done(2, 0, 5, nx("b"), Reply::Ok).fails(NAME, &["NX"]);
    sync().done(1, 0, 5, nx("a"), Reply::Nil).done(2, 0, 5, nx("b"), Reply::Ok).passes();
    let released = sync().done(1, 0, 5, nx("a"), Reply::Ok).done(3, 0, 6, Action::Del, number(1));
    released.done(2, 0, 5, nx("b"), Reply::Ok).passes();
}

#[test]
fn xx_and_get() {
    let xx = |value| set_if(value, Condition::Xx, false);
    sync().done(1, 0, 1, xx("a"), Reply::Ok).fails(NAME, &["XX"]);
    sync().done(1, 0, 1, xx("a"), Reply::Nil).get(1, 2, 3, "").passes();
    let nx_get = |value| set_if(value, Condition::Nx, true);
    sync().set(1, 0, 1, "a").done(2, 2, 3, nx_get("b"), reply("a")).get(2, 4, 5, "a").passes();
    sync().set(1, 0, 1, "a").done(2, 2, 3, nx_get("b"), reply("a")).get(2, 4, 5, "b").fails(NAME, &[]);
}

#[test]
fn a_set_of_the_same_value_may_belong_later() {
    let xx = set_if("a", Condition::Xx, false);
    sync().set(1, 0, 1, "a").done(2, 2, 9, xx, Reply::Ok).set(3, 3, 4, "b").get(1, 10, 11, "a").passes();
}

#[test]
fn a_deleted_value_is_gone() {
    let deleted = || sync().set(1, 0, 1, "a").done(1, 2, 3, Action::Del, number(1));
    deleted().get(2, 4, 5, "a").fails(NAME, &["nil would have been right"]);
    deleted().get(2, 4, 5, "").passes();
    sync()
        .set(1, 0, 1, "a")
        .done(1, 2, 3, Action::GetDel, reply("a"))
        .done(2, 4, 5, Action::Exists, number(1))
        .fails(NAME, &[]);
}

#[test]
fn an_unknown_write_takes_effect_late_or_never() {
    let lost = || sync().set(1, 0, 1, "a").unknown(2, 2, 3, set("b"));
    lost().get(3, 4, 5, "a").get(3, 100, 101, "b").passes();
    lost().get(3, 4, 5, "a").get(3, 100, 101, "a").passes();
    lost().get(3, 4, 5, "b").passes();
}

#[test]
fn an_unknown_write_takes_effect_once_and_stays() {
    let lost = || sync().set(1, 0, 1, "a").unknown(2, 2, 3, set("b")).get(3, 4, 5, "a").get(3, 6, 7, "b");
    lost().get(3, 8, 9, "a").fails(NAME, &["\"b\" would have been right", "unknown"]);
    lost().set(1, 8, 9, "c").get(3, 10, 11, "b").fails(NAME, &[]);
    // Before its call it has no effect.
    sync().set(1, 0, 1, "a").get(3, 2, 3, "b").unknown(2, 4, 5, set("b")).fails(NAME, &[]);
}

#[test]
fn an_unknown_increment_counts_once() {
    let lost = || sync().unknown(1, 0, 1, INCR).unknown(2, 0, 1, INCR);
    lost().done(3, 2, 3, INCR, number(2)).done(3, 4, 5, INCR, number(4)).passes();
    lost().done(3, 2, 3, INCR, number(2)).done(3, 4, 5, INCR, number(5)).fails(NAME, &[]);
}

#[test]
fn appended_tokens() {
    let two = || sync().done(1, 0, 5, append("<1.1>"), number(10)).done(2, 0, 5, append("<2.1>"), number(5));
    two().get(3, 6, 7, "<2.1><1.1>").passes();
    two().get(3, 6, 7, "<1.1><2.1>").fails(NAME, &[]);
    two().done(3, 6, 7, Action::StrLen, number(9)).fails(NAME, &["STRLEN"]);
}

#[test]
fn what_is_no_number_can_not_be_increased() {
    sync().set(1, 0, 1, "x").done(1, 2, 3, INCR, Reply::Error).passes();
    sync().set(1, 0, 1, "5").done(1, 2, 3, INCR, Reply::Error).fails(NAME, &["error"]);
    sync().set(1, 0, 1, "9223372036854775807").done(1, 2, 3, INCR, Reply::Error).passes();
}

#[test]
fn a_pipeline_is_executed_in_order() {
    let pipelined = |read| sync().set(1, 0, 9, "a").set(1, 0, 9, "b").get(2, 10, 11, read);
    pipelined("b").passes();
    pipelined("a").fails(NAME, &[]);
}

#[test]
fn async_keys_are_not_linearizable() {
    asynchronous().set(1, 0, 1, "a").set(1, 2, 3, "b").get(2, 4, 5, "a").passes();
}

#[test]
fn a_long_history_is_shown_shortened() {
    let mut script = sync();
    for n in 0..200 {
        let value = format!("v{n}");
        script = script.set(1, 10 * n, 10 * n + 1, &value).get(2, 10 * n + 2, 10 * n + 3, &value);
    }
    let script = script.get(3, 1_000, 1_001, "v90").get(4, 5_000, 5_001, "v199");
    let verdict = script.verdict();
    assert_eq!(verdict.violations.len(), 1);
    // The write of what was read, one that came between, the read, and what overlaps it.
    assert_eq!(verdict.violations[0].details.len(), 4, "{verdict:#?}");
    script.fails(NAME, &["client 3", "SET \"k\" \"v90\""]);
}

#[test]
fn what_is_given_up_has_not_passed() {
    let script = sync().set(1, 0, 1, "a").get(1, 2, 3, "a");
    let verdict = check::all(&script.history, &Bounds { step_limit: 1, ..Bounds::default() });
    assert!(verdict.violations.is_empty() && !verdict.passed());
    assert!(verdict.undecided[0].sentence.contains("within 1 steps"), "{verdict:?}");
}
