//! `COMMAND GETKEYS` and `COMMAND GETKEYSANDFLAGS`.

use super::spec_info::put_flags;
use super::{Call, Outcome};
use model::Reply;
use shard::table::{KeyFlags, KeySpec, Spec, flag, key_flag, resolve};

pub(super) fn getkeys(call: &mut Call<'_>, with_flags: bool) -> Outcome {
    let args = &call.args[2..];
    let Some(spec) = args.first().and_then(|name| resolve(name, args.get(1).copied()).ok()) else {
        return call.error("ERR Invalid command specified");
    };
    if spec.key_specs.is_empty() {
        return call.error("ERR The command has no key arguments");
    }
    if !spec.accepts(args.len()) {
        return call.error("ERR Invalid number of arguments specified for command");
    }
    let keys: Vec<(&[u8], KeyFlags)> = spec
        .key_specs
        .iter()
        .flat_map(|range| {
            let flags = flags_of(spec, range, args);
            range.keys().positions(args.len()).map(move |at| (args[at], flags))
        })
        .collect();
    if keys.is_empty() && !spec.flags.has(flag::NO_MANDATORY_KEYS) {
        return call.error("ERR Invalid arguments specified for command");
    }
    let mut reply = call.reply();
    reply.array(keys.len());
    for (key, flags) in keys {
        if with_flags {
            reply.array(2);
            reply.bulk(key);
            put_flags(&mut reply, "", flags.names());
        } else {
            reply.bulk(key);
        }
    }
    Outcome::Done
}

/// What this call does to the keys. Only `SET` depends on its arguments: `GET` among them reads.
fn flags_of(spec: &Spec, range: &KeySpec, args: &[&[u8]]) -> KeyFlags {
    if !range.flags.has(key_flag::VARIABLE_FLAGS) || spec.name != "set" {
        return range.flags;
    }
    if args.iter().skip(3).any(|arg| arg.eq_ignore_ascii_case(b"GET")) {
        KeyFlags(key_flag::RW | key_flag::ACCESS | key_flag::UPDATE)
    } else {
        KeyFlags(key_flag::OW | key_flag::UPDATE)
    }
}
