//! `everstore completions`: what a shell needs to complete commands and flags.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;

use super::CliError;

/// Flags of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore completions bash > /etc/bash_completion.d/everstore
  everstore completions zsh > \"${fpath[1]}/_everstore\"
  everstore completions fish > ~/.config/fish/completions/everstore.fish")]
pub struct CompletionsArgs {
    /// The shell.
    shell: Known,
}

/// Shells whose scripts are tested.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script for a shell.
///
/// # Errors
/// Standard output can not be written.
pub fn run(args: &CompletionsArgs, command: &mut Command) -> Result<ExitCode, CliError> {
    let script = script(args.shell, command);
    std::io::stdout().write_all(&script).map_err(CliError::io("cannot write the script"))?;
    Ok(ExitCode::SUCCESS)
}

fn script(shell: Known, command: &mut Command) -> Vec<u8> {
    let shell = match shell {
        Known::Bash => Shell::Bash,
        Known::Zsh => Shell::Zsh,
        Known::Fish => Shell::Fish,
    };
    // Into memory first: a broken pipe must be an error and no panic.
    let mut out = Vec::new();
    clap_complete::generate(shell, command, "everstore", &mut out);
    out
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_script_names_every_command() {
        for shell in Known::value_variants() {
            let mut command = Cli::command();
            let text = String::from_utf8(script(*shell, &mut command)).expect("text");
            for name in command.get_subcommands().map(Command::get_name) {
                assert!(text.contains(name), "{shell:?} completes {name}");
            }
            assert!(text.contains("force-majority-lost"), "{shell:?} completes flags");
        }
    }
}
