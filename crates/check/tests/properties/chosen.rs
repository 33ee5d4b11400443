//! Asynchronous connections in a synchronous keyspace.

use check::property::{durable, linearizable};

use crate::check;
use crate::script::{Script, sync};
use check::{Action, Reply};

/// `a` of a synchronous connection, then `b` of an asynchronous one, then a failover that exposed the last 40 ms.
fn exposed() -> Script {
    sync().set(1, 10, 11, "a").chosen(true).set(2, 70, 71, "b").chosen(false).failover(100, 9, 900, 40)
}

#[test]
fn what_a_failover_exposed_may_be_gone() {
    exposed().get(1, 110, 111, "a").last("a").passes();
    exposed().get(1, 110, 111, "b").last("b").passes();
    exposed().get(1, 80, 81, "b").get(1, 110, 111, "b").last("b").passes();
}

#[test]
fn what_somebody_has_read_is_not() {
    let read = exposed().get(1, 80, 81, "b").get(1, 110, 111, "a").last("a");
    read.fails(linearizable::NAME, &["would have been right", "\"b\""]);
    // Nor by the connection itself.
    exposed()
        .chosen(true)
        .get(2, 80, 81, "b")
        .get(2, 110, 111, "a")
        .last("a")
        .fails(linearizable::NAME, &["\"b\""]);
    // Nor does a later write rest on it.
    let number = |n| Reply::Integer(n);
    let counted = |by_sync| {
        let counter = sync().done(1, 10, 11, Action::IncrBy { by: 1 }, number(1)).chosen(true);
        let counter = counter.done(2, 70, 71, Action::IncrBy { by: 1 }, number(2)).chosen(false);
        counter.failover(100, 9, 900, 40).done(1, 75, 76, Action::IncrBy { by: 1 }, number(by_sync))
    };
    counted(3).last("3").passes();
    counted(2).last("2").passes();
    counted(3).last("2").fails(linearizable::NAME, &["final read"]);
}

#[test]
fn nothing_else_is() {
    let early = |at, ms| {
        let writes = sync().set(1, 10, 11, "a").chosen(true).set(2, 20, 21, "b").chosen(false);
        writes.failover(at, 9, 900, ms).last("a")
    };
    early(100, 40).fails(durable::NAME, &["\"b\""]);
    early(15, 40).fails(durable::NAME, &["\"b\""]);
    early(100, 80).passes();
    let beside = sync().set(1, 70, 71, "a").failover(100, 9, 900, 40).last("");
    beside.fails(durable::NAME, &["\"a\""]);
}
