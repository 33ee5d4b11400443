//! What docs/compatibility.md says is what the command table says.

use std::process::Command;

#[test]
fn the_page_is_written_from_the_command_table() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(["compatibility", "--check"]).output();
    let output = output.expect("xtask starts");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}
