//! Values as bytes in Redis's own format: DUMP, RESTORE. So values move between Redis and Everstore.

use super::stream::moved;
use super::{elements, integer, list};
use crate::collection::{Elements, Items, Pair, compare_pairs, score};
use crate::data::{Context, Data, Done, Key, Stop};
use crate::row::Row;
use model::row::kind;
use rdb::Value;

/// `DUMP key`
pub(super) fn dump(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let Some(row) = c.data.get(key)? else {
        c.reply.null();
        return Ok(());
    };
    let payload = rdb::dump(&value_of(row)?);
    c.reply.bulk(&payload);
    Ok(())
}

/// What a row holds, as it is moved.
pub(crate) fn value_of(row: &Row) -> Result<Value, Stop> {
    let names = || Elements::of(row).iter().map(|(name, _)| name.to_vec());
    Ok(match row.kind {
        kind::STRING => Value::String(row.value().to_vec()),
        kind::LIST => Value::List(Items::of(row).from(0).map(<[u8]>::to_vec).collect()),
        kind::SET => Value::Set(names().collect()),
        kind::HASH => {
            let pair = |(name, value): Pair<'_>| (name.to_vec(), value.to_vec());
            Value::Hash(Elements::of(row).iter().map(pair).collect())
        }
        kind::SORTED_SET => {
            let pair = |(name, value): Pair<'_>| (name.to_vec(), score::of(value));
            Value::SortedSet(Elements::of(row).iter().map(pair).collect())
        }
        kind::STREAM => Value::Stream(moved::value_of(row)?),
        kind::MANIFEST => return Err(Stop::no_string(row)),
        _ => return Err(Stop::error("ERR values of this type can not be dumped")),
    })
}

/// The options of RESTORE.
#[derive(Debug, Default)]
struct Options {
    replace: bool,
    absolute: bool,
}

impl Options {
    /// IDLETIME and FREQ are checked and have no effect: what was asked for when is local to a replica.
    fn parse(args: &[&[u8]]) -> Result<Options, Stop> {
        let (mut options, mut access) = (Options::default(), false);
        let mut args = args.iter();
        while let Some(word) = args.next() {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            if is(b"replace") {
                options.replace = true;
            } else if is(b"absttl") {
                options.absolute = true;
            } else if (is(b"idletime") || is(b"freq")) && !access && args.len() > 0 {
                access = true;
                let number = integer::argument(args.next().copied().unwrap_or_default())?;
                if is(b"idletime") && number < 0 {
                    return Err(Stop::error("ERR Invalid IDLETIME value, must be >= 0"));
                }
                if is(b"freq") && !(0..=255).contains(&number) {
                    return Err(Stop::error("ERR Invalid FREQ value, must be >= 0 and <= 255"));
                }
            } else {
                return Err(Stop::SYNTAX);
            }
        }
        Ok(options)
    }
}

/// `RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]`
pub(super) fn restore(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let options = Options::parse(&args[4..])?;
    let (key, now) = (c.data.key(args[1]), c.data.now());
    let there = c.data.peek(key)?.is_some();
    if there && !options.replace {
        return Err(Stop::error("BUSYKEY Target key name already exists."));
    }
    let ttl = u64::try_from(integer::argument(args[2])?);
    let ttl = ttl.map_err(|_| Stop::error("ERR Invalid TTL value, must be >= 0"))?;
    let value = rdb::restore(args[3]).map_err(|error| {
        Stop::error(if error.is_version_or_checksum() {
            "ERR DUMP payload version or checksum are wrong"
        } else {
            "ERR Bad data format"
        })
    })?;
    if let Value::Stream(stream) = &value {
        moved::check(stream)?;
    }
    let expire = match ttl {
        0 => 0,
        ttl if options.absolute => ttl,
        ttl => ttl.saturating_add(now),
    };
    if expire != 0 && expire <= now {
        // Its time has come already: what it would replace goes, and nothing comes.
        c.data.delete(key)?;
    } else {
        put(&mut c.data, key, expire, value)?;
    }
    c.reply.ok();
    Ok(())
}

fn put(data: &mut Data<'_>, key: Key<'_>, expire: u64, value: Value) -> Done {
    let none: &[u8] = &[];
    match &value {
        Value::String(bytes) => data.put_string(key, expire, bytes),
        Value::List(items) => list::store(data, key, expire, items.iter().map(|item| &item[..])),
        Value::Set(members) => {
            let members = members.iter().map(|member| (&member[..], none));
            elements::store(data, key, (kind::SET, expire), members)
        }
        Value::Hash(fields) => {
            let fields = fields.iter().map(|(field, value)| (&field[..], &value[..]));
            elements::store(data, key, (kind::HASH, expire), fields)
        }
        Value::SortedSet(members) => {
            // Kept without the sign of zero, and in order.
            let scored = |(member, score): &(Vec<u8>, f64)| (member.clone(), (score + 0.0).to_le_bytes());
            let mut scored: Vec<_> = members.iter().map(scored).collect();
            scored.sort_by(|a, b| compare_pairs((&a.0, &a.1), (&b.0, &b.1)));
            let members = scored.iter().map(|(member, score)| (&member[..], &score[..]));
            elements::store(data, key, (kind::SORTED_SET, expire), members)
        }
        Value::Stream(stream) => moved::store(data, key, expire, stream),
    }
}
