//! The commands against golden scripts, against a real Redis, and against the rules of replication:
//! whatever is executed can be taken back, and its effects say all of it.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "reads golden files and starts a real Redis beside the machine"
)]

#[path = "commands/bits_model.rs"]
mod bits_model;
#[path = "commands/elements_model.rs"]
mod elements_model;
#[path = "commands/hold.rs"]
mod hold;
#[path = "commands/lists_model.rs"]
mod lists_model;
#[path = "commands/random.rs"]
mod random;
#[path = "commands/redis.rs"]
mod redis;
#[path = "commands/resp.rs"]
mod resp;
#[path = "commands/script.rs"]
mod script;
#[path = "commands/sort_model.rs"]
mod sort_model;
#[path = "commands/sorted_sets_model.rs"]
mod sorted_sets_model;
#[path = "commands/streams_model.rs"]
mod streams_model;
#[path = "commands/value.rs"]
mod value;
#[path = "commands/world.rs"]
mod world;

use everstore_shard::collection::Limits;
use everstore_shard::table::{self, Route};
use model::Keyspace;
use model::slot::slot_of;
use random::Random;
use redis::Redis;
use script::{Script, Step, arguments, line_of};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};
use value::Value;
use world::{World, shown};

/// Time at which golden scripts start, ms.
const START: u64 = 1_700_000_000_000;
/// Limits that a few elements exceed.
const FEW: Limits = Limits {
    hash_entries: 4,
    hash_value: 20,
    sorted_set_entries: 4,
    sorted_set_value: 20,
    integer_set_entries: 4,
    set_entries: 4,
    set_value: 20,
    list_entries: 4,
    list_bytes: 100,
    stream_entries: 4,
    stream_bytes: 300,
};
/// Set to anything: the scripts get the replies as they are now.
const UPDATE: &str = "UPDATE_SCRIPTS";
/// Time that may pass between the executions of a command here and there, ms or (generously) s.
const SLACK: u64 = 3_000;

fn scripts() -> Vec<Script> {
    // Of the clone that runs them: the test may have been built in another one.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    Script::all(&Path::new(&here).join("tests/scripts"))
}

#[test]
fn arguments_come_back_from_their_line() {
    for args in [vec!["SET", "a", ""], vec!["x", "{ms+5}", "a b", "\"\\\r\n", "\u{e9}", "plain"]] {
        let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        assert_eq!(arguments(&line_of(&args), START), args);
    }
}

#[test]
fn golden_scripts_answer_as_before() {
    let mut wrong = Vec::new();
    for mut script in scripts() {
        let before = script.render();
        let (mut world, mut now) = (World::new(true), START);
        for step in &mut script.steps {
            match step {
                Step::Text(_) => {}
                Step::Wait(ms) => now += *ms,
                Step::Command { marks, line, reply } => {
                    let value = world.run(&arguments(line, now), now);
                    *reply = if marks.contains('s') { value.sorted() } else { value }.render();
                }
            }
        }
        let after = script.render();
        if after == before {
            continue;
        }
        if std::env::var_os(UPDATE).is_some() {
            std::fs::write(&script.path, after).expect("a writable script");
        } else {
            let line = before.lines().zip(after.lines()).position(|(a, b)| a != b).unwrap_or(0);
            let at = |text: &str| text.lines().nth(line).unwrap_or_default().to_string();
            wrong.push(format!("{}:{}: {} -> {}", script.name(), line + 1, at(&before), at(&after)));
        }
    }
    assert!(wrong.is_empty(), "run with {UPDATE}=1 if this is right:\n{}", wrong.join("\n"));
}

