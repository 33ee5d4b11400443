//! The contenders: how each is started as three processes on loopback.

pub mod etcd;
pub mod everstore;
pub mod redis;

use std::process::Command;

/// Installs what is missing of the peers, if this machine's packages and rights allow it.
pub fn install() {
    for (program, package) in [("redis-server", "redis-server"), ("etcd", "etcd-server")] {
        if is_installed(program) {
            continue;
        }
        println!("{program} is missing: apt-get install {package}");
        let installed =
            Command::new("apt-get").args(["install", "--yes", "--no-install-recommends", package]).status();
        // The package starts a service of its own; the bench starts its own processes on other ports.
        if !installed.is_ok_and(|status| status.success()) {
            println!("{package} cannot be installed here (it needs root): its figures are left out");
        }
    }
}

/// Whether the program can be started.
pub fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}
