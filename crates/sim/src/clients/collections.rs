//! What clients do with collections and transactions: lists and sorted sets as queues, collections that expire,
//! accounts between which amounts are moved, values that are replaced only as they were seen.

use super::command::{Command, Next, Role};
use super::handled::{Form, Handled};
use super::reply::Wire;
use super::workload::{Maker, SINGLE};
use check::items::{Deed, Item, Order};
use check::{Action, Condition};

/// Accounts of a set.
const ACCOUNTS: u64 = 3;
/// Longest time that a command waits, ms: well below the patience of its client.
const MAX_WAIT_MS: u64 = 3000;

/// In which order items leave a place.
pub fn order_of(place: &str) -> Order {
    match bare(place) {
        place if place.starts_with("queue") => Order::Came,
        place if place.starts_with("rank") => Order::Scores,
        _ => Order::Any,
    }
}

/// A name without what says that it is of the keyspace of layout single.
fn bare(name: &str) -> &str {
    name.strip_prefix("one:").unwrap_or(name)
}

fn words(text: &str) -> Vec<Vec<u8>> {
    text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// Shows all items of a place.
pub fn look(place: &str) -> Command {
    let text = match bare(place) {
        name if name.starts_with("queue") || name.starts_with("fadelist") => format!("LRANGE {place} 0 -1"),
        name if name.starts_with("rank") || name.starts_with("fadezset") => format!("ZRANGE {place} 0 -1"),
        name if name.starts_with("fadehash") => format!("HKEYS {place}"),
        _ => format!("SMEMBERS {place}"),
    };
    let deed = Deed::Look { place: place.to_owned() };
    Command::handling(words(&text), Handled { deed, form: Form::Values })
}

/// Whether the accounts of a set are keys of their own, or else fields of one.
fn are_keys(set: &str) -> bool {
    bare(set).trim_start_matches("exposed").starts_with("bank")
}

/// Shows all accounts of a set.
pub fn balance(set: &str) -> Command {
    let shown = match are_keys(set) {
        true => Command::mget((0..ACCOUNTS).map(|number| account(set, number)).collect()),
        false => Command::noise(&format!("HMGET {set} 0 1 2")),
    };
    Command { bank: Some(set.to_owned()), ..shown }
}

fn account(set: &str, number: u64) -> String {
    format!("{set}:{number}")
}

fn take(text: &str, from: &[&str], form: Form, most: u64, wait_ms: Option<u64>) -> Command {
    let from = from.iter().map(|place| (*place).to_owned()).collect();
    Command::handling(words(text), Handled { deed: Deed::Take { from, into: None, most, wait_ms }, form })
}

fn shift(text: &str, from: &str, into: &str, wait_ms: Option<u64>) -> Command {
    let deed = Deed::Take { from: vec![from.to_owned()], into: Some(into.to_owned()), most: 1, wait_ms };
    Command::handling(words(text), Handled { deed, form: Form::Value }).with_role(Role::Asks)
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

impl Maker {
    /// What names have in common that a command may name together: few of them, so that clients meet.
    pub(super) fn tag(&mut self, now_ns: u64) -> String {
        format!("{}.{}", self.age(now_ns), self.rng.below(self.keys / 3 + 1))
    }

    /// A key. Those with the same tag hash to the same slot, or are in a keyspace of layout single.
    pub(super) fn name(&self, kind: &str, tag: &str) -> String {
        if self.home == SINGLE { format!("one:{kind}{tag}") } else { format!("{kind}{{{tag}}}") }
    }

    /// Whether a name is of the keyspace of its connection.
    pub(super) fn is_home(&self, name: &str) -> bool {
        name.starts_with("one:") == (self.home == SINGLE)
    }

    /// Items that nobody else puts anywhere: few, or so many that a small collection does not hold them.
    fn items(&mut self, scores: u64) -> Vec<Item> {
        let count = if self.rng.chance(1, 10) { 12 } else { 1 + self.rng.below(3) };
        let longest = self.longest.min(80);
        (0..count)
            .map(|_| {
                self.made += 1;
                let mut bytes = format!("<{}.{}>", self.client, self.made).into_bytes();
                bytes.resize(bytes.len() + self.rng.below(longest) as usize, b'x');
                Item { bytes: bytes.into(), score: self.rng.below(scores) as i64 }
            })
            .collect()
    }

    fn put(&mut self, place: &str, scores: u64) -> Command {
        let items = self.items(scores);
        let (word, scored, valued) = match bare(place) {
            name if name.starts_with("queue") || name.starts_with("fadelist") => ("RPUSH", false, false),
            name if name.starts_with("rank") || name.starts_with("fadezset") => ("ZADD", true, false),
            name if name.starts_with("fadehash") => ("HSET", false, true),
            _ => ("SADD", false, false),
        };
        let mut args = words(&format!("{word} {place}"));
        for item in &items {
            args.extend(scored.then(|| item.score.to_string().into_bytes()));
            args.push(item.bytes.to_vec());
            args.extend(valued.then(|| b"value".to_vec()));
        }
        let deed = Deed::Put { place: place.to_owned(), items };
        Command::handling(args, Handled { deed, form: Form::Count })
    }

    /// Time to wait, ms, 1 at least: 0 is for ever.
    fn wait_ms(&mut self) -> u64 {
        let most = [60, 400, MAX_WAIT_MS][self.rng.below(3) as usize];
        1 + self.rng.below(most)
    }

    /// The next command on queues.
    pub(super) fn queue(&mut self, now_ns: u64) -> Command {
        let tag = self.tag(now_ns);
        let (q, r) = (self.name("queueq", &tag), self.name("queuer", &tag));
        let (w, wait) = (self.name("queuew", &tag), self.wait_ms());
        let timeout = seconds(wait);
        match self.rng.below(16) {
            0..5 => self.put(&q, 1),
            5 => self.put(&r, 1),
            6 => take(&format!("LPOP {q}"), &[&q], Form::Value, 1, None),
            7 => take(&format!("LPOP {q} 3"), &[&q], Form::Values, 3, None),
            8 => take(&format!("LMPOP 2 {q} {r} LEFT COUNT 2"), &[&q, &r], Form::KeyAndValues, 2, None),
            9 | 10 => take(&format!("BLPOP {q} {timeout}"), &[&q], Form::KeyAndValue, 1, Some(wait)),
            11 => take(&format!("BLPOP {r} {q} {timeout}"), &[&r, &q], Form::KeyAndValue, 1, Some(wait)),
            12 => {
                let text = format!("BLMPOP {timeout} 2 {r} {q} LEFT COUNT 2");
                take(&text, &[&r, &q], Form::KeyAndValues, 2, Some(wait))
            }
            13 => shift(&format!("LMOVE {q} {w} LEFT RIGHT"), &q, &w, None),
            14 => shift(&format!("BLMOVE {q} {w} LEFT RIGHT {timeout}"), &q, &w, Some(wait)),
            _ => look([&q, &r, &w][self.rng.below(3) as usize]),
        }
    }

    /// The next command on queues with priorities.
    pub(super) fn rank(&mut self, now_ns: u64) -> Command {
        let tag = self.tag(now_ns);
        let (z, y, wait) = (self.name("rankz", &tag), self.name("ranky", &tag), self.wait_ms());
        let timeout = seconds(wait);
        match self.rng.below(12) {
            0..4 => self.put(&z, 5),
            4 => self.put(&y, 5),
            5 => take(&format!("ZPOPMIN {z}"), &[&z], Form::Scored, 1, None),
            6 => take(&format!("ZPOPMIN {z} 3"), &[&z], Form::Scored, 3, None),
            7 => take(&format!("ZMPOP 2 {y} {z} MIN COUNT 2"), &[&y, &z], Form::KeyAndScored, 2, None),
            8 => take(&format!("BZPOPMIN {z} {timeout}"), &[&z], Form::KeyAndValue, 1, Some(wait)),
            9 => take(&format!("BZPOPMIN {y} {z} {timeout}"), &[&y, &z], Form::KeyAndValue, 1, Some(wait)),
            10 => {
                let text = format!("BZMPOP {timeout} 2 {y} {z} MIN COUNT 2");
                take(&text, &[&y, &z], Form::KeyAndScored, 2, Some(wait))
            }
            _ => look([&z, &y][self.rng.below(2) as usize]),
        }
    }

    /// The next command on collections that expire.
    pub(super) fn fade(&mut self, now_ns: u64) -> Command {
        let kind = ["fadelist", "fadehash", "fadezset", "fadeset"][self.rng.below(4) as usize];
        let tag = self.tag(now_ns);
        let place = self.name(kind, &tag);
        match self.rng.below(8) {
            0..4 => self.put(&place, 5),
            4 => {
                // Only if it has none: so nothing that was put before lives longer than this.
                let longest = [100, 1000, 2500][self.rng.below(3) as usize];
                let ttl_ms = 1 + self.rng.below(longest);
                let text = format!("PEXPIRE {place} {ttl_ms} NX");
                Command::handling(
                    words(&text),
                    Handled { deed: Deed::Expire { place, ttl_ms }, form: Form::Count },
                )
            }
            _ => look(&place),
        }
    }

    /// An amount goes from one account to another, or somebody looks at all of them.
    /// In an asynchronous keyspace what each account holds is not checked by itself: a failover may take what
    /// was acknowledged.
    pub(super) fn transfer(&mut self, kinds: [&str; 2], now_ns: u64) -> Vec<Command> {
        let tag = self.tag(now_ns);
        let kind = kinds[self.rng.below(2) as usize];
        let set = self.name(kind, &tag);
        let (keys, loose) = (are_keys(&set), set.starts_with("exposed"));
        let unchecked = |command: Command| match loose {
            true => Command { parts: Vec::new(), ..command },
            false => command,
        };
        let all = unchecked(balance(&set));
        match self.rng.below(8) {
            0 => return vec![all],
            1 if keys => {
                let get = |number| unchecked(Command::of(account(&set, number), Action::Get));
                let gets = (0..ACCOUNTS).map(get);
                return Command::transaction(gets.collect(), Some(set));
            }
            _ => {}
        }
        let from = self.rng.below(ACCOUNTS);
        let to = (from + 1 + self.rng.below(ACCOUNTS - 1)) % ACCOUNTS;
        let by = [1, 2, 5][self.rng.below(3) as usize];
        let add = |number: u64, by: i64| match keys {
            true => unchecked(Command::of(account(&set, number), Action::IncrBy { by })),
            false => Command::noise(&format!("HINCRBY {set} {number} {by}")),
        };
        let show = Command { parts: Vec::new(), ..all };
        Command::transaction(vec![add(from, -by), add(to, by), show], Some(set.clone()))
    }

    /// A value is looked at, and replaced only if it is as it was seen: see [`Maker::follow`].
    pub(super) fn swap(&mut self, now_ns: u64) -> Vec<Command> {
        let tag = self.tag(now_ns);
        let key = self.name("swap", &tag);
        let get = Command::of(key.clone(), Action::Get);
        if self.rng.chance(1, 6) {
            return vec![get];
        }
        let watch = Command::noise(&format!("WATCH {key}")).with_role(Role::Watches);
        vec![watch, get.with_role(Role::Asks)]
    }

    /// What is asked after the answer to a command with [`Role::Asks`]; `watched`: what it looked at is watched.
    pub(super) fn follow(&mut self, asked: &Command, wire: &Wire, watched: bool) -> Vec<Command> {
        self.made += 1;
        match &asked.next {
            None => {}
            Some(Next::Learn) => {
                self.follower.learn(asked, wire);
                return Vec::new();
            }
            Some(Next::Make(hoard)) => return self.make_hoard(hoard, wire, watched),
            Some(Next::Restore { source, target }) => {
                return self.restore_hoard(source, target, wire, watched);
            }
            Some(Next::Upload(uploading)) => return self.upload_on((**uploading).clone(), wire),
        }
        let Wire::Bulk(seen) = wire else { return Vec::new() };
        if let Some(Handled { deed: Deed::Take { into: Some(place), .. }, .. }) = &asked.handled {
            // The item is worked on, and done.
            let Some(item) = seen.clone() else { return Vec::new() };
            let args = [words(&format!("LREM {place} 0")), vec![item.to_vec()]].concat();
            let deed = Deed::Remove { place: place.clone(), item };
            return vec![Command::handling(args, Handled { deed, form: Form::Count })];
        }
        let Some((key, _)) = asked.parts.first().filter(|_| watched) else { return Vec::new() };
        let (key, unique) = (key.clone(), format!("{}.{}", self.client, self.made));
        let Some(from) = seen.clone() else {
            let value = format!("0.{unique}").into_bytes().into();
            let set =
                Action::Set { value, condition: Condition::Nx, get: false, ttl_ms: None, keep_ttl: false };
            return vec![Command::of(key, set), Command::noise("UNWATCH")];
        };
        let number = String::from_utf8_lossy(&from).split('.').next().and_then(|n| n.parse::<u64>().ok());
        let value = format!("{}.{unique}", number.unwrap_or(0) + 1).into_bytes().into();
        Command::transaction(vec![Command::of(key, Action::Replace { from, value })], None)
    }
}
