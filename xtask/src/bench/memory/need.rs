//! Whether this machine has room for what a run needs.

use std::process::Command;

use crate::run::target_dir;

/// Nodes times what the disk of each holds at most per byte of data: rows, their successors while they are merged, log.
const DISK_TIMES: u64 = 3 * 3;
/// Left to others, bytes.
const DISK_SPARE: u64 = 4 << 30;
/// Memory of a key in Redis, bytes: key, value, table, output buffers.
const REDIS_KEY: u64 = 220;

/// Whether the disk has room.
///
/// # Errors
/// It has not, or does not tell.
pub fn disk(data: u64) -> Result<(), String> {
    let mut command = Command::new("df");
    let output =
        command.args(["-B1", "--output=avail"]).arg(target_dir()).output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let free: u64 =
        text.lines().nth(1).and_then(|line| line.trim().parse().ok()).ok_or("df tells no free space")?;
    enough(free, data)
}

fn enough(free: u64, data: u64) -> Result<(), String> {
    let needed = data * DISK_TIMES + DISK_SPARE;
    if free >= needed {
        return Ok(());
    }
    Err(format!("the disk has {free} bytes free, {needed} are needed: allow it fewer --keys"))
}

/// Whether memory has room for three times all keys; `None` if the machine does not tell.
pub fn redis(keys: u64) -> Option<Result<(), String>> {
    fits(&std::fs::read_to_string("/proc/meminfo").ok()?, keys)
}

fn fits(meminfo: &str, keys: u64) -> Option<Result<(), String>> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let free = line.split_whitespace().next()?.parse::<u64>().ok()? * 1024;
    let needed = 3 * keys * REDIS_KEY;
    // Some is for the system, and for the copies that a fork makes.
    Some(if needed <= free / 4 * 3 {
        Ok(())
    } else {
        Err(format!("three processes need {} MiB of memory, {} are free", needed >> 20, free >> 20))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_told_with_its_numbers() {
        let memory = |mib: u64| format!("MemTotal: 1 kB\nMemAvailable:   {} kB\n", mib << 10);
        assert_eq!(fits(&memory(1000), 1_000_000), Some(Ok(())));
        let why = fits(&memory(800), 1_000_000).expect("told").unwrap_err();
        assert_eq!(why, "three processes need 629 MiB of memory, 800 are free");
        assert_eq!(fits("MemTotal: 1 kB", 1), None);
        assert_eq!(enough(DISK_SPARE + 900, 100), Ok(()));
        assert!(enough(DISK_SPARE + 899, 100).unwrap_err().contains("fewer --keys"));
    }
}
