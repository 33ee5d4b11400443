//! A file of a gigabyte goes into a cluster as one value and comes out again, alone and beside clients with small
//! commands.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::BenchArgs;
use super::measure::median;
use super::peer::everstore::{Everstore, NODES};
use super::probe::{Probe, Times};
use super::process::{children_cpu, wait_idle};
use super::raw::{RAW, raw_write};
use super::report::{MIB, Section, compared, table};
use super::throughput::fill_keys;

/// Bytes of the file.
const FILE: u64 = 1 << 30;
/// Keys of the clients with small commands.
const KEYS: u64 = 100_000;
/// Bytes of a value of theirs.
const VALUE: usize = 100;
/// A sixth of the file: what is put does not stay in memory.
const MAX_MEMORY: &str = "200mb";
/// Bytes compared at a time.
const PIECE: usize = 1 << 20;

/// One way of the file.
#[derive(Debug, Clone, Copy)]
struct Transfer {
    seconds: f64,
    /// CPU seconds of all nodes and of the client.
    cpu: [f64; 2],
}

/// What a round showed: put, then get.
struct Round {
    /// What the disk does by itself, bytes a second.
    raw: f64,
    alone: [Transfer; 2],
    beside: [Transfer; 2],
    before: Times,
    during: [Times; 2],
    /// Most resident memory of any node.
    peak: f64,
}

/// Puts and gets a file, each round in a new cluster.
///
/// # Errors
/// The cluster does not start, a command fails, or other bytes come out.
pub fn measure(args: &BenchArgs, program: &Path) -> Result<Section, String> {
    let (key, title) = ("large", "A large value");
    if args.peers_only {
        return Ok(Section { key, title, text: "Left out: peers only.\n".into() });
    }
    let rounds = (0..args.rounds).map(|_| round(args, program)).collect::<Result<Vec<_>, _>>()?;
    Ok(Section { key, title, text: render(&rounds) })
}

fn round(args: &BenchArgs, program: &Path) -> Result<Round, String> {
    let cluster = Everstore::start_under(program, None, &["--max-memory", MAX_MEMORY])?;
    let raw = raw_write(cluster.folder())?;
    fill_keys(cluster.address(0), 0, KEYS, VALUE)?;
    cluster.wait_healthy()?;
    let files = Files::make(cluster.folder())?;
    let alone = files.there_and_back(&cluster, "alone", None)?;
    let probe = Probe { targets: vec![cluster.address(0)], keys: KEYS, value: VALUE };
    wait_idle(&cluster.processes(0));
    let before = probe.run(args.time())?;
    let beside = files.there_and_back(&cluster, "beside", Some(&probe))?;
    let peak = cluster.nodes.iter().map(|node| node.peak()).max().unwrap_or(0) as f64;
    let [put, get] = beside.map(|(transfer, times)| (transfer, times.unwrap_or_default()));
    Ok(Round {
        raw,
        alone: alone.map(|(transfer, _)| transfer),
        beside: [put.0, get.0],
        before,
        during: [put.1, get.1],
        peak,
    })
}

/// What is put, and what has come back.
struct Files {
    sent: PathBuf,
    back: PathBuf,
}

impl Files {
    /// Writes random bytes, which nothing can make smaller.
    fn make(folder: &Path) -> Result<Files, String> {
        let (sent, back) = (folder.join("sent"), folder.join("back"));
        let made = File::open("/dev/urandom").and_then(|random| {
            let mut file = File::create(&sent)?;
            std::io::copy(&mut random.take(FILE), &mut file)?;
            // The disk is to be busy with the nodes' files alone.
            file.sync_all()
        });
        made.map_err(|e| format!("{}: {e}", sent.display()))?;
        Ok(Files { sent, back })
    }

