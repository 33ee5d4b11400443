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
mod blocking;
mod counters;
mod deadline;
mod debug;
mod dump;
mod elements;
mod expiry;
mod extended;
mod float;
mod geo;
pub mod glob;
mod hash;
mod hyperloglog;
pub mod integer;
mod keys;
mod keyspace;
pub mod large;
mod lcs;
mod list;
mod object;
mod pick;
mod pieces;
mod range;
mod rename;
mod scan;
mod set;
mod set_options;
mod several;
mod sort;
mod sorted_set;
mod stream;
mod strings;
mod timeout;
mod walk;

#[cfg(test)]
mod tests;

use crate::data::Handler;
pub use blocking::put_nothing;
pub use hyperloglog::selftest as hyperloglog_selftest;
pub use keys::type_name;
pub use object::OBJECT_HELP;
pub use scan::{ScanFilter, ScanRequest, scan_part};
pub use stream::read::{find_last, name_ids, waits_behind_last};
pub use timeout::Timeout;

pub(crate) use dump::value_of;

/// Every handler, sorted by name. A subcommand is named `container|subcommand`, as in the table.
static HANDLERS: &[(&str, Handler)] = &[
    ("append", pieces::append),
    ("bitcount", bitmap::bitcount),
    ("bitfield", bitfield::bitfield),
    ("bitfield_ro", bitfield::bitfield_ro),
    ("bitop", bitop::bitop),
    ("bitpos", bitmap::bitpos),
    ("blmove", list::blmove),
    ("blmpop", list::blmpop),
    ("blpop", list::blpop),
    ("brpop", list::brpop),
    ("brpoplpush", list::brpoplpush),
    ("bzmpop", sorted_set::pop::bzmpop),
    ("bzpopmax", sorted_set::pop::bzpopmax),
    ("bzpopmin", sorted_set::pop::bzpopmin),
    ("copy", rename::copy),
    ("dbsize", keyspace::dbsize),
    ("debug|digest-value", debug::digest_value),
    ("debug|object", debug::object),
    ("decr", counters::decr),
    ("decrby", counters::decrby),
    ("del", keys::del),
    ("dump", dump::dump),
    ("exists", keys::exists),
    ("expire", expiry::expire),
    ("expireat", expiry::expireat),
    ("expiretime", expiry::expiretime),
    ("flushall", keyspace::flushall),
    ("flushdb", keyspace::flushdb),
    ("geoadd", geo::places::geoadd),
    ("geodist", geo::places::geodist),
    ("geohash", geo::places::geohash),
    ("geopos", geo::places::geopos),
    ("georadius", geo::search::georadius),
    ("georadius_ro", geo::search::georadius_ro),
    ("georadiusbymember", geo::search::georadiusbymember),
    ("georadiusbymember_ro", geo::search::georadiusbymember_ro),
    ("geosearch", geo::search::geosearch),
    ("geosearchstore", geo::search::geosearchstore),
    ("get", strings::get),
    ("getbit", bitmap::getbit),
    ("getdel", strings::getdel),
    ("getex", strings::getex),
    ("getrange", pieces::getrange),
    ("getset", strings::getset),
    ("hdel", hash::fields::hdel),
    ("hexists", hash::fields::hexists),
    ("hget", hash::fields::hget),
    ("hgetall", hash::whole::hgetall),
    ("hincrby", hash::counters::hincrby),
    ("hincrbyfloat", hash::counters::hincrbyfloat),
    ("hkeys", hash::whole::hkeys),
    ("hlen", hash::whole::hlen),
    ("hmget", hash::fields::hmget),
    ("hmset", hash::fields::hmset),
    ("hrandfield", hash::random::hrandfield),
    ("hscan", hash::whole::hscan),
    ("hset", hash::fields::hset),
    ("hsetnx", hash::fields::hsetnx),
    ("hstrlen", hash::fields::hstrlen),
    ("hvals", hash::whole::hvals),
    ("incr", counters::incr),
    ("incrby", counters::incrby),
    ("incrbyfloat", counters::incrbyfloat),
    ("keys", keyspace::keys),
    ("large|abort", large::abort),
    ("large|begin", large::begin),
    ("large|commit", large::commit),
    ("large|read", large::read),
    ("large|renew", large::renew),
    ("large|stat", large::stat),
    ("large|write", large::write),
    ("lcs", lcs::lcs),
    ("lindex", list::lindex),
    ("linsert", list::linsert),
    ("llen", list::llen),
    ("lmove", list::lmove),
    ("lmpop", list::lmpop),
    ("lpop", list::lpop),
    ("lpos", list::lpos),
    ("lpush", list::lpush),
    ("lpushx", list::lpushx),
    ("lrange", list::lrange),
    ("lrem", list::lrem),
    ("lset", list::lset),
    ("ltrim", list::ltrim),
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
    ("restore", dump::restore),
    ("rpop", list::rpop),
    ("rpoplpush", list::rpoplpush),
    ("rpush", list::rpush),
    ("rpushx", list::rpushx),
    ("sadd", set::members::sadd),
    ("scan", scan::scan),
    ("scard", set::members::scard),
    ("sdiff", set::combine::sdiff),
    ("sdiffstore", set::combine::sdiffstore),
    ("set", strings::set),
    ("setbit", bitmap::setbit),
    ("setex", strings::setex),
    ("setnx", strings::setnx),
    ("setrange", pieces::setrange),
    ("sinter", set::combine::sinter),
    ("sintercard", set::combine::sintercard),
    ("sinterstore", set::combine::sinterstore),
    ("sismember", set::members::sismember),
    ("smembers", set::members::smembers),
    ("smismember", set::members::smismember),
    ("smove", set::members::smove),
    ("sort", sort::sort),
    ("sort_ro", sort::sort_ro),
    ("spop", set::random::spop),
    ("srandmember", set::random::srandmember),
    ("srem", set::members::srem),
    ("sscan", set::members::sscan),
    ("strlen", pieces::strlen),
    ("substr", pieces::getrange),
    ("sunion", set::combine::sunion),
    ("sunionstore", set::combine::sunionstore),
    ("touch", keys::touch),
    ("ttl", expiry::ttl),
    ("type", keys::type_of),
    ("unlink", keys::del),
    ("xadd", stream::add::xadd),
    ("xdel", stream::edit::xdel),
    ("xinfo|groups", stream::info::groups),
    ("xinfo|stream", stream::info::stream),
    ("xlen", stream::range::xlen),
    ("xrange", stream::range::xrange),
    ("xread", stream::read::xread),
    ("xrevrange", stream::range::xrevrange),
    ("xsetid", stream::edit::xsetid),
    ("xtrim", stream::trim::xtrim),
    ("zadd", sorted_set::add::zadd),
    ("zcard", sorted_set::members::zcard),
    ("zcount", sorted_set::count::zcount),
    ("zdiff", sorted_set::combine::zdiff),
    ("zdiffstore", sorted_set::combine::zdiffstore),
    ("zincrby", sorted_set::add::zincrby),
    ("zinter", sorted_set::combine::zinter),
    ("zintercard", sorted_set::combine::zintercard),
    ("zinterstore", sorted_set::combine::zinterstore),
    ("zlexcount", sorted_set::count::zlexcount),
    ("zmpop", sorted_set::pop::zmpop),
    ("zmscore", sorted_set::members::zmscore),
    ("zpopmax", sorted_set::pop::zpopmax),
    ("zpopmin", sorted_set::pop::zpopmin),
    ("zrandmember", sorted_set::random::zrandmember),
    ("zrange", sorted_set::range::zrange),
    ("zrangebylex", sorted_set::range::zrangebylex),
    ("zrangebyscore", sorted_set::range::zrangebyscore),
    ("zrangestore", sorted_set::range::zrangestore),
    ("zrank", sorted_set::members::zrank),
    ("zrem", sorted_set::members::zrem),
    ("zremrangebylex", sorted_set::count::zremrangebylex),
    ("zremrangebyrank", sorted_set::count::zremrangebyrank),
    ("zremrangebyscore", sorted_set::count::zremrangebyscore),
    ("zrevrange", sorted_set::range::zrevrange),
    ("zrevrangebylex", sorted_set::range::zrevrangebylex),
    ("zrevrangebyscore", sorted_set::range::zrevrangebyscore),
    ("zrevrank", sorted_set::members::zrevrank),
    ("zscan", sorted_set::members::zscan),
    ("zscore", sorted_set::members::zscore),
    ("zunion", sorted_set::combine::zunion),
    ("zunionstore", sorted_set::combine::zunionstore),
];

/// The handler of a data command by its name in the table (lower case). For building an array by
/// [`crate::table::Spec::id`] once at start; `None` for a command that no shard executes.
pub fn handler(name: &str) -> Option<Handler> {
    let at = HANDLERS.binary_search_by_key(&name, |(name, _)| name).ok()?;
    Some(HANDLERS[at].1)
}
