//! The options of SET and GETEX, which exclude each other in the same way.

use super::deadline::{self, Unit};
use crate::data::Stop;

/// What is said about the expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Expiry<'a> {
    /// Nothing: SET removes it, GETEX leaves it.
    #[default]
    Unsaid,
    /// A new one.
    New(Unit, &'a [u8]),
    /// KEEPTTL (SET).
    Keep,
    /// PERSIST (GETEX).
    Remove,
}

/// Options of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct SetOptions<'a> {
    /// NX: only if absent.
    pub nx: bool,
    /// XX: only if present.
    pub xx: bool,
    /// GET: answer with the old value.
    pub get: bool,
    /// EX, PX, EXAT, PXAT, KEEPTTL, PERSIST.
    pub expiry: Expiry<'a>,
}

/// Which command's options they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Set,
    GetEx,
}

impl<'a> SetOptions<'a> {
    /// Reads the arguments after the value (SET) or the key (GETEX). An option may be repeated, but
    /// not joined with one that contradicts it.
    pub fn parse(args: &[&'a [u8]], of: Of) -> Result<SetOptions<'a>, Stop> {
        let mut options = SetOptions::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let is = |name: &str| arg.eq_ignore_ascii_case(name.as_bytes());
            let old = options.expiry;
            if of == Of::Set && is("nx") && !options.xx {
                options.nx = true;
            } else if of == Of::Set && is("xx") && !options.nx {
                options.xx = true;
            } else if of == Of::Set && is("get") {
                options.get = true;
            } else if of == Of::Set && is("keepttl") && matches!(old, Expiry::Unsaid | Expiry::Keep) {
                options.expiry = Expiry::Keep;
            } else if of == Of::GetEx && is("persist") && matches!(old, Expiry::Unsaid | Expiry::Remove) {
                options.expiry = Expiry::Remove;
            } else if let Some(unit) = unit(arg)
                && (old == Expiry::Unsaid || matches!(old, Expiry::New(same, _) if same == unit))
            {
                options.expiry = Expiry::New(unit, args.next().ok_or(Stop::SYNTAX)?);
            } else {
                return Err(Stop::SYNTAX);
            }
        }
        Ok(options)
    }

    /// The new time of expiry, `None` when the command gives none.
    pub fn deadline(&self, now: u64, command: &str) -> Result<Option<u64>, Stop> {
        match self.expiry {
            Expiry::New(unit, amount) => deadline::positive(amount, unit, now, command).map(Some),
            _ => Ok(None),
        }
    }
}

fn unit(option: &[u8]) -> Option<Unit> {
    let units = [
        ("ex", Unit::SECONDS),
        ("px", Unit::MILLISECONDS),
        ("exat", Unit::UNIX_SECONDS),
        ("pxat", Unit::UNIX_MILLISECONDS),
    ];
    units.iter().find(|(name, _)| option.eq_ignore_ascii_case(name.as_bytes())).map(|(_, unit)| *unit)
}
