//! Memory of processes over time, and what they wrote, from /proc.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::super::measure::median;
use super::super::process::resident;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(100);

/// Resident memory of a process in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resident {
    /// The middle of all looks.
    pub median: u64,
    /// The most that was seen.
    pub most: u64,
}

/// Looks at processes until it is told to finish.
#[derive(Debug)]
pub struct Observer {
    done: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Vec<u64>>>,
}

impl Observer {
    /// Begins to look.
    pub fn start(pids: Vec<u32>) -> Observer {
        let done = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&done);
        let thread = std::thread::spawn(move || {
            let mut looks = vec![Vec::new(); pids.len()];
            while !told.load(Ordering::Relaxed) {
                looks.iter_mut().zip(&pids).for_each(|(looks, pid)| looks.push(resident(*pid)));
                std::thread::sleep(EVERY);
            }
            looks
        });
        Observer { done, thread }
    }

    /// What was seen of each process, in their order.
    ///
    /// # Errors
    /// The thread broke.
    pub fn finish(self) -> Result<Vec<Resident>, String> {
        self.done.store(true, Ordering::Relaxed);
        let looks = self.thread.join().map_err(|_| "the observer broke")?;
        Ok(looks.iter().map(|looks| summary(looks)).collect())
    }
}

fn summary(looks: &[u64]) -> Resident {
    let middle = median(looks.iter().map(|bytes| *bytes as f64));
    Resident { median: middle as u64, most: looks.iter().copied().max().unwrap_or(0) }
}

/// Bytes that the process has had written to the disk since its start.
pub fn written(pid: u32) -> u64 {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default())
}

fn parse(io: &str) -> u64 {
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes:"));
    line.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_counts_and_not_the_calls() {
        let io = "rchar: 1\nwchar: 900\nread_bytes: 0\nwrite_bytes: 4096\ncancelled_write_bytes: 512\n";
        assert_eq!((parse(io), parse("")), (4096, 0));
        assert_eq!(summary(&[3, 9, 5]), Resident { median: 5, most: 9 });
    }
}