    /// Put and get, with the clients beside them if there are any.
    fn there_and_back(
        &self,
        cluster: &Everstore,
        key: &str,
        probe: Option<&Probe>,
    ) -> Result<[(Transfer, Option<Times>); 2], String> {
        let (sent, back) = (self.sent.display().to_string(), self.back.display().to_string());
        let put = transfer(cluster, &["put", &sent, key], probe)?;
        let get = transfer(cluster, &["get", key, &back], probe)?;
        // Each compares what it moved with its checksum; both must speak of the same bytes, and these must be in the file.
        if put.0 != get.0 {
            return Err(format!("put said {:?}, get {:?}", put.0, get.0));
        }
        same(&self.sent, &self.back)?;
        std::fs::remove_file(&self.back).map_err(|e| format!("{back}: {e}"))?;
        Ok([put.1, get.1])
    }
}

/// What the command printed, and what it took.
fn transfer(
    cluster: &Everstore,
    words: &[&str],
    probe: Option<&Probe>,
) -> Result<(String, (Transfer, Option<Times>)), String> {
    let nodes = cluster.processes(0);
    wait_idle(&nodes);
    let node_cpu = || nodes.iter().map(|node| node.cpu()).sum::<std::time::Duration>();
    let watch = probe.map(Probe::start);
    let (of_nodes, of_client, started) = (node_cpu(), children_cpu(), Instant::now());
    let printed = cluster.run(words)?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu = [node_cpu() - of_nodes, children_cpu() - of_client].map(|spent| spent.as_secs_f64());
    let times = watch.map(super::probe::Watch::times).transpose()?;
    println!("{}, {seconds:.2} s, CPU s of the nodes and the client {cpu:.2?}", printed.trim_end());
    Ok((printed, (Transfer { seconds, cpu }, times)))
}

/// Compares two files.
fn same(one: &Path, other: &Path) -> Result<(), String> {
    let failed = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
    let open = |path| File::open(path).map(BufReader::new).map_err(|e| failed(path, e));
    let (mut first, mut second, mut at) = (open(one)?, open(other)?, 0);
    loop {
        let (mut here, mut there) = (Vec::with_capacity(PIECE), Vec::with_capacity(PIECE));
        first.by_ref().take(PIECE as u64).read_to_end(&mut here).map_err(|e| failed(one, e))?;
        second.by_ref().take(PIECE as u64).read_to_end(&mut there).map_err(|e| failed(other, e))?;
        if here != there {
            return Err(format!("{} differs from {} behind {at} bytes", other.display(), one.display()));
        }
        if here.is_empty() {
            return Ok(());
        }
        at += here.len();
    }
}

/// Error replies to small commands, and the first of them.
fn errors(rounds: &[Round]) -> String {
    let all = || rounds.iter().flat_map(|round| round.during.iter().chain([&round.before]));
    let first = all().find_map(|times| times.first_error.as_ref());
    let first = first.map(|error| format!(", the first: {error}")).unwrap_or_default();
    format!("{}{first}", all().map(|times| times.errors).sum::<u64>())
}

fn render(rounds: &[Round]) -> String {
    let of = |figure: &dyn Fn(&Round) -> f64| median(rounds.iter().map(figure));
    let row = |what: &str, pick: &dyn Fn(&Round) -> Transfer| {
        let rate = |round: &Round| FILE as f64 / pick(round).seconds;
        let gib = (FILE >> 30) as f64;
        vec![
            what.to_owned(),
            format!("{:.1}", of(&|round| pick(round).seconds)),
            format!("{:.0}", of(&rate) / MIB),
            format!("{:.0} %", of(&|round| 100.0 * rate(round) * f64::from(NODES) / round.raw)),
            format!("{:.1}", of(&|round| pick(round).cpu[0]) / gib),
            format!("{:.1}", of(&|round| pick(round).cpu[1]) / gib),
        ]
    };
    let transfers = [
        row("put", &|round| round.alone[0]),
        row("get", &|round| round.alone[1]),
        row("put beside small commands", &|round| round.beside[0]),
        row("get beside small commands", &|round| round.beside[1]),
    ];
    let headings =
        ["1 GiB", "seconds", "MiB/s", "of raw / 3 replicas", "CPU s per GiB, three nodes", "client"];
    format!(
        "{}\n{}\n`everstore put` and `get` of a file of random bytes through the first node, `max-memory` {MAX_MEMORY}; both \
         ends have the same checksum and the file is the same. A file of {} MiB written in a row and synced: {:.0} MiB/s. \
         Small commands: four clients with one at a time through the first node, GET and SET of 100 bytes in turn; the CPU \
         of the nodes beside them has theirs in it; errors: {}. Most resident memory of a node: {:.0} MiB. Medians over the rounds, each in a new \
         cluster.\n\nGoals: put at least 40 % of raw / replicas; small commands take at most twice as long as before; \
         errors 0.\n",
        table(&headings, &transfers),
        small_commands(rounds),
        RAW >> 20,
        of(&|round| round.raw) / MIB,
        errors(rounds),
        of(&|round| round.peak) / MIB
    )
}

