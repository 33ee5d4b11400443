//! `CLIENT KILL`, in its old form (an address) and with filters.

use super::client_list::ClientType;
use super::{Call, Outcome, integer};
use crate::session::Session;

/// Which connections a call means; an absent filter admits all.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    kind: Option<ClientType>,
    keep_me: bool,
}

impl Filter<'_> {
    fn admits(&self, session: &Session) -> bool {
        self.id.is_none_or(|id| id == session.id)
            && self.addr.is_none_or(|addr| addr == session.addr.as_bytes())
            && self.laddr.is_none_or(|addr| addr == session.laddr.as_bytes())
            && self.kind.is_none_or(|kind| kind == ClientType::Normal)
    }
}

pub(super) fn kill(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    if let [_, _, addr] = args {
        let filter = Filter { addr: Some(addr), ..Filter::default() };
        let (killed, me) = kill_all(call, &filter);
        if killed == 0 {
            return call.error("ERR No such client");
        }
        call.ok();
        return if me { Outcome::Close } else { Outcome::Done };
    }
    let Some(filter) = parse(call, &args[2..]) else { return Outcome::Done };
    let (killed, me) = kill_all(call, &filter);
    call.int(killed);
    if me { Outcome::Close } else { Outcome::Done }
}

/// Reads the filters; `None` after writing the error.
fn parse<'a>(call: &mut Call<'_>, mut rest: &[&'a [u8]]) -> Option<Filter<'a>> {
    let mut filter = Filter { keep_me: true, ..Filter::default() };
    while let [option, value, after @ ..] = rest {
        let is = |word: &str| option.eq_ignore_ascii_case(word.as_bytes());
        if is("id") {
            filter.id = integer(value).and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0);
            if filter.id.is_none() {
                call.error("ERR client-id should be greater than 0");
                return None;
            }
        } else if is("type") {
            filter.kind = ClientType::by_name(value);
            if filter.kind.is_none() {
                call.error_about("ERR Unknown client type '", value, "'");
                return None;
            }
        } else if is("addr") {
            filter.addr = Some(value);
        } else if is("laddr") {
            filter.laddr = Some(value);
        } else if is("user") {
            // Every connection is the default user's, before AUTH too.
            if *value != b"default" {
                call.error_about("ERR No such user '", value, "'");
                return None;
            }
        } else if is("skipme") && value.eq_ignore_ascii_case(b"yes") {
            filter.keep_me = true;
        } else if is("skipme") && value.eq_ignore_ascii_case(b"no") {
            filter.keep_me = false;
        } else {
            call.syntax_error();
            return None;
        }
        rest = after;
    }
    if rest.is_empty() {
        return Some(filter);
    }
    call.syntax_error();
    None
}

/// Closes the connections; how many, and whether the calling one is among them.
fn kill_all(call: &mut Call<'_>, filter: &Filter<'_>) -> (i64, bool) {
    let mut ids = Vec::new();
    call.host.each_client(&mut |session| {
        if filter.admits(session) {
            ids.push(session.id);
        }
    });
    // In the order of ids, so that what happens does not depend on the order of a table.
    ids.sort_unstable();
    let me = !filter.keep_me && filter.admits(call.session);
    let killed = ids.into_iter().filter(|id| call.host.kill(*id)).count();
    (killed as i64 + i64::from(me), me)
}
