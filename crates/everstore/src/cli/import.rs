//! `everstore import`: the keys of a Redis or of an RDB file into a cluster.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use clap::Args;
use model::limits::KEYSPACES;

use super::CliError;
use super::link::Login;
use super::reply::Reply;
use super::target::TargetArgs;
use super::transfer::batch::{Batch, MAX_PAYLOAD, Refusal, WAITING_BATCHES, shown};
use super::transfer::count::{Report, Row, Sized};
use super::transfer::file::RdbFile;
use super::transfer::peer::{Manner, Peer, info_field};
use super::transfer::progress::{Done, Progress};
use super::transfer::source::Source;
use super::transfer::target::{Existing, Target};
use super::transfer::walk::{Size, Take, Walk, sizes};
use super::transfer::{cluster, now_ms};

/// Longest wait for a reply of the source, which may have to pack a large value.
const SOURCE_PATIENCE: Duration = Duration::from_secs(60);
/// Environment variable with the password of the source, if its address has none.
const SOURCE_PASSWORD: &str = "EVERSTORE_SOURCE_PASSWORD";
/// Time between two looks at the progress while nothing comes.
const LOOK: Duration = Duration::from_millis(200);

/// Flags of `import`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore import redis://10.0.0.9:6379
  everstore import redis://:secret@10.0.0.9/3 --to-keyspace 0
  everstore import dump.rdb --skip-existing
  everstore import redis://10.0.0.9 --match 'session:*' --node 10.0.0.1:6379,10.0.0.2:6379

Database n of the source becomes keyspace n. A key that is there already with the same value and expiry is no
error; with another one it is refused by name, unless --replace or --skip-existing is given.
Exit code 0: all keys are there and the counts agree. 1: some were refused, or a count differs; the last line says
DIFFERS. 2: it could not begin.")]
pub struct ImportArgs {
    /// redis://[user:password@]host[:port][/database], or an RDB file.
    source: String,
    /// Only this database of the source.
    #[arg(long, value_name = "N")]
    from_db: Option<u32>,
    /// Into this keyspace; with one database only [default: the number of the database].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(..i64::from(KEYSPACES)))]
    to_keyspace: Option<u16>,
    /// Only keys whose names match, as for SCAN.
    #[arg(long = "match", value_name = "PATTERN")]
    pattern: Option<String>,
    /// Give keys that are there already the value of the source.
    #[arg(long, conflicts_with = "skip_existing")]
    replace: bool,
    /// Leave keys that are there already alone.
    #[arg(long)]
    skip_existing: bool,
    #[command(flatten)]
    target: TargetArgs,
}

impl ImportArgs {
    fn existing(&self) -> Existing {
        match (self.replace, self.skip_existing) {
            (true, _) => Existing::Replace,
            (_, true) => Existing::Skip,
            _ => Existing::Refuse,
        }
    }

    /// The only database, if one was named.
    fn database(&self, source: &Source) -> Result<Option<u32>, CliError> {
        let named = match source {
            Source::Redis { database, .. } => *database,
            Source::File(_) => None,
        };
        match (named, self.from_db) {
            (Some(named), Some(flag)) if named != flag => Err(CliError::Usage(format!(
                "the address names database {named} and --from-db names {flag}: give one of them"
            ))),
            (None, None) if self.to_keyspace.is_some() => Err(CliError::Usage(
                "--to-keyspace is for one database: name it with --from-db, or behind the address".into(),
            )),
            (named, flag) => Ok(named.or(flag)),
        }
    }
}

