//! Commands that wait for something to take: here they take what is there, or end with [`Stop::Block`], after
//! which they run again when one of their keys has changed. See `blocking.rs` of the node.

use super::timeout::Timeout;
use crate::data::{Context, Done, Stop};
use model::Reply;

/// Bytes of the absent value in any protocol, at most.
const ABSENT: usize = 5;

/// Runs the relative of a command that does not wait; if that finds nothing to take the command waits.
pub(super) fn unless_nothing(c: &mut Context<'_>, run: impl FnOnce(&mut Context<'_>) -> Done) -> Done {
    let before = c.reply.written();
    run(c)?;
    // Whatever is taken has a longer answer than the absent value: `$-1` or `*-1`, `_` in RESP3.
    if c.reply.written() - before <= ABSENT { Err(Stop::Block) } else { Ok(()) }
}

/// Whether the timeout of a call can be read. Whoever waits looks at it first, but a transaction does not wait.
///
/// # Errors
/// As [`Timeout::of`].
pub(super) fn check_timeout(args: &[&[u8]]) -> Done {
    let name = String::from_utf8_lossy(args.first().copied().unwrap_or_default()).to_ascii_lowercase();
    Timeout::of(&name, args).map(drop).map_err(Stop::error)
}

/// Answers a command that found nothing and does not wait any longer.
pub fn put_nothing(args: &[&[u8]], reply: &mut dyn Reply) {
    let moves = |name: &[u8]| args.first().is_some_and(|arg| arg.eq_ignore_ascii_case(name));
    if moves(b"blmove") || moves(b"brpoplpush") { reply.null() } else { reply.null_array() }
}
