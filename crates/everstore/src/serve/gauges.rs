//! What only the shell can measure: memory and CPU of the process, and the log.

use super::disks::Disks;
use node::Gauges;

/// Clock ticks per second of `/proc`; fixed for programs on every Linux this builds for.
const TICKS: u64 = 100;

/// Measures. Figures that can not be read are 0.
pub fn measure(disks: Option<&Disks>) -> Gauges {
    let mut gauges = Gauges { pid: std::process::id(), ..Gauges::default() };
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    gauges.rss_bytes = kib(&status, "VmRSS:") * 1024;
    gauges.peak_rss_bytes = kib(&status, "VmHWM:") * 1024;
    gauges.cpu_ms = cpu_ms(&std::fs::read_to_string("/proc/self/stat").unwrap_or_default());
    if let Some(disks) = disks {
        let rows = disks.row_usage();
        gauges.store_cache_bytes = rows.cache;
        gauges.store_tables_bytes = rows.tables;
        gauges.rows_ingested_bytes = rows.ingested;
        gauges.rows_compacted_bytes = rows.compacted;
        for log in disks.log_status() {
            gauges.log_written_bytes += log.written();
            gauges.log_bytes += log.bytes();
            // The slowest says what a client may have to wait for.
            gauges.sync_p50_us = gauges.sync_p50_us.max(log.trend().p50_ns() / 1000);
            gauges.sync_p99_us = gauges.sync_p99_us.max(log.trend().p99_ns() / 1000);
            gauges.syncs += log.trend().count();
        }
    }
    gauges
}

fn kib(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// User and system time of a process from its `stat` line.
fn cpu_ms(stat: &str) -> (u64, u64) {
    // The name of the program, in parentheses, may hold spaces.
    let Some((_, rest)) = stat.rsplit_once(')') else { return (0, 0) };
    let mut fields =
        rest.split_whitespace().skip(11).map(|field| field.parse::<u64>().unwrap_or(0) * 1000 / TICKS);
    (fields.next().unwrap_or(0), fields.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_the_fields_are_the_right_ones() {
        let gauges = measure(None);
        assert!(gauges.rss_bytes > 100_000 && gauges.peak_rss_bytes >= gauges.rss_bytes, "{gauges:?}");
        assert_eq!(gauges.pid, std::process::id());
        let stat = "7 (a b) S 1 7 7 0 -1 4194560 4 0 0 0 250 31 0 0 20 0 1 0";
        assert_eq!(cpu_ms(stat), (2500, 310));
        assert_eq!(kib("VmPeak:\t 9 kB\nVmRSS:\t  12 kB\n", "VmRSS:"), 12);
    }
}
