//! `CLIENT` and its subcommands; `KILL` and `LIST` are beside.

use super::hello::{plain_text, set_name};
use super::{Call, Outcome, client_kill, client_list, integer};
use crate::host::PauseScope;
use crate::session::ReplyMode;
use model::Reply;

pub(super) fn client(call: &mut Call<'_>, sub: &str) -> Outcome {
    match sub {
        "id" => call.int(call.session.id as i64),
        "info" => client_list::info(call),
        "list" => client_list::list(call),
        "kill" => client_kill::kill(call),
        "getname" => getname(call),
        "setname" => {
            if set_name(call, call.args[2]) {
                call.ok();
            }
            Outcome::Done
        }
        "setinfo" => setinfo(call),
        "no-evict" => switch(call, |call, on| call.session.flags.no_evict = on),
        "no-touch" => switch(call, |call, on| call.session.flags.no_touch = on),
        "pause" => pause(call),
        "unpause" => {
            call.host.unpause();
            call.ok()
        }
        "replication" => Outcome::Node,
        "reply" => reply(call),
        "unblock" => unblock(call),
        "getredir" => call.int(-1),
        "trackinginfo" => trackinginfo(call),
        "caching" => caching(call),
        _ => tracking(call),
    }
}

fn getname(call: &mut Call<'_>) -> Outcome {
    let name = call.session.name.clone();
    if name.is_empty() {
        call.reply().null()
    } else {
        call.reply().bulk_str(&name)
    }
    Outcome::Done
}

fn setinfo(call: &mut Call<'_>) -> Outcome {
    let (option, value) = (call.args[2], call.args[3]);
    let is_name = option.eq_ignore_ascii_case(b"lib-name");
    if !is_name && !option.eq_ignore_ascii_case(b"lib-ver") {
        return call.error_about("ERR Unrecognized option '", option, "'");
    }
    let Some(text) = plain_text(value) else {
        let option = if is_name { "lib-name" } else { "lib-ver" };
        return call.error(&format!("ERR {option} cannot contain spaces, newlines or special characters."));
    };
    let place = if is_name { &mut call.session.lib_name } else { &mut call.session.lib_ver };
    *place = text.into();
    call.ok()
}

fn switch(call: &mut Call<'_>, set: fn(&mut Call<'_>, bool)) -> Outcome {
    let on = call.is(2, "on");
    if !on && !call.is(2, "off") {
        return call.syntax_error();
    }
    set(call, on);
    call.ok()
}

fn pause(call: &mut Call<'_>) -> Outcome {
    let scope = match call.args.len() {
        3 => PauseScope::All,
        4 if call.is(3, "write") => PauseScope::Writes,
        4 if call.is(3, "all") => PauseScope::All,
        4 => return call.error("ERR CLIENT PAUSE mode must be WRITE or ALL"),
        _ => return call.subcommand_error("CLIENT"),
    };
    match integer(call.args[2]).map(u64::try_from) {
        Some(Ok(ms)) => {
            call.host.pause(ms, scope);
            call.ok()
        }
        Some(Err(_)) => call.error("ERR timeout is negative"),
        None => call.error("ERR timeout is not an integer or out of range"),
    }
}

fn reply(call: &mut Call<'_>) -> Outcome {
    if call.is(2, "on") {
        call.session.reply = ReplyMode::On;
        return call.ok();
    }
    if call.is(2, "off") {
        call.session.reply = ReplyMode::Off;
    } else if !call.is(2, "skip") {
        return call.syntax_error();
    } else if call.session.reply != ReplyMode::Off {
        call.session.reply = ReplyMode::SkipNext;
    }
    Outcome::Done
}

fn unblock(call: &mut Call<'_>) -> Outcome {
    let with_error = match call.args.len() {
        3 => false,
        4 if call.is(3, "timeout") => false,
        4 if call.is(3, "error") => true,
        4 => return call.error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
        _ => return call.subcommand_error("CLIENT"),
    };
    let Some(id) = integer(call.args[2]) else {
        return call.error("ERR value is not an integer or out of range");
    };
    let done = u64::try_from(id).is_ok_and(|id| call.host.unblock(id, with_error));
    call.int(i64::from(done))
}

fn trackinginfo(call: &mut Call<'_>) -> Outcome {
    let mut reply = call.reply();
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(1);
    reply.bulk(b"off");
    reply.bulk(b"redirect");
    reply.int(-1);
    reply.bulk(b"prefixes");
    reply.array(0);
    Outcome::Done
}

fn caching(call: &mut Call<'_>) -> Outcome {
    call.error(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
    )
}

fn tracking(call: &mut Call<'_>) -> Outcome {
    // Options mean nothing to OFF and are still read.
    let mut options = call.args[3..].iter();
    while let Some(option) = options.next() {
        let known = match &option.to_ascii_lowercase()[..] {
            b"bcast" | b"optin" | b"optout" | b"noloop" => true,
            b"prefix" | b"redirect" => options.next().is_some(),
            _ => false,
        };
        if !known {
            return call.syntax_error();
        }
    }
    if call.is(2, "off") {
        return call.ok();
    }
    if call.is(2, "on") {
        return call.error(
            "ERR CLIENT TRACKING ON is not supported: this node keeps no record of what clients cache",
        );
    }
    call.syntax_error()
}
