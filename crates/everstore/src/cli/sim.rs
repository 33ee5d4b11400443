//! `everstore sim`: whole clusters in a simulated, hostile world, seed after seed.

mod batch;
mod choice;
mod report;
mod results;

use std::process::ExitCode;

use clap::Args;
use sim::Options;

use super::CliError;

/// Commit from which this program was built.
pub const COMMIT: &str = env!("BUILT_FROM_COMMIT");

/// Flags of `sim`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore sim                                   seeds by chance until Ctrl-C
  everstore sim --seed 7                          one seed, exactly as everywhere else
  everstore sim --seed 7 --trace seed-7.txt       the same, with everything that happened
  everstore sim --seeds 1..1000 --jobs 2 --results seeds.txt
  everstore sim --faults power,stall --workload counters,appends --nodes 5

Exit code 1 if a property was broken. Faults and workloads: everstore sim --list")]
pub struct SimArgs {
    /// One seed.
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Seeds from A up to and including B.
    #[arg(long, value_name = "A..B", value_parser = choice::seeds)]
    seeds: Option<(u64, u64)>,
    /// Seeds that run at the same time, each on a core.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    jobs: u64,
    /// Nodes of the cluster: 3 or 5; drawn by the seed if not given.
    #[arg(long, value_name = "N", value_parser = choice::nodes)]
    nodes: Option<u64>,
    /// Nodes that join later, 0 to 2; drawn by the seed if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=2))]
    spares: Option<u64>,
    /// At the end a majority is lost for good, in half of the worlds in the midst of a split; drawn by the seed if not given.
    #[arg(long)]
    majority_lost: bool,
    /// One of the first nodes is a witness; drawn by the seed if not given.
    #[arg(long)]
    witness: bool,
    /// Nodes that join later are of a learner zone; drawn by the seed if not given.
    #[arg(long)]
    learners: bool,
    /// Replicas are compared all the time; drawn by the seed if not given.
    #[arg(long)]
    compares: bool,
    /// Each node has two data folders; drawn by the seed if not given.
    #[arg(long)]
    two_folders: bool,
    /// Shards, 1 to 16; drawn by the seed if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16))]
    shards: Option<u16>,
    /// Simulated minutes of a seed, without the checks at its end.
    #[arg(long, value_name = "M", default_value = "1", value_parser = choice::minutes)]
    minutes: f64,
    /// Faults only up to this simulated time: a shorter prefix of the same run.
    #[arg(long, value_name = "MS")]
    until_ms: Option<u64>,
    /// Faults by name, "none", or "all": a mix of them that each seed draws.
    #[arg(long, value_name = "LIST", default_value = "all", value_parser = choice::faults)]
    faults: choice::Faults,
    /// Workloads by name, or "all".
    #[arg(long, value_name = "LIST", default_value = "all", value_parser = choice::workloads)]
    workload: choice::Workloads,
    /// Write what happened in one seed to this file, line by line.
    #[arg(long, value_name = "FILE", requires = "seed")]
    trace: Option<std::path::PathBuf>,
    /// Append a line for each seed to this file, and leave out seeds that it has already.
    #[arg(long, value_name = "FILE")]
    results: Option<std::path::PathBuf>,
    /// Show the names of faults and workloads.
    #[arg(long)]
    list: bool,
}

impl SimArgs {
    fn options(&self) -> Options {
        let (faults, all_faults) = self.faults.clone().into_kinds();
        Options {
            nodes: self.nodes,
            spares: self.spares,
            witness: self.witness.then_some(true),
            majority_lost: self.majority_lost.then_some(true),
            learners: self.learners.then_some(true),
            compares: self.compares.then_some(true),
            further: self.two_folders.then_some(true),
            shards: self.shards,
            length_ns: (self.minutes * 60e9) as u64,
            until_ns: self.until_ms.map(|ms| ms * 1_000_000),
            faults,
            all_faults,
            workloads: self.workload.0.clone(),
            timeline: self.trace.is_some(),
            ..Options::default()
        }
    }

    /// What replays a seed with these flags.
    fn replay(&self, seed: u64, until_ms: Option<u64>) -> String {
        let mut command = format!("everstore sim --seed {seed}");
        let flags = [
            (self.witness, " --witness"),
            (self.learners, " --learners"),
            (self.majority_lost, " --majority-lost"),
            (self.compares, " --compares"),
            (self.two_folders, " --two-folders"),
        ];
        for (on, flag) in flags {
            command.push_str(if on { flag } else { "" });
        }
        let mut add = |flag: &str, value: String| command.push_str(&format!(" --{flag} {value}"));
        if let Some(nodes) = self.nodes {
            add("nodes", nodes.to_string());
        }
        if let Some(spares) = self.spares {
            add("spares", spares.to_string());
        }
        if let Some(shards) = self.shards {
            add("shards", shards.to_string());
        }
        if self.minutes != 1.0 {
            add("minutes", self.minutes.to_string());
        }
        if self.faults != choice::Faults::Mix {
            add("faults", self.faults.to_string());
        }
        if self.workload.0.len() != sim::clients::workload::WORKLOADS.len() {
            add("workload", self.workload.to_string());
        }
        if let Some(ms) = until_ms.or(self.until_ms) {
            add("until-ms", ms.to_string());
        }
        command
    }
}

/// Runs seeds. Exit code 1 if a property was broken.
///
/// # Errors
/// A file can not be written.
pub fn run(args: &SimArgs) -> Result<ExitCode, CliError> {
    if args.list {
        print!("{}", choice::list());
        return Ok(ExitCode::SUCCESS);
    }
    report::on_panic(args);
    match args.seed {
        Some(seed) => one(args, seed),
        None => batch::run(args),
    }
}

/// One seed, with all there is to say about it.
fn one(args: &SimArgs, seed: u64) -> Result<ExitCode, CliError> {
    report::begins(seed);
    let options = args.options();
    let outcome = sim::run(seed, &options);
    if let Some(path) = &args.trace {
        let text = outcome.lines.join("\n") + "\n";
        std::fs::write(path, text).map_err(CliError::io(format!("cannot write {}", path.display())))?;
    }
    print!("{}", report::outcome(&outcome));
    if outcome.violation.is_none() {
        return Ok(ExitCode::SUCCESS);
    }
    print!("{}", report::violation(args, &outcome, &options));
    Ok(ExitCode::FAILURE)
}
