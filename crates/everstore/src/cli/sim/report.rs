//! What is said of a seed.

use std::cell::Cell;
use std::fmt::Write;

use sim::{Options, Outcome};

use super::{COMMIT, SimArgs};

/// Lines that show a violation, at most.
const MAX_DETAILS: usize = 60;

thread_local! {
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// This thread begins with a seed.
pub fn begins(seed: u64) {
    SEED.with(|cell| cell.set(Some(seed)));
}

/// A seed that panics is a finding like any other: it is named before the process ends with exit code 1.
pub fn on_panic(args: &SimArgs) {
    let replay = args.replay(0, None);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        usual(info);
        if let Some(seed) = SEED.with(Cell::get) {
            println!("seed {seed}, commit {COMMIT}: broken: no panic");
            println!("  replay: {}", replay.replacen("--seed 0", &format!("--seed {seed}"), 1));
            // A release build would abort, which says no more.
            std::process::exit(1);
        }
    }));
}

/// Figures of one seed.
pub fn outcome(outcome: &Outcome) -> String {
    let mut text = format!("seed {}, commit {COMMIT}: {}\n", outcome.seed, outcome.plan.describe());
    let seconds = outcome.simulated_ns as f64 / 1e9;
    let _ = writeln!(
        text,
        "  {seconds:.0} s simulated, {} events, {} operations checked, {} leaders, {} comparisons, trace hash {:016x}",
        outcome.events, outcome.operations, outcome.elections, outcome.comparisons, outcome.hash
    );
    let faults: Vec<String> = outcome.faults().map(|(name, count)| format!("{name} {count}")).collect();
    let _ =
        writeln!(text, "  faults: {}", if faults.is_empty() { "none".to_owned() } else { faults.join(", ") });
    if outcome.undecided > 0 {
        let _ = writeln!(text, "  {} keys had histories too hard to decide", outcome.undecided);
    }
    text
}

/// A violation, with the shortest prefix that could be found and the command that replays it.
pub fn violation(args: &SimArgs, outcome: &Outcome, options: &Options) -> String {
    let Some(found) = &outcome.violation else { return String::new() };
    let mut text = format!("seed {}, commit {COMMIT}: broken: {}\n", outcome.seed, found.property);
    let _ = writeln!(text, "  at {} ms: {}", found.at_ns / 1_000_000, found.sentence);
    found.details.iter().take(MAX_DETAILS).for_each(|line| text.push_str(&format!("    {line}\n")));
    let _ = writeln!(text, "  replay: {}", args.replay(outcome.seed, None));
    match sim::shorten(outcome, options) {
        Some((until_ns, shorter)) => {
            let ms = until_ns / 1_000_000;
            let _ = writeln!(
                text,
                "  shortest prefix: faults up to {ms} ms: {}: {}",
                shorter.property, shorter.sentence
            );
            let _ = writeln!(text, "  replay: {}", args.replay(outcome.seed, Some(ms)));
        }
        None => text.push_str("  no shorter prefix shows it\n"),
    }
    text
}
