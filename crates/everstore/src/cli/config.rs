//! `everstore config`: the effective values and where each came from.

use std::process::ExitCode;

use clap::Args;

use crate::config::{ConfigFlags, Effective, template};

use super::CliError;
use super::table::Table;

/// Flags of `config`: those of `serve`, so that both can be compared.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore config --print-default > everstore.toml
  everstore config --config everstore.toml --port 7001
  EVERSTORE_SHARDS=32 everstore config --json")]
pub struct ConfigArgs {
    /// Print a file with every key, its meaning and its default, commented out.
    #[arg(long)]
    print_default: bool,
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: ConfigFlags,
}

/// Prints the configuration that `serve` with the same flags would run with.
pub fn run(args: &ConfigArgs) -> Result<ExitCode, CliError> {
    if args.print_default {
        print!("{}", template::default_file());
        return Ok(ExitCode::SUCCESS);
    }
    let effective = args.flags.load()?;
    let text = if args.json { json(&effective) } else { human(&effective) };
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}

fn human(effective: &Effective) -> String {
    let mut table = Table::new(&["KEY", "VALUE", "FROM"]);
    for (key, value, source) in effective.rows() {
        let value = if value.is_empty() { "-".into() } else { value };
        table.row([key.name.to_string(), value, source.describe()]);
    }
    table.render()
}

fn json(effective: &Effective) -> String {
    let keys: serde_json::Map<String, serde_json::Value> = effective
        .rows()
        .map(|(key, value, source)| {
            let entry = serde_json::json!({ "value": value, "from": source.describe() });
            (key.name.to_string(), entry)
        })
        .collect();
    format!("{:#}\n", serde_json::Value::Object(keys))
}
