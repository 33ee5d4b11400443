//! An operation as the search sees it.

use crate::history::{Action, Condition, Operation, Outcome, Promise, Reply};

/// An operation that was, or may have been, executed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    /// What the client recorded.
    pub op: &'a Operation,
    /// It is not executed before, ns.
    pub call: u64,
    /// It is not executed after, ns; `u64::MAX` if it may be executed at any later time or never.
    pub ret: u64,
    /// The reply it gave; none if it may have been executed or not, with any reply.
    pub reply: Option<&'a Reply>,
    /// It takes effect in the order of its connection.
    pub ordered: bool,
}

impl<'a> Item<'a> {
    /// None if the operation says nothing: not executed, or a read without a reply.
    pub fn new(op: &'a Operation) -> Option<Item<'a>> {
        let ordered = !matches!(op.promise, Promise::ReadOnly { .. });
        let call = match op.promise {
            Promise::ReadOnly { max_staleness_ns } => op.call_ns.saturating_sub(max_staleness_ns),
            _ => op.call_ns,
        };
        match (&op.outcome, op.return_ns) {
            (Outcome::Done(reply), Some(ret)) => Some(Item { op, call, ret, reply: Some(reply), ordered }),
            (Outcome::NotDone, _) => None,
            _ if op.action.is_read() => None,
            _ => Some(Item { op, call, ret: u64::MAX, reply: None, ordered }),
        }
    }

    /// What is known of it at `until`: a later return is not known, nor is a later call.
    pub fn until(&self, until: u64) -> Option<Item<'a>> {
        if self.call > until {
            return None;
        }
        if self.reply.is_none() || self.ret <= until {
            return Some(*self);
        }
        let known = !self.op.action.is_read();
        known.then_some(Item { ret: u64::MAX, reply: None, ..*self })
    }

    /// Whether it leaves nothing of the state before it, whatever that was.
    pub fn overwrites(&self) -> bool {
        let always = matches!(self.op.action, Action::GetSet { .. } | Action::GetDel | Action::Del);
        always || matches!(self.op.action, Action::Set { condition: Condition::None, keep_ttl: false, .. })
    }

    /// Whether it overwrites and its reply says nothing about the state before it.
    pub fn blind(&self) -> bool {
        let asks = match &self.op.action {
            Action::Set { get, .. } => *get,
            _ => true,
        };
        self.overwrites() && (self.reply.is_none() || !asks)
    }

    /// Whether it changes nothing wherever its reply fits. (That it changes nothing in one state is not
    /// enough: `SET k a` after `SET k a` changes nothing, but may belong after a `SET k b`.)
    pub fn inert(&self) -> bool {
        match (&self.op.action, self.reply) {
            (Action::Get | Action::Exists | Action::StrLen, _) => true,
            (_, None) => false,
            (Action::Set { condition: Condition::Nx, get: true, .. }, Some(reply)) => *reply != Reply::Nil,
            (Action::Set { condition: Condition::Xx, get: true, .. }, Some(reply)) => *reply == Reply::Nil,
            (Action::Set { get: false, .. } | Action::Replace { .. }, Some(reply)) => *reply == Reply::Nil,
            (Action::GetDel, Some(reply)) => *reply == Reply::Nil,
            (Action::IncrBy { by }, Some(reply)) => {
                *by == 0 && *reply != Reply::Integer(0) || *reply == Reply::Error
            }
            (Action::Del | Action::Expire { .. } | Action::Persist, Some(reply)) => {
                *reply == Reply::Integer(0)
            }
            (Action::Append { value }, Some(reply)) => value.is_empty() && *reply != Reply::Integer(0),
            (Action::Set { .. } | Action::GetSet { .. }, Some(_)) => false,
        }
    }
}