/// Imports, and prints what became of the keys.
///
/// # Errors
/// It could not begin: arguments that can not be, or nobody who answers.
pub fn run(args: &ImportArgs) -> Result<ExitCode, CliError> {
    let source = Source::parse(&args.source)?;
    let only = args.database(&source)?;
    let mut import = Import {
        to: args.to_keyspace,
        existing: args.existing(),
        args,
        report: Report::default(),
        progress: Progress::new("importing"),
    };
    match source {
        Source::Redis { address, login, .. } => import.redis(address, login, only)?,
        Source::File(path) => {
            let file = RdbFile::new(&path, only, args.pattern.clone().map(Into::into));
            import.file(&file)?;
        }
    }
    import.progress.clear();
    let (report, now) = (&import.report, now_ms());
    if args.target.json {
        println!("{}", report.json(now));
    } else {
        print!("{}", report.page(now));
    }
    Ok(if report.differences(now).is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Import<'a> {
    args: &'a ImportArgs,
    to: Option<u16>,
    existing: Existing,
    report: Report,
    progress: Progress,
}

/// How much of the source is done.
enum Whole<'w> {
    /// So many keys; 0 = not known.
    Keys(u64),
    /// Bytes read so far, of so many.
    Bytes(&'w AtomicU64, u64),
}

impl Import<'_> {
    fn target(&self) -> Result<Target, CliError> {
        Target::new(cluster::connect(&self.args.target)?, self.existing)
    }

    /// The keyspace for a database.
    fn keyspace(&self, from: u32) -> Result<u16, String> {
        let same = u16::try_from(from).ok().filter(|keyspace| *keyspace < KEYSPACES);
        self.to.or(same).ok_or_else(|| {
            format!(
                "database {from}: keyspaces are 0 to {}; choose one with --from-db {from} --to-keyspace",
                KEYSPACES - 1
            )
        })
    }

    fn redis(&mut self, address: String, mut login: Login, only: Option<u32>) -> Result<(), CliError> {
        if login.password.is_none() {
            login.password = std::env::var(SOURCE_PASSWORD).ok();
        }
        let manner = Manner {
            login,
            patience: SOURCE_PATIENCE,
            max_bulk: MAX_PAYLOAD,
            advice: format!("give redis://user:password@{address}, or set {SOURCE_PASSWORD}"),
            same_process: true,
        };
        let pattern = self.args.pattern.clone().map(Into::into);
        let mut walk = Walk::new(Peer::new(vec![address], manner), pattern)?;
        let mut found = sizes(walk.peer())?;
        if let Some(only) = only {
            found.retain(|size| size.keyspace == only);
            if found.is_empty() {
                found.push(Size { keyspace: only, keys: 0, expiring: 0 });
            }
        }
        for size in &found {
            self.keyspace(size.keyspace).map_err(CliError::Usage)?;
        }
        let mut target = self.target()?;
        self.report.warnings.extend(warnings(walk.peer())?);
        for size in &found {
            self.begin(size.keyspace, &mut target)?;
        }
        let all = if self.args.pattern.is_some() { 0 } else { found.iter().map(|size| size.keys).sum() };
        let walked = &mut walk;
        let keyspaces = &found;
        let read = self.pump(&mut target, &Whole::Keys(all), move |take| {
            keyspaces.iter().try_for_each(|size| walked.run(size.keyspace, take))
        });
        self.report.ended = read.err().map(|error| error.to_string());
        if self.args.pattern.is_none() && self.report.ended.is_none() {
            let expiring = sizes(walk.peer())?;
            for row in &mut self.report.rows {
                let of_row = expiring.iter().find(|size| size.keyspace == row.from);
                let keys = walk.peer().ask_number(row.from, &[b"DBSIZE"])?;
                row.source = Some(Sized { keys, expiring: of_row.map_or(0, |size| size.expiring) });
            }
        }
        self.count(&mut target)
    }

    fn file(&mut self, file: &RdbFile) -> Result<(), CliError> {
        let bytes = file.bytes()?;
        let mut target = self.target()?;
        let mut checking = Progress::new("checking the file");
        let checked = file.check(|read| checking.show(Done { keys: 0, part: read, whole: bytes }));
        checking.clear();
        checked?;
        let read = std::sync::Arc::clone(&file.read);
        match self.pump(&mut target, &Whole::Bytes(&read, bytes), |take| file.run(take)) {
            Ok(besides) => self.report.warnings.extend(besides.warnings()),
            Err(error) => self.report.ended = Some(error.to_string()),
        }
        self.count(&mut target)
    }

    /// Reads on a thread of its own and writes on this one. What `produce` answers is handed on, if all was written.
    fn pump<T: Send>(
        &mut self,
        target: &mut Target,
        whole: &Whole<'_>,
        produce: impl FnOnce(&mut Take<'_>) -> Result<T, CliError> + Send,
    ) -> Result<T, CliError> {
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel::<Batch>(WAITING_BATCHES);
            let reader = scope.spawn(move || {
                let ended = |_| CliError::Refused("nobody writes any more".into());
                produce(&mut |batch| sender.send(batch).map_err(ended))
            });
            let written = loop {
                match receiver.recv_timeout(LOOK) {
                    Ok(batch) => match self.take(target, batch) {
                        Ok(()) => {}
                        Err(error) => break Err(error),
                    },
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break Ok(()),
                }
                self.show(whole);
            };
            // Ends the reader, if it has not ended.
            drop(receiver);
            let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            written.and(read)
        })
    }

    fn show(&mut self, whole: &Whole<'_>) {
        let keys = self.report.rows.iter().map(|row| row.counts.read).sum();
        let (part, whole) = match whole {
            Whole::Keys(all) => (keys, *all),
            Whole::Bytes(read, bytes) => (read.load(Ordering::Relaxed), *bytes),
        };
        self.progress.show(Done { keys, part, whole });
    }

    /// Begins the row of a database, unless it has one.
    fn begin(&mut self, from: u32, target: &mut Target) -> Result<(), CliError> {
        if self.report.row(from).is_some() {
            return Ok(());
        }
        let mut row = Row { from, ..Row::default() };
        if let Ok(to) = self.keyspace(from) {
            let expiring = sizes(target.peer())?.into_iter().find(|size| size.keyspace == u32::from(to));
            let expiring = expiring.map_or(0, |size| size.expiring);
            (row.to, row.before) = (Some(to), Sized { keys: target.size(to)?, expiring });
        }
        self.report.rows.push(row);
        Ok(())
    }

    fn take(&mut self, target: &mut Target, mut batch: Batch) -> Result<(), CliError> {
        let from = batch.keyspace;
        if batch.keys() == 0 {
            return Ok(());
        }
        self.begin(from, target)?;
        let to = self.keyspace(from);
        let row = self.report.row(from).expect("it was begun");
        let refused = match to {
            Ok(to) => target.put(to, batch, &mut row.counts)?,
            Err(why) => {
                let entries = std::mem::take(&mut batch.entries);
                batch.refused.extend(entries.into_iter().map(|e| Refusal { key: e.key, why: why.clone() }));
                row.counts.read += batch.expired + batch.refused.len() as u64;
                row.counts.expired += batch.expired;
                row.counts.refused += batch.refused.len() as u64;
                batch.refused
            }
        };
        for Refusal { key, why } in refused {
            self.progress.say(&format!("refused: database {from}, key {}: {why}", shown(&key)));
        }
        Ok(())
    }

    /// Counts the keys of the target at the end.
    fn count(&mut self, target: &mut Target) -> Result<(), CliError> {
        for row in &mut self.report.rows {
            if let Some(to) = row.to {
                row.after = target.size(to)?;
            }
        }
        Ok(())
    }
}

