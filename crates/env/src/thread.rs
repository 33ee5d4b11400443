//! Named threads.

use std::io;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Starts a thread. `name` is what `top -H` shows; Linux cuts it after 15 bytes.
///
/// # Errors
/// When the operating system has no thread to give.
pub fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(body)
}

/// As [`spawn`], for work that nobody waits for: on a busy processor it comes after the threads that answer clients.
///
/// # Errors
/// As [`spawn`].
pub fn spawn_background<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    spawn(name, move || {
        crate::sys::lower_priority();
        body()
    })
}

/// Blocks this thread for at least `ns` nanoseconds. Never on a shard thread.
pub fn sleep_ns(ns: u64) {
    std::thread::sleep(Duration::from_nanos(ns));
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn background_threads_come_after_the_others() {
        let nice = || {
            let path = std::path::Path::new("/proc/thread-self/stat");
            let text = std::fs::read_to_string(path).unwrap();
            // The name in parentheses may have spaces; the priority is the 19th value.
            text.rsplit(')').next().unwrap().split_whitespace().nth(16).unwrap().parse::<i32>().unwrap()
        };
        let before = nice();
        let background = super::spawn_background("disk-0", nice).unwrap().join().unwrap();
        assert!(background > before || background == 19, "{background}, {before}");
        assert_eq!(nice(), before, "this one stays as it is");
    }

    #[test]
    fn threads_carry_their_name() {
        let thread = super::spawn("log", || {
            super::sleep_ns(1);
            std::thread::current().name().map(str::to_owned)
        });
        assert_eq!(thread.unwrap().join().unwrap().as_deref(), Some("log"));
    }
}
