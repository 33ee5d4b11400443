//! BITFIELD and BITOP against a model that keeps a value as a list of single bits.

use super::resp::Recorder;
use super::value::Value;
use super::world::{World, machine};
use everstore_shard::commands::handler;
use model::Keyspace;
use proptest::prelude::*;

const NOW: u64 = 1_700_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Sat,
    Fail,
}

/// One step of a BITFIELD.
#[derive(Debug, Clone)]
struct Field {
    signed: bool,
    bits: usize,
    offset: usize,
    /// GET, SET or INCRBY with this number.
    verb: &'static str,
    number: i64,
    overflow: Overflow,
}

impl Field {
    fn words(&self) -> Vec<String> {
        let kind = format!("{}{}", if self.signed { 'i' } else { 'u' }, self.bits);
        let mut words = vec!["OVERFLOW".into(), format!("{:?}", self.overflow), self.verb.into(), kind];
        words.push(self.offset.to_string());
        if self.verb != "GET" {
            words.push(self.number.to_string());
        }
        words
    }

    fn range(&self) -> (i128, i128) {
        let all = 1i128 << self.bits;
        if self.signed { (-all / 2, all / 2 - 1) } else { (0, all - 1) }
    }

    /// The reply: a number, or `None` after an overflow that fails.
    fn run(&self, value: &mut [bool]) -> Option<i128> {
        let all = 1i128 << self.bits;
        let bit = |at: usize| i128::from(value.get(at).copied().unwrap_or(false));
        let raw = (self.offset..self.offset + self.bits).fold(0, |n, at| n * 2 + bit(at));
        let old = if self.signed && raw >= all / 2 { raw - all } else { raw };
        let (wanted, (low, high)) = match self.verb {
            "GET" => return Some(old),
            "SET" if self.signed => (i128::from(self.number), self.range()),
            "SET" => (i128::from(self.number as u64), self.range()),
            _ => (old + i128::from(self.number), self.range()),
        };
        let new = match self.overflow {
            _ if (low..=high).contains(&wanted) => wanted,
            Overflow::Fail => return None,
            Overflow::Sat => wanted.clamp(low, high),
            Overflow::Wrap => (wanted - low).rem_euclid(all) + low,
        };
        for i in 0..self.bits {
            value[self.offset + i] = new.rem_euclid(all) >> (self.bits - 1 - i) & 1 == 1;
        }
        Some(if self.verb == "SET" { old } else { new })
    }
}

fn bytes(bits: &[bool]) -> Vec<u8> {
    bits.chunks(8).map(|byte| byte.iter().fold(0, |n, bit| n << 1 | u8::from(*bit))).collect()
}

fn run(world: &mut World, words: &[String]) -> Value {
    world.run(&words.iter().map(|word| word.clone().into_bytes()).collect::<Vec<_>>(), NOW)
}

fn get(world: &mut World, key: &[u8]) -> Option<Vec<u8>> {
    match world.run(&[b"GET".to_vec(), key.to_vec()], NOW) {
        Value::Bulk(value) => Some(value),
        _ => None,
    }
}

prop_compose! {
    fn field()(
        signed: bool,
        bits in 1usize..=64,
        offset in prop_oneof![0usize..200, 2000usize..2100],
        verb in prop::sample::select(vec!["GET", "SET", "INCRBY"]),
        number in prop_oneof![-3i64..3, -300i64..300, any::<i64>()],
        overflow in prop::sample::select(vec![Overflow::Wrap, Overflow::Sat, Overflow::Fail]),
    ) -> Field {
        let bits = if signed { bits } else { bits.min(63) };
        Field { signed, bits, offset, verb, number, overflow }
    }
}

