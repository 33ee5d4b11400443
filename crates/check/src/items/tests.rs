//! Each property finds what it is for, and nothing else.

use super::{Bounds, Came, Deed, Handling, Item, ItemHistory, Order, check};

const MS: u64 = 1_000_000;

fn put(place: &str, items: &[&str]) -> Deed {
    let item = |text: &&str| Item { bytes: text.as_bytes().into(), score: text.len() as i64 };
    Deed::Put { place: place.to_owned(), items: items.iter().map(item).collect() }
}

fn take(from: &[&str], most: u64) -> Deed {
    let from = from.iter().map(|place| (*place).to_owned()).collect();
    Deed::Take { from, into: None, most, wait_ms: None }
}

fn shift(from: &str, into: &str) -> Deed {
    Deed::Take { from: vec![from.to_owned()], into: Some(into.to_owned()), most: 1, wait_ms: None }
}

fn look(place: &str) -> Deed {
    Deed::Look { place: place.to_owned() }
}

fn items(place: &str, items: &[&str]) -> Came {
    Came::Items(place.to_owned(), items.iter().map(|item| item.as_bytes().into()).collect())
}

/// Places with `z` order by score, with `h` not at all.
fn order_of(place: &str) -> Order {
    match place.as_bytes()[0] {
        b'z' => Order::Scores,
        b'h' => Order::Any,
        _ => Order::Came,
    }
}

/// Deeds one after the other, each of a client of its own: every 10 ms one that takes 1 ms.
fn history(deeds: Vec<(Deed, Came)>) -> ItemHistory {
    let mut history = ItemHistory::default();
    for (at, (deed, came)) in deeds.into_iter().enumerate() {
        let (client, call_ns) = (at as u32, 10 * at as u64 * MS);
        let handling =
            Handling { client, connection: client, call_ns, return_ns: None, deed, came: Came::Unknown };
        let number = history.call(handling, order_of);
        if came != Came::Unknown {
            history.answer(number, call_ns + MS, came);
        }
    }
    history
}

fn found(deeds: Vec<(Deed, Came)>) -> Vec<String> {
    let bounds = Bounds { expiry_slack_ns: 5 * MS, ..Bounds::default() };
    check(&history(deeds), &bounds).into_iter().map(|violation| violation.sentence).collect()
}

/// Exactly one violation, which says this.
fn one(deeds: Vec<(Deed, Came)>, says: &str) {
    let found = found(deeds);
    assert!(found.len() == 1 && found[0].contains(says), "{found:?}");
}

