//! `CONFIG GET`, `SET`, `RESETSTAT`, `REWRITE`.

use super::{Call, Outcome, c_text};
use crate::glob;
use crate::host::ConfigError;
use model::Reply;

/// Options that are shown to those who know their names, as in Redis.
const HIDDEN: &[&str] = &["key-load-delay", "rdb-key-save-delay"];

pub(super) fn config(call: &mut Call<'_>, sub: &str) -> Outcome {
    match sub {
        "get" => get(call),
        "set" => set(call),
        "resetstat" => {
            call.host.reset_stats();
            call.ok()
        }
        _ => match call.host.config_rewrite() {
            Ok(()) => call.ok(),
            Err(why) => call.error(&format!("ERR {why}")),
        },
    }
}

fn get(call: &mut Call<'_>) -> Outcome {
    let patterns = &call.args[2..];
    let mut found: Vec<(String, String)> = Vec::new();
    call.host.config(&mut |name, value| {
        let named = |pattern: &&[u8]| match HIDDEN.contains(&name) {
            true => pattern.eq_ignore_ascii_case(name.as_bytes()),
            false => glob::matches(pattern, name.as_bytes()),
        };
        if patterns.iter().any(named) {
            found.push((name.into(), value.into()));
        }
    });
    let mut reply = call.reply();
    reply.map(found.len());
    for (name, value) in found {
        reply.bulk_str(&name);
        reply.bulk_str(&value);
    }
    Outcome::Done
}

fn set(call: &mut Call<'_>) -> Outcome {
    let args = &call.args[2..];
    if !args.len().is_multiple_of(2) {
        return call.syntax_error();
    }
    let lower =
        |name: &[u8]| String::from_utf8_lossy(&c_text(name, usize::MAX).to_ascii_lowercase()).into_owned();
    let pairs: Vec<(String, &[u8])> = args.chunks_exact(2).map(|pair| (lower(pair[0]), pair[1])).collect();
    for (i, (name, _)) in pairs.iter().enumerate() {
        if pairs[..i].iter().any(|(earlier, _)| earlier == name) {
            return refused(call, args[2 * i], "duplicate parameter");
        }
    }
    // An unknown option is quoted as the client wrote it.
    let written =
        |name: &str| pairs.iter().position(|(known, _)| known == name).map_or(&b""[..], |i| args[2 * i]);
    match call.host.config_set(&pairs) {
        Ok(()) => call.ok(),
        Err(ConfigError::Unknown(name)) => call.error_about(
            "ERR Unknown option or number of arguments for CONFIG SET - '",
            written(&name),
            "'",
        ),
        Err(ConfigError::Refused(name, why)) => refused(call, name.as_bytes(), &why),
    }
}

fn refused(call: &mut Call<'_>, name: &[u8], why: &str) -> Outcome {
    call.error_about("ERR CONFIG SET failed (possibly related to argument '", name, &format!("') - {why}"))
}
