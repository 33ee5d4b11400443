//! Sizes and durations as people write them, both ways.

/// Units of sizes, largest first. `kb` is 1024 and `k` 1000, as in Redis.
const SIZES: [(&str, u64); 8] = [
    ("gb", 1 << 30),
    ("mb", 1 << 20),
    ("kb", 1 << 10),
    ("g", 1_000_000_000),
    ("m", 1_000_000),
    ("k", 1_000),
    ("b", 1),
    ("", 1),
];

/// Units of durations in milliseconds, `ms` before `m` and `s` so that the longer suffix wins.
const DURATIONS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// Bytes from `8mb`, `64k`, `1024`; `None` if it is not a size or exceeds 64 bits.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let (number, factor) =
        SIZES.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    whole(number)?.checked_mul(factor)
}

/// Milliseconds from `5s`, `120ms`, `2m`; a number without a unit is refused except 0.
pub fn parse_duration(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    if text == "0" {
        return Some(0);
    }
    let (number, factor) =
        DURATIONS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    whole(number)?.checked_mul(factor)
}

/// Digits only: `+5`, `5.5` and the empty text are not whole numbers.
fn whole(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A size with the largest binary unit that divides it.
pub fn show_size(bytes: u64) -> String {
    let binary = [("gb", 1u64 << 30), ("mb", 1 << 20), ("kb", 1 << 10)];
    binary
        .iter()
        .find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor))
        .map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

/// A duration with the largest unit that divides it.
pub fn show_duration(ms: u64) -> String {
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    units
        .iter()
        .find(|(_, factor)| ms > 0 && ms.is_multiple_of(*factor))
        .map_or_else(|| format!("{ms}ms"), |(unit, factor)| format!("{}{unit}", ms / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_redis_reads_them() {
        assert_eq!(parse_size("8mb"), Some(8 << 20));
        assert_eq!(parse_size("8 MB"), Some(8 << 20));
        assert_eq!(parse_size("2k"), Some(2000));
        assert_eq!(parse_size("17"), Some(17));
        for bad in ["", "mb", "-1", "1.5mb", "8xb", "99999999999gb"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("5s"), Some(5_000));
        assert_eq!(parse_duration("120ms"), Some(120));
        assert_eq!(parse_duration("2m"), Some(120_000));
        assert_eq!(parse_duration("0"), Some(0));
        for bad in ["5", "", "ms", "1.5s", "-1s", "5 days"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read_back() {
        for bytes in [0, 1, 1000, 1024, 8 << 20, (8 << 20) + 1, 3 << 30] {
            assert_eq!(parse_size(&show_size(bytes)), Some(bytes));
        }
        for ms in [0, 1, 120, 5_000, 90_000, 3_600_000] {
            assert_eq!(parse_duration(&show_duration(ms)), Some(ms));
        }
    }
}