fn none(deeds: Vec<(Deed, Came)>) {
    let found = found(deeds);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_life_of_a_queue_is_fine() {
    none(vec![
        (put("q", &["a", "b", "c", "d"]), Came::Did(true)),
        (look("q"), items("q", &["a", "b", "c", "d"])),
        (take(&["empty", "q"], 1), items("q", &["a"])),
        (shift("q", "w"), items("q", &["b"])),
        (Deed::Remove { place: "w".to_owned(), item: b"b"[..].into() }, Came::Did(true)),
        (take(&["q"], 5), items("q", &["c", "d"])),
        (take(&["q", "w"], 1), Came::Nothing),
        (look("q"), items("q", &[])),
        (look("w"), items("w", &[])),
    ]);
}

#[test]
fn what_is_delivered_twice_or_made_up_is_found() {
    let begin = || vec![(put("q", &["a"]), Came::Did(true)), (take(&["q"], 1), items("q", &["a"]))];
    let with = |deed, came| [begin(), vec![(deed, came)]].concat();
    one(with(take(&["q"], 1), items("q", &["a"])), "taken from q twice");
    one(with(look("q"), items("q", &["a"])), "seen after it had been taken");
    one(with(look("q"), items("q", &["b"])), "nobody has put it");
    one(vec![(put("q", &["a"]), Came::NotDone), (look("q"), items("q", &["a"]))], "nobody has put it");
    one(
        vec![
            (look("q"), items("q", &["a"])),
            (put("q", &["a"]), Came::Did(true)),
            (look("q"), items("q", &["a"])),
        ],
        "before it was put",
    );
    one(vec![(put("q", &["a"]), Came::Did(true)), (look("q"), items("q", &["a", "a"]))], "there twice");
}

#[test]
fn what_is_lost_is_found_unless_somebody_may_have_it() {
    let lost = |unknown: Deed| {
        vec![
            (put("q", &["a", "b"]), Came::Did(true)),
            (put("q", &["maybe"]), Came::Unknown),
            (unknown, Came::Unknown),
            (look("q"), items("q", &[])),
        ]
    };
    one(lost(take(&["other"], 9)), "2 acknowledged items of q are gone");
    one(lost(take(&["q"], 1)), "may have taken 1");
    none(lost(take(&["other", "q"], 2)));
    none(vec![
        (put("q", &["a"]), Came::Did(true)),
        (shift("q", "w"), Came::Unknown),
        (look("q"), items("q", &[])),
        (look("w"), items("w", &["a"])),
    ]);
    one(
        vec![
            (put("q", &["a"]), Came::Did(true)),
            (look("q"), items("q", &[])),
            (look("q"), items("q", &["a"])),
        ],
        "was not seen in q, where it was",
    );
}

#[test]
fn the_order_of_queues_and_of_scores_is_kept() {
    let two = |place| vec![(put(place, &["aaa"]), Came::Did(true)), (put(place, &["bb"]), Came::Did(true))];
    let with = |place, taken: &[&str], left: &[&str]| {
        [two(place), vec![(take(&[place], 1), items(place, taken)), (look(place), items(place, left))]]
            .concat()
    };
    none(with("q", &["aaa"], &["bb"]));
    one(with("q", &["bb"], &["aaa"]), "where \"aaa\" stood before it");
    none(with("z", &["bb"], &["aaa"]));
    one(with("z", &["aaa"], &["bb"]), "where \"bb\" stood before it");
    none(with("h", &["aaa"], &["bb"]));
    one([two("q"), vec![(look("q"), items("q", &["bb", "aaa"]))]].concat(), "stands before");
    one([two("q"), vec![(take(&["q"], 2), items("q", &["bb", "aaa"]))]].concat(), "stands before");
    one(
        [two("q"), vec![(take(&["q"], 1), Came::Nothing), (look("q"), items("q", &["aaa", "bb"]))]].concat(),
        "nothing was taken from q",
    );
}

#[test]
fn items_live_as_long_as_their_place() {
    let expire = |ttl_ms| (Deed::Expire { place: "h".to_owned(), ttl_ms }, Came::Did(true));
    let begin = |ttl_ms| vec![(put("h", &["a"]), Came::Did(true)), expire(ttl_ms)];
    let with = |ttl_ms, seen: &[&str]| [begin(ttl_ms), vec![(look("h"), items("h", seen))]].concat();
    // The deadline was set from 10 to 11 ms, the look is at 20 ms, the slack 5 ms.
    one(with(2, &["a"]), "after the deadline and its slack");
    none(with(2, &[]));
    none(with(10, &["a"]));
    none(with(10, &[]));
    one(with(100, &[]), "are gone");
    // What came later may be of the next life.
    none(vec![
        expire(2),
        (put("h", &["a"]), Came::Did(true)),
        (put("h", &["b"]), Came::Did(true)),
        (look("h"), items("h", &["a", "b"])),
    ]);
}

#[test]
fn who_waits_does_not_give_up_early() {
    let wait =
        |wait_ms| Deed::Take { from: vec!["q".to_owned()], into: None, most: 1, wait_ms: Some(wait_ms) };
    none(vec![(wait(900), Came::Nothing)]);
    one(vec![(wait(1100), Came::Nothing)], "gave up after");
}