proptest! {
    /// Several commands, so that values grow and are changed again. [`World::run`] takes each back and
    /// repeats it, and compares with a follower.
    #[test]
    fn bitfield_agrees_with_single_bits(
        commands in prop::collection::vec(prop::collection::vec(field(), 1..6), 1..5),
    ) {
        let (mut world, mut model) = (World::new(true), None::<Vec<bool>>);
        for fields in commands {
            let mut words = vec!["BITFIELD".to_string(), "k".into()];
            words.extend(fields.iter().flat_map(Field::words));
            let reply = run(&mut world, &words);
            let writes = fields.iter().filter(|field| field.verb != "GET");
            if let Some(end) = writes.map(|field| field.offset + field.bits).max() {
                let value = model.get_or_insert_default();
                value.resize(value.len().max(end.next_multiple_of(8)), false);
            }
            let mut none = Vec::new();
            let value = model.as_mut().unwrap_or(&mut none);
            let shown = |n: Option<i128>| n.map_or("_".into(), |n| format!(":{n}"));
            let expected = fields.iter().map(|field| Value::Line(shown(field.run(value)))).collect();
            prop_assert_eq!(reply, Value::Many('*', expected), "{}", words.join(" "));
            prop_assert_eq!(get(&mut world, b"k"), model.as_deref().map(bytes));
        }
    }

    /// The destination may be one of the sources, and a source may be absent.
    #[test]
    fn bitop_agrees_with_single_bits(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..70), 3),
        verb in prop::sample::select(vec!["AND", "OR", "XOR", "NOT"]),
        sources in prop::collection::vec(0usize..4, 1..6),
        destination in 0usize..5,
    ) {
        let mut world = World::new(true);
        let name = |key: usize| format!("k{key}");
        for (key, value) in values.iter().enumerate() {
            world.run(&[b"SET".to_vec(), name(key).into(), value.clone(), b"EX".to_vec(), b"9".to_vec()], NOW);
        }
        let sources = if verb == "NOT" { &sources[..1] } else { &sources[..] };
        let mut words = vec!["BITOP".to_string(), verb.into(), name(destination)];
        words.extend(sources.iter().map(|key| name(*key)));
        let reply = run(&mut world, &words);

        let value = |key: &usize| values.get(*key).map_or(&[][..], |value| value);
        let len = sources.iter().map(|key| value(key).len()).max().unwrap_or(0);
        let bit = |key: &usize, at: usize| value(key).get(at / 8).is_some_and(|b| b >> (7 - at % 8) & 1 == 1);
        let join = |at: usize| match verb {
            "AND" => sources.iter().all(|key| bit(key, at)),
            "OR" => sources.iter().any(|key| bit(key, at)),
            "XOR" => sources.iter().filter(|key| bit(key, at)).count() % 2 == 1,
            _ => !bit(&sources[0], at),
        };
        let expected = bytes(&(0..len * 8).map(join).collect::<Vec<_>>());
        prop_assert_eq!(reply, Value::Line(format!(":{len}")));
        prop_assert_eq!(get(&mut world, name(destination).as_bytes()), (len > 0).then_some(expected));
        let ttl = run(&mut world, &["TTL".into(), name(destination)]);
        prop_assert_eq!(ttl, Value::Line(if len > 0 { ":-1" } else { ":-2" }.into()));
    }
}

/// The bytes of the entry that a command makes, and whether it made one.
fn entry(machine: &mut everstore_shard::Machine, index: u64, words: &[Vec<u8>]) -> Option<usize> {
    let args: Vec<&[u8]> = words.iter().map(|word| &word[..]).collect();
    let run = handler(&String::from_utf8_lossy(args[0]).to_lowercase()).expect("a handler");
    machine.begin(index, NOW);
    machine.execute(run, Keyspace(0), true, &args, &mut Recorder::new(true));
    machine.take_entry().map(|entry| entry.len())
}

/// Neither many steps on a long key nor two far ones make an entry much larger than what they change.
#[test]
fn the_entry_of_a_bitfield_is_bounded_by_what_it_touches() {
    let key = vec![b'k'; 30_000];
    let mut machine = machine();
    let set = [b"SET".to_vec(), key.clone(), vec![0; 200_000]];
    entry(&mut machine, 1, &set).expect("an entry");
    let bitfield = |offsets: &mut dyn Iterator<Item = usize>, value: &str| {
        let mut words = vec![b"BITFIELD".to_vec(), key.clone()];
        for offset in offsets {
            words.extend(["SET", "u8", &format!("#{offset}"), value].map(|word| word.as_bytes().to_vec()));
        }
        words
    };
    let many = entry(&mut machine, 2, &bitfield(&mut (0..200_000).step_by(100), "1")).expect("an entry");
    assert!(many < 300_000, "{many}");
    let far = entry(&mut machine, 3, &bitfield(&mut [0, 199_999].into_iter(), "7")).expect("an entry");
    assert!(far < 2 * key.len() + 200, "{far}");
    assert_eq!(entry(&mut machine, 4, &bitfield(&mut [0, 199_999].into_iter(), "7")), None, "nothing new");
}
