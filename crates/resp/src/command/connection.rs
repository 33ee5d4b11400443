//! `PING`, `ECHO`, `SELECT`, `QUIT`, `RESET`, `READONLY`, `READWRITE`.

use super::{Call, Outcome, integer};
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

pub(super) fn reset(call: &mut Call<'_>) -> Outcome {
    let open = call.host.password().is_none();
    call.session.reset(open);
    call.reply().status("RESET");
    Outcome::Done
}

pub(super) fn readonly(call: &mut Call<'_>, on: bool) -> Outcome {
    call.session.flags.readonly = on;
    call.ok()
}
