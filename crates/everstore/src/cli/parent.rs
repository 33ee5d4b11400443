//! A node that was started by `demo` ends with it, however the demo ends: the demo holds the write
//! end of the node's standard input and the kernel closes it even after a `kill -9`.

use std::io::Read;
use std::time::Duration;

/// A node that has not stopped this long after it was asked to is ended the hard way.
const GRACE: Duration = Duration::from_secs(15);

/// Watches standard input from a thread of its own and raises SIGTERM at its end, so that the node
/// stops the same clean way as for an operator.
pub fn stop_when_stdin_closes() {
    std::thread::spawn(|| {
        let mut ignored = [0u8; 64];
        let mut stdin = std::io::stdin();
        while !matches!(stdin.read(&mut ignored), Ok(0) | Err(_)) {}
        // The only failure is an invalid signal number, and then the grace period ends the node.
        let _ = signal_hook::low_level::raise(signal_hook::consts::SIGTERM);
        std::thread::sleep(GRACE);
        std::process::exit(1);
    });
}
