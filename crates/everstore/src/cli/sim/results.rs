//! The file of results: a line per seed, so that a campaign can be stopped and continued.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use sim::Outcome;

use super::COMMIT;
use crate::cli::CliError;

/// An open file of results.
pub struct Results {
    file: Option<File>,
    /// Seeds that were run at this commit.
    pub done: BTreeSet<u64>,
}

impl Results {
    /// Reads what is there. Without a path nothing is kept.
    ///
    /// # Errors
    /// The file can not be read or written.
    pub fn open(path: Option<&Path>) -> Result<Results, CliError> {
        let Some(path) = path else { return Ok(Results { file: None, done: BTreeSet::new() }) };
        let failed = || CliError::io(format!("cannot open {}", path.display()));
        let file = OpenOptions::new().create(true).append(true).read(true).open(path).map_err(failed())?;
        let mut done = BTreeSet::new();
        for line in BufReader::new(&file).lines() {
            let line = line.map_err(failed())?;
            let mut words = line.split(' ');
            if let (Some(seed), Some(COMMIT)) = (words.next().and_then(|s| s.parse().ok()), words.next()) {
                done.insert(seed);
            }
        }
        Ok(Results { file: Some(file), done })
    }

    /// Adds a seed: number, commit, trace hash, simulated ms, operations, leaders, undecided keys, and
    /// `ok` or the property that was broken.
    ///
    /// # Errors
    /// The file can not be written.
    pub fn add(&mut self, outcome: &Outcome) -> Result<(), CliError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let broken = outcome.violation.as_ref().map_or("ok".to_owned(), |v| v.property.replace(' ', "-"));
        let line = format!(
            "{} {COMMIT} {:016x} {} {} {} {} {broken}\n",
            outcome.seed,
            outcome.hash,
            outcome.simulated_ns / 1_000_000,
            outcome.operations,
            outcome.elections,
            outcome.undecided
        );
        file.write_all(line.as_bytes()).map_err(CliError::io("cannot write the file of results"))
    }
}
