//! `COMMAND GETKEYS` and `COMMAND GETKEYSANDFLAGS`.

use super::spec_info::put_flags;
use super::{Call, Outcome};
use model::Reply;
use shard::table::{Found, KeyFlags, KeySpec, Spec, flag, key_flag, resolve};

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
    let Some(keys) = keys_of(spec, args).or(spec.flags.has(flag::NO_MANDATORY_KEYS).then(Vec::new)) else {
        return call.error("ERR Invalid arguments specified for command");
    };
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

/// The keys of a call and what is done to them; `None` if it has none or they cannot be told.
fn keys_of<'a>(spec: &Spec, args: &[&'a [u8]]) -> Option<Vec<(&'a [u8], KeyFlags)>> {
    let mut keys = Vec::new();
    for key_spec in spec.key_specs {
        match key_spec.find(args) {
            Found::Keys { range, step } => {
                let flags = flags_of(spec, key_spec, args);
                keys.extend(range.step_by(step).map(|at| (args[at], flags)));
            }
            Found::Absent => {}
            Found::Wrong => return None,
        }
    }
    (!keys.is_empty()).then_some(keys)
}

/// What this call does to the keys, where that depends on the arguments: `SET` reads with `GET` among
/// them, `BITFIELD` only reads if it has nothing but `GET`.
fn flags_of(spec: &Spec, range: &KeySpec, args: &[&[u8]]) -> KeyFlags {
    if !range.flags.has(key_flag::VARIABLE_FLAGS) {
        return range.flags;
    }
    match spec.name {
        "set" if args.iter().skip(3).any(|arg| arg.eq_ignore_ascii_case(b"GET")) => {
            KeyFlags(key_flag::RW | key_flag::ACCESS | key_flag::UPDATE)
        }
        "set" => KeyFlags(key_flag::OW | key_flag::UPDATE),
        "bitfield" if only_gets(&args[2..]) => KeyFlags(key_flag::RO | key_flag::ACCESS),
        "bitfield" => KeyFlags(key_flag::RW | key_flag::ACCESS | key_flag::UPDATE),
        _ => range.flags,
    }
}

/// True if these arguments of `BITFIELD` say `GET type offset` and, where it pleases, `OVERFLOW how`.
fn only_gets(mut args: &[&[u8]]) -> bool {
    loop {
        args = match args {
            [] => return true,
            [name, _, _, rest @ ..] if name.eq_ignore_ascii_case(b"GET") => rest,
            [name, _, rest @ ..] if name.eq_ignore_ascii_case(b"OVERFLOW") => rest,
            _ => return false,
        }
    }
}
