//! What one operation does to a key, and whether its reply fits.

use super::values::{ValueId, Values, integer};
use super::{Item, Rules};
use crate::history::{Action, Condition, Reply};

const NONE: u32 = u32::MAX;
const NS_PER_MS: u64 = 1_000_000;

/// What a key holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct State {
    /// The value; `NONE` if absent.
    pub value: ValueId,
    /// The item that set the deadline; `NONE` if it never expires. Always `NONE` if absent.
    pub deadline: u32,
}

impl State {
    pub const ABSENT: State = State { value: NONE, deadline: NONE };

    pub fn present(self) -> bool {
        self.value != NONE
    }

    pub fn expires(self) -> bool {
        self.deadline != NONE
    }
}

pub(crate) struct Model<'a> {
    items: &'a [Item<'a>],
    rules: Rules,
    pub values: Values,
    /// The value each item writes or appends; `NONE` for the rest.
    arguments: Vec<ValueId>,
}

impl<'a> Model<'a> {
    pub fn new(items: &'a [Item<'a>], rules: Rules) -> Model<'a> {
        let mut values = Values::default();
        let argument = |item: &Item<'_>| match &item.op.action {
            Action::Set { value, .. }
            | Action::GetSet { value }
            | Action::Append { value }
            | Action::Replace { value, .. } => values.intern(value),
            _ => NONE,
        };
        let arguments = items.iter().map(argument).collect();
        Model { items, rules, values, arguments }
    }

    /// Whether a state with a deadline may still be seen by what is executed at `from` or later, ns.
    pub fn visible(&self, state: State, from: u64) -> bool {
        let Some((setter, ttl)) = self.deadline(state) else { return true };
        from <= setter.ret.saturating_add(ttl).saturating_add(self.rules.slack_ns)
    }

    /// Whether a state may end by itself at some time.
    pub fn ever_expires(&self, state: State) -> bool {
        state.expires() || self.rules.evicted && state.present()
    }

    /// Whether keys are evicted at any time.
    pub fn evicts(&self) -> bool {
        self.rules.evicted
    }

    /// Whether a state may have ended by itself by `until`, ns.
    pub fn may_expire(&self, state: State, until: u64) -> bool {
        self.rules.evicted && state.present() || self.may_be_due(state, until)
    }

    /// Whether a state with a deadline may have expired by `until`, ns.
    fn may_be_due(&self, state: State, until: u64) -> bool {
        let Some((setter, ttl)) = self.deadline(state) else { return false };
        until >= setter.call.saturating_add(ttl).saturating_sub(self.rules.slack_ns)
    }

    fn deadline(&self, state: State) -> Option<(&Item<'a>, u64)> {
        if !state.expires() {
            return None;
        }
        let setter = &self.items[state.deadline as usize];
        let ms = match &setter.op.action {
            Action::Set { ttl_ms, .. } => ttl_ms.unwrap_or(0),
            Action::Expire { ttl_ms } => u64::try_from(*ttl_ms).unwrap_or(0),
            _ => 0,
        };
        Some((setter, ms.saturating_mul(NS_PER_MS)))
    }

    /// The state after item `at`; none if its reply does not fit to `state`.
    pub fn step(&mut self, state: State, at: u32) -> Option<State> {
        let Item { op, reply, ordered, ret, .. } = self.items[at as usize];
        // A follower judges by its own clock whether a key has expired, and leaves it to its leader, whose clock
        // may be behind: what is gone for the one may be there for the other.
        if !ordered && self.may_be_due(state, ret) && self.step(State::ABSENT, at).is_some() {
            return Some(state);
        }
        let argument = self.arguments[at as usize];
        match &op.action {
            Action::Get => self.gives(reply, state).then_some(state),
            Action::Set { condition, get, ttl_ms, keep_ttl, .. } => {
                let refused = match condition {
                    Condition::None => false,
                    Condition::Nx => state.present(),
                    Condition::Xx => !state.present(),
                };
                let fits = match (get, refused) {
                    (true, _) => self.gives(reply, state),
                    (false, true) => is(reply, &Reply::Nil),
                    (false, false) => is(reply, &Reply::Ok),
                };
                let deadline = match (ttl_ms, keep_ttl) {
                    (Some(_), _) => at,
                    (None, true) => state.deadline,
                    (None, false) => NONE,
                };
                fits.then_some(if refused { state } else { State { value: argument, deadline } })
            }
            Action::GetSet { .. } => {
                self.gives(reply, state).then_some(State { value: argument, deadline: NONE })
            }
            Action::GetDel => self.gives(reply, state).then_some(State::ABSENT),
            Action::Del => counts(reply, state.present()).then_some(State::ABSENT),
            Action::Exists => counts(reply, state.present()).then_some(state),
            Action::StrLen => is(reply, &Reply::Integer(self.len(state) as i64)).then_some(state),
            Action::Append { .. } => self.append(state, argument, reply),
            Action::IncrBy { by } => self.add(state, *by, reply),
            Action::Expire { ttl_ms } => {
                let after = match (state.present(), *ttl_ms > 0) {
                    (true, true) => State { deadline: at, ..state },
                    (true, false) => State::ABSENT,
                    (false, _) => state,
                };
                counts(reply, state.present()).then_some(after)
            }
            Action::Replace { from, .. } => match reply {
                // It may refuse whatever was there.
                Some(Reply::Nil) => Some(state),
                Some(Reply::Ok) | None if state.present() && *self.values.bytes(state.value) == **from => {
                    Some(State { value: argument, deadline: NONE })
                }
                _ => None,
            },
            Action::Persist => counts(reply, state.expires()).then_some(State { deadline: NONE, ..state }),
        }
    }

    fn append(&mut self, state: State, token: ValueId, reply: Option<&Reply>) -> Option<State> {
        let len = self.len(state) + self.values.len(token);
        if !is(reply, &Reply::Integer(len as i64)) {
            return None;
        }
        let value = if state.present() { self.values.append(state.value, token) } else { token };
        Some(State { value, ..state })
    }

    fn add(&mut self, state: State, by: i64, reply: Option<&Reply>) -> Option<State> {
        let before = self.number(state);
        match before.and_then(|before| before.checked_add(by)) {
            None => is(reply, &Reply::Error).then_some(state),
            Some(sum) if is(reply, &Reply::Integer(sum)) => {
                Some(State { value: self.values.intern(sum.to_string().as_bytes()), ..state })
            }
            Some(_) => None,
        }
    }

    /// What is added to, if the state is a number.
    pub fn number(&self, state: State) -> Option<i64> {
        if state.present() { self.values.integer(state.value) } else { Some(0) }
    }

    pub fn len(&self, state: State) -> usize {
        if state.present() { self.values.len(state.value) } else { 0 }
    }

    /// Whether the reply is the value of the state.
    fn gives(&self, reply: Option<&Reply>, state: State) -> bool {
        match reply {
            None => true,
            Some(Reply::Nil) => !state.present(),
            Some(Reply::Value(value)) => state.present() && *self.values.bytes(state.value) == **value,
            Some(_) => false,
        }
    }

    /// Whether appending item `at` might lead to a state that fits to one of `heads`; true if it does not
    /// append, and in doubt. Spares making a long value for each that might have been appended.
    pub fn might_append(&self, state: State, at: u32, heads: &[(u32, u32)], kinds: Kinds) -> bool {
        let Action::Append { value: token } = &self.items[at as usize].op.action else { return true };
        if !state.present() || kinds.adds() || kinds.other {
            return true;
        }
        let base = self.values.bytes(state.value);
        let len = base.len() + token.len();
        heads.iter().any(|(_, head)| {
            let Item { op, reply, .. } = &self.items[*head as usize];
            match (&op.action, reply) {
                (_, Some(Reply::Value(value))) => {
                    value.len() >= len && value[base.len()..].starts_with(token) && value.starts_with(base)
                }
                (Action::Append { .. } | Action::StrLen, Some(Reply::Integer(reply))) => *reply >= len as i64,
                _ => true,
            }
        })
    }

    /// Whether operations of unknown outcome that do not overwrite might lead from `state` to one that fits
    /// to item `at`. True in doubt.
    pub fn might_lead(&self, state: State, at: u32, kinds: Kinds) -> bool {
        if kinds.other {
            return true;
        }
        if !state.present() {
            return kinds.append || kinds.adds() || kinds.nx;
        }
        let Item { op, reply, .. } = &self.items[at as usize];
        match (&op.action, reply) {
            (_, Some(Reply::Value(value))) => {
                let adds = kinds.adds() && self.number(state).is_some();
                self.might_reach(state, integer(value), kinds)
                    || kinds.append && (adds || value.starts_with(self.values.bytes(state.value)))
            }
            (Action::IncrBy { by }, Some(Reply::Integer(sum))) => {
                kinds.append || self.might_reach(state, sum.checked_sub(*by), kinds)
            }
            (Action::IncrBy { .. }, _) => kinds.append || kinds.adds(),
            (Action::Append { .. } | Action::StrLen, Some(Reply::Integer(len))) => {
                kinds.adds() || kinds.append && self.len(state) as i64 <= *len
            }
            _ => false,
        }
    }

    /// Whether adding might lead from the number that `state` is to `target`.
    fn might_reach(&self, state: State, target: Option<i64>, kinds: Kinds) -> bool {
        match (self.values.integer(state.value), target) {
            (Some(from), Some(to)) => from <= to && kinds.up || from >= to && kinds.down,
            _ => false,
        }
    }
}

/// Kinds of operations of unknown outcome that may still be executed and that keep something of the state.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Kinds {
    pub append: bool,
    /// Adds 0 (which makes an absent key 0) or more.
    pub up: bool,
    /// Adds less than 0.
    pub down: bool,
    /// Set if absent.
    pub nx: bool,
    /// Set if there, or about deadlines.
    pub other: bool,
}

impl Kinds {
    fn adds(self) -> bool {
        self.up || self.down
    }
}

fn is(reply: Option<&Reply>, expected: &Reply) -> bool {
    reply.is_none_or(|reply| reply == expected)
}

fn counts(reply: Option<&Reply>, yes: bool) -> bool {
    is(reply, &Reply::Integer(i64::from(yes)))
}
