//! Transactions: MULTI, some commands of any group, and EXEC or, seldom, DISCARD; often with a key watched before.

use std::collections::VecDeque;

use super::super::compare::{Freedom, freedom};
use super::super::connection::{Command, words};
use super::draw::Draw;

/// One in so many commands begins a transaction.
const BEGINS: usize = 60;
/// Most commands of one.
const MOST: usize = 8;
/// One transaction in so many is discarded.
const DISCARDED: usize = 8;
/// Before one in so many a key is watched, if any is.
const WATCHED: usize = 3;

/// Where a generator stands in a transaction.
#[derive(Debug, Default)]
pub struct Block {
    /// Whether keys are watched.
    pub watches: bool,
    /// Commands that come before anything is drawn.
    next: VecDeque<Command>,
    /// Commands still to come in the transaction, `None` outside of one.
    left: Option<usize>,
    /// It has a KEYS.
    walks: bool,
    /// Commands to come between WATCH and MULTI.
    before: usize,
}

impl Block {
    /// The next command if it is one that begins or ends a transaction.
    pub fn next(&mut self, draw: &mut Draw) -> Option<Command> {
        if let Some(next) = self.next.pop_front() {
            return Some(next);
        }
        if self.before > 0 {
            self.before -= 1;
            if self.before > 0 {
                return None;
            }
            return Some(self.multi(draw));
        }
        match self.left {
            Some(0) => {
                self.left = None;
                Some(words(if draw.chance(DISCARDED) { "DISCARD" } else { "EXEC" }))
            }
            Some(left) => {
                self.left = Some(left - 1);
                None
            }
            None if draw.chance(BEGINS) => {
                if !self.watches || !draw.chance(WATCHED) {
                    return Some(self.multi(draw));
                }
                // What is watched is there: of an absent key it is not always known whether it was.
                let key = draw.any_key();
                self.next.push_back(vec![b"WATCH".to_vec(), key.clone()]);
                self.before = 2;
                Some(vec![b"SETNX".to_vec(), key, b"watched".to_vec()])
            }
            None => None,
        }
    }

    fn multi(&mut self, draw: &mut Draw) -> Command {
        self.walks = false;
        self.left = Some(1 + draw.below(MOST));
        words("MULTI")
    }

    /// Whether a command is none for the transaction that is open: FLUSHALL, and more than one of KEYS and RANDOMKEY, are
    /// refused in one, on purpose.
    pub fn refuses(&self, command: &Command) -> bool {
        let is = |name: &str| command[0].eq_ignore_ascii_case(name.as_bytes());
        self.left.is_some() && (is("FLUSHALL") || is("RANDOMKEY") || is("KEYS") && self.walks)
    }

    /// A command was drawn. One that chooses by itself is the last of its transaction: what it chose has to be made
    /// equal on both sides.
    pub fn has(&mut self, command: &Command) {
        self.walks |= command[0].eq_ignore_ascii_case(b"keys");
        if matches!(freedom(command), Freedom::Choice) {
            self.left = self.left.map(|_| 0);
        }
    }
}
