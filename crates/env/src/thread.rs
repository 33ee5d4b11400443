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

/// Blocks this thread for at least `ns` nanoseconds. Never on a shard thread.
pub fn sleep_ns(ns: u64) {
    std::thread::sleep(Duration::from_nanos(ns));
}

#[cfg(test)]
mod tests {
    #[test]
    fn threads_carry_their_name() {
        let thread = super::spawn("log", || {
            super::sleep_ns(1);
            std::thread::current().name().map(str::to_owned)
        });
        assert_eq!(thread.unwrap().join().unwrap().as_deref(), Some("log"));
    }
}
