//! The system calls for which std has no wrapper. Each `unsafe` block is one call.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Nanoseconds since boot including suspend, so that a lease cannot outlive a sleeping laptop.
pub(crate) fn boottime_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec that the call only writes to.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut time) };
    assert_eq!(failed, 0, "CLOCK_BOOTTIME exists on every Linux this builds for");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Fills `buf` with bytes from the operating system, good for secrets.
///
/// # Errors
/// What `getrandom` answers; does not happen once the system has booted.
pub fn os_random(buf: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    while done < buf.len() {
        let rest = &mut buf[done..];
        // SAFETY: pointer and length describe the live slice `rest`.
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(got) {
            Ok(got) => done += got,
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

/// Lets this process have as many open files as its hard limit allows. Answers the
/// limit in force then.
///
/// # Errors
/// What `getrlimit` answers.
pub fn raise_open_files() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for writes.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is valid for reads.
    let refused = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } != 0;
    Ok(if refused { before } else { limit.rlim_max })
}

/// This process ends quietly when whoever reads its output has gone (`| head`), as programs do that are not written
/// in Rust: std ignores the signal and panics at the next line. Not for servers, which only lose a line of a log.
pub fn end_with_reader() {
    // SAFETY: the default action needs no handler, and nobody else in this process has set one.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// Reserves `len` bytes for `file` and extends it to that length.
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    let len = libc::off_t::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
    loop {
        // SAFETY: the descriptor is open for as long as `file` is borrowed.
        match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, len) } {
            0 => return Ok(()),
            libc::EINTR => {}
            code => return Err(io::Error::from_raw_os_error(code)),
        }
    }
}

/// Bytes that an unprivileged process may still write on the file system of `path`.
pub(crate) fn free_space(path: &Path) -> io::Result<u64> {
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: `path` ends in NUL and `stat` is valid for writes.
    if unsafe { libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all-zero bytes are a valid statvfs, and the call has filled it.
    let stat = unsafe { stat.assume_init() };
    Ok(stat.f_bavail * stat.f_frsize)
}

/// `O_DIRECT` for `open`.
pub(crate) const O_DIRECT: i32 = libc::O_DIRECT;

/// Error numbers that the simulated disk answers with.
pub(crate) const EIO: i32 = libc::EIO;
pub(crate) const ENOSPC: i32 = libc::ENOSPC;
pub(crate) const EINVAL: i32 = libc::EINVAL;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files_are_raised_once_and_stay() {
        let limit = raise_open_files().unwrap();
        assert!(limit >= 3);
        assert_eq!(raise_open_files().unwrap(), limit);
        let shown = std::fs::read_to_string("/proc/self/limits").unwrap();
        let line = shown.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!((words[3], words[4]), (&*limit.to_string(), words[3]), "soft and hard");
    }
}
