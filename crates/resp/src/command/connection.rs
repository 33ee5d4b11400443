//! `PING`, `ECHO`, `SELECT`, `QUIT`, `RESET`, `MONITOR`, `READONLY`, `READWRITE`.

use super::{Call, Outcome, integer};
use crate::session::{MAX_STALENESS_MS, MIN_STALENESS_MS, Staleness};
use model::limits::KEYSPACES;
use model::{Keyspace, Reply};

pub(super) fn ping(call: &mut Call<'_>) -> Outcome {
    match *call.args {
        [_] => call.reply().status("PONG"),
        [_, text] => call.reply().bulk(text),
        _ => call.reply().error("ERR wrong number of arguments for 'ping' command"),
    }
    Outcome::Done
}

pub(super) fn echo(call: &mut Call<'_>) -> Outcome {
    call.bulk(call.args[1])
}

pub(super) fn select(call: &mut Call<'_>) -> Outcome {
    let Some(number) = integer(call.args[1]) else {
        return call.error("ERR value is not an integer or out of range");
    };
    if i32::try_from(number).is_err() {
        return call.error("ERR value is out of range, value must between -2147483648 and 2147483647");
    }
    if call.session.cluster && number != 0 {
        return call.error("ERR SELECT is not allowed in cluster mode");
    }
    match u16::try_from(number) {
        Ok(number) if number < KEYSPACES => {
            call.session.keyspace = Keyspace(number);
            call.ok()
        }
        _ => call.error("ERR DB index is out of range"),
    }
}

pub(super) fn quit(call: &mut Call<'_>) -> Outcome {
    call.ok();
    Outcome::Close
}

/// `MONITOR`: from now on the connection is told of the commands of other clients.
pub(super) fn monitor(call: &mut Call<'_>) -> Outcome {
    call.session.flags.monitor = true;
    call.ok()
}

pub(super) fn reset(call: &mut Call<'_>) -> Outcome {
    let open = call.host.password().is_none();
    call.session.reset(open);
    call.reply().status("RESET");
    Outcome::Done
}

/// `READONLY [MAX-STALENESS ms | STALE]`; the options are ours.
pub(super) fn readonly(call: &mut Call<'_>) -> Outcome {
    let staleness = match *call.args {
        [_] => Staleness::Usual,
        [_, word] if word.eq_ignore_ascii_case(b"stale") => Staleness::Any,
        [_, word, ms] if word.eq_ignore_ascii_case(b"max-staleness") => {
            let allowed = MIN_STALENESS_MS..=MAX_STALENESS_MS;
            match integer(ms).and_then(|ms| u64::try_from(ms).ok()).filter(|ms| allowed.contains(ms)) {
                Some(ms) => Staleness::AtMost { ms },
                None => {
                    let given = String::from_utf8_lossy(ms).into_owned();
                    return call.error(&format!(
                        "ERR max-staleness '{given}' is not allowed; allowed: {MIN_STALENESS_MS} to {MAX_STALENESS_MS} (ms)"
                    ));
                }
            }
        }
        _ => return call.error("ERR syntax error: READONLY [MAX-STALENESS ms | STALE]"),
    };
    call.session.flags.readonly = true;
    call.session.staleness = staleness;
    call.ok()
}

pub(super) fn readwrite(call: &mut Call<'_>) -> Outcome {
    call.session.flags.readonly = false;
    call.ok()
}
