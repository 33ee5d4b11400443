//! `everstore export`: the keys of a cluster into an RDB file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use model::limits::KEYSPACES;
use rdb::Writer;

use super::CliError;
use super::target::TargetArgs;
use super::transfer::batch::{Batch, Refusal, shown};
use super::transfer::count::{Fate, Report, Row, Sized};
use super::transfer::outfile::OutFile;
use super::transfer::progress::{Done, Progress};
use super::transfer::walk::{Walk, sizes};
use super::transfer::{cluster, now_ms};

/// Flags of `export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore export backup.rdb
  everstore export one.rdb --keyspace 3 --match 'user:*'
  everstore export backup.rdb --force --node 10.0.0.1:6379,10.0.0.2:6379

The file is one that Redis 7.0 loads when it starts. Each key is consistent; the file is no picture of one moment:
a key that is written meanwhile may be in it with its old or its new value.
Exit code 0: all keys are in the file and the counts agree. 1: some were refused, or a count differs. 2: it could
not begin.")]
pub struct ExportArgs {
    /// The file; it appears when it is whole.
    #[arg(value_name = "FILE.rdb")]
    file: PathBuf,
    /// Only these keyspaces [default: all].
    #[arg(long, value_name = "N,...", value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(..i64::from(KEYSPACES)))]
    keyspace: Vec<u16>,
    /// Only keys whose names match, as for SCAN.
    #[arg(long = "match", value_name = "PATTERN")]
    pattern: Option<String>,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// Exports, and prints what became of the keys.
///
/// # Errors
/// No node answers, or the file can not be written: then there is none.
pub fn run(args: &ExportArgs) -> Result<ExitCode, CliError> {
    let mut walk = Walk::new(cluster::connect(&args.target)?, args.pattern.clone().map(Into::into))?;
    let mut export = Export { args, report: Report::default(), progress: Progress::new("exporting"), all: 0 };
    let keyspaces = export.begin(&mut walk)?;
    let (out, file) = OutFile::create(&args.file, args.force)?;
    let failed = |error: rdb::Error| failed(args, error);
    let mut writer = Writer::new(file).map_err(failed)?;
    writer.aux(b"everstore-ver", env!("CARGO_PKG_VERSION").as_bytes()).map_err(failed)?;
    writer.aux(b"redis-bits", b"64").map_err(failed)?;
    writer.aux(b"ctime", (now_ms() / 1000).to_string().as_bytes()).map_err(failed)?;
    for keyspace in keyspaces {
        walk.run(keyspace, &mut |batch| export.take(&mut writer, batch))?;
    }
    let file = writer.finish().map_err(failed)?;
    out.finish(&file)?;
    export.progress.clear();
    export.count(&mut walk)?;
    let (report, now) = (&export.report, now_ms());
    if args.target.json {
        println!("{}", report.json(now));
    } else {
        print!("{}", report.page(now));
    }
    Ok(if report.differences(now).is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn failed(args: &ExportArgs, error: rdb::Error) -> CliError {
    let what = args.file.display().to_string();
    let source = match error {
        rdb::Error::Io(source) => source,
        other => std::io::Error::other(other),
    };
    CliError::Io { what, source }
}

struct Export<'a> {
    args: &'a ExportArgs,
    report: Report,
    progress: Progress,
    /// Keys at the beginning; 0 = only some of them are exported.
    all: u64,
}

impl Export<'_> {
    /// The keyspaces to export: those named, or all that have keys.
    fn begin(&mut self, walk: &mut Walk) -> Result<Vec<u32>, CliError> {
        let named: Vec<u16> =
            if self.args.keyspace.is_empty() { (0..KEYSPACES).collect() } else { self.args.keyspace.clone() };
        let mut found = Vec::new();
        for keyspace in named.into_iter().map(u32::from) {
            let keys = walk.peer().ask_number(keyspace, &[b"DBSIZE"])?;
            if (keys > 0 || !self.args.keyspace.is_empty()) && !found.contains(&keyspace) {
                found.push(keyspace);
                self.report.rows.push(Row { from: keyspace, ..Row::default() });
                self.all += if self.args.pattern.is_none() { keys } else { 0 };
            }
        }
        Ok(found)
    }

    fn take(&mut self, writer: &mut Writer<std::fs::File>, batch: Batch) -> Result<(), CliError> {
        let from = batch.keyspace;
        let row = self.report.row(from).expect("it was begun");
        row.counts.read += batch.keys();
        row.counts.expired += batch.expired;
        let mut refused = batch.refused;
        for entry in batch.entries {
            let expires = Some(entry.expires_ms).filter(|time| *time > 0);
            let expires = expires.map(|time| i64::try_from(time).unwrap_or(i64::MAX));
            match writer.payload(from, &entry.key, expires, &entry.payload) {
                Ok(()) => row.counts.add(Fate::Written, &entry),
                Err(error @ rdb::Error::Io(_)) => return Err(failed(self.args, error)),
                Err(error) => refused.push(Refusal { key: entry.key, why: error.to_string() }),
            }
        }
        row.counts.refused += refused.len() as u64;
        for Refusal { key, why } in refused {
            self.progress.say(&format!("refused: keyspace {from}, key {}: {why}", shown(&key)));
        }
        let keys = self.report.rows.iter().map(|row| row.counts.read).sum();
        self.progress.show(Done { keys, part: keys, whole: self.all });
        Ok(())
    }

    /// Counts the keys of the cluster at the end.
    fn count(&mut self, walk: &mut Walk) -> Result<(), CliError> {
        if self.args.pattern.is_some() {
            return Ok(());
        }
        let expiring = sizes(walk.peer())?;
        for row in &mut self.report.rows {
            let of_row = expiring.iter().find(|size| size.keyspace == row.from);
            let keys = walk.peer().ask_number(row.from, &[b"DBSIZE"])?;
            row.source = Some(Sized { keys, expiring: of_row.map_or(0, |size| size.expiring) });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: ExportArgs,
    }

    #[test]
    fn keyspaces_are_named_one_by_one_and_exist() {
        let parse =
            |words: &[&str]| Line::try_parse_from(["export"].iter().chain(words)).map(|line| line.args);
        assert_eq!(parse(&["x.rdb"]).unwrap().keyspace, Vec::<u16>::new());
        assert_eq!(parse(&["x.rdb", "--keyspace", "3,15"]).unwrap().keyspace, [3, 15]);
        for words in
            [&[][..], &["x.rdb", "--keyspace", "16"], &["x.rdb", "--keyspace", ""], &["x.rdb", "y.rdb"]]
        {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
