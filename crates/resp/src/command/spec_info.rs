//! `COMMAND`, `COMMAND COUNT`, `COMMAND INFO`, `COMMAND LIST`.

use super::{Call, Outcome};
use crate::encode::Resp;
use crate::glob;
use model::Reply;
use shard::table::{Begin, Categories, Find, KeySpec, Spec, commands, lookup, subcommand};

/// The command with this name; a subcommand as `client|id`.
pub(super) fn by_full_name(name: &[u8]) -> Option<&'static Spec> {
    match name.iter().position(|&b| b == b'|') {
        Some(bar) => subcommand(lookup(&name[..bar])?, &name[bar + 1..]),
        None => lookup(name),
    }
}

pub(super) fn all(call: &mut Call<'_>) -> Outcome {
    let mut reply = call.reply();
    reply.array(commands().len());
    commands().iter().for_each(|spec| put_spec(&mut reply, spec));
    Outcome::Done
}

pub(super) fn count(call: &mut Call<'_>) -> Outcome {
    call.int(commands().len() as i64)
}

pub(super) fn info(call: &mut Call<'_>) -> Outcome {
    let names = &call.args[2..];
    if names.is_empty() {
        return all(call);
    }
    let mut reply = call.reply();
    reply.array(names.len());
    for name in names {
        match by_full_name(name) {
            Some(spec) => put_spec(&mut reply, spec),
            None => reply.null(),
        }
    }
    Outcome::Done
}

pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let mut names: Vec<&str> = Vec::new();
    let every = commands().iter().flat_map(|c| std::iter::once(c).chain(c.subcommands));
    if args.len() == 2 {
        names.extend(every.map(|c| c.name));
    } else if args.len() == 5 && call.is(2, "filterby") {
        if call.is(3, "aclcat") {
            // An unknown category has no commands; Redis makes no error of it.
            let wanted = Categories::by_name(args[4]).unwrap_or_default();
            names.extend(every.filter(|c| c.all_categories().has(wanted.0)).map(|c| c.name));
        } else if call.is(3, "pattern") {
            names.extend(every.map(|c| c.name).filter(|name| glob::matches(args[4], name.as_bytes())));
        } else if !call.is(3, "module") {
            return call.syntax_error();
        }
    } else {
        return call.syntax_error();
    }
    let mut reply = call.reply();
    reply.array(names.len());
    names.into_iter().for_each(|name| reply.bulk_str(name));
    Outcome::Done
}

/// A set of statuses.
pub(super) fn put_flags(
    reply: &mut Resp<'_>,
    prefix: &str,
    names: impl Iterator<Item = &'static str> + Clone,
) {
    reply.set(names.clone().count());
    for name in names {
        reply.status(&format!("{prefix}{name}"));
    }
}

/// The ten elements that describe a command.
fn put_spec(reply: &mut Resp<'_>, spec: &Spec) {
    reply.array(10);
    reply.bulk_str(spec.name);
    reply.int(i64::from(spec.arity));
    put_flags(reply, "", spec.flags.names());
    reply.int(i64::from(spec.keys.first));
    reply.int(i64::from(spec.keys.last));
    reply.int(i64::from(spec.keys.step));
    put_flags(reply, "@", spec.all_categories().names());
    reply.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| reply.bulk_str(tip));
    reply.set(spec.key_specs.len());
    spec.key_specs.iter().for_each(|keys| put_key_spec(reply, keys));
    if spec.subcommands.is_empty() {
        reply.set(0);
    } else {
        reply.array(spec.subcommands.len());
        spec.subcommands.iter().for_each(|sub| put_spec(reply, sub));
    }
}

