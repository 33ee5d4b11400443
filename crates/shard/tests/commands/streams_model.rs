//! Streams against a map of the standard library. Every command is also taken back and followed (see `world`).

use crate::START;
use crate::value::Value;
use crate::world::World;
use everstore_shard::collection::Limits;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Entries of a page: few, so that there are many pages.
const PAGE: usize = 4;
type Id = (u64, u64);

/// A stream: entries with the number of their page, and what outlives them.
#[derive(Default, Clone)]
struct Stream {
    entries: BTreeMap<Id, (usize, String)>,
    last: Id,
    max_deleted: Id,
    added: usize,
    /// The last page, and how many entries were ever put into it.
    page: (usize, usize),
}

#[derive(Debug, Clone)]
enum Op {
    Add(Id, String),
    AddTrimmed(Id, usize, bool),
    Delete(Vec<Id>),
    KeepNewest(usize, bool, usize),
    KeepFrom(Id, bool),
    SetId(Id),
    Range(Id, Id, usize),
    Read(Id, usize),
}

fn op() -> impl Strategy<Value = Op> {
    let id = (0u64..30, 0u64..3);
    prop_oneof![
        // Most are behind the last one, as clients add them.
        8 => (0u64..3, 0u64..3, "[a-c]{0,3}").prop_map(|(ms, seq, value)| Op::Add((ms, seq), value)),
        2 => ((0u64..3, 0u64..3), 0usize..12, any::<bool>()).prop_map(|(id, most, about)| Op::AddTrimmed(id, most, about)),
        2 => proptest::collection::vec(id.clone(), 1..4).prop_map(Op::Delete),
        1 => (0usize..20, any::<bool>(), 0usize..12).prop_map(|(most, about, limit)| Op::KeepNewest(most, about, limit)),
        1 => (id.clone(), any::<bool>()).prop_map(|(id, about)| Op::KeepFrom(id, about)),
        1 => id.clone().prop_map(Op::SetId),
        3 => (id.clone(), id.clone(), 0usize..9).prop_map(|(from, to, count)| Op::Range(from, to, count)),
        2 => (id, 0usize..9).prop_map(|(id, count)| Op::Read(id, count)),
    ]
}

fn text((ms, seq): Id) -> String {
    format!("{ms}-{seq}")
}

fn bulk(text: impl AsRef<str>) -> Value {
    Value::Bulk(text.as_ref().as_bytes().to_vec())
}

fn int(number: usize) -> Value {
    Value::Line(format!(":{number}"))
}

fn entries<'a>(found: impl Iterator<Item = (&'a Id, &'a (usize, String))>) -> Value {
    let one = |(id, (_, value)): (&Id, &(usize, String))| {
        let fields = Value::Many('*', vec![bulk("field"), bulk(value)]);
        Value::Many('*', vec![bulk(text(*id)), fields])
    };
    Value::Many('*', found.map(one).collect())
}

impl Stream {
    fn add(&mut self, id: Id, value: &str) -> bool {
        if id <= self.last {
            return false;
        }
        let void = self.entries.values().next_back().is_none_or(|(page, _)| *page != self.page.0);
        if void || self.page.1 == PAGE {
            self.page = (self.page.0 + 1, 0);
        }
        self.page.1 += 1;
        self.entries.insert(id, (self.page.0, value.to_owned()));
        (self.last, self.added) = (id, self.added + 1);
        true
    }

    /// Removes the oldest entries for as long as `goes` says so of one, and how many went before it; if it may be
    /// about right, only pages of which all go, and at most `limit` entries.
    fn trim(&mut self, about: bool, limit: usize, goes: impl Fn(Id, usize) -> bool) -> usize {
        let mut gone = 0;
        while let Some((&first, &(page, _))) = self.entries.first_key_value() {
            let of_page = self.entries.iter().filter(|(_, (p, _))| *p == page).map(|(id, _)| *id);
            let together: Vec<Id> = if about { of_page.collect() } else { vec![first] };
            let all = together.iter().enumerate().all(|(i, id)| goes(*id, gone + i));
            if !all || about && gone + together.len() > limit {
                break;
            }
            together.iter().for_each(|id| drop(self.entries.remove(id)));
            gone += together.len();
        }
        gone
    }

    fn keep_newest(&mut self, most: usize, about: bool, limit: usize) -> usize {
        let excess = self.entries.len().saturating_sub(most);
        self.trim(about, limit, |_, before| before < excess)
    }
}

/// Adds an entry, which trims if it does.
fn add(
    model: &mut Option<Stream>,
    id: Id,
    value: &str,
    options: &[String],
    trim: impl Fn(&mut Stream),
) -> (Vec<String>, Option<Value>) {
    let mut stream = model.clone().unwrap_or_default();
    let added = stream.add(id, value);
    if added {
        trim(&mut stream);
        *model = Some(stream);
    }
    let args = [&["XADD".into(), "s".into()], options, &[text(id), "field".into(), value.into()]].concat();
    (args, added.then(|| bulk(text(id))))
}

