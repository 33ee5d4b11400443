//! `TIME`, `LASTSAVE`, `ROLE`, `LOLWUT`, `SWAPDB`, `SHUTDOWN`, `ACL`.

use super::{Call, Outcome, integer};
use crate::host::Role;
use model::Reply;
use model::limits::KEYSPACES;
use shard::table::{Categories, commands};

pub(super) fn time(call: &mut Call<'_>) -> Outcome {
    let now = call.host.wall_us();
    let mut reply = call.reply();
    reply.array(2);
    reply.bulk_str(&(now / 1_000_000).to_string());
    reply.bulk_str(&(now % 1_000_000).to_string());
    Outcome::Done
}

pub(super) fn lastsave(call: &mut Call<'_>) -> Outcome {
    call.int(call.host.last_save_s() as i64)
}

pub(super) fn role(call: &mut Call<'_>) -> Outcome {
    let role = call.host.role();
    let mut reply = call.reply();
    match role {
        Role::Leader(position, followers) => {
            reply.array(3);
            reply.bulk(b"master");
            reply.int(position as i64);
            reply.array(followers.len());
            for (ip, port, acknowledged) in followers {
                reply.array(3);
                reply.bulk_str(&ip);
                reply.bulk_str(&port.to_string());
                reply.bulk_str(&acknowledged.to_string());
            }
        }
        Role::Follower(ip, port, link, position) => {
            reply.array(5);
            reply.bulk(b"slave");
            reply.bulk_str(&ip);
            reply.int(i64::from(port));
            reply.bulk_str(link);
            reply.int(position as i64);
        }
    }
    Outcome::Done
}

pub(super) fn lolwut(call: &mut Call<'_>) -> Outcome {
    if call.is(1, "version") && call.args.get(2).is_some_and(|number| integer(number).is_none()) {
        return call.error("ERR value is not an integer or out of range");
    }
    let text =
        format!("Everstore ver. {}, as Redis ver. {}\n", call.host.version(), call.host.redis_version());
    call.verbatim(&text)
}

/// `PFSELFTEST`
pub(super) fn pfselftest(call: &mut Call<'_>) -> Outcome {
    match shard::commands::hyperloglog_selftest() {
        Ok(()) => call.reply().ok(),
        Err(what) => return call.error(&what),
    }
    Outcome::Done
}

/// Keyspaces have shards and options of their own, so they are never exchanged; what is wrong with
/// the numbers is still said first.
pub(super) fn swapdb(call: &mut Call<'_>) -> Outcome {
    if call.session.cluster {
        return call.error("ERR SWAPDB is not allowed in cluster mode");
    }
    for (at, which) in [(1, "first"), (2, "second")] {
        match integer(call.args[at]) {
            None => return call.error(&format!("ERR invalid {which} DB index")),
            Some(n) if !(0..i64::from(KEYSPACES)).contains(&n) => {
                return call.error("ERR DB index is out of range");
            }
            Some(_) => {}
        }
    }
    call.error(
        "ERR SWAPDB is not supported: keyspaces have shards and options of their own and cannot be exchanged",
    )
}

pub(super) fn shutdown(call: &mut Call<'_>) -> Outcome {
    let (mut save, mut nosave, mut now, mut force, mut abort) = (false, false, false, false, false);
    for arg in &call.args[1..] {
        let flag = match arg.to_ascii_lowercase().as_slice() {
            b"save" => &mut save,
            b"nosave" => &mut nosave,
            b"now" => &mut now,
            b"force" => &mut force,
            b"abort" => &mut abort,
            _ => return call.syntax_error(),
        };
        *flag = true;
    }
    if (save && nosave) || (abort && (save || nosave || now || force)) {
        return call.syntax_error();
    }
    if !abort {
        let save = (save || nosave).then_some(save);
        return Outcome::Shutdown { save, now, force };
    }
    if call.host.abort_shutdown() { call.ok() } else { call.error("ERR No shutdown in progress.") }
}

pub(super) fn acl(call: &mut Call<'_>, sub: &str) -> Outcome {
    if sub == "whoami" {
        return call.bulk(b"default");
    }
    let Some(&category) = call.args.get(2) else {
        let names: Vec<&str> = Categories::all().names().collect();
        return bulks(call, &names);
    };
    if call.args.len() > 3 {
        return call.subcommand_error("ACL");
    }
    let Some(wanted) = Categories::by_name(category) else {
        return call.error_about("ERR Unknown category '", category, "'");
    };
    let every = commands().iter().flat_map(|c| std::iter::once(c).chain(c.subcommands));
    let names: Vec<&str> = every.filter(|c| c.all_categories().has(wanted.0)).map(|c| c.name).collect();
    bulks(call, &names)
}

fn bulks(call: &mut Call<'_>, texts: &[&str]) -> Outcome {
    let mut reply = call.reply();
    reply.array(texts.len());
    texts.iter().for_each(|text| reply.bulk_str(text));
    Outcome::Done
}