/// The table of the small commands: before, during the put, during the get.
fn small_commands(rounds: &[Round]) -> String {
    let row = |at: usize, name: &str, share: f64| {
        let pairs = |meanwhile: usize| -> Vec<[f64; 2]> {
            let pair =
                |round: &Round| [&round.before, &round.during[meanwhile]].map(|t| t.quantile_us(share)[at]);
            rounds.iter().map(pair).collect()
        };
        vec![name.to_owned(), compared(&pairs(0)), compared(&pairs(1))]
    };
    let rows = [
        row(0, "GET, p50", 0.5),
        row(0, "GET, p99", 0.99),
        row(1, "SET, p50", 0.5),
        row(1, "SET, p99", 0.99),
    ];
    table(&["small commands", "before -> during the put", "before -> during the get"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(put: f64, meanwhile_us: u64) -> Round {
        let transfer = |seconds| Transfer { seconds, cpu: [9.0, 0.5] };
        let times = |us| {
            let mut times = Times::default();
            times.get.add(std::time::Duration::from_micros(us));
            times.set.add(std::time::Duration::from_micros(us));
            times
        };
        Round {
            raw: 1536.0 * MIB,
            alone: [transfer(put), transfer(2.0)],
            beside: [transfer(2.0 * put), transfer(4.0)],
            before: times(1000),
            during: [times(meanwhile_us), times(1000)],
            peak: 300.0 * MIB,
        }
    }

    #[test]
    fn shares_are_of_what_the_disk_does_for_each_replica() {
        let text = render(&[round(4.0, 2000), round(5.0, 8000), round(4.0, 2000)]);
        assert!(text.contains("| put | 4.0 | 256 | 50 % | 9.0 | 0.5 |"), "{text}");
        assert!(text.contains("| get beside small commands | 4.0 | 256 |"), "{text}");
        let set = text.lines().find(|line| line.starts_with("| SET, p99")).expect("a line of SET");
        assert!(set.contains("(2.0x)") && set.contains("(1.0x)"), "{set}");
        assert!(text.contains("errors: 0. Most resident memory of a node: 300 MiB"), "{text}");
    }

    #[test]
    fn errors_of_all_rounds_are_told_with_the_first() {
        let mut rounds = [round(4.0, 2000), round(4.0, 2000)];
        rounds[1].during[0].errors = 2;
        rounds[1].during[0].first_error = Some("-ERR no".into());
        rounds[1].before.errors = 1;
        assert_eq!(errors(&rounds), "3, the first: -ERR no");
    }

    #[test]
    fn files_are_the_same_only_to_the_last_byte() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        let mut bytes = vec![7; PIECE + 3];
        std::fs::write(&one, &bytes).expect("written");
        std::fs::write(&other, &bytes).expect("written");
        assert_eq!(same(&one, &other), Ok(()));
        bytes[PIECE + 2] = 8;
        std::fs::write(&other, &bytes).expect("written");
        assert!(same(&one, &other).is_err_and(|e| e.ends_with("behind 1048576 bytes")));
        std::fs::write(&other, &bytes[..PIECE]).expect("written");
        assert!(same(&one, &other).is_err(), "the end is missing");
    }
}