#[test]
fn every_data_command_is_in_a_script() {
    let inner = |c: &'static table::Spec| std::iter::once(c).chain(c.subcommands).chain(c.keyed);
    let specs = table::commands().iter().flat_map(inner);
    let elsewhere = |route| matches!(route, Route::Front | Route::Transaction | Route::Wait);
    let mut missing: BTreeSet<&str> = specs.filter(|s| !elsewhere(s.route)).map(|s| s.name).collect();
    for step in scripts().iter().flat_map(|script| &script.steps) {
        if let Step::Command { line, .. } = step {
            let args = arguments(line, START);
            if let Ok(spec) = table::resolve(&args[0], args.get(1).map(|arg| &arg[..])) {
                missing.remove(spec.name);
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

/// [`World::run`] checks each command; here the time goes on as well, so that keys expire. Every other time
/// collections change their form early.
#[test]
fn random_commands_can_be_taken_back_and_are_complete() {
    for seed in 1..=4 {
        let (mut world, mut random, mut now) = (World::new(true), Random::new(seed), START);
        if seed % 2 == 0 {
            world.set_limits(FEW);
        }
        for step in 0..3_000 {
            now += if step % 50 == 0 { 60_000 } else { 7 };
            let command = random.command(now);
            world.run(&command, now);
        }
    }
}

fn wall() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("a clock after 1970").as_millis() as u64
}

/// The text of this error names our limit.
const TOO_LARGE: &str = "-ERR string exceeds maximum allowed size";

fn too_large(value: &Value) -> bool {
    matches!(value, Value::Line(line) if line.starts_with(TOO_LARGE))
}

/// Forms of strings: Redis tells of their past as well.
fn form_of_string(value: &Value) -> bool {
    ["int", "embstr", "raw"].iter().any(|form| *value == Value::Bulk(form.as_bytes().to_vec()))
}

fn same(marks: &str, ours: &Value, theirs: &Value) -> bool {
    match () {
        () if too_large(theirs) => too_large(ours),
        () if marks.contains('f') && form_of_string(theirs) => form_of_string(ours),
        () if marks.contains('s') => ours.clone().sorted() == theirs.clone().sorted(),
        () if marks.contains('~') => ours.near(theirs, SLACK),
        () => ours == theirs,
    }
}

#[test]
#[ignore = "needs redis-server 7.0; run it after every change of a script or a handler"]
fn golden_scripts_answer_as_redis_does() {
    let (mut redis, mut wrong) = (Redis::start(), Vec::new());
    for script in scripts() {
        for resp3 in [false, true] {
            redis.reset(resp3);
            let mut world = World::new(resp3);
            for step in &script.steps {
                match step {
                    Step::Text(_) => {}
                    Step::Wait(ms) => std::thread::sleep(Duration::from_millis(*ms)),
                    Step::Command { marks, line, .. } if marks.contains('!') => {
                        world.run(&arguments(line, wall()), wall());
                    }
                    Step::Command { marks, line, .. } => {
                        let args = arguments(line, wall());
                        let (theirs, ours) = (redis.run(&args), world.run(&args, wall()));
                        if !same(marks, &ours, &theirs) {
                            let (ours, theirs) = (ours.render(), theirs.render());
                            wrong.push(format!("{}: {line}\n  {ours:?}\n  {theirs:?}", script.name()));
                        }
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "ours, then Redis's:\n{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs redis-server 7.0; run it after every change of a handler"]
fn random_commands_answer_as_redis_does() {
    let (mut redis, mut wrong) = (Redis::start(), BTreeSet::new());
    for seed in 1..=10u64 {
        redis.reset(seed % 2 == 0);
        let mut world = World::new(seed % 2 == 0);
        let mut random = Random::new(seed);
        for _ in 0..5_000 {
            let args = random.command(wall());
            let (theirs, ours) = (redis.run(&args), world.run(&args, wall()));
            let name = String::from_utf8_lossy(&args[0]).into_owned();
            let marks = match name.as_str() {
                "KEYS" | "SCAN" | "HGETALL" | "HKEYS" | "HVALS" | "HRANDFIELD" | "HSCAN" | "SMEMBERS"
                | "SUNION" | "SINTER" | "SDIFF" | "SRANDMEMBER" | "SPOP" | "SSCAN" | "ZRANDMEMBER"
                | "ZSCAN" => "s",
                "TTL" | "PTTL" | "EXPIRETIME" | "PEXPIRETIME" => "~",
                "OBJECT" => "f",
                _ => "",
            };
            if !same(marks, &ours, &theirs) {
                let args: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
                let (ours, theirs) = (ours.render(), theirs.render());
                wrong.insert(format!("{}\n  {ours:?}\n  {theirs:?}", shown(&args)));
                break;
            }
        }
    }
    let wrong: Vec<_> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "ours, then Redis's:\n{}", wrong.join("\n"));
}

/// After a split the shard with the other slots has the row as well, and may have the chunks removed.
#[test]
fn an_upload_for_a_slot_that_is_another_shards_by_now_is_unknown() {
    let mut world = World::new(false);
    let run = |world: &mut World, line: &str| {
        world.run(&line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>(), START)
    };
    world.leader.set_spread(Keyspace(0), true);
    let Value::Many(_, begun) = run(&mut world, "LARGE BEGIN k 10") else { panic!("an upload") };
    let Value::Bulk(id) = &begun[0] else { panic!("its id") };
    let (id, slot) = (String::from_utf8_lossy(id).into_owned(), slot_of(b"k"));
    let commit = |key: &str| format!("LARGE COMMIT {key} {id} 0 00000000");
    let unknown =
        |value: Value| matches!(value, Value::Line(line) if line.starts_with("-ERR there is no upload"));
    world.leader.set_slots((0, slot - 1));
    assert!(unknown(run(&mut world, &format!("LARGE RENEW k {id} 20"))));
    // Also for a key that has stayed.
    assert!(unknown(run(&mut world, &commit("other"))));
    assert_eq!(run(&mut world, &format!("LARGE ABORT k {id}")), Value::Line(":0".to_owned()));
    world.leader.set_slots((slot, slot));
    assert_eq!(run(&mut world, &commit("k")), Value::Line("+OK".to_owned()));
}
