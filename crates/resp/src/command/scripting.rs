//! `FUNCTION` and `SCRIPT` where no script can be loaded yet: the answers of a Redis that has none.

use super::{Call, Outcome};
use model::Reply;

const NOT_BUSY: &str = "NOTBUSY No scripts in execution right now.";

pub(super) fn function(call: &mut Call<'_>, sub: &str) -> Outcome {
    match sub {
        "flush" => match flush(call) {
            Some(true) => call.ok(),
            Some(false) => call.error("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"),
            None => call.subcommand_error("FUNCTION"),
        },
        "list" => list(call),
        _ => call.error(NOT_BUSY),
    }
}

pub(super) fn script(call: &mut Call<'_>, sub: &str) -> Outcome {
    match sub {
        "flush" if flush(call) == Some(true) => call.ok(),
        "flush" => call.error("ERR SCRIPT FLUSH only support SYNC|ASYNC option"),
        "exists" => {
            let count = call.args.len() - 2;
            let mut reply = call.reply();
            reply.array(count);
            (0..count).for_each(|_| reply.int(0));
            Outcome::Done
        }
        _ => call.error(NOT_BUSY),
    }
}

/// Whether the option is one that there is; `None` if there are too many.
fn flush(call: &Call<'_>) -> Option<bool> {
    match call.args.len() {
        2 => Some(true),
        3 => Some(call.is(2, "sync") || call.is(2, "async")),
        _ => None,
    }
}

fn list(call: &mut Call<'_>) -> Outcome {
    let (mut code, mut pattern, mut at) = (false, false, 2);
    while at < call.args.len() {
        if !code && call.is(at, "withcode") {
            code = true;
        } else if !pattern && call.is(at, "libraryname") {
            at += 1;
            if at == call.args.len() {
                return call.error("ERR library name argument was not given");
            }
            pattern = true;
        } else {
            return call.error_about("ERR Unknown argument ", call.args[at], "");
        }
        at += 1;
    }
    call.reply().array(0);
    Outcome::Done
}
