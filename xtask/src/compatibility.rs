//! `cargo xtask compatibility`: docs/compatibility.md, written from the command table, the list of Redis's
//! commands and our remarks.

mod names;
mod remarks;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use shard::table::{self, Spec};

use crate::parity;
use crate::run::root;
use names::GROUPS;
use remarks::{REMARKS, Verdict};

/// Flags of `compatibility`.
#[derive(Debug, Args)]
pub struct CompatibilityArgs {
    /// Change nothing: exit code 1 if docs/compatibility.md is not what would be written.
    #[arg(long)]
    check: bool,
    /// Compare the list of commands with what this `redis-server` 7.0 says.
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = "redis-server")]
    redis: Option<PathBuf>,
}

/// Writes the page, or checks it.
///
/// # Errors
/// The list, the table and the remarks contradict each other, or a file cannot be read or written.
pub fn compatibility(args: &CompatibilityArgs) -> Result<ExitCode, String> {
    if let Some(redis) = &args.redis {
        same_names(&parity::names_of(redis)?)?;
    }
    let path = root().join("docs").join("compatibility.md");
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let page = page()?;
    if !args.check {
        std::fs::write(&path, page).map_err(failed)?;
        return Ok(ExitCode::SUCCESS);
    }
    if std::fs::read_to_string(&path).map_err(failed)? == page {
        return Ok(ExitCode::SUCCESS);
    }
    println!("docs/compatibility.md is not what the command table says: run `cargo xtask compatibility`");
    Ok(ExitCode::FAILURE)
}

/// # Errors
/// The real names are not those of the list; the text says which.
fn same_names(real: &BTreeSet<String>) -> Result<(), String> {
    let listed: BTreeSet<String> = listed().map(|(_, name)| name.to_string()).collect();
    if listed == *real {
        println!("{} commands and subcommands, as Redis lists them", real.len());
        return Ok(());
    }
    let of =
        |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>().join(", ");
    Err(format!("only in our list: {:?}; only in Redis: {:?}", of(&listed, real), of(real, &listed)))
}

fn listed() -> impl Iterator<Item = (&'static str, &'static str)> {
    GROUPS.iter().flat_map(|(group, names)| names.split_whitespace().map(move |name| (*group, name)))
}

fn specs() -> impl Iterator<Item = &'static Spec> {
    table::commands().iter().flat_map(|spec| std::iter::once(spec).chain(spec.subcommands))
}

fn remark(name: &str) -> Option<&'static (&'static str, Verdict, &'static str)> {
    REMARKS.iter().find(|(pattern, ..)| match pattern.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => *pattern == name,
    })
}

/// # Errors
/// A remark contradicts the table.
fn verdict(name: &str, in_table: bool) -> Result<(Verdict, &'static str), String> {
    match remark(name) {
        Some((_, Verdict::Differs, _)) if !in_table => {
            Err(format!("a remark says how {name} differs, which is not in the command table"))
        }
        Some((_, verdict, text)) => Ok((*verdict, text)),
        None if in_table => Ok((Verdict::Full, "")),
        None => Ok((Verdict::Planned, "")),
    }
}

fn page() -> Result<String, String> {
    let ours: BTreeSet<&str> = specs().map(|spec| spec.name).collect();
    let redis: BTreeSet<&str> = listed().map(|(_, name)| name).collect();
    let (mut body, mut counts) = (String::new(), [0; 4]);
    for (group, names) in GROUPS {
        body.push_str(&format!("\n## {group}\n\n| Command | | |\n|---|---|---|\n"));
        for name in names.split_whitespace() {
            let (verdict, text) = verdict(name, ours.contains(name))?;
            counts[verdict as usize] += 1;
            body.push_str(&format!("| {} | {} | {text} |\n", shown(name), verdict.name()));
        }
    }
    body.push_str("\n## Beyond Redis 7.0\n\n| Command | |\n|---|---|\n");
    for spec in specs().filter(|spec| !redis.contains(spec.name)) {
        body.push_str(&format!("| {} | {} |\n", shown(spec.name), spec.summary.trim_end_matches('.')));
    }
    let [full, differs, refused, planned] = counts;
    Ok(format!(
        "# Compatibility with Redis 7.0\n\n\
         Written by `cargo xtask compatibility` from the command table; do not edit. Of the {} commands and subcommands of Redis \
         7.0.15, {full} are *full* (replies and errors as in Redis, compared with a real one by `cargo xtask parity` for \
         every type of data), {differs} *differ* as said, {refused} are *refused* on purpose, {planned} are *planned*.\n\n\
         In all of them: values have at most 8 MiB (`max-value`), SET, GET, GETRANGE, STRLEN, APPEND and SETRANGE know \
         longer ones, up to 512 MiB ([large values](guide/large-values.md)), keys 32 000 bytes, commands 12 MiB. Commands on several keys \
         need one slot, or a keyspace of layout single: see [keyspaces](guide/keyspaces.md).\n{body}",
        redis.len()
    ))
}

fn shown(name: &str) -> String {
    name.replace('|', " ").to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_listed_once_and_every_remark_is_about_one() {
        let names: Vec<&str> = listed().map(|(_, name)| name).collect();
        let unique: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!((names.len(), unique.len()), (366, 366));
        for (pattern, ..) in REMARKS {
            let used = unique.iter().any(|name| remark(name).is_some_and(|(found, ..)| found == pattern));
            assert!(used, "{pattern} is the name of no command of Redis 7.0");
        }
    }
}
