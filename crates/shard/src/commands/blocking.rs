//! Commands that wait for something to take: here they take what is there, or end with [`Stop::Block`], after
//! which they run again when one of their keys has changed. See `blocking.rs` of the node.

use model::Reply;

/// Answers a command that found nothing and does not wait any longer.
pub fn put_nothing(args: &[&[u8]], reply: &mut dyn Reply) {
    let moves = |name: &[u8]| args.first().is_some_and(|arg| arg.eq_ignore_ascii_case(name));
    if moves(b"blmove") || moves(b"brpoplpush") { reply.null() } else { reply.null_array() }
}
