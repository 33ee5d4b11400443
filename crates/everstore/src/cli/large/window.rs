//! Commands under way on one connection. All of them may be repeated: when the connection breaks, or a node says that it
//! can not do one now, those that are not answered are sent again, to another node if need be.

use std::collections::VecDeque;

use crate::cli::CliError;
use crate::cli::link::Link;
use crate::cli::reply::Reply;
use crate::cli::transfer::peer::{Peer, passes};

/// Commands that were not answered yet, in their order.
pub struct Window<T> {
    peer: Peer,
    keyspace: u32,
    pending: VecDeque<T>,
    /// How many of them this connection was given.
    sent: usize,
    push: fn(&T, &mut Link),
}

impl<T> Window<T> {
    /// Nothing is under way. `push` makes the command of an item.
    pub fn new(peer: Peer, keyspace: u32, push: fn(&T, &mut Link)) -> Window<T> {
        Window { peer, keyspace, pending: VecDeque::new(), sent: 0, push }
    }

    /// Items under way.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Adds an item; it is sent before the next reply is waited for.
    pub fn add(&mut self, item: T) {
        self.pending.push_back(item);
    }

    /// The oldest item and its reply, which is no error that passes. `None`: nothing is under way.
    ///
    /// # Errors
    /// Nothing has worked for a minute.
    pub fn next(&mut self) -> Result<Option<(T, Reply)>, CliError> {
        while !self.pending.is_empty() {
            let why = match self.try_next() {
                Ok(Reply::Error(text)) if passes(&text) => text,
                Ok(reply) => {
                    self.peer.works();
                    self.sent -= 1;
                    return Ok(self.pending.pop_front().map(|item| (item, reply)));
                }
                Err(Failed::Link(error)) => error.to_string(),
                Err(Failed::Peer(error)) => return Err(error),
            };
            self.sent = 0;
            self.peer.lost(&format!("{}: {why}", self.peer.address()))?;
        }
        Ok(None)
    }

    fn try_next(&mut self) -> Result<Reply, Failed> {
        let link = self.peer.link(self.keyspace).map_err(Failed::Peer)?;
        for item in self.pending.range(self.sent..) {
            (self.push)(item, link);
            // One by one: what waits to be sent is no second copy of them all.
            link.flush().map_err(Failed::Link)?;
            self.sent += 1;
        }
        link.read().map_err(Failed::Link)
    }

    /// The reply to a command that may be repeated, while nothing is under way.
    ///
    /// # Errors
    /// As [`Window::next`].
    pub fn ask(&mut self, command: &[&[u8]]) -> Result<Reply, CliError> {
        debug_assert!(self.pending.is_empty());
        self.peer.ask_one(self.keyspace, command)
    }

    /// Gives up what is under way.
    pub fn abandon(mut self) -> Peer {
        if self.sent > 0 {
            // Its replies would come before the next one.
            self.peer.disconnect();
        }
        self.peer
    }

    /// An error about a reply that should have been another.
    pub fn strange(&self, command: &[&[u8]], reply: &Reply) -> CliError {
        self.peer.strange(command, reply)
    }
}

enum Failed {
    Link(std::io::Error),
    Peer(CliError),
}
