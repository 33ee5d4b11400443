//! `SAVE`, `BGSAVE`, `BGREWRITEAOF`, `REPLICAOF`, `SLAVEOF`, `MODULE LIST`: what nodes do by themselves or not at all.
//!
//! What is answered is in the log before any of these is called, so saving only moves the point from which a
//! start would read it.

use super::{Call, Outcome, integer};
use model::Reply;

/// The highest TCP port.
const MAX_PORT: i64 = 65_535;

/// `SAVE`
pub(super) fn save(call: &mut Call<'_>) -> Outcome {
    call.host.save();
    call.ok()
}

/// `BGSAVE [SCHEDULE]`
pub(super) fn bgsave(call: &mut Call<'_>) -> Outcome {
    if call.args.len() > 2 || (call.args.len() == 2 && !call.is(1, "schedule")) {
        return call.syntax_error();
    }
    call.host.save();
    call.reply().status("Background saving started");
    Outcome::Done
}

/// `BGREWRITEAOF`
pub(super) fn bgrewriteaof(call: &mut Call<'_>) -> Outcome {
    call.host.save();
    call.reply().status("Background append only file rewriting started");
    Outcome::Done
}

/// `REPLICAOF NO ONE` describes what every node is. There is no other answer to give.
pub(super) fn replicaof(call: &mut Call<'_>) -> Outcome {
    let name = String::from_utf8_lossy(call.args[0]).to_ascii_uppercase();
    if call.session.cluster {
        return call.error(&format!("ERR {name} not allowed in cluster mode."));
    }
    if call.is(1, "no") && call.is(2, "one") {
        return call.ok();
    }
    if !integer(call.args[2]).is_some_and(|port| (0..=MAX_PORT).contains(&port)) {
        return call.error("ERR Invalid master port");
    }
    call.error(&format!(
        "ERR {name} is not supported: nodes of the cluster keep the copies; a node enters it with 'everstore serve --join'"
    ))
}

/// `MODULE LIST`: nodes load no foreign code.
pub(super) fn module_list(call: &mut Call<'_>) -> Outcome {
    call.reply().array(0);
    Outcome::Done
}
