//! The hold rule: a reply waits for the highest uncommitted index of anything the command looked at.

use super::resp::Recorder;
use super::script::arguments;
use super::world::machine;
use everstore_shard::Machine;
use everstore_shard::commands::handler;
use everstore_shard::machine::Outcome;
use everstore_shard::table::resolve;
use model::Keyspace;

const NOW: u64 = 1_700_000_000_000;

/// Runs a command line in an entry of its own, which stays uncommitted. Returns the index that the
/// reply waits for.
fn run(machine: &mut Machine, next: &mut u64, line: &str, now: u64) -> u64 {
    outcome(machine, next, line, now).hold
}

fn outcome(machine: &mut Machine, next: &mut u64, line: &str, now: u64) -> Outcome {
    let args = arguments(line, now);
    let args: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
    let name = resolve(args[0], args.get(1).copied()).map_or("move", |spec| spec.name);
    machine.begin(*next, now);
    let run = handler(name).expect("a handler");
    let outcome = machine.execute(run, Keyspace(0), true, &args, &mut Recorder::new(true));
    if machine.take_entry().is_some() {
        *next += 1;
    }
    outcome
}

/// Every command that looks at `k` and at nothing else; without effects.
const ON_K: &[&str] = &[
    "GET k",
    "STRLEN k",
    "GETRANGE k 0 1",
    "SUBSTR k 0 1",
    "MGET other k",
    "EXISTS k",
    "TYPE k",
    "TTL k",
    "PTTL k",
    "EXPIRETIME k",
    "PEXPIRETIME k",
    "TOUCH k",
    "OBJECT ENCODING k",
    "OBJECT IDLETIME k",
    "OBJECT REFCOUNT k",
    "OBJECT FREQ k",
    "MEMORY USAGE k",
    "LCS k other",
    "LCS other k LEN",
    "GETEX k",
    "SETRANGE k 0 \"\"",
    "GETBIT k 1",
    "BITCOUNT k",
    "BITCOUNT k 0 3 BIT",
    "BITPOS k 1",
    "BITFIELD k GET u8 0",
    "BITFIELD_RO k GET u8 0",
    "LLEN k",
    "LRANGE k 0 1",
    "LPOS k x",
    "LPOP k 0",
    "LPUSHX k x",
    "LTRIM k 0 1",
    "SORT k",
    "SORT_RO k GET #",
];
/// Conditions that fail and errors, when `k` is there.
const PRESENT: &[&str] = &[
    "PERSIST k",
    "EXPIRE k 10 XX",
    "SET k 2 NX",
    "SETNX k 2",
    "MSETNX other 1 k 2",
    "INCR k",
    "INCRBYFLOAT k 1",
    "RENAMENX z k",
    "COPY z k",
    "SET k 2 NX GET",
    "APPEND k \"\"",
    "SETRANGE k 500000 x",
    "SETBIT k 1 1",
    "SETBIT k 4000000 1",
    "BITFIELD k SET u8 0 116 INCRBY i5 1 0",
    "BITFIELD k OVERFLOW FAIL INCRBY u8 0 200",
    "BITFIELD k SET u8 #500000 1",
];
/// Conditions that fail and errors, when `k` is absent.
const ABSENT: &[&str] = &[
    "PERSIST k",
    "SET k 2 XX",
    "DEL k",
    "UNLINK k",
    "GETDEL k",
    "RENAME k z2",
    "RENAMENX k z2",
    "COPY k z2",
    "MOVE k 1",
    "EXPIRE k 10",
    "PEXPIREAT k 1",
    "BITOP OR nothing k",
];
/// Commands that look at the whole keyspace.
const WHOLE: &[&str] = &["DBSIZE", "KEYS nothing", "RANDOMKEY", "SCAN 0", "SCAN 0 MATCH nothing"];

#[test]
fn a_reply_waits_for_what_it_rests_on() {
    for (prepare, lines) in [
        (&["SET z 1", "SET k text"][..], [ON_K, PRESENT, WHOLE]),
        (&["SET k text", "SET z 1", "EXPIRE k 100"], [ON_K, WHOLE, WHOLE]),
        (&["SET k text", "SET z 1", "APPEND k more"], [ON_K, PRESENT, WHOLE]),
        (&["SET k text", "SET z 1", "DEL k"], [ON_K, ABSENT, WHOLE]),
        (&["SET k text", "SET z 1", "RENAME k moved"], [ON_K, ABSENT, WHOLE]),
        (&["SET k text", "FLUSHDB"], [ON_K, ABSENT, WHOLE]),
        (&["SET k text", "FLUSHALL"], [ON_K, ABSENT, WHOLE]),
    ] {
        for line in lines.concat() {
            let (mut machine, mut next) = (machine(), 1);
            for line in prepare {
                run(&mut machine, &mut next, line, NOW);
            }
            let last = next - 1;
            assert_eq!(run(&mut machine, &mut next, line, NOW), last, "{line} after {prepare:?}");
            assert_eq!(next, last + 1, "{line} has no effects");
        }
    }
}

