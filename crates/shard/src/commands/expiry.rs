//! When keys expire: the EXPIRE and TTL families, PERSIST.

use super::deadline::{self, Unit};
use super::integer;
use crate::data::{Context, Done, Stop};

/// `EXPIRE key seconds [NX | XX | GT | LT]`
pub(super) fn expire(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    set(c, args, Unit::SECONDS, "expire")
}

/// `PEXPIRE key milliseconds [NX | XX | GT | LT]`
pub(super) fn pexpire(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    set(c, args, Unit::MILLISECONDS, "pexpire")
}

/// `EXPIREAT key unix-seconds [NX | XX | GT | LT]`
pub(super) fn expireat(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    set(c, args, Unit::UNIX_SECONDS, "expireat")
}

/// `PEXPIREAT key unix-milliseconds [NX | XX | GT | LT]`
pub(super) fn pexpireat(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    set(c, args, Unit::UNIX_MILLISECONDS, "pexpireat")
}

/// When an EXPIRE command is carried out.
#[derive(Default)]
struct Condition {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Condition {
    fn parse(args: &[&[u8]]) -> Result<Condition, Stop> {
        let mut condition = Condition::default();
        for arg in args {
            match arg.to_ascii_lowercase().as_slice() {
                b"nx" => condition.nx = true,
                b"xx" => condition.xx = true,
                b"gt" => condition.gt = true,
                b"lt" => condition.lt = true,
                _ => {
                    let option = String::from_utf8_lossy(integer::before_zero(arg));
                    return Err(Stop::error(format!("ERR Unsupported option {option}")));
                }
            }
        }
        let Condition { nx, xx, gt, lt } = condition;
        if nx && (xx || gt || lt) {
            let text = "ERR NX and XX, GT or LT options at the same time are not compatible";
            return Err(Stop::error(text));
        }
        if gt && lt {
            return Err(Stop::error("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(condition)
    }

    /// True when the time may be set. `current` = 0: the key never expires, which is later than any
    /// time.
    fn holds(&self, current: u64, at: i64) -> bool {
        let never = current == 0;
        let current = i64::try_from(current).unwrap_or(i64::MAX);
        !(self.nx && !never
            || self.xx && never
            || self.gt && (never || at <= current)
            || self.lt && !never && at >= current)
    }
}

fn set(c: &mut Context<'_>, args: &[&[u8]], unit: Unit, command: &str) -> Done {
    let condition = Condition::parse(&args[3..])?;
    let now = c.data.now();
    let amount = integer::argument(args[2])?;
    let at = unit.at(amount, now).ok_or_else(|| deadline::invalid(command))?;
    let key = c.data.key(args[1]);
    let done = match c.data.get(key)? {
        Some(row) => condition.holds(row.expire, at),
        None => false,
    };
    if done {
        match u64::try_from(at) {
            Ok(at) if at > now => c.data.set_expire(key, at)?,
            _ => c.data.delete(key)?,
        };
    }
    c.reply.int(done.into());
    Ok(())
}

/// `PERSIST key`
pub(super) fn persist(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let expires = c.data.get(key)?.is_some_and(|row| row.expire != 0);
    if expires {
        c.data.set_expire(key, 0)?;
    }
    c.reply.int(expires.into());
    Ok(())
}

/// `TTL key`
pub(super) fn ttl(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    answer(c, args, |at, now| rounded_seconds(at - now))
}

/// `PTTL key`
pub(super) fn pttl(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    answer(c, args, |at, now| at - now)
}

/// `EXPIRETIME key`
pub(super) fn expiretime(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    answer(c, args, |at, _| rounded_seconds(at))
}

/// `PEXPIRETIME key`
pub(super) fn pexpiretime(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    answer(c, args, |at, _| at)
}

fn rounded_seconds(ms: u64) -> u64 {
    ms.saturating_add(500) / 1000
}

/// Answers -2 for an absent key, -1 for one that never expires, else what `shown` makes of the time
/// of expiry and now. A key that is there expires after now.
fn answer(c: &mut Context<'_>, args: &[&[u8]], shown: fn(u64, u64) -> u64) -> Done {
    let (key, now) = (c.data.key(args[1]), c.data.now());
    let answer = match c.data.peek(key)?.map(|row| row.expire) {
        None => -2,
        Some(0) => -1,
        Some(at) => i64::try_from(shown(at, now)).unwrap_or(i64::MAX),
    };
    c.reply.int(answer);
    Ok(())
}
