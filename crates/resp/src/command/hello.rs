//! `AUTH` and `HELLO`. There is one user, `default`; its password is `requirepass`.

use super::{Call, Outcome, integer};
use crate::encode::Proto;
use crate::host::Role;
use model::Reply;
use shard::table::Spec;

const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";

/// Compares without telling by its duration where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
}

/// Gives the connection the rights of the default user. Without a password any is right.
fn authenticate(call: &mut Call<'_>, user: &[u8], password: &[u8]) -> bool {
    let right = call.host.password().is_none_or(|known| same(known, password));
    let granted = user == b"default" && right;
    call.session.authenticated |= granted;
    granted
}

pub(super) fn auth(call: &mut Call<'_>) -> Outcome {
    let (user, password): (&[u8], &[u8]) = match *call.args {
        [_, password] if call.host.password().is_some() => (b"default", password),
        [_, _] => {
            return call.error(
                "ERR AUTH <password> called without any password configured for the default user. Are you \
                 sure your configuration is correct?",
            );
        }
        [_, user, password] => (user, password),
        _ => return call.syntax_error(),
    };
    if authenticate(call, user, password) { call.ok() } else { call.error(WRONGPASS) }
}

/// Sets the connection's name, or writes the error and answers false.
pub(super) fn set_name(call: &mut Call<'_>, name: &[u8]) -> bool {
    match plain_text(name) {
        Some(name) => {
            call.session.name = name.into();
            true
        }
        None => {
            call.error("ERR Client names cannot contain spaces, newlines or special characters.");
            false
        }
    }
}

/// The bytes as text if all of them are visible ASCII characters.
pub(super) fn plain_text(bytes: &[u8]) -> Option<&str> {
    let plain = bytes.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(bytes).ok().filter(|_| plain)
}

/// The protocol that a `HELLO` without `AUTH` switches to; `None` if it is none, or fails.
pub fn protocol_of(spec: &Spec, args: &[&[u8]]) -> Option<Proto> {
    let [_, version, options @ ..] = args else { return None };
    let is_name = |option: &[&[u8]]| matches!(option, [word, name] if word.eq_ignore_ascii_case(b"SETNAME") && plain_text(name).is_some());
    if spec.name != "hello" || !options.chunks(2).all(is_name) {
        return None;
    }
    match integer(version) {
        Some(2) => Some(Proto::Resp2),
        Some(3) => Some(Proto::Resp3),
        _ => None,
    }
}

pub(super) fn hello(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let mut proto = call.session.proto;
    if let Some(version) = args.get(1) {
        proto = match integer(version) {
            Some(2) => Proto::Resp2,
            Some(3) => Proto::Resp3,
            Some(_) => return call.error("NOPROTO unsupported protocol version"),
            None => return call.error("ERR Protocol version is not an integer or out of range"),
        };
    }
    let mut rest = args.get(2..).unwrap_or_default();
    while let [option, values @ ..] = rest {
        rest = match values {
            [user, password, rest @ ..] if option.eq_ignore_ascii_case(b"AUTH") => {
                if !authenticate(call, user, password) {
                    return call.error(WRONGPASS);
                }
                rest
            }
            [name, rest @ ..] if option.eq_ignore_ascii_case(b"SETNAME") => {
                if !set_name(call, name) {
                    return Outcome::Done;
                }
                rest
            }
            _ => return call.error_about("ERR Syntax error in HELLO option '", option, "'"),
        };
    }
    if !call.session.authenticated {
        return call.error(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
             the same time",
        );
    }
    call.session.proto = proto;
    greet(call);
    Outcome::Done
}

fn greet(call: &mut Call<'_>) {
    let version = call.host.redis_version().to_string();
    let role = if matches!(call.host.role(), Role::Leader(..)) { "master" } else { "replica" };
    let id = call.session.id as i64;
    let mode = if call.session.cluster { "cluster" } else { "standalone" };
    let mut reply = call.reply();
    let number = reply.proto.number();
    reply.map(7);
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk_str(&version);
    reply.bulk(b"proto");
    reply.int(number);
    reply.bulk(b"id");
    reply.int(id);
    reply.bulk(b"mode");
    reply.bulk_str(mode);
    reply.bulk(b"role");
    reply.bulk_str(role);
    reply.bulk(b"modules");
    reply.array(0);
}
