use crate::check;
use crate::script::{INCR, append, asynchronous, number, sync};

const NAME: &str = check::property::exactly_once::NAME;

#[test]
fn a_double_increment() {
    let one = || sync().done(1, 0, 1, INCR, number(1));
    one().last("2").fails(NAME, &["the final number is 2", "1 increments were acknowledged, and 0"]);
    one().last("1").passes();
    one().unknown(1, 2, 3, INCR).last("2").passes();
    one().unknown(1, 2, 3, INCR).last("1").passes();
    one().unknown(1, 2, 3, INCR).last("3").fails(NAME, &["and 1 may"]);
    one().not_done(1, 2, 3, INCR).last("2").fails(NAME, &[]);
    one().last("").fails(NAME, &["the final number is 0"]);
}

#[test]
fn a_number_answered_twice() {
    sync()
        .done(1, 0, 5, INCR, number(1))
        .done(2, 0, 5, INCR, number(1))
        .fails(NAME, &["1 was answered twice"]);
}

#[test]
fn numbers_grow_in_real_time() {
    let pair = |first, second, call| {
        sync().done(1, 0, 5, INCR, number(first)).done(2, call, 9, INCR, number(second))
    };
    pair(2, 1, 6).fails(NAME, &["1 was answered to a call made after 2"]);
    pair(2, 1, 4).passes();
    pair(1, 2, 6).passes();
}

#[test]
fn a_token_twice() {
    let one = || sync().done(1, 0, 1, append("<1.1>"), number(5));
    one().last("<1.1><1.1>").fails(NAME, &["seen twice"]);
    one().get(2, 2, 3, "<1.1><1.1>").fails(NAME, &["seen twice"]);
    one().get(2, 2, 3, "<1.1>").last("<1.1>").passes();
    let lost = || asynchronous().unknown(1, 0, 1, append("<1.1>"));
    lost().last("<1.1><1.1>").fails(NAME, &["seen twice"]);
    lost().last("<1.1>").passes();
}
