//! `cargo xtask parity`: Everstore and a real Redis 7.0 in lockstep. Golden scripts and random commands run on
//! both, and every difference is reported.

mod compare;
mod connection;
mod contenders;
mod dumped;
mod grammar;
mod lockstep;
mod random;
mod replies;
// The golden scripts are those of the shard's own tests, and so are their readers.
#[path = "../../crates/shard/tests/commands/script.rs"]
#[allow(dead_code, reason = "writing scripts is left to the shard's tests")]
mod script;
mod scripts;
mod share;
mod short;
mod shrink;
mod state;
mod thresholds;
#[path = "../../crates/shard/tests/commands/value.rs"]
mod value;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::count::Count;
use crate::run::{cargo, streamed, target_dir};
use contenders::Contenders;
use random::RandomArgs;
use value::Value;

/// Flags of `parity`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo xtask parity                                  scripts, then 24 000 random commands of all kinds
  cargo xtask parity scripts bit                      scripts whose names begin with `bit`
  cargo xtask parity random --seed 7 --commands 1000000 --resp3
  cargo xtask parity random --groups strings,keys --max-memory tiny --nodes 3
  cargo xtask parity share                            how many random commands Redis answers without an error

Exit code 1: there are differences; a shorter sequence that still differs is printed as a script.")]
pub struct ParityArgs {
    #[command(subcommand)]
    what: Option<What>,
    /// The `redis-server` 7.0 to compare with [default: the first one in PATH].
    #[arg(long, global = true, value_name = "PATH")]
    redis: Option<PathBuf>,
    /// The program to compare [default: a debug build made first].
    #[arg(long, global = true, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Nodes of our cluster.
    #[arg(long, global = true, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=5))]
    nodes: u16,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Golden scripts, all or those whose names begin so.
    Scripts {
        /// Begins of names.
        names: Vec<String>,
    },
    /// Random commands by a seed.
    Random(RandomArgs),
    /// Random commands on Redis alone: the share of each group and command that is answered without an error.
    Share {
        /// Groups [default: all].
        groups: Vec<String>,
    },
}

/// Runs what was chosen, or scripts and random commands in both protocols.
///
/// # Errors
/// There is no Redis 7.0, something cannot be built or started, or a side breaks.
pub fn parity(args: &ParityArgs) -> Result<ExitCode, String> {
    let redis = contenders::find_redis(args.redis.as_deref())?;
    if let Some(What::Share { groups }) = &args.what {
        return share::share(groups, &redis);
    }
    let program = program(args)?;
    let start =
        |flags: &[&str], both: &[&str]| Contenders::start((&redis, &program), args.nodes, flags, both);
    match &args.what {
        Some(What::Scripts { names }) => {
            let contenders = start(&scripts::MAX_VALUE, &[])?;
            let outcome = scripts::scripts(names, &contenders);
            contenders.kept_if_broken(outcome)
        }
        Some(What::Random(chosen)) => {
            let contenders = start(chosen.flags(), &random::BOTH)?;
            let outcome = random::random(chosen, &contenders);
            contenders.kept_if_broken(outcome)
        }
        Some(What::Share { .. }) | None => {
            let mut good = scripts::scripts(&[], &start(&scripts::MAX_VALUE, &[])?)? == ExitCode::SUCCESS;
            for chosen in RandomArgs::of_all_kinds() {
                good &= random::random(&chosen, &start(chosen.flags(), &random::BOTH)?)? == ExitCode::SUCCESS;
            }
            Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

/// The part of `verify`: the same with a debug build, when PATH has a Redis 7.0. Its absence is no failure.
///
/// # Errors
/// Cargo cannot be started.
pub fn verified() -> Result<Count, String> {
    if let Err(missing) = contenders::find_redis(None) {
        println!("left out: {missing}");
        return Ok(Count::default());
    }
    let outcome = parity(&ParityArgs { what: None, redis: None, program: None, nodes: 1 });
    if let Err(error) = &outcome {
        println!("{error}");
    }
    Ok(Count::one(outcome == Ok(ExitCode::SUCCESS)))
}

/// The names of all commands and subcommands of a `redis-server` 7.0.
///
/// # Errors
/// It is none, does not start, or answers with no list.
pub fn names_of(redis: &Path) -> Result<BTreeSet<String>, String> {
    let redis = contenders::Redis::start(&contenders::find_redis(Some(redis))?, &[])?;
    let Value::Many(_, names) = redis.connect(false)?.must("COMMAND LIST")? else {
        return Err("COMMAND LIST is answered with no array".into());
    };
    let text = |name: Value| match name {
        Value::Bulk(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other => other.render().join(" "),
    };
    Ok(names.into_iter().map(text).collect())
}

fn program(args: &ParityArgs) -> Result<PathBuf, String> {
    if let Some(program) = &args.program {
        return Ok(program.clone());
    }
    if !streamed(&mut cargo(&["build", "--locked", "--quiet", "--package", "everstore"]))?.success {
        return Err("the build failed".into());
    }
    Ok(target_dir().join("debug").join("everstore"))
}
