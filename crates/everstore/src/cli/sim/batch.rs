//! Many seeds: a few at a time, with a line that tells how far they are.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use sim::Outcome;

use super::results::Results;
use super::{SimArgs, report};
use crate::cli::CliError;

/// How often progress is shown to a terminal, and to a file.
const SHOW: Duration = Duration::from_secs(1);
const SHOW_IN_FILE: Duration = Duration::from_secs(30);

/// What was done so far.
#[derive(Default)]
struct Sum {
    seeds: u64,
    simulated_ns: u64,
    events: u64,
    operations: u64,
    undecided: u64,
    violations: u64,
}

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.simulated_ns += outcome.simulated_ns;
        self.events += outcome.events;
        self.operations += outcome.operations as u64;
        self.undecided += outcome.undecided as u64;
        self.violations += u64::from(outcome.violation.is_some());
    }

    fn line(&self, since: Instant) -> String {
        let seconds = since.elapsed().as_secs_f64().max(0.001);
        let simulated = self.simulated_ns as f64 / 1e9;
        format!(
            "{} seeds, {:.1} h simulated ({:.0} times real time), {:.0} events/s, {} operations, {} undecided keys, \
             {} violations",
            self.seeds,
            simulated / 3600.0,
            simulated / seconds,
            self.events as f64 / seconds,
            self.operations,
            self.undecided,
            self.violations
        )
    }
}

/// Runs the seeds that were asked for, or seeds by chance until Ctrl-C.
///
/// # Errors
/// The file of results can not be written.
pub fn run(args: &SimArgs) -> Result<ExitCode, CliError> {
    let (first, last) = match args.seeds {
        Some(range) => range,
        None => (chance()?, u64::MAX),
    };
    let mut results = Results::open(args.results.as_deref())?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(CliError::io("cannot watch for Ctrl-C"))?;
    }
    let next = AtomicU64::new(first);
    let (done, options, mut sum) = (results.done.clone(), args.options(), Sum::default());
    let began = Instant::now();
    std::thread::scope(|scope| -> Result<(), CliError> {
        let (sender, receiver) = channel();
        for _ in 0..args.jobs {
            let sender = sender.clone();
            let (next, done, options, stop) = (&next, &done, &options, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > last || seed < first {
                        return;
                    }
                    if done.contains(&seed) {
                        continue;
                    }
                    report::begins(seed);
                    if sender.send(sim::run(seed, options)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let terminal = std::io::stderr().is_terminal();
        let every = if terminal { SHOW } else { SHOW_IN_FILE };
        let mut shown = Instant::now();
        loop {
            match receiver.recv_timeout(SHOW) {
                Ok(outcome) => {
                    sum.add(&outcome);
                    results.add(&outcome)?;
                    if outcome.violation.is_some() {
                        print!(
                            "{}{}",
                            if terminal { "\r" } else { "" },
                            report::violation(args, &outcome, &options)
                        );
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if shown.elapsed() >= every {
                shown = Instant::now();
                let end = if terminal { "\r" } else { "\n" };
                eprint!("{}{end}", sum.line(began));
                // A terminal that is gone must not stop the seeds.
                let _ = std::io::stderr().flush();
            }
        }
    })?;
    println!("{}", sum.line(began));
    Ok(if sum.violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where seeds begin when nobody says so.
fn chance() -> Result<u64, CliError> {
    let mut bytes = [0; 4];
    env::os_random(&mut bytes).map_err(CliError::io("no random numbers"))?;
    Ok(u64::from(u32::from_le_bytes(bytes)))
}
