//! `everstore put`: a file becomes the value of a key.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use model::limits::CHUNK;
use serde_json::json;

use super::window::Window;
use super::{KeyArgs, THRESHOLD, WRITES, bytes, parts};
use crate::cli::CliError;
use crate::cli::link::Link;
use crate::cli::reply::Reply;
use crate::cli::transfer::progress::{Done, Progress};

/// For how long an upload is kept of which nothing is heard, in ms.
const LEASE_MS: &[u8] = b"60000";
/// After this time the lease is renewed.
const RENEW: Duration = Duration::from_secs(15);
/// Size that is reckoned with where none is known.
const UNKNOWN_SIZE: u64 = 256 << 20;

/// Flags of `put`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore put backup.tar backups/monday
  everstore put backup.tar backups/monday --expire 604800
  tar c /srv | everstore put - backups/monday
  everstore put big.iso images/big --node 10.0.0.1:6379,10.0.0.2:6379

The key has its old value, or none, until all of the file is on the disks of a majority; then it has the new one. If a
node is lost meanwhile the upload goes on through another one. What was uploaded of a file whose upload is interrupted
is removed a minute or two later.")]
pub struct PutArgs {
    /// The file; - reads standard input.
    file: PathBuf,
    /// The key.
    key: OsString,
    /// Remove the key after so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64 / 2000))]
    expire: Option<u64>,
    #[command(flatten)]
    at: KeyArgs,
}

/// A chunk on its way.
struct Chunk {
    upload: Vec<u8>,
    number: u64,
    until: i64,
    bytes: Vec<u8>,
}

fn push(chunk: &Chunk, link: &mut Link) {
    let (number, until) = (chunk.number.to_string(), chunk.until.to_string());
    let sum = format!("{:08x}", crc32c::crc32c(&chunk.bytes));
    let words: [&[u8]; 6] =
        [b"LARGE", b"WRITE", &chunk.upload, number.as_bytes(), until.as_bytes(), sum.as_bytes()];
    link.push(&[&words[..], &[&chunk.bytes[..]]].concat());
}

/// An upload under way.
struct Upload<'a> {
    args: &'a PutArgs,
    window: Window<Chunk>,
    id: Vec<u8>,
    /// End of the lease, as the nodes' clocks have it, and when it was given by ours.
    until: i64,
    renewed: Instant,
    /// Most bytes that the nodes reckon with.
    bound: u64,
    length: u64,
    checksum: u32,
}

