//! Passed and failed tests, read from what the test runners print.

use std::ops::AddAssign;

/// Tests that passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Count) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Count {
    /// One check without a number of its own, such as the format check.
    pub fn one(success: bool) -> Count {
        Count { passed: u64::from(success), failed: u64::from(!success) }
    }

    /// Sums the result lines of cargo test, nextest and pytest in `output`. A runner that failed
    /// without saying which test (it did not compile) counts as one failure.
    pub fn of(output: &str, success: bool) -> Count {
        let mut count = Count::default();
        for line in output.lines().map(without_colors) {
            let is_result = line.starts_with("test result: ")
                || line.trim_start().starts_with("Summary [")
                || (line.starts_with('=') && line.ends_with('=') && line.contains(" in "));
            if is_result {
                count.passed += number_before(&line, "passed");
                count.failed += ["failed", "timed", "errors", "error"]
                    .map(|word| number_before(&line, word))
                    .iter()
                    .sum::<u64>();
            }
        }
        if !success && count.failed == 0 {
            count.failed = 1;
        }
        count
    }
}

/// The number in front of a word: 12 in `12 passed`, also in `12 passed;` and `12 passed,`.
fn number_before(line: &str, word: &str) -> u64 {
    let words: Vec<&str> =
        line.split(|c: char| c.is_whitespace() || c == ';' || c == ',').filter(|w| !w.is_empty()).collect();
    let pair = words.windows(2).find(|pair| pair[1] == word);
    pair.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

fn without_colors(line: &str) -> String {
    let mut out = String::new();
    let mut parts = line.split('\x1b');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        out.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runner_is_understood() {
        let cargo = "running 2 tests\ntest result: ok. 39 passed; 1 failed; 0 ignored; 0 measured\n\
                     test result: ok. 2 passed; 0 failed; 0 ignored\n";
        assert_eq!(Count::of(cargo, false), Count { passed: 41, failed: 1 });
        let nextest =
            "     Summary [   1.2s] 14 tests run: 11 passed (1 slow), 2 failed, 1 timed out, 0 skipped\n";
        assert_eq!(Count::of(nextest, false), Count { passed: 11, failed: 3 });
        let pytest = "\x1b[31m===== \x1b[31m1 failed\x1b[0m, \x1b[32m12 passed\x1b[0m, 2 errors in 3.40s\x1b[0m =====\x1b[0m";
        assert_eq!(Count::of(pytest, false), Count { passed: 12, failed: 3 });
    }

    #[test]
    fn a_runner_that_fails_silently_is_a_failure() {
        assert_eq!(Count::of("error: could not compile", false), Count { passed: 0, failed: 1 });
        assert_eq!(Count::of("", true), Count::default());
    }
}
