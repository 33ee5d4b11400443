//! How far it is: a bar where a person looks at it, else a line every few seconds.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time between two pictures of the bar.
const REDRAW: Duration = Duration::from_millis(100);
/// Time between two lines where nobody redraws.
const LINES: Duration = Duration::from_secs(5);
/// Columns of the bar.
const WIDTH: u64 = 24;
/// Back to the first column, and clear the line.
const CLEAR: &str = "\r\x1b[2K";

/// Shows on standard error how much is done.
#[derive(Debug)]
pub struct Progress {
    /// What is done, `importing` for example.
    doing: &'static str,
    /// Bytes are counted, not keys.
    bytes: bool,
    bar: bool,
    begun: Instant,
    shown: Option<Instant>,
    /// A bar stands in the last line.
    drawn: bool,
}

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    /// Keys so far, or bytes.
    pub keys: u64,
    /// Of the whole, in the same unit: keys or bytes.
    pub part: u64,
    /// All there is; 0 = not known.
    pub whole: u64,
}

impl Progress {
    /// Nothing is done yet.
    pub fn new(doing: &'static str) -> Progress {
        let bar = std::io::stderr().is_terminal();
        Progress { doing, bytes: false, bar, begun: Instant::now(), shown: None, drawn: false }
    }

    /// The same for bytes.
    pub fn of_bytes(doing: &'static str) -> Progress {
        Progress { bytes: true, ..Progress::new(doing) }
    }

    /// Shows how much is done, if it is time to.
    pub fn show(&mut self, done: Done) {
        let interval = if self.bar { REDRAW } else { LINES };
        if self.shown.unwrap_or(self.begun).elapsed() < interval {
            return;
        }
        self.shown = Some(Instant::now());
        let line = line(self.doing, done, self.begun.elapsed(), (self.bar, self.bytes));
        let mut out = std::io::stderr().lock();
        // Nobody to show it to is no reason to end.
        let _ = if self.bar { write!(out, "{CLEAR}{line}") } else { writeln!(out, "{line}") };
        let _ = out.flush();
        self.drawn = self.bar;
    }

    /// Prints a line that stays.
    pub fn say(&mut self, text: &str) {
        self.clear();
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Removes the bar.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(std::io::stderr().lock(), "{CLEAR}");
        }
    }
}

fn line(doing: &str, done: Done, elapsed: Duration, (bar, bytes): (bool, bool)) -> String {
    let Done { keys, part, whole } = done;
    let seconds = elapsed.as_secs_f64().max(0.001);
    let speed = (keys as f64 / seconds) as u64;
    let mut out = doing.to_owned();
    if whole > 0 {
        // The source may have got more meanwhile.
        let part = part.min(whole);
        if bar {
            let full = (u128::from(part) * u128::from(WIDTH) / u128::from(whole)) as usize;
            out += &format!(" [{}{}]", "#".repeat(full), ".".repeat(WIDTH as usize - full));
        }
        out += &format!(" {}%", u128::from(part) * 100 / u128::from(whole));
    }
    out += &match bytes {
        true => format!(", {}, {}/s", sized(keys), sized(speed)),
        false => format!(", {} keys, {}/s", grouped(keys), grouped(speed)),
    };
    if whole > 0 && part > 0 {
        let left = seconds * (whole.saturating_sub(part)) as f64 / part as f64;
        out += &format!(", {} left", span(left as u64));
    }
    out
}

/// `1.5 GiB`.
fn sized(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        0x10_0000..0x4000_0000 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

/// `1 234 567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_part_speed_and_time_left() {
        let line = |keys, part, whole, bar| {
            super::line("importing", Done { keys, part, whole }, Duration::from_secs(10), (bar, false))
        };
        assert_eq!(
            line(1_234_567, 1, 4, true),
            "importing [######..................] 25%, 1 234 567 keys, 123 456/s, 30 s left"
        );
        assert_eq!(line(50, 50, 4550, false), "importing 1%, 50 keys, 5/s, 15 min 0 s left");
        assert_eq!(line(50, 0, 0, true), "importing, 50 keys, 5/s");
        assert_eq!(line(9, 9, 8, false), "importing 100%, 9 keys, 0/s, 0 s left");
        assert!(line(1, 0, 8, true).contains("[........................] 0%"));
        assert!(line(8, 8, 8, true).contains("[########################] 100%"));
    }

    #[test]
    fn bytes_are_told_in_a_unit_of_their_size() {
        let done = Done { keys: 3 << 29, part: 3 << 29, whole: 3 << 30 };
        assert_eq!(
            line("uploading", done, Duration::from_secs(2), (false, true)),
            "uploading 50%, 1.5 GiB, 768.0 MiB/s, 2 s left"
        );
        assert_eq!([0, 1023, 1024, 1 << 20].map(sized), ["0 B", "1023 B", "1.0 KiB", "1.0 MiB"]);
    }

    #[test]
    fn numbers_and_times_are_readable() {
        assert_eq!([0, 999, 1000, 12_345_678].map(grouped), ["0", "999", "1 000", "12 345 678"]);
        assert_eq!([59, 61, 3_700].map(span), ["59 s", "1 min 1 s", "1 h 1 min"]);
    }
}