#[test]
fn a_reply_waits_for_nothing_else() {
    for line in [ON_K, PRESENT].concat() {
        let (mut machine, mut next) = (machine(), 1);
        run(&mut machine, &mut next, "MSET z 1 k text", NOW);
        run(&mut machine, &mut next, "SET unrelated 1", NOW);
        assert_eq!(run(&mut machine, &mut next, line, NOW), 1, "{line}");
    }
}

/// Commands whose replies tell something of `k`, and that change something.
const CHANGE_BY_K: &[&str] = &[
    "DEL k",
    "UNLINK other k",
    "GETDEL k",
    "GETSET k 2",
    "SET k 2 GET",
    "SET k 2 XX",
    "SET k 2 KEEPTTL",
    "INCR k",
    "DECRBY k 3",
    "INCRBYFLOAT k 1",
    "APPEND k 2",
    "SETRANGE k 0 2",
    "SETRANGE k 3 2",
    "SETBIT k 0 1",
    "BITFIELD k SET u8 0 116",
    "BITOP NOT other k",
    "EXPIRE k 10",
    "PEXPIREAT k 1",
    "GETEX k EX 10",
    "RENAME k other",
    "RENAMENX k other",
    "COPY k other",
    "MOVE k 1",
];

/// An asynchronous connection's write in a synchronous keyspace is answered early only if its reply rests on
/// nothing uncommitted, so the two must be told apart.
#[test]
fn what_a_write_looked_at_is_told_apart_from_its_effects() {
    for line in CHANGE_BY_K {
        let (mut machine, mut next) = (machine(), 1);
        run(&mut machine, &mut next, "SET k 12", NOW);
        run(&mut machine, &mut next, "SET unrelated 1", NOW);
        let outcome = outcome(&mut machine, &mut next, line, NOW);
        assert_eq!((outcome.hold, outcome.looked, outcome.wrote), (3, 1, true), "{line}");
    }
    for line in ["SET k 2", "SETEX k 10 2", "MSET k 1 unrelated 2", "FLUSHDB"] {
        let (mut machine, mut next) = (machine(), 1);
        run(&mut machine, &mut next, "SET k 12", NOW);
        let outcome = outcome(&mut machine, &mut next, line, NOW);
        assert_eq!((outcome.hold, outcome.looked), (2, 0), "{line}");
    }
    for (prepare, line) in [("DEL k", "SETNX k 1"), ("DEL k", "INCR k"), ("FLUSHDB", "SET k 1")] {
        let (mut machine, mut next) = (machine(), 1);
        run(&mut machine, &mut next, "SET k 12", NOW);
        run(&mut machine, &mut next, prepare, NOW);
        let outcome = outcome(&mut machine, &mut next, line, NOW);
        assert_eq!((outcome.hold, outcome.looked), (3, 2), "{line}");
    }
    let (mut machine, mut next) = (machine(), 1);
    run(&mut machine, &mut next, "SET k 1 PX 100", NOW);
    let outcome = outcome(&mut machine, &mut next, "SETNX k 1", NOW + 100);
    assert_eq!((outcome.hold, outcome.looked), (2, 2), "that it has expired is not certain before");
}

/// That a key is gone because of the time must be in the log before anybody hears of it.
#[test]
fn a_reply_that_rests_on_the_time_carries_the_time() {
    let lines = [ON_K, ABSENT, &WHOLE[1..]].concat();
    for line in lines.into_iter().filter(|line| !line.ends_with("nothing")) {
        let (mut machine, mut next) = (machine(), 1);
        run(&mut machine, &mut next, "SET k 1 PX 100", NOW);
        assert_eq!(run(&mut machine, &mut next, line, NOW + 100), 2, "{line}");
        assert_eq!(next, 3, "{line} deletes the key");
    }
}

#[test]
fn looking_into_another_keyspace_waits_for_its_last_flush() {
    for line in ["COPY k k DB 1 REPLACE", "MOVE k 1"] {
        let (mut machine, mut next) = (machine(), 1);
        run(&mut machine, &mut next, "SET k 1", NOW);
        run(&mut machine, &mut next, line, NOW);
        assert_eq!(run(&mut machine, &mut next, "SET k 2", NOW), 3);
        assert_eq!(run(&mut machine, &mut next, "COPY k k DB 1", NOW), 3, "the key there and the one here");
        assert!(machine.space(Keyspace(1)).len() == 1);
    }
}

#[test]
fn scan_and_keys_delete_a_bounded_number_of_expired_keys() {
    for line in ["KEYS *", "SCAN 0 COUNT 100000"] {
        let (mut machine, mut next) = (machine(), 1);
        for i in 0..600 {
            run(&mut machine, &mut next, &format!("SET key:{i} 1 PX 10"), NOW);
        }
        assert_eq!(run(&mut machine, &mut next, line, NOW + 10), 601);
        assert_eq!(machine.space(Keyspace(0)).len(), 600 - 256, "{line}");
    }
}
