//! An amount of memory: bytes, or a share of what the machine has.

use super::units::{parse_size, show_size};

/// An amount of memory.
#[derive(Debug, Clone, Copy)]
pub enum Memory {
    /// Bytes; 0 = no limit.
    Bytes(u64),
    /// Percent of the machine's memory.
    Percent(u64),
}

/// Equal if they are so many bytes on this machine.
impl PartialEq for Memory {
    fn eq(&self, other: &Memory) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Memory {}

impl Memory {
    /// Reads a size of at least `min` bytes, `0`, or a share like `50%`.
    pub fn parse(text: &str, min: u64) -> Option<Memory> {
        if let Some(number) = text.strip_suffix('%') {
            let percent = number.trim().parse().ok()?;
            return (1..=100).contains(&percent).then_some(Memory::Percent(percent));
        }
        let bytes = parse_size(text)?;
        (bytes == 0 || bytes >= min).then_some(Memory::Bytes(bytes))
    }

    /// The canonical text.
    pub fn show(self) -> String {
        match self {
            Memory::Bytes(bytes) => show_size(bytes),
            Memory::Percent(percent) => format!("{percent}%"),
        }
    }

    /// Bytes on this machine; 0 = no limit.
    pub fn bytes(self) -> u64 {
        match self {
            Memory::Bytes(bytes) => bytes,
            Memory::Percent(percent) => machine_memory() / 100 * percent,
        }
    }
}

/// Bytes of memory of this machine; 0 if it does not say.
fn machine_memory() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|total| total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_what_is_too_small_is_refused() {
        assert_eq!(Memory::parse("64mb", 1 << 20), Some(Memory::Bytes(64 << 20)));
        assert_eq!(Memory::parse("0", 1 << 20), Some(Memory::Bytes(0)));
        assert_eq!(Memory::parse("50%", 1 << 20), Some(Memory::Percent(50)));
        for bad in ["1kb", "0%", "101%", "%", "-1", ""] {
            assert_eq!(Memory::parse(bad, 1 << 20), None, "{bad}");
        }
        let whole = Memory::Percent(100).bytes();
        assert!(whole > 64 << 20 && Memory::Percent(50).bytes() <= whole / 2);
    }
}
