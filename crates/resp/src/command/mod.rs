//! The connection and server commands: everything the front answers itself.
//!
//! [`admit`] finds the command of a call and checks arity and password; [`run`] executes it if its
//! route is [`Route::Front`](shard::table::Route::Front).

mod client;
mod client_kill;
mod client_list;
mod cluster;
mod config;
mod connection;
mod debug;
mod docs;
mod getkeys;
mod hello;
mod help;
mod info;
mod inspect;
mod refusal;
mod scripting;
mod server;
mod spec_info;
mod upkeep;

#[cfg(test)]
mod tests;

pub use hello::protocol_of;
pub use refusal::{Refusal, admit};

use crate::encode::Resp;
use crate::host::Host;
use crate::session::Session;
use model::Reply;
use shard::table::Spec;

/// One call of a command.
pub struct Call<'a> {
    /// The command's name and its arguments; their number has been checked.
    pub args: &'a [&'a [u8]],
    /// The calling connection.
    pub session: &'a mut Session,
    /// The node.
    pub host: &'a mut dyn Host,
    /// Where the reply goes.
    pub buf: &'a mut Vec<u8>,
}

/// What the connection does after a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The reply is written.
    Done,
    /// The reply is written; the connection is closed once it is sent.
    Close,
    /// Nothing is written: after this many milliseconds the answer is `OK`. Only this connection
    /// waits (`DEBUG SLEEP`; in Redis the whole process would).
    Sleep {
        /// Milliseconds.
        ms: u64,
    },
    /// Nothing is written: the node shuts down as asked, or answers why it cannot.
    Shutdown {
        /// `SAVE` and `NOSAVE`; `None`: as configured.
        save: Option<bool>,
        /// Without waiting for followers.
        now: bool,
        /// Despite errors.
        force: bool,
    },
    /// Nothing is written: the shard of this slot answers how many keys it has there, or with some of them.
    Slot {
        /// The slot.
        slot: u16,
        /// With at most so many keys; `None`: how many there are.
        keys: Option<u64>,
    },
    /// Nothing is written: the node runs the command, because it takes longer than a turn
    /// (`FAILOVER`, `KEYSPACE`, `EVERSTORE`).
    Node,
}

/// The largest `DEBUG SLEEP`, in milliseconds.
pub const MAX_SLEEP_MS: u64 = 3_600_000;

impl Call<'_> {
    /// The reply in the connection's protocol.
    fn reply(&mut self) -> Resp<'_> {
        Resp { buf: self.buf, proto: self.session.proto }
    }

    fn ok(&mut self) -> Outcome {
        self.reply().ok();
        Outcome::Done
    }

    fn error(&mut self, text: &str) -> Outcome {
        self.reply().error(text);
        Outcome::Done
    }

    /// An error that quotes an argument between two texts.
    fn error_about(&mut self, before: &str, arg: &[u8], after: &str) -> Outcome {
        let text = [before.as_bytes(), c_text(arg, usize::MAX), after.as_bytes()].concat();
        self.reply().error_bytes(&text);
        Outcome::Done
    }

    fn syntax_error(&mut self) -> Outcome {
        self.error("ERR syntax error")
    }

    /// A subcommand that does not take this many arguments although its arity admits them.
    fn subcommand_error(&mut self, container: &str) -> Outcome {
        let before = "ERR unknown subcommand or wrong number of arguments for '";
        let sub = c_text(self.args[1], 128);
        self.error_about(before, sub, &format!("'. Try {container} HELP."))
    }

    fn int(&mut self, value: i64) -> Outcome {
        self.reply().int(value);
        Outcome::Done
    }

    fn bulk(&mut self, bytes: &[u8]) -> Outcome {
        self.reply().bulk(bytes);
        Outcome::Done
    }

    fn verbatim(&mut self, text: &str) -> Outcome {
        self.reply().verbatim("txt", text);
        Outcome::Done
    }

    /// Argument `at` equals this word in any case.
    fn is(&self, at: usize, word: &str) -> bool {
        self.args.get(at).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }
}

/// An argument as Redis prints it into a text: up to its first zero byte and `max` bytes.
fn c_text(arg: &[u8], max: usize) -> &[u8] {
    let end = arg.iter().position(|&b| b == 0).unwrap_or(arg.len());
    &arg[..end.min(max)]
}

/// A whole number as Redis reads arguments.
fn integer(arg: &[u8]) -> Option<i64> {
    crate::parse::integer(arg)
}

/// Executes a call that [`admit`] gave `spec` for. The command's route must be
/// [`Route::Front`](shard::table::Route::Front); any other is answered with an error.
pub fn run(spec: &'static Spec, call: &mut Call<'_>) -> Outcome {
    if let Some(("cluster", sub)) = spec.name.split_once('|') {
        return cluster::cluster(call, sub);
    }
    if let Some((container, "help")) = spec.name.split_once('|') {
        return help::help(call, container);
    }
    match spec.name.split_once('|') {
        Some(("client", sub)) => client::client(call, sub),
        Some(("command", sub)) => command(call, sub),
        Some(("config", sub)) => config::config(call, sub),
        Some(("acl", sub)) => server::acl(call, sub),
        Some(("latency", sub)) => inspect::latency(call, sub),
        Some(("memory", sub)) => inspect::memory(call, sub),
        Some(("slowlog", sub)) => inspect::slowlog(call, sub),
        Some(("function", sub)) => scripting::function(call, sub),
        Some(("script", sub)) => scripting::script(call, sub),
        Some(("module", _)) => upkeep::module_list(call),
        Some(("keyspace" | "losses" | "everstore", _)) => Outcome::Node,
        Some(_) => elsewhere(call, spec),
        None => plain(spec, call),
    }
}

fn plain(spec: &'static Spec, call: &mut Call<'_>) -> Outcome {
    match spec.name {
        "ping" => connection::ping(call),
        "echo" => connection::echo(call),
        "select" => connection::select(call),
        "quit" => connection::quit(call),
        "monitor" => connection::monitor(call),
        "reset" => connection::reset(call),
        "readonly" => connection::readonly(call),
        "readwrite" => connection::readwrite(call),
        "asking" => cluster::asking(call),
        "auth" => hello::auth(call),
        "hello" => hello::hello(call),
        "command" => spec_info::all(call),
        "info" => info::info(call),
        "time" => server::time(call),
        "lastsave" => server::lastsave(call),
        "role" => server::role(call),
        "lolwut" => server::lolwut(call),
        "pfselftest" => server::pfselftest(call),
        "swapdb" => server::swapdb(call),
        "shutdown" => server::shutdown(call),
        "debug" => debug::debug(call),
        "bgsave" => upkeep::bgsave(call),
        "bgrewriteaof" => upkeep::bgrewriteaof(call),
        "save" => upkeep::save(call),
        "replicaof" | "slaveof" => upkeep::replicaof(call),
        "failover" => Outcome::Node,
        _ => elsewhere(call, spec),
    }
}

fn command(call: &mut Call<'_>, sub: &str) -> Outcome {
    match sub {
        "count" => spec_info::count(call),
        "info" => spec_info::info(call),
        "list" => spec_info::list(call),
        "docs" => docs::docs(call),
        "getkeys" => getkeys::getkeys(call, false),
        _ => getkeys::getkeys(call, true),
    }
}

fn elsewhere(call: &mut Call<'_>, spec: &'static Spec) -> Outcome {
    call.error(&format!("ERR '{}' is not a command of the connection or the node", spec.name))
}