/// Runs an operation on both; the reply that is expected, `None` for an error.
fn run(model: &mut Option<Stream>, op: &Op) -> (Vec<String>, Option<Value>) {
    let last = model.as_ref().map_or((0, 0), |stream| stream.last);
    let line = |words: &[&str]| words.iter().map(|word| (*word).to_string()).collect::<Vec<_>>();
    let tilde = |about: bool| if about { "~" } else { "=" };
    match op {
        Op::Add((ms, seq), value) => add(model, (last.0 + ms, *seq), value, &[], |_| ()),
        Op::AddTrimmed((ms, seq), most, about) => {
            let options = line(&["MAXLEN", tilde(*about), &most.to_string()]);
            let trim = |stream: &mut Stream| _ = stream.keep_newest(*most, *about, 100 * PAGE);
            add(model, (last.0 + ms, *seq), "", &options, trim)
        }
        Op::Delete(ids) => {
            let mut gone = 0;
            if let Some(stream) = model {
                for id in ids.iter().filter(|id| stream.entries.remove(*id).is_some()).collect::<Vec<_>>() {
                    stream.max_deleted = stream.max_deleted.max(*id);
                    gone += 1;
                }
            }
            let words = ids.iter().map(|id| text(*id));
            ([line(&["XDEL", "s"]), words.collect()].concat(), Some(int(gone)))
        }
        Op::KeepNewest(most, about, limit) => {
            let bound = if *limit == 0 { usize::MAX } else { *limit };
            let gone = model.as_mut().map_or(0, |stream| stream.keep_newest(*most, *about, bound));
            let mut args = line(&["XTRIM", "s", "MAXLEN", tilde(*about), &most.to_string()]);
            if *about {
                args.extend(line(&["LIMIT", &limit.to_string()]));
            }
            (args, Some(int(gone)))
        }
        Op::KeepFrom(id, about) => {
            let trim = |stream: &mut Stream| stream.trim(*about, 100 * PAGE, |at, _| at < *id);
            let gone = model.as_mut().map_or(0, trim);
            (line(&["XTRIM", "s", "MINID", tilde(*about), &text(*id)]), Some(int(gone)))
        }
        Op::SetId(id) => {
            let fits =
                |stream: &&mut Stream| stream.entries.last_key_value().is_none_or(|(top, _)| top <= id);
            let set = model.as_mut().filter(fits).map(|stream| stream.last = *id);
            (line(&["XSETID", "s", &text(*id)]), set.map(|()| Value::Line("+OK".into())))
        }
        Op::Range(from, to, count) => {
            let all = model.clone().unwrap_or_default().entries;
            let found = all.iter().filter(|(id, _)| (from..=to).contains(id)).take(count + 1);
            let count = (count + 1).to_string();
            (line(&["XRANGE", "s", &text(*from), &text(*to), "COUNT", &count]), Some(entries(found)))
        }
        Op::Read(id, count) => {
            let all = model.clone().unwrap_or_default().entries;
            let most = if *count == 0 { usize::MAX } else { *count };
            let found: Vec<_> = all.iter().filter(|(at, _)| *at > id).take(most).collect();
            let reply = match found.len() {
                0 => Value::Line("_".into()),
                _ => Value::Many('%', vec![bulk("s"), entries(found.into_iter())]),
            };
            (line(&["XREAD", "COUNT", &count.to_string(), "STREAMS", "s", &text(*id)]), Some(reply))
        }
    }
}

fn answer(world: &mut World, args: &[String]) -> Value {
    let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.clone().into_bytes()).collect();
    world.run(&args, START)
}

/// Everything that is known of the stream.
fn check(world: &mut World, model: Option<&Stream>) {
    let words = |line: &str| line.split(' ').map(str::to_string).collect::<Vec<_>>();
    let exists = answer(world, &words("EXISTS s"));
    assert_eq!(exists, int(usize::from(model.is_some())));
    let Some(stream) = model else { return };
    assert_eq!(answer(world, &words("XLEN s")), int(stream.entries.len()));
    assert_eq!(answer(world, &words("XREVRANGE s + -")), entries(stream.entries.iter().rev()));
    let Value::Many('%', info) = answer(world, &words("XINFO STREAM s FULL COUNT 0")) else {
        panic!("XINFO STREAM is answered with a map");
    };
    let field = |name: &str| info.chunks(2).find(|pair| pair[0] == bulk(name)).map(|pair| pair[1].clone());
    let first = stream.entries.keys().next().copied().unwrap_or_default();
    for (name, value) in [
        ("length", int(stream.entries.len())),
        ("last-generated-id", bulk(text(stream.last))),
        ("max-deleted-entry-id", bulk(text(stream.max_deleted))),
        ("entries-added", int(stream.added)),
        ("recorded-first-entry-id", bulk(text(first))),
        ("entries", entries(stream.entries.iter())),
    ] {
        assert_eq!(field(name), Some(value), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn streams_follow_the_model(ops in proptest::collection::vec(op(), 1..80)) {
        let (mut world, mut model) = (World::new(true), None);
        world.set_limits(Limits { stream_entries: PAGE as u64, stream_bytes: 0, ..Limits::default() });
        for op in &ops {
            let (args, expected) = run(&mut model, op);
            let reply = answer(&mut world, &args);
            match expected {
                Some(expected) => prop_assert_eq!(reply, expected, "{:?}", args),
                None => prop_assert!(reply.is_error(), "{:?}: {:?}", args, reply),
            }
            check(&mut world, model.as_ref());
        }
    }
}
