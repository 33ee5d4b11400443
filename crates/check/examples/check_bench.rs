//! How long a history takes: 10^5 operations on 200 keys by 12 clients, 2 % of unknown outcome.
//!
//! `cargo run --release -p everstore-check --example check_bench [OPERATIONS [KEYS [CLIENTS [SPOILED]]]]`
//!
//! SPOILED reads return what the read before them did, which is most often wrong: what a failure costs.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "measures, and takes arguments")]

use std::collections::BTreeMap;
use std::time::Instant;

use check::history::{Bytes, KeyId};
use check::{Action, Bounds, Class, Condition, History, Operation, Outcome, Promise, Reply};
use everstore_check as check;

/// One operation in this many has an unknown outcome.
const UNKNOWN: u64 = 50;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// Which commands a key gets.
fn action(random: &mut Random, key: u64, client: u32, number: u64) -> Action {
    let unique: Bytes = format!("<{client}.{number}>").into_bytes().into();
    let dice = random.below(100);
    match (key % 4, dice) {
        (_, 0..50) => Action::Get,
        (0, _) => Action::IncrBy { by: 1 },
        (1, _) => Action::Append { value: unique },
        (2, _) => Action::set(&unique),
        (_, 50..60) => Action::Set {
            value: unique,
            condition: Condition::Nx,
            get: dice < 55,
            ttl_ms: None,
            keep_ttl: false,
        },
        (_, 60..65) => Action::Del,
        (_, 65..70) => Action::GetSet { value: unique },
        (_, 70..75) => Action::Append { value: unique },
        (_, 75..78) => Action::IncrBy { by: 1 },
        (_, 78..80) => Action::Exists,
        _ => Action::set(&unique),
    }
}

fn execute(content: &mut Option<Vec<u8>>, action: &Action) -> Reply {
    let old = content.as_ref().map_or(Reply::Nil, |bytes| Reply::Value(bytes.as_slice().into()));
    match action {
        Action::Get => old,
        Action::Set { condition: Condition::Nx, get, .. } if content.is_some() => {
            if *get {
                old
            } else {
                Reply::Nil
            }
        }
        Action::Set { value, get, .. } => {
            *content = Some(value.to_vec());
            if *get { old } else { Reply::Ok }
        }
        Action::GetSet { value } => {
            *content = Some(value.to_vec());
            old
        }
        Action::Append { value } => {
            let bytes = content.get_or_insert_default();
            bytes.extend_from_slice(value);
            Reply::Integer(bytes.len() as i64)
        }
        Action::IncrBy { by } => {
            let before =
                content.as_deref().map_or(Some(0), |bytes| std::str::from_utf8(bytes).ok()?.parse().ok());
            let Some(sum) = before.and_then(|number: i64| number.checked_add(*by)) else {
                return Reply::Error;
            };
            *content = Some(sum.to_string().into_bytes());
            Reply::Integer(sum)
        }
        Action::Del => Reply::Integer(i64::from(content.take().is_some())),
        _ => Reply::Integer(i64::from(content.is_some())),
    }
}

/// A history of a store that does everything right.
fn history(operations: u64, keys: u64, clients: u32, spoiled: u64, seed: u64) -> History {
    let mut random = Random(seed);
    let mut history = History::new();
    let ids: Vec<KeyId> = (0..keys).map(|k| history.key(Class::Sync, format!("key{k}").as_bytes())).collect();
    let mut free = vec![0u64; clients as usize];
    // By the moment of execution: key, action, whether it is executed, and its place.
    let mut plan: BTreeMap<(u64, u64), (usize, Operation, bool)> = BTreeMap::new();
    for number in 0..operations {
        let client = random.below(u64::from(clients)) as u32;
        // Half of the operations go to a tenth of the keys.
        let key = if number % 2 == 0 { random.below(keys) } else { random.below(keys.div_ceil(10)) };
        let call = free[client as usize] + random.below(1_000);
        let ret = call + 500 + random.below(10_000);
        free[client as usize] = ret;
        let unknown = random.below(UNKNOWN) == 0;
        let executed = !unknown || random.below(2) == 0;
        let late = if unknown { random.below(1_000_000) } else { 0 };
        let at = call + random.below(ret - call + 1) + late;
        let action = action(&mut random, key, client, number);
        let (key_id, promise) = (ids[key as usize], Promise::Usual);
        let outcome = if unknown { Outcome::Unknown } else { Outcome::NotDone };
        let return_ns = Some(ret);
        let operation = Operation {
            client,
            connection: client,
            call_ns: call,
            return_ns,
            key: key_id,
            promise,
            asynchronous: false,
            action,
            outcome,
        };
        plan.insert((at, number), (key as usize, operation, executed));
    }
    let every = plan.len() as u64 / (spoiled + 1) + 1;
    let mut former = Reply::Nil;
    let mut contents: Vec<Option<Vec<u8>>> = vec![None; keys as usize];
    for (place, (key, mut operation, executed)) in (1..).zip(plan.into_values()) {
        if executed {
            let mut reply = execute(&mut contents[key], &operation.action);
            if operation.action == Action::Get && operation.outcome != Outcome::Unknown {
                let right = std::mem::replace(&mut former, reply.clone());
                reply = if place % every < 2 && place > 2 { right } else { reply };
            }
            if operation.outcome != Outcome::Unknown {
                operation.outcome = Outcome::Done(reply);
            }
        }
        history.push(operation).expect("a valid operation");
    }
    let end = free.into_iter().max().unwrap_or(0) + 1_000_000_000;
    for (key, content) in contents.into_iter().enumerate() {
        let reply = content.map_or(Reply::Nil, |bytes| Reply::Value(bytes.into()));
        let operation = Operation {
            client: clients,
            connection: clients,
            call_ns: end,
            return_ns: Some(end + 1),
            key: ids[key],
            promise: Promise::Final,
            asynchronous: false,
            action: Action::Get,
            outcome: Outcome::Done(reply),
        };
        history.push(operation).expect("a valid operation");
    }
    history
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("a number"));
    let operations = arguments.next().unwrap_or(100_000);
    let keys = arguments.next().unwrap_or(200);
    let clients = arguments.next().unwrap_or(12) as u32;
    let spoiled = arguments.next().unwrap_or(0);
    for seed in 0..5 {
        let history = history(operations, keys, clients, spoiled, seed);
        let start = Instant::now();
        let verdict = check::all(&history, &Bounds::default());
        let took = start.elapsed();
        println!(
            "seed {seed}: {} operations on {} keys in {:.0} ms, {} steps, {} violations, {} undecided",
            verdict.operations,
            verdict.keys,
            took.as_secs_f64() * 1e3,
            verdict.steps,
            verdict.violations.len(),
            verdict.undecided.len()
        );
        for violation in verdict.violations.iter().take(2) {
            println!("{violation}");
        }
        for undecided in verdict.undecided.iter().take(3) {
            println!("{}", undecided.sentence);
        }
    }
}
