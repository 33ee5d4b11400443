use super::*;

/// A history of one stream. Each act takes a second; times in ms.
#[derive(Default)]
struct Script {
    history: StreamHistory,
    capped: bool,
}

impl Script {
    fn act(&mut self, (call_ms, return_ms): (u64, u64), deed: Deed, came: Came) -> &mut Script {
        let act = Act { client: 1, call_ns: call_ms * 1_000_000, return_ns: None, deed, came: Came::Unknown };
        let number = self.history.call("s", self.capped, act);
        if came != Came::Unknown {
            self.history.answer("s", number, return_ms * 1_000_000, came);
        }
        self
    }

    fn add(&mut self, at: (u64, u64), payload: &str, came: Came) -> &mut Script {
        self.act(at, Deed::Add { payload: payload.as_bytes().into() }, came)
    }

    fn read(&mut self, at: (u64, u64), after: Option<Id>, count: usize, seen: &[(Id, &str)]) -> &mut Script {
        let entries = seen.iter().map(|(id, payload)| (*id, payload.as_bytes().into())).collect();
        self.act(at, Deed::Read { after, count, wait_ms: None }, Came::Entries(entries))
    }

    /// The properties that do not hold.
    fn found(&self) -> Vec<&'static str> {
        check(&self.history).into_iter().map(|violation| violation.property).collect()
    }
}

/// Two entries that are acknowledged.
fn two() -> Script {
    let mut script = Script::default();
    script.add((1, 2), "a", Came::Added((5, 0))).add((3, 4), "b", Came::Added((5, 1)));
    script
}

#[test]
fn what_may_be_is_no_violation() {
    let mut script = two();
    script
        .add((5, 0), "c", Came::Unknown)
        .read((6, 7), Some((0, 0)), 0, &[((5, 0), "a"), ((5, 1), "b")])
        .read((8, 9), Some((5, 0)), 0, &[((5, 1), "b"), ((6, 0), "c")])
        .read((8, 9), Some((0, 0)), 1, &[((5, 0), "a")])
        .act((10, 12), Deed::Delete { id: (5, 1) }, Came::Deleted(true))
        .read((11, 12), Some((5, 0)), 0, &[((6, 0), "c")])
        .act((13, 14), Deed::Count, Came::Counted(2, Some(((6, 0), 3))))
        .add((15, 16), "d", Came::Added((6, 1)))
        .read((14, 17), None, 0, &[((6, 1), "d")]);
    assert_eq!(script.found(), [""; 0]);
}

#[test]
fn what_is_gone_too_much_or_twice_is_found() {
    let (a, b) = (((5, 0), "a"), ((5, 1), "b"));
    let first = Some((0, 0));
    assert_eq!(two().read((6, 7), first, 0, &[a]).found(), [kept::NAME], "one is gone");
    assert_eq!(two().read((6, 7), first, 0, &[b]).found(), [kept::NAME], "a gap");
    assert_eq!(two().read((6, 7), first, 0, &[]).found(), [kept::NAME], "nothing where something is");
    assert_eq!(two().read((6, 7), first, 0, &[b, a]).found(), [kept::NAME], "out of order");
    assert_eq!(two().read((6, 7), first, 0, &[a, b, ((6, 0), "x")]).found(), [known::NAME], "from nowhere");
    assert_eq!(two().read((6, 7), first, 0, &[a, b, ((6, 0), "a")]).found(), [known::NAME], "two ids");
    let removed = |script: &mut Script| {
        script.act((5, 6), Deed::Delete { id: (5, 0) }, Came::Deleted(true));
    };
    let mut script = two();
    removed(&mut script);
    assert_eq!(script.read((7, 8), first, 0, &[a, b]).found(), [kept::NAME], "removed");
    assert_eq!(script.act((9, 9), Deed::Count, Came::Counted(2, None)).found().len(), 2);
}

#[test]
fn ids_and_counts_that_go_back_are_found() {
    assert_eq!(two().add((5, 6), "c", Came::Added((4, 0))).found(), [grows::NAME]);
    assert_eq!(two().act((5, 6), Deed::Count, Came::Counted(2, Some(((5, 0), 2)))).found(), [grows::NAME]);
    assert_eq!(two().act((5, 6), Deed::Count, Came::Counted(1, None)).found(), [grows::NAME]);
    assert_eq!(two().act((5, 6), Deed::Count, Came::Counted(3, None)).found(), [grows::NAME]);
    let mut script = two();
    script.act((5, 6), Deed::Count, Came::Counted(2, Some(((5, 1), 2))));
    script.act((7, 8), Deed::Count, Came::Counted(2, Some(((5, 1), 1))));
    assert_eq!(script.found(), [grows::NAME], "entries ever added");
    // One that waits for what comes gets nothing that was there.
    assert_eq!(two().read((6, 7), None, 0, &[((5, 1), "b")]).found(), [grows::NAME]);
}

#[test]
fn a_capped_stream_loses_its_oldest_entries_only() {
    let capped = || {
        let mut script = Script { capped: true, ..Script::default() };
        script.add((1, 2), "a", Came::Added((5, 0))).add((3, 4), "b", Came::Added((5, 1)));
        script.add((5, 6), "c", Came::Added((5, 2)));
        script
    };
    let (a, b, c) = (((5, 0), "a"), ((5, 1), "b"), ((5, 2), "c"));
    let first = Some((0, 0));
    assert_eq!(capped().read((7, 8), first, 0, &[b, c]).found(), [""; 0]);
    assert_eq!(capped().act((7, 8), Deed::Count, Came::Counted(1, None)).found(), [""; 0]);
    assert_eq!(capped().read((7, 8), first, 0, &[a, c]).found(), [kept::NAME], "a gap");
    assert_eq!(capped().read((7, 8), first, 0, &[a, b]).found(), [kept::NAME], "the newest is gone");
}

#[test]
fn who_waits_waits_as_long_as_asked() {
    let wait = |ms| Deed::Read { after: Some((9, 0)), count: 0, wait_ms: Some(ms) };
    let mut script = Script::default();
    script.act((1, 2900), wait(2900), Came::Nothing);
    assert_eq!(script.found(), [""; 0]);
    script.act((3000, 3100), wait(2900), Came::Nothing);
    assert_eq!(script.found(), ["waits"]);
}
