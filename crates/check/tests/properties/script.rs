//! Histories in a few words. Times are ms.

use check::history::{Exposure, Failover, KeyId, Loss, LossAccount};
use check::{Action, Bounds, Class, Condition, Event, History, Operation, Outcome, Promise, Reply, Verdict};

use crate::check;

const MS: u64 = 1_000_000;
/// When final reads are made.
const END_MS: u64 = 1_000_000;

pub struct Script {
    pub history: History,
    key: KeyId,
    chosen: bool,
}

pub fn sync() -> Script {
    let mut history = History::new();
    let key = history.key(Class::Sync, b"k");
    Script { history, key, chosen: false }
}

pub fn asynchronous() -> Script {
    let mut history = History::new();
    let key = history.key(Class::Async, b"k");
    Script { history, key, chosen: false }
}

impl Script {
    pub fn key(mut self, class: Class, name: &str) -> Script {
        self.key = self.history.key(class, name.as_bytes());
        self
    }

    /// What follows is of connections that chose asynchronous answers, or is not.
    pub fn chosen(mut self, chosen: bool) -> Script {
        self.chosen = chosen;
        self
    }

    fn push(
        mut self,
        client: u32,
        at: (u64, u64),
        action: Action,
        outcome: Outcome,
        promise: Promise,
    ) -> Script {
        let operation = Operation {
            client,
            connection: client,
            call_ns: at.0 * MS,
            return_ns: Some(at.1 * MS),
            key: self.key,
            promise,
            asynchronous: self.chosen,
            action,
            outcome,
        };
        self.history.push(operation).expect("a valid operation");
        self
    }

    /// Client, call and return, command, reply.
    pub fn done(self, client: u32, from: u64, to: u64, action: Action, reply: Reply) -> Script {
        self.push(client, (from, to), action, Outcome::Done(reply), Promise::Usual)
    }

    pub fn unknown(self, client: u32, from: u64, to: u64, action: Action) -> Script {
        self.push(client, (from, to), action, Outcome::Unknown, Promise::Usual)
    }

    pub fn not_done(self, client: u32, from: u64, to: u64, action: Action) -> Script {
        self.push(client, (from, to), action, Outcome::NotDone, Promise::Usual)
    }

    pub fn set(self, client: u32, from: u64, to: u64, value: &str) -> Script {
        self.done(client, from, to, set(value), Reply::Ok)
    }

    /// `""` is nil.
    pub fn get(self, client: u32, from: u64, to: u64, value: &str) -> Script {
        self.done(client, from, to, Action::Get, reply(value))
    }

    pub fn read_only(self, at: (u64, u64), max_staleness_ms: u64, value: &str) -> Script {
        let promise = Promise::ReadOnly { max_staleness_ns: max_staleness_ms * MS };
        self.push(90, at, Action::Get, Outcome::Done(reply(value)), promise)
    }

    pub fn last(self, value: &str) -> Script {
        self.push(99, (END_MS, END_MS + 1), Action::Get, Outcome::Done(reply(value)), Promise::Final)
    }

    /// Bytes and entries are stated alike.
    pub fn failover(mut self, at: u64, entries: u64, bytes: u64, ms: u64) -> Script {
        let exposure = Exposure { entries, bytes, ms };
        let event = Event::Failover(Failover { at_ns: at * MS, exposure });
        self.history.push_event(event).expect("a valid event");
        self
    }

    pub fn account(mut self, failover: u64, values: &[&str]) -> Script {
        let loss = |value: &&str| Loss { key: self.key, value: Some(value.as_bytes().into()) };
        let losses = values.iter().map(loss).collect();
        let event = Event::LossAccount(LossAccount { failover_ns: failover * MS, losses });
        self.history.push_event(event).expect("a valid event");
        self
    }

    pub fn verdict(&self) -> Verdict {
        check::all(&self.history, &Bounds { expiry_slack_ns: 10 * MS, ..Bounds::default() })
    }

    #[track_caller]
    pub fn passes(self) {
        let verdict = self.verdict();
        assert!(verdict.passed(), "{verdict:#?}");
    }

    /// Fails in this property; the sentences and details have all these words.
    #[track_caller]
    pub fn fails(self, property: &str, words: &[&str]) {
        let verdict = self.verdict();
        assert_eq!(verdict, self.verdict(), "the same history, the same verdict");
        let found: Vec<String> = verdict
            .violations
            .iter()
            .filter(|violation| violation.property == property)
            .map(ToString::to_string)
            .collect();
        assert!(!found.is_empty(), "{property} found nothing: {verdict:#?}");
        let text = found.join("\n");
        assert!(words.iter().all(|word| text.contains(word)), "{words:?} in\n{text}");
    }
}

pub fn reply(value: &str) -> Reply {
    if value.is_empty() { Reply::Nil } else { Reply::Value(value.as_bytes().into()) }
}

pub fn set(value: &str) -> Action {
    Action::set(value.as_bytes())
}

pub fn set_if(value: &str, condition: Condition, get: bool) -> Action {
    Action::Set { value: value.as_bytes().into(), condition, get, ttl_ms: None, keep_ttl: false }
}

pub fn set_for(value: &str, ttl_ms: u64) -> Action {
    let (value, ttl_ms) = (value.as_bytes().into(), Some(ttl_ms));
    Action::Set { value, condition: Condition::None, get: false, ttl_ms, keep_ttl: false }
}

pub fn append(token: &str) -> Action {
    Action::Append { value: token.as_bytes().into() }
}

pub const INCR: Action = Action::IncrBy { by: 1 };

pub fn number(number: i64) -> Reply {
    Reply::Integer(number)
}
