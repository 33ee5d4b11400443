//! The handlers of data commands, attached to the table by name.
//!
//! A handler relies on the number of arguments that the table allows; everything else about them it
//! checks itself. Texts of errors and types of replies are those of Redis 7.0.

mod big;
mod bitfield;
mod bitfield_draft;
mod bitfield_type;
mod bitmap;
mod bitop;
mod bits;
mod counters;
mod deadline;
mod expiry;
mod extended;
pub mod glob;
mod hyperloglog;
pub mod integer;
mod keys;
mod keyspace;
mod lcs;
mod object;
mod pieces;
mod rename;
mod scan;
mod set_options;
mod several;
mod strings;

#[cfg(test)]
mod tests;

use crate::data::Handler;
pub use hyperloglog::selftest as hyperloglog_selftest;
pub use object::OBJECT_HELP;
pub use scan::{ScanFilter, ScanRequest, scan_part};

/// Every handler, sorted by name. A subcommand is named `container|subcommand`, as in the table.
static HANDLERS: &[(&str, Handler)] = &[
    ("append", pieces::append),
    ("bitcount", bitmap::bitcount),
    ("bitfield", bitfield::bitfield),
    ("bitfield_ro", bitfield::bitfield_ro),
    ("bitop", bitop::bitop),
    ("bitpos", bitmap::bitpos),
    ("copy", rename::copy),
    ("dbsize", keyspace::dbsize),
    ("decr", counters::decr),
    ("decrby", counters::decrby),
    ("del", keys::del),
    ("exists", keys::exists),
    ("expire", expiry::expire),
    ("expireat", expiry::expireat),
    ("expiretime", expiry::expiretime),
    ("flushall", keyspace::flushall),
    ("flushdb", keyspace::flushdb),
    ("get", strings::get),
    ("getbit", bitmap::getbit),
    ("getdel", strings::getdel),
    ("getex", strings::getex),
    ("getrange", pieces::getrange),
    ("getset", strings::getset),
    ("incr", counters::incr),
    ("incrby", counters::incrby),
    ("incrbyfloat", counters::incrbyfloat),
    ("keys", keyspace::keys),
    ("lcs", lcs::lcs),
    ("memory|usage", object::memory_usage),
    ("mget", several::mget),
    ("move", rename::move_to),
    ("mset", several::mset),
    ("msetnx", several::msetnx),
    ("object|encoding", object::encoding),
    ("object|freq", object::freq),
    ("object|idletime", object::idletime),
    ("object|refcount", object::refcount),
    ("persist", expiry::persist),
    ("pexpire", expiry::pexpire),
    ("pexpireat", expiry::pexpireat),
    ("pexpiretime", expiry::pexpiretime),
    ("pfadd", hyperloglog::pfadd),
    ("pfcount", hyperloglog::pfcount),
    ("pfdebug", hyperloglog::pfdebug),
    ("pfmerge", hyperloglog::pfmerge),
    ("psetex", strings::psetex),
    ("pttl", expiry::pttl),
    ("randomkey", keyspace::randomkey),
    ("rename", rename::rename),
    ("renamenx", rename::renamenx),
    ("scan", scan::scan),
    ("set", strings::set),
    ("setbit", bitmap::setbit),
    ("setex", strings::setex),
    ("setnx", strings::setnx),
    ("setrange", pieces::setrange),
    ("strlen", pieces::strlen),
    ("substr", pieces::getrange),
    ("touch", keys::touch),
    ("ttl", expiry::ttl),
    ("type", keys::type_of),
    ("unlink", keys::del),
];

/// The handler of a data command by its name in the table (lower case). For building an array by
/// [`crate::table::Spec::id`] once at start; `None` for a command that no shard executes.
pub fn handler(name: &str) -> Option<Handler> {
    let at = HANDLERS.binary_search_by_key(&name, |(name, _)| name).ok()?;
    Some(HANDLERS[at].1)
}
