use check::{Action, Class};

use crate::check;
use crate::script::{Script, append, asynchronous, number, set};

const NAME: &str = check::property::exposure::NAME;

/// Two tokens, acknowledged at 11 and 21 ms.
fn tokens() -> Script {
    asynchronous().done(1, 10, 11, append("<1.1>"), number(5)).done(1, 20, 21, append("<1.2>"), number(10))
}

#[test]
fn a_loss_within_the_exposure() {
    tokens().failover(50, 1, 6, 40).last("<1.1>").passes();
    tokens().failover(50, 2, 12, 40).last("").passes();
    tokens().last("<1.1><1.2>").passes();
}

#[test]
fn a_loss_without_a_failover() {
    tokens().last("<1.1>").fails(NAME, &["1 acknowledged writes are lost that no failover", "<1.2>"]);
    // Too old to have been exposed, and acknowledged after it.
    tokens().failover(50, 9, 900, 28).last("<1.1>").fails(NAME, &["no failover"]);
    tokens().failover(15, 9, 900, 28).last("<1.1>").fails(NAME, &["no failover"]);
}

#[test]
fn a_loss_beyond_the_exposure() {
    tokens().failover(50, 1, 900, 40).last("").fails(NAME, &["lost 2 acknowledged writes of 12 bytes"]);
    tokens().failover(50, 9, 11, 40).last("").fails(NAME, &["of 11 bytes were exposed"]);
    let twice = |entries| tokens().failover(50, entries, 900, 40).failover(51, 0, 900, 41).last("");
    twice(1).fails(NAME, &["all failovers together"]);
    twice(2).passes();
}

#[test]
fn lost_registers() {
    let two = || asynchronous().set(1, 10, 11, "a").set(1, 20, 21, "b");
    two().failover(50, 1, 2, 40).last("a").passes();
    two().last("a").fails(NAME, &["\"b\""]);
    two().failover(50, 2, 4, 40).last("").passes();
    two().last("x").fails(NAME, &["nobody wrote"]);
    two().unknown(2, 0, 1, set("c")).last("c").passes();
    let removed = || asynchronous().set(1, 10, 11, "a").done(1, 20, 21, Action::Del, number(1));
    removed().last("a").fails(NAME, &["DEL"]);
    removed().failover(50, 1, 1, 40).last("a").passes();
}

#[test]
fn the_account_lists_the_loss() {
    let lost = || tokens().failover(50, 2, 12, 40).last("<1.1>");
    lost().account(50, &["<1.1><1.2>"]).passes();
    lost().account(50, &[]).fails(NAME, &["1 lost writes are not in the loss account", "<1.2>"]);
    let registers =
        || asynchronous().set(1, 10, 11, "a").set(1, 20, 21, "b").failover(50, 2, 12, 40).last("a");
    registers().account(50, &["b"]).passes();
    registers().account(50, &[]).fails(NAME, &["not in the loss account"]);
}

#[test]
fn the_account_lists_nothing_else() {
    let kept = || tokens().failover(50, 2, 12, 40).last("<1.1><1.2>");
    kept().account(50, &["<1.1><1.2>"]).fails(NAME, &["which is there"]);
    kept().account(50, &["<9.9>"]).fails(NAME, &["which nobody wrote"]);
    let unknown = tokens().unknown(2, 40, 41, append("<2.1>")).failover(50, 2, 12, 40).last("<1.1><1.2>");
    unknown.account(50, &["<1.1><1.2><2.1>"]).passes();
    // Lost and then overwritten: not seen in the end, and rightly listed.
    let again = asynchronous().set(1, 20, 21, "a").failover(50, 2, 12, 40).set(1, 60, 61, "b").last("b");
    again.account(50, &["a"]).passes();
}

#[test]
fn a_leader_that_did_not_come_back_accounts_for_nothing() {
    tokens().failover(50, 2, 12, 40).failover(60, 2, 12, 50).account(60, &[]).last("<1.1>").passes();
}

#[test]
fn sync_keys_are_not_exposed() {
    let mixed =
        tokens().last("<1.1><1.2>").key(Class::Sync, "s").set(1, 70, 71, "a").failover(80, 9, 900, 50);
    mixed.last("").fails(check::property::durable::NAME, &["\"a\""]);
}
