//! `DEBUG`: what test suites of clients use and is harmless. Everything that would change how the
//! node keeps its promises is refused by name.

use super::{Call, MAX_SLEEP_MS, Outcome};
use crate::encode::Proto;
use model::Reply;

/// Subcommands of Redis that are refused here; any other word is unknown.
const REFUSED: &[&str] = &[
    "aof-flush-sleep",
    "assert",
    "config-rewrite-force-all",
    "crash-and-recover",
    "digest",
    "drop-cluster-packet-filter",
    "flushall",
    "htstats",
    "htstats-key",
    "leak",
    "listpack",
    "mallctl",
    "mallctl-str",
    "oom",
    "panic",
    "populate",
    "quicklist",
    "replicate",
    "restart",
    "sdslen",
    "segfault",
    "structsize",
    "ziplist",
];

pub(super) fn debug(call: &mut Call<'_>) -> Outcome {
    let sub = call.args[1].to_ascii_lowercase();
    match (sub.as_slice(), &call.args[2..]) {
        (b"help", []) => super::help::help(call, "debug"),
        (b"sleep", [seconds]) => sleep(call, seconds),
        (b"error", [text]) => {
            call.reply().error_bytes(text);
            Outcome::Done
        }
        (b"log", [text]) => {
            tracing::info!(client = call.session.id, "DEBUG LOG: {}", String::from_utf8_lossy(text));
            call.ok()
        }
        (b"protocol", [kind]) => protocol(call, kind),
        (b"reload", options) => reload(call, options),
        (b"loadaof", []) => reload(call, &[]),
        (b"set-active-expire", [on]) => {
            call.host.set_active_expire(on.first().is_some_and(|&digit| (b'1'..=b'9').contains(&digit)));
            call.ok()
        }
        (b"quicklist-packed-threshold" | b"pause-cron", [_]) | (b"change-repl-id", []) => {
            // What they change in Redis does not exist here.
            call.ok()
        }
        (known, _) if REFUSED.iter().any(|name| name.as_bytes() == known) => {
            let name = call.args[1].to_ascii_uppercase();
            call.error_about(
                "ERR DEBUG ",
                &name,
                " is not supported: it would act on a node's data or process",
            )
        }
        _ => call.subcommand_error("DEBUG"),
    }
}

fn sleep(call: &mut Call<'_>, seconds: &[u8]) -> Outcome {
    let seconds = std::str::from_utf8(seconds).ok().and_then(|text| text.parse::<f64>().ok());
    match seconds.map(|s| s * 1000.0) {
        Some(ms) if (0.0..=MAX_SLEEP_MS as f64).contains(&ms) => Outcome::Sleep { ms: ms as u64 },
        _ => call.error(&format!("ERR DEBUG SLEEP takes seconds from 0 to {}", MAX_SLEEP_MS / 1000)),
    }
}

/// `DEBUG RELOAD`, `DEBUG LOADAOF`: the half of it that writes. What it would read again is what the replicas
/// in memory rest on anyhow.
fn reload(call: &mut Call<'_>, options: &[&[u8]]) -> Outcome {
    let known =
        |word: &&[u8]| [&b"merge"[..], b"noflush", b"nosave"].contains(&&word.to_ascii_lowercase()[..]);
    if !options.iter().all(known) {
        return call.error("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
    }
    call.host.save();
    call.ok()
}

/// One value of a type of the protocol, as Redis sends it.
#[expect(clippy::approx_constant, reason = "the number that Redis sends")]
fn protocol(call: &mut Call<'_>, kind: &[u8]) -> Outcome {
    let kind = kind.to_ascii_lowercase();
    let is_3 = call.session.proto == Proto::Resp3;
    let mut reply = call.reply();
    match kind.as_slice() {
        b"bignum" if is_3 => reply.encoded(b"(1234567999999999999999999999999999999\r\n"),
        b"bignum" => reply.bulk(b"1234567999999999999999999999999999999"),
        b"attrib" => {
            if is_3 {
                reply.encoded(b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n");
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if is_3 => {
            reply.encoded(b">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n");
            // For clients that discard what is pushed and wait for an answer.
            reply.bulk(b"Some real reply following the push reply");
        }
        b"push" => reply.error("ERR RESP2 is not supported by this command"),
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.int(12345),
        b"double" => reply.double(3.141),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|n| reply.int(n));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|n| reply.int(n));
        }
        b"map" => {
            reply.map(3);
            for n in 0..3 {
                reply.int(n);
                reply.boolean(n == 1);
            }
        }
        b"verbatim" => reply.verbatim("txt", "This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        _ => reply.error(
            "ERR Wrong protocol type name. Please use one of the following: \
             string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
        ),
    }
    Outcome::Done
}
