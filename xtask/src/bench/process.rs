//! Measured processes: started in a folder of their own, ended with the bench, CPU and memory from /proc.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::run::target_dir;

/// A folder on the disk that builds use, deleted at the end.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    kept: bool,
}

impl Folder {
    /// Makes an empty folder.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn make(name: &str) -> Result<Folder, String> {
        // Several may exist at a time, and one that is kept must not be in the way of the next.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = target_dir().join(format!("bench-{}-{number}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Folder { path, kept: false })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It is not deleted at the end.
    pub fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// A started process.
#[derive(Debug)]
pub struct Process {
    /// What the table calls it.
    pub label: String,
    child: Child,
}

impl Process {
    /// Starts the command with its output in `log`. The write end of its standard input is kept, for
    /// programs that end when it closes.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(label: &str, command: &mut Command, log: &Path) -> Result<Process, String> {
        let failed = |e: std::io::Error| format!("{label}: {e}");
        let log = File::options().create(true).append(true).open(log).map_err(failed)?;
        let copy = log.try_clone().map_err(failed)?;
        let child = command.stdin(Stdio::piped()).stdout(copy).stderr(log).spawn().map_err(failed)?;
        Ok(Process { label: label.into(), child })
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// True if it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Closes its standard input and waits for it to end; kills it after half a minute.
    pub fn stop(&mut self) {
        drop(self.child.stdin.take());
        let started = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if started.elapsed() > Duration::from_secs(30) {
                self.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal by name, such as `STOP`.
    ///
    /// # Errors
    /// There is no such process.
    pub fn signal(&self, name: &str) -> Result<(), String> {
        let done = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status();
        match done {
            Ok(status) if status.success() => Ok(()),
            other => Err(format!("kill -{name} {}: {other:?}", self.pid())),
        }
    }

    /// CPU time of all its threads so far, those that ended included.
    pub fn cpu(&self) -> Duration {
        cpu_of(self.pid()).unwrap_or_default()
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        resident(self.pid())
    }

    /// The most resident memory since its start, in bytes.
    pub fn peak(&self) -> u64 {
        memory_of(self.pid(), "VmHWM:")
    }
}

/// Resident memory of a process in bytes; 0 if it has ended.
pub fn resident(pid: u32) -> u64 {
    memory_of(pid, "VmRSS:")
}

fn memory_of(pid: u32, name: &str) -> u64 {
    memory_in(&std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default(), name)
}

fn memory_in(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0) * 1024
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// CPU time of this process: the generator's.
pub fn own_cpu() -> Duration {
    cpu_of(std::process::id()).unwrap_or_default()
}

/// CPU time of the children that this process has waited for.
pub fn children_cpu() -> Duration {
    std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_in(&stat, 13)).unwrap_or_default()
}

fn cpu_of(pid: u32) -> Option<Duration> {
    cpu_in(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?, 11)
}

/// Of a process utime + stime, of its children cutime + cstime. The kernel scales them to the exact run time, so that
/// 10 ms is the only error.
fn cpu_in(stat: &str, field: usize) -> Option<Duration> {
    // The name in parentheses may contain spaces; fields are counted from behind it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(field);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

/// Calls `what` until it is `Some`.
///
/// # Errors
/// It is not within `patience`.
pub fn wait_for<T>(
    what: &str,
    patience: Duration,
    mut ready: impl FnMut() -> Option<T>,
) -> Result<T, String> {
    let started = Instant::now();
    loop {
        if let Some(found) = ready() {
            return Ok(found);
        }
        if started.elapsed() > patience {
            return Err(format!("not within {} s: {what}", patience.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the processes have little to do: what they put off must not be counted to what comes next. At most ten
/// seconds.
pub fn wait_idle(processes: &[&Process]) {
    // Of a tenth of a core for all of them; clusters that nobody uses take less.
    const EVERY: Duration = Duration::from_millis(200);
    const IDLE: Duration = Duration::from_millis(20);
    let cpu = || processes.iter().map(|process| process.cpu()).sum::<Duration>();
    let mut before = cpu();
    for _ in 0..50 {
        std::thread::sleep(EVERY);
        let now = cpu();
        if now - before <= IDLE {
            return;
        }
        before = now;
    }
}

/// A base such that `count` ports from it, and as many 100 and 200 above it, are free.
///
/// # Errors
/// There is none between 12000 and 30000.
pub fn free_ports(count: u16) -> Result<u16, String> {
    let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let start = 12_000 + (std::process::id() % 100) as u16 * 10;
    let mut bases = (start..30_000).step_by(10);
    let all_free = |base: u16| [0, 100, 200].iter().all(|up| (0..count).all(|i| is_free(base + up + i)));
    bases.find(|base| all_free(*base)).ok_or_else(|| "no free ports".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_process_are_found_where_the_kernel_writes_them() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 101 102 0 0 20 5 300 40 20 0 1 0 99";
        assert_eq!(cpu_in(stat, 11), Some(Duration::from_millis(250)));
        assert_eq!(cpu_in(stat, 13), Some(Duration::from_millis(3400)));
        assert_eq!(cpu_in("7 (cut) S 1", 11), None);
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!((memory_in(status, "VmHWM:"), memory_in(status, "VmRSS:")), (2 << 20, 1 << 20));
        assert_eq!(memory_in("", "VmHWM:"), 0);
    }
}
