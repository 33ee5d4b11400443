//! `COMMAND DOCS`.

use super::spec_info::{by_full_name, put_flags};
use super::{Call, Outcome};
use crate::encode::Resp;
use model::Reply;
use shard::table::{Arg, ArgKind, Spec, commands};

pub(super) fn docs(call: &mut Call<'_>) -> Outcome {
    let names = &call.args[2..];
    let found: Vec<&Spec> = if names.is_empty() {
        commands().iter().collect()
    } else {
        names.iter().filter_map(|name| by_full_name(name)).collect()
    };
    let mut reply = call.reply();
    reply.map(found.len());
    found.into_iter().for_each(|spec| put_docs(&mut reply, spec));
    Outcome::Done
}

fn put_pair(reply: &mut Resp<'_>, name: &str, value: &str) {
    reply.bulk_str(name);
    reply.bulk_str(value);
}

/// The name of a command and the map that describes it; fields without content are left out.
fn put_docs(reply: &mut Resp<'_>, spec: &Spec) {
    let optional = [
        !spec.complexity.is_empty(),
        spec.system || spec.deprecated.is_some(),
        spec.deprecated.is_some(),
        spec.deprecated.is_some(),
        !spec.history.is_empty(),
        !spec.args.is_empty(),
        !spec.subcommands.is_empty(),
    ];
    reply.bulk_str(spec.name);
    reply.map(3 + optional.iter().filter(|there| **there).count());
    put_pair(reply, "summary", spec.summary);
    put_pair(reply, "since", spec.since);
    put_pair(reply, "group", spec.group.name());
    if !spec.complexity.is_empty() {
        put_pair(reply, "complexity", spec.complexity);
    }
    let doc_flags = [(spec.deprecated.is_some(), "deprecated"), (spec.system, "syscmd")];
    let doc_flags = doc_flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name);
    if doc_flags.clone().next().is_some() {
        reply.bulk(b"doc_flags");
        put_flags(reply, "", doc_flags);
    }
    if let Some((since, replaced_by)) = spec.deprecated {
        put_pair(reply, "deprecated_since", since);
        put_pair(reply, "replaced_by", replaced_by);
    }
    if !spec.history.is_empty() {
        reply.bulk(b"history");
        reply.set(spec.history.len());
        for (version, change) in spec.history {
            reply.array(2);
            reply.bulk_str(version);
            reply.bulk_str(change);
        }
    }
    if !spec.args.is_empty() {
        reply.bulk(b"arguments");
        put_args(reply, spec.args);
    }
    if !spec.subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(spec.subcommands.len());
        spec.subcommands.iter().for_each(|sub| put_docs(reply, sub));
    }
}

fn put_args(reply: &mut Resp<'_>, args: &[Arg]) {
    reply.array(args.len());
    args.iter().for_each(|arg| put_arg(reply, arg));
}

fn put_arg(reply: &mut Resp<'_>, arg: &Arg) {
    let (kind, key, inner): (&str, Option<i8>, &[Arg]) = match arg.kind {
        ArgKind::String => ("string", None, &[]),
        ArgKind::Integer => ("integer", None, &[]),
        ArgKind::Double => ("double", None, &[]),
        ArgKind::Key(spec) => ("key", Some(spec), &[]),
        ArgKind::Pattern => ("pattern", None, &[]),
        ArgKind::KeyPattern(spec) => ("pattern", Some(spec), &[]),
        ArgKind::UnixTime => ("unix-time", None, &[]),
        ArgKind::PureToken => ("pure-token", None, &[]),
        ArgKind::OneOf(inner) => ("oneof", None, inner),
        ArgKind::Block(inner) => ("block", None, inner),
    };
    let flags =
        [(arg.optional, "optional"), (arg.multiple, "multiple"), (arg.multiple_token, "multiple_token")];
    let flags = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name);
    let has_flags = flags.clone().next().is_some();
    let optional = [
        key.is_some(),
        !arg.token.is_empty(),
        !arg.since.is_empty(),
        !arg.deprecated_since.is_empty(),
        has_flags,
        !inner.is_empty(),
    ];
    reply.map(2 + optional.iter().filter(|there| **there).count());
    put_pair(reply, "name", arg.name);
    put_pair(reply, "type", kind);
    if let Some(spec) = key {
        reply.bulk(b"key_spec_index");
        reply.int(i64::from(spec));
    }
    if !arg.token.is_empty() {
        put_pair(reply, "token", arg.token);
    }
    if !arg.since.is_empty() {
        put_pair(reply, "since", arg.since);
    }
    if !arg.deprecated_since.is_empty() {
        put_pair(reply, "deprecated_since", arg.deprecated_since);
    }
    if has_flags {
        reply.bulk(b"flags");
        put_flags(reply, "", flags);
    }
    if !inner.is_empty() {
        reply.bulk(b"arguments");
        put_args(reply, inner);
    }
}
