//! `DEBUG`: what test suites of clients use and is harmless. Everything that would change how the
//! node keeps its promises is refused by name.

use super::{Call, MAX_SLEEP_MS, Outcome};
use model::Reply;

/// Subcommands of Redis that are refused here; any other word is unknown.
const REFUSED: &[&str] = &[
    "aof-flush-sleep",
    "assert",
    "change-repl-id",
    "config-rewrite-force-all",
    "crash-and-recover",
    "digest",
    "digest-value",
    "dict-resizing",
    "drop-cluster-packet-filter",
    "flushall",
    "htstats",
    "htstats-key",
    "jmap",
    "leak",
    "listpack",
    "loadaof",
    "mallctl",
    "mallctl-str",
    "object",
    "oom",
    "panic",
    "pause-cron",
    "populate",
    "quicklist",
    "quicklist-packed-threshold",
    "reload",
    "replicate",
    "restart",
    "sdslen",
    "segfault",
    "set-active-expire",
    "set-disable-deny-scripts",
    "stringmatch-len",
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

/// One value of a type of the protocol, as Redis sends it.
#[expect(clippy::approx_constant, reason = "the number that Redis sends")]
fn protocol(call: &mut Call<'_>, kind: &[u8]) -> Outcome {
    let kind = kind.to_ascii_lowercase();
    let mut reply = call.reply();
    match kind.as_slice() {
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
             string|integer|double|null|array|set|map|verbatim|true|false",
        ),
    }
    Outcome::Done
}
