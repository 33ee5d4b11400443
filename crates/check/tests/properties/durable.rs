use check::{Action, Class, Condition, Reply};

use crate::check;
use crate::script::{INCR, append, number, reply, set, set_if, sync};

const NAME: &str = check::property::durable::NAME;

#[test]
fn a_lost_acknowledged_set() {
    sync().set(1, 0, 1, "a").set(1, 2, 3, "b").last("a").fails(NAME, &["1 acknowledged", "\"b\""]);
    sync().set(1, 0, 1, "a").last("").fails(NAME, &["\"a\""]);
}

#[test]
fn a_later_write_explains_a_missing_one() {
    sync().set(1, 0, 1, "a").set(1, 2, 3, "b").last("b").passes();
    sync().set(1, 0, 5, "a").set(2, 2, 3, "b").last("a").passes();
    sync().unknown(3, 0, 1, set("a")).set(1, 2, 3, "b").last("a").passes();
    sync().set(1, 0, 1, "a").unknown(2, 2, 3, Action::Del).last("").passes();
    let refused = set_if("b", Condition::Nx, false);
    sync().set(1, 0, 1, "a").done(1, 2, 3, refused, Reply::Nil).last("a").passes();
}

#[test]
fn a_lost_removal() {
    sync().set(1, 0, 1, "a").done(1, 2, 3, Action::Del, number(1)).last("a").fails(NAME, &["DEL"]);
    sync().set(1, 0, 1, "a").done(1, 2, 3, Action::GetDel, reply("a")).last("").passes();
}

#[test]
fn a_final_value_nobody_wrote() {
    sync().set(1, 0, 1, "a").last("x").fails(NAME, &["nobody wrote"]);
    sync().last("x").fails(NAME, &["nobody wrote"]);
    sync().not_done(1, 0, 1, set("a")).last("a").fails(NAME, &["nobody wrote"]);
}

#[test]
fn a_lost_acknowledged_append() {
    let two = || sync().done(1, 0, 1, append("<1.1>"), number(5)).done(1, 2, 3, append("<1.2>"), number(10));
    two().last("<1.1>").fails(NAME, &["1 acknowledged", "<1.2>"]);
    two().last("<1.1><1.2>").passes();
    two().unknown(2, 0, 1, append("<2.1>")).last("<1.1><1.2><2.1>").passes();
    two().unknown(2, 0, 1, append("<2.1>")).last("<1.1><1.2>").passes();
}

#[test]
fn a_token_that_should_not_be_there() {
    let one = || sync().done(1, 0, 1, append("<1.1>"), number(5));
    one().not_done(1, 2, 3, append("<1.2>")).last("<1.1><1.2>").fails(NAME, &["not done"]);
    one().last("<1.1><7.7>").fails(NAME, &["nobody appended"]);
    one().last("<1.1>.1>").fails(NAME, &["damaged"]);
}

#[test]
fn tokens_out_of_order() {
    let ordered =
        || sync().done(1, 0, 1, append("<1.1>"), number(10)).done(2, 2, 3, append("<2.1>"), number(5));
    ordered().last("<2.1><1.1>").fails(NAME, &["stands behind"]);
    let pipelined =
        || sync().done(1, 0, 9, append("<1.1>"), number(5)).done(1, 0, 9, append("<1.2>"), number(10));
    pipelined().last("<1.2><1.1>").fails(NAME, &["connection sent later"]);
    pipelined().last("<1.1><1.2>").passes();
    let late = sync().unknown(1, 0, 1, append("<1.1>")).done(1, 2, 3, append("<1.2>"), number(5));
    late.last("<1.2><1.1>").passes();
}

#[test]
fn a_lost_increment() {
    let two = || sync().done(1, 0, 1, INCR, number(1)).done(1, 2, 3, INCR, number(2));
    two().last("1").fails(NAME, &["2 was acknowledged"]);
    two().last("x").fails(NAME, &["no number"]);
    two().last("2").passes();
    two().unknown(2, 0, 1, INCR).last("3").passes();
    let down = Action::IncrBy { by: -5 };
    two().unknown(2, 0, 1, down).last("-3").passes();
}

#[test]
fn what_is_not_read_at_the_end_is_noted() {
    let script = sync().set(1, 0, 1, "a").last("a").key(Class::Sync, "other").set(1, 2, 3, "b");
    let verdict = script.verdict();
    assert!(verdict.passed());
    assert!(verdict.notes[0].starts_with("1 of 2 keys"), "{:?}", verdict.notes);
}
