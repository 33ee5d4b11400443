//! What DUMP gave: each side has to read what the other wrote, and its own in place of the value.

use super::connection::{Command, Connection};
use super::contenders::Pair;
use super::state::{self, Held};
use super::value::Value;

/// A key of no group.
const ELSEWHERE: &[u8] = b"restored elsewhere";

/// Restores what both sides have dumped: in each other under another key, and in themselves where it was, without expiry.
/// What is there then, ours and theirs, if it differs.
///
/// # Errors
/// A side breaks.
pub fn exchange(
    pair: &mut Pair,
    key: &[u8],
    ours: &Value,
    theirs: &Value,
) -> Result<Option<(String, String)>, String> {
    let (Value::Bulk(our_payload), Value::Bulk(their_payload)) = (ours, theirs) else { return Ok(None) };
    let foreign = (
        restore(&mut pair.ours, ELSEWHERE, their_payload)?,
        restore(&mut pair.theirs, ELSEWHERE, our_payload)?,
    );
    let delete: Command = vec![b"DEL".to_vec(), ELSEWHERE.to_vec()];
    pair.ours.run(&delete)?;
    pair.theirs.run(&delete)?;
    if let Some(differs) = difference(&foreign, false) {
        return Ok(Some(differs));
    }
    let own = (restore(&mut pair.ours, key, our_payload)?, restore(&mut pair.theirs, key, their_payload)?);
    Ok(difference(&own, true))
}

/// Restores a payload and reads what is there then; or the reply to RESTORE if that fails.
fn restore(side: &mut Connection, key: &[u8], payload: &[u8]) -> Result<Result<Held, Value>, String> {
    let command = [&b"RESTORE"[..], key, b"0", payload, b"REPLACE"];
    let reply = side.run(&command.map(<[u8]>::to_vec).to_vec())?;
    if reply.is_error() {
        return Ok(Err(reply));
    }
    let mut held = state::held(side, &[Value::Bulk(key.to_vec())])?;
    held.pop().map(|(_, held)| Ok(held)).ok_or_else(|| "nothing is held".to_string())
}

fn difference(both: &(Result<Held, Value>, Result<Held, Value>), form: bool) -> Option<(String, String)> {
    let shown = |one: &Result<Held, Value>| match one {
        Ok(held) => held.shown(),
        Err(reply) => reply.render().join(" "),
    };
    let same = matches!(both, (Ok(ours), Ok(theirs)) if ours.is_like(theirs, form));
    (!same).then(|| (shown(&both.0), shown(&both.1)))
}
