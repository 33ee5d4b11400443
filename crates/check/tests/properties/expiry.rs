//! The slack is 10 ms.

use check::{Action, Condition, Reply};

use crate::check;
use crate::script::{append, asynchronous, number, reply, set, set_for, sync};

const NAME: &str = check::property::expiry::NAME;
const ORDER: &str = check::property::linearizable::NAME;

#[test]
fn an_expired_value_is_read() {
    let short = || sync().done(1, 0, 5, set_for("a", 100), Reply::Ok);
    short().get(2, 116, 117, "a").fails(NAME, &["\"a\" was read", "0.011000000 s after"]);
    short().get(2, 116, 117, "a").fails(ORDER, &["nil would have been right"]);
    short().get(2, 114, 200, "a").passes();
    short().get(2, 116, 117, "").passes();
}

#[test]
fn it_may_go_a_little_early_but_not_more() {
    let short = || sync().done(1, 0, 5, set_for("a", 100), Reply::Ok);
    short().get(2, 80, 91, "").passes();
    short().get(2, 80, 89, "").fails(ORDER, &["\"a\" would have been right"]);
}

#[test]
fn once_gone_it_stays_gone() {
    let short = || sync().done(1, 0, 5, set_for("a", 100), Reply::Ok).get(2, 95, 96, "");
    short().get(2, 97, 98, "a").fails(ORDER, &[]);
    short().get(2, 97, 98, "").passes();
    short().done(2, 97, 98, append("b"), number(1)).get(2, 99, 100, "b").passes();
}

#[test]
fn deadlines_change() {
    let short = || sync().done(1, 0, 5, set_for("a", 100), Reply::Ok);
    let expire = |ms| Action::Expire { ttl_ms: ms };
    short().done(1, 10, 11, expire(1_000), number(1)).get(2, 500, 501, "a").passes();
    short().done(1, 10, 11, expire(1_000), number(1)).get(2, 1_022, 1_023, "a").fails(NAME, &[]);
    short().done(1, 10, 11, expire(1_000), number(1)).get(2, 500, 501, "").fails(ORDER, &[]);
    short().done(1, 10, 11, expire(0), number(1)).get(2, 12, 13, "").passes();
    short().done(1, 10, 11, expire(-1), number(1)).get(2, 12, 13, "a").fails(ORDER, &[]);
    short().done(1, 10, 11, Action::Persist, number(1)).get(2, 500, 501, "a").passes();
    short().done(1, 10, 11, Action::Persist, number(0)).fails(ORDER, &["PERSIST"]);
    short().set(1, 10, 11, "a").get(2, 500, 501, "a").passes();
    short().set(1, 10, 11, "b").get(2, 500, 501, "").fails(ORDER, &[]);
    sync().done(1, 0, 1, expire(5), number(0)).done(1, 2, 3, Action::Persist, number(0)).passes();
}

#[test]
fn a_kept_deadline_is_kept() {
    let keep = Action::Set {
        value: b"b".as_slice().into(),
        condition: Condition::None,
        get: false,
        ttl_ms: None,
        keep_ttl: true,
    };
    let short =
        || sync().done(1, 0, 5, set_for("a", 100), Reply::Ok).done(1, 10, 11, keep.clone(), Reply::Ok);
    short().get(2, 50, 51, "b").get(2, 130, 131, "").passes();
    short().get(2, 130, 131, "b").fails(ORDER, &[]);
    short().done(1, 20, 21, append("c"), number(2)).get(2, 130, 131, "").passes();
    short().done(1, 20, 21, append("c"), number(2)).get(2, 130, 131, "bc").fails(ORDER, &[]);
}

#[test]
fn a_lost_write_expires_late() {
    let lost = || sync().set(1, 0, 1, "z").unknown(1, 2, 3, set_for("a", 100));
    lost().get(2, 900, 901, "a").get(2, 902, 903, "").passes();
    lost().get(2, 50, 51, "").fails(ORDER, &[]);
    lost().get(2, 110, 111, "").passes();
    lost()
        .get(2, 110, 111, "")
        .set(2, 112, 113, "b")
        .unknown(3, 0, 1, set("c"))
        .get(2, 114, 115, "c")
        .passes();
}

#[test]
fn other_promises_expire_too() {
    asynchronous().done(1, 0, 5, set_for("a", 100), Reply::Ok).get(2, 116, 117, "a").fails(NAME, &[]);
    let read_only =
        |from| sync().done(1, 0, 5, set_for("a", 100), Reply::Ok).read_only((from, from + 1), 500, "a");
    read_only(116).fails(NAME, &["read-only"]);
    read_only(114).passes();
    let get_del = sync().done(1, 0, 5, set_for("a", 100), Reply::Ok);
    get_del.done(2, 120, 121, Action::GetDel, reply("a")).fails(NAME, &["GETDEL"]);
}