fn put_key_spec(reply: &mut Resp<'_>, keys: &KeySpec) {
    reply.map(if keys.notes.is_empty() { 3 } else { 4 });
    if !keys.notes.is_empty() {
        reply.bulk(b"notes");
        reply.bulk_str(keys.notes);
    }
    reply.bulk(b"flags");
    put_flags(reply, "", keys.flags.names());
    reply.bulk(b"begin_search");
    reply.map(2);
    reply.bulk(b"type");
    let known = put_begin(reply, keys.begin);
    reply.bulk(b"find_keys");
    reply.map(2);
    reply.bulk(b"type");
    match keys.find {
        Find::Range { last, step, limit } if known => {
            put_numbers(reply, b"range", &[("lastkey", last), ("keystep", step), ("limit", limit)]);
        }
        Find::Counted { count, first, step } if known => {
            put_numbers(reply, b"keynum", &[("keynumidx", count), ("firstkey", first), ("keystep", step)]);
        }
        _ => put_numbers(reply, b"unknown", &[]),
    }
}

/// Type and details of the beginning of a search; false if they are unknown.
fn put_begin(reply: &mut Resp<'_>, begin: Begin) -> bool {
    match begin {
        Begin::Index(at) => put_numbers(reply, b"index", &[("index", at)]),
        Begin::Keyword(keyword) => {
            reply.bulk(b"keyword");
            reply.bulk(b"spec");
            reply.map(2);
            reply.bulk(b"keyword");
            reply.bulk_str(keyword.word);
            reply.bulk(b"startfrom");
            reply.int(i64::from(keyword.from));
        }
        Begin::Hidden(_) | Begin::Unknown => put_numbers(reply, b"unknown", &[]),
    }
    !matches!(begin, Begin::Hidden(_) | Begin::Unknown)
}

/// A type and its details.
fn put_numbers(reply: &mut Resp<'_>, kind: &[u8], numbers: &[(&str, i8)]) {
    reply.bulk(kind);
    reply.bulk(b"spec");
    reply.map(numbers.len());
    for (name, value) in numbers {
        reply.bulk_str(name);
        reply.int(i64::from(*value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Proto;
    use shard::table::{KeyFlags, Keyword, key_flag};

    /// How a key spec is written, with a space for each end of a line.
    fn written(begin: Begin, find: Find, notes: &'static str, proto: Proto) -> String {
        let mut buf = Vec::new();
        let keys = KeySpec { flags: KeyFlags(key_flag::RM), begin, find, notes };
        put_key_spec(&mut Resp { buf: &mut buf, proto }, &keys);
        String::from_utf8(buf).expect("ASCII").replace("\r\n", " ")
    }

    #[test]
    fn key_specs_are_written_as_redis_writes_them() {
        let word = Keyword { word: "STREAMS", from: 1, options: &[] };
        let half = Find::Range { last: -1, step: 1, limit: 2 };
        let counted = Find::Counted { count: 0, first: 1, step: 1 };
        assert_eq!(
            written(Begin::Keyword(word), half, "", Proto::Resp3),
            "%3 $5 flags ~1 +RM $12 begin_search %2 $4 type $7 keyword $4 spec %2 $7 keyword $7 STREAMS \
             $9 startfrom :1 $9 find_keys %2 $4 type $5 range $4 spec %3 $7 lastkey :-1 $7 keystep :1 \
             $5 limit :2 "
        );
        assert_eq!(
            written(Begin::Index(2), counted, "", Proto::Resp2),
            "*6 $5 flags *1 +RM $12 begin_search *4 $4 type $5 index $4 spec *2 $5 index :2 $9 find_keys *4 \
             $4 type $6 keynum $4 spec *6 $9 keynumidx :0 $8 firstkey :1 $7 keystep :1 "
        );
        for begin in [Begin::Unknown, Begin::Hidden(word)] {
            assert_eq!(
                written(begin, half, "why", Proto::Resp3),
                "%4 $5 notes $3 why $5 flags ~1 +RM $12 begin_search %2 $4 type $7 unknown $4 spec %0 \
                 $9 find_keys %2 $4 type $7 unknown $4 spec %0 "
            );
        }
    }
}
