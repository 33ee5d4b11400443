//! The machine and the state of the sources, as the table's heading says them.

use std::process::Command;

use crate::run::root;

/// One paragraph: processor, memory, kernel, versions.
pub fn describe() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, name)| name);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok())
        .unwrap_or(0);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{cpus} cores ({model}), {} GiB memory, Linux {}; {}; {}; commit {}, {}.",
        kib >> 20,
        kernel.trim(),
        first_line("redis-server", &["--version"]).unwrap_or_else(|| "no Redis".into()),
        first_line("etcd", &["--version"]).unwrap_or_else(|| "no etcd".into()),
        first_line("git", &["rev-parse", "--short=10", "HEAD"]).unwrap_or_else(|| "unknown".into()),
        first_line("date", &["-u", "+%Y-%m-%d"]).unwrap_or_default(),
    )
}

/// The first line that a program prints, shortened to its first words.
fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(root()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().next()?;
    Some(line.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}
