//! Finding the command of a call, and the errors of a call that is none.

use super::c_text;
use shard::table::{Spec, Unknown, flag, resolve};

/// Bytes of an unknown command, and of its arguments together, that the error quotes.
const QUOTED: usize = 128;

/// Why a call is not executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// There is no such command.
    UnknownCommand,
    /// The container has no such subcommand.
    UnknownSubcommand(&'static str),
    /// Too many or too few arguments.
    Arity(&'static str),
    /// A password is needed first.
    NoAuth,
}

/// The command or subcommand that a call means, with arity and password checked in the order of
/// Redis. `args` has at least the name.
#[inline]
pub fn admit(args: &[&[u8]], authenticated: bool) -> Result<&'static Spec, Refusal> {
    let Some(name) = args.first() else { return Err(Refusal::UnknownCommand) };
    let spec = resolve(name, args.get(1).copied()).map_err(|unknown| match unknown {
        Unknown::Command => Refusal::UnknownCommand,
        Unknown::Subcommand(container) => Refusal::UnknownSubcommand(container),
    })?;
    if !spec.accepts(args.len()) {
        return Err(Refusal::Arity(spec.name));
    }
    if !authenticated && !spec.flags.has(flag::NO_AUTH) {
        return Err(Refusal::NoAuth);
    }
    Ok(spec)
}

impl Refusal {
    /// The text of the error for [`crate::Resp::error_bytes`].
    pub fn text(self, args: &[&[u8]]) -> Vec<u8> {
        match self {
            Refusal::UnknownCommand => unknown_command(args),
            Refusal::UnknownSubcommand(container) => {
                let sub = c_text(args.get(1).copied().unwrap_or_default(), QUOTED);
                let container = container.to_ascii_uppercase();
                [b"ERR unknown subcommand '", sub, b"'. Try ", container.as_bytes(), b" HELP."].concat()
            }
            // DEBUG is no container: it counts the arguments of what it is asked for itself.
            Refusal::Arity(name) if name.starts_with("debug|") => {
                let sub = c_text(args.get(1).copied().unwrap_or_default(), QUOTED);
                let start = b"ERR unknown subcommand or wrong number of arguments for '";
                [&start[..], sub, b"'. Try DEBUG HELP."].concat()
            }
            Refusal::Arity(name) => {
                format!("ERR wrong number of arguments for '{name}' command").into_bytes()
            }
            Refusal::NoAuth => b"NOAUTH Authentication required.".to_vec(),
        }
    }
}

fn unknown_command(args: &[&[u8]]) -> Vec<u8> {
    let name = c_text(args.first().copied().unwrap_or_default(), QUOTED);
    let mut quoted = Vec::new();
    for arg in args.iter().skip(1) {
        if quoted.len() >= QUOTED {
            break;
        }
        let text = c_text(arg, QUOTED - quoted.len());
        quoted.extend([b"'", text, b"' "].concat());
    }
    [b"ERR unknown command '", name, b"', with args beginning with: ", &quoted].concat()
}