/// What a source has that is not imported, or that makes it less than it seems.
fn warnings(peer: &mut Peer) -> Result<Vec<String>, CliError> {
    let mut out = Vec::new();
    let told = peer.ask_one(0, &[b"INFO", b"all"])?;
    let is = |field: &str, value: &str| info_field(&told, field).as_deref() == Some(value);
    if is("cluster_enabled", "1") {
        out.push(
            "the source is one node of a Redis Cluster: only its keys were imported; repeat it for each primary"
                .to_owned(),
        );
    }
    if is("role", "slave") && is("master_link_status", "down") {
        out.push("the source is a replica without its primary: it may be behind".to_owned());
    }
    // Unknown before Redis 7.0.
    if let Reply::Array(libraries) = peer.ask_one(0, &[b"FUNCTION", b"LIST"])?
        && !libraries.is_empty()
    {
        let count = libraries.len();
        out.push(format!("{count} libraries of functions were not imported: there are no functions"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: ImportArgs,
    }

    fn parse(words: &[&str]) -> Result<ImportArgs, clap::Error> {
        let line = ["import"].iter().chain(words);
        Ok(Line::try_parse_from(line)?.args)
    }

    #[test]
    fn one_database_is_named_once() {
        let database = |words: &[&str]| {
            let args = parse(words).expect("valid flags");
            args.database(&Source::parse(&args.source)?)
        };
        assert_eq!(database(&["redis://h"]).unwrap(), None);
        assert_eq!(database(&["redis://h/2"]).unwrap(), Some(2));
        assert_eq!(database(&["redis://h/2", "--from-db", "2", "--to-keyspace", "15"]).unwrap(), Some(2));
        assert_eq!(database(&["x.rdb", "--from-db", "20"]).unwrap(), Some(20));
        let both = database(&["redis://h/2", "--from-db", "3"]).unwrap_err().to_string();
        assert!(both.contains("names database 2 and --from-db names 3"), "{both}");
        let many = database(&["x.rdb", "--to-keyspace", "3"]).unwrap_err().to_string();
        assert!(many.contains("--from-db"), "{many}");
    }

    #[test]
    fn flags_that_can_not_be_are_refused() {
        for words in [
            &["x.rdb", "--replace", "--skip-existing"][..],
            &["x.rdb", "--to-keyspace", "16"],
            &["x.rdb", "--from-db", "-1"],
            &["x.rdb", "--node", "nowhere"],
            &[],
        ] {
            assert!(parse(words).is_err(), "{words:?}");
        }
        assert_eq!(parse(&["x.rdb"]).unwrap().existing(), Existing::Refuse);
        assert_eq!(parse(&["x.rdb", "--replace"]).unwrap().existing(), Existing::Replace);
        assert_eq!(parse(&["x.rdb", "--skip-existing"]).unwrap().existing(), Existing::Skip);
    }
}
