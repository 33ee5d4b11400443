//! `CLIENT LIST` and `CLIENT INFO`.

use super::{Call, Outcome, integer};
use crate::encode::{Proto, Resp};
use model::Reply;
use std::collections::BTreeMap;

/// The types of clients that Redis tells apart. All connections of this front are `Normal`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ClientType {
    Normal,
    Master,
    Replica,
    Pubsub,
}

impl ClientType {
    /// The type with this name in any case.
    pub(super) fn by_name(name: &[u8]) -> Option<ClientType> {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => Some(ClientType::Normal),
            b"master" => Some(ClientType::Master),
            b"slave" | b"replica" => Some(ClientType::Replica),
            b"pubsub" => Some(ClientType::Pubsub),
            _ => None,
        }
    }
}

/// The calling connection's own command is in its buffer while it is executed.
fn count_own_command(call: &mut Call<'_>) {
    let mut bytes = Vec::new();
    let mut command = Resp { buf: &mut bytes, proto: Proto::Resp2 };
    command.array(call.args.len());
    call.args.iter().for_each(|arg| command.bulk(arg));
    call.session.buffers.query = bytes.len();
}

pub(super) fn info(call: &mut Call<'_>) -> Outcome {
    count_own_command(call);
    let line = call.session.line(call.host.mono_ms()) + "\n";
    call.verbatim(&line)
}

pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    count_own_command(call);
    let args = call.args;
    let mut wanted: Option<Vec<u64>> = None;
    if call.is(2, "type") && args.len() == 4 {
        match ClientType::by_name(args[3]) {
            Some(ClientType::Normal) => {}
            Some(_) => wanted = Some(Vec::new()),
            None => return call.error_about("ERR Unknown client type '", args[3], "'"),
        }
    } else if call.is(2, "id") && args.len() > 3 {
        let ids: Option<Vec<i64>> = args[3..].iter().map(|arg| integer(arg)).collect();
        match ids {
            // A negative id is no error, only nobody's.
            Some(ids) => wanted = Some(ids.into_iter().filter_map(|id| u64::try_from(id).ok()).collect()),
            None => return call.error("ERR Invalid client ID"),
        }
    } else if args.len() != 2 {
        return call.syntax_error();
    }
    let lines = lines(call);
    let text: String = match wanted {
        None => lines.into_values().collect(),
        Some(ids) => ids.iter().filter_map(|id| lines.get(id)).map(String::as_str).collect(),
    };
    call.verbatim(&text)
}

/// The lines of all connections by id.
fn lines(call: &mut Call<'_>) -> BTreeMap<u64, String> {
    let now_ms = call.host.mono_ms();
    let mut lines = BTreeMap::new();
    call.host.each_client(&mut |session| {
        lines.insert(session.id, session.line(now_ms) + "\n");
    });
    lines.insert(call.session.id, call.session.line(now_ms) + "\n");
    lines
}