/// Uploads the file.
pub(super) fn run(args: &PutArgs) -> Result<ExitCode, CliError> {
    let (mut source, size) = open(args)?;
    let first = read_chunk(&mut *source, args)?;
    let mut peer = args.at.connect()?;
    let (length, checksum) = if first.len() < THRESHOLD || size == THRESHOLD as u64 {
        let set: [&[u8]; 3] = [b"SET", bytes(&args.key), &first];
        let reply = args.with_expiry(&set, |command| peer.ask_one(args.at.keyspace(), command))?;
        if !matches!(reply, Reply::Text(_)) {
            return Err(peer.strange(&set, &reply));
        }
        (first.len() as u64, crc32c::crc32c(&first))
    } else {
        let mut upload = Upload::begin(args, Window::new(peer, args.at.keyspace(), push), size)?;
        let sent = upload.send(first, &mut *source, size);
        let done = sent.and_then(|()| upload.commit());
        if let Err(error) = done {
            upload.abort();
            return Err(error);
        }
        (upload.length, upload.checksum)
    };
    if args.at.target.json {
        println!("{}", json!({ "bytes": length, "checksum": format!("{checksum:08x}") }));
    } else {
        println!("OK {length} bytes, checksum {checksum:08x}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The file and its size; 0 = not known.
fn open(args: &PutArgs) -> Result<(Box<dyn Read>, u64), CliError> {
    if args.file.as_os_str() == "-" {
        return Ok((Box::new(std::io::stdin().lock()), 0));
    }
    let failed = |source| CliError::Io { what: args.file.display().to_string(), source };
    let file = File::open(&args.file).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if about.is_dir() {
        return Err(CliError::Usage(format!("'{}' is a folder; allowed: a file, or -", args.file.display())));
    }
    Ok((Box::new(file), about.len()))
}

/// The next chunk; shorter than [`CHUNK`] only at the end of the file.
fn read_chunk(source: &mut dyn Read, args: &PutArgs) -> Result<Vec<u8>, CliError> {
    let mut chunk = Vec::with_capacity(CHUNK);
    let read = source.take(CHUNK as u64).read_to_end(&mut chunk);
    read.map_err(CliError::io(args.file.display().to_string()))?;
    Ok(chunk)
}

impl PutArgs {
    /// Makes use of a command that ends with when the key expires.
    fn with_expiry<T>(&self, words: &[&[u8]], make_use: impl FnOnce(&[&[u8]]) -> T) -> T {
        let seconds = self.expire.map(|seconds| seconds.to_string());
        match &seconds {
            Some(seconds) => make_use(&[words, &[b"EX", seconds.as_bytes()]].concat()),
            None => make_use(words),
        }
    }
}

impl Upload<'_> {
    fn begin(args: &PutArgs, mut window: Window<Chunk>, size: u64) -> Result<Upload<'_>, CliError> {
        let bound = if size == 0 { UNKNOWN_SIZE } else { size };
        let text = bound.to_string();
        let command: [&[u8]; 6] = [b"LARGE", b"BEGIN", bytes(&args.key), text.as_bytes(), b"LEASE", LEASE_MS];
        let reply = window.ask(&command)?;
        match parts(reply) {
            Ok([Reply::Text(id), Reply::Integer(until), Reply::Integer(chunk)]) if chunk == CHUNK as i64 => {
                let renewed = Instant::now();
                Ok(Upload { args, window, id, until, renewed, bound, length: 0, checksum: 0 })
            }
            Ok(_) => {
                Err(CliError::Refused("the nodes have chunks of another size: use their version".to_owned()))
            }
            Err(reply) => Err(window.strange(&command, &reply)),
        }
    }

    /// Sends all chunks; all are on disk when this returns.
    fn send(&mut self, first: Vec<u8>, source: &mut dyn Read, size: u64) -> Result<(), CliError> {
        let mut progress = Progress::of_bytes("uploading");
        let (mut chunk, mut number, mut answered) = (Some(first), 0, 0);
        loop {
            while let Some(bytes) = chunk.take_if(|_| self.window.len() < WRITES) {
                self.length += bytes.len() as u64;
                self.checksum = crc32c::crc32c_append(self.checksum, &bytes);
                if self.length > self.bound {
                    answered += self.drain()?;
                    self.renew(self.length.max(2 * self.bound))?;
                }
                let last = bytes.len() < CHUNK;
                let (upload, until) = (self.id.clone(), self.until);
                self.window.add(Chunk { upload, number, until, bytes });
                number += 1;
                chunk = if last { None } else { Some(read_chunk(source, self.args)?) };
                chunk = chunk.filter(|chunk| !chunk.is_empty());
            }
            let Some(bytes) = self.written()? else { break };
            answered += bytes;
            if self.renewed.elapsed() >= RENEW {
                answered += self.drain()?;
                self.renew(self.bound)?;
            }
            progress.show(Done { keys: answered, part: answered, whole: size });
        }
        progress.clear();
        Ok(())
    }

    /// Waits for the oldest chunk under way; its bytes.
    fn written(&mut self) -> Result<Option<u64>, CliError> {
        match self.window.next()? {
            None => Ok(None),
            Some((chunk, Reply::Text(_))) => Ok(Some(chunk.bytes.len() as u64)),
            Some((_, reply)) => Err(self.window.strange(&[b"LARGE WRITE"], &reply)),
        }
    }

    fn drain(&mut self) -> Result<u64, CliError> {
        let mut bytes = 0;
        while let Some(some) = self.written()? {
            bytes += some;
        }
        Ok(bytes)
    }

    fn renew(&mut self, bound: u64) -> Result<(), CliError> {
        let text = bound.to_string();
        let key = bytes(&self.args.key);
        let command: [&[u8]; 7] = [b"LARGE", b"RENEW", key, &self.id, text.as_bytes(), b"LEASE", LEASE_MS];
        match self.window.ask(&command)? {
            Reply::Integer(until) => {
                (self.until, self.bound, self.renewed) = (until, bound, Instant::now());
                Ok(())
            }
            other => Err(self.window.strange(&command, &other)),
        }
    }

    fn commit(&mut self) -> Result<(), CliError> {
        let (length, sum) = (self.length.to_string(), format!("{:08x}", self.checksum));
        let key = bytes(&self.args.key);
        let words: [&[u8]; 6] = [b"LARGE", b"COMMIT", key, &self.id, length.as_bytes(), sum.as_bytes()];
        let window = &mut self.window;
        match self.args.with_expiry(&words, |command| window.ask(command))? {
            Reply::Text(_) => Ok(()),
            other => Err(self.window.strange(&words, &other)),
        }
    }

    /// Frees what was uploaded at once; if that fails too the lease ends.
    fn abort(self) {
        let _ = self
            .window
            .abandon()
            .ask_one(self.args.at.keyspace(), &[b"LARGE", b"ABORT", bytes(&self.args.key), &self.id]);
    }
}
