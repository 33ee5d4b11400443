//! The timeout of commands that wait for something, as Redis 7.0 reads it.

use super::stream::read::Call;
use crate::data::Stop;

use super::float;

/// How long a command waits, in ms; 0 = for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeout(u64);

impl Timeout {
    /// Whether a call of a command that may wait does wait: XREAD only with BLOCK, all others unless their timeout is
    /// wrong. That their handlers say, among other faults in Redis's order.
    pub fn waits(name: &str, args: &[&[u8]]) -> bool {
        match name {
            "xread" => Call::parse(args).is_ok_and(|call| call.block.is_some()),
            _ => Timeout::of(name, args).is_ok(),
        }
    }

    /// How long to wait, `None` = for ever.
    pub fn ms(self) -> Option<u64> {
        (self.0 > 0).then_some(self.0)
    }

    /// The timeout of a call.
    ///
    /// # Errors
    /// One that is no number, negative or too large, in the words of Redis.
    pub fn of(name: &str, args: &[&[u8]]) -> Result<Timeout, String> {
        if name == "xread" {
            return match Call::parse(args) {
                Ok(call) => Ok(Timeout(call.block.unwrap_or(0))),
                Err(Stop::Error(text)) => Err(text.into_owned()),
                Err(Stop::Fetch | Stop::Block) => Err("ERR syntax error".to_owned()),
            };
        }
        let at = if matches!(name, "blmpop" | "bzmpop") { args.get(1) } else { args.last() };
        let seconds = at.and_then(|arg| float::parse(arg));
        let seconds = seconds.ok_or("ERR timeout is not a float or out of range")?;
        // A part of a millisecond is waited for as a whole one.
        let ms = (seconds * 1000.0).ceil();
        // What does not fit becomes negative in Redis 7.0.
        if ms < 0.0 || ms >= i64::MAX as f64 {
            return Err("ERR timeout is negative".to_owned());
        }
        Ok(Timeout(ms as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_redis_reads_them() {
        let of = |line: &str| {
            let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            Timeout::of(&line[..line.find(' ').unwrap()], &args).map(Timeout::ms)
        };
        assert_eq!(of("blpop k 0"), Ok(None));
        assert_eq!(of("blpop k 0.0001"), Ok(Some(1)));
        assert_eq!(of("blpop k -0.0001"), Ok(None));
        assert_eq!(of("blpop k 0x1p-1"), Ok(Some(500)));
        assert_eq!(of("blmpop 1.5 1 k left"), Ok(Some(1500)));
        assert_eq!(of("xread block 20 streams k 0"), Ok(Some(20)));
        assert_eq!(of("xread block 0 streams k 0"), Ok(None));
        for (line, text) in [
            ("blpop k x", "ERR timeout is not a float or out of range"),
            ("blpop k nan", "ERR timeout is not a float or out of range"),
            ("blpop k -1", "ERR timeout is negative"),
            ("blpop k inf", "ERR timeout is negative"),
            ("blpop k 1e300", "ERR timeout is negative"),
            ("xread block x streams k 0", "ERR timeout is not an integer or out of range"),
            ("xread block -1 streams k 0", "ERR timeout is negative"),
        ] {
            assert_eq!(of(line), Err(text.to_owned()), "{line}");
        }
        assert!(!Timeout::waits("xread", &[b"xread", b"streams", b"block", b"0"]));
        assert!(!Timeout::waits("xread", &[b"xread", b"block", b"x", b"streams", b"k", b"0"]));
        assert!(Timeout::waits("xread", &[b"xread", b"count", b"1", b"block", b"5", b"streams", b"k", b"0"]));
    }
}
