//! `everstore get`: the value of a key becomes a file.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::window::Window;
use super::{KeyArgs, READS, bytes, checksum, parts};
use crate::cli::CliError;
use crate::cli::link::Link;
use crate::cli::reply::Reply;
use crate::cli::transfer::outfile::OutFile;
use crate::cli::transfer::peer::Peer;
use crate::cli::transfer::progress::{Done, Progress};

/// Flags of `get`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore get backups/monday backup.tar
  everstore get backups/monday backup.tar --force
  everstore get backups/monday - | tar x

The file appears when it is whole and its checksum is right. To standard output goes what was read so far: look at
the exit code.")]
pub struct GetArgs {
    /// The key.
    key: OsString,
    /// The file; - writes to standard output.
    file: PathBuf,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    at: KeyArgs,
}

/// What the nodes say of a value.
struct About {
    /// Empty: it is not in chunks.
    upload: Vec<u8>,
    length: u64,
    chunk: u64,
    checksum: u32,
    /// Chunks of other uploads.
    edited: Vec<Reply>,
}

impl About {
    /// The upload that has written a chunk.
    fn owner(&self, number: u64) -> Vec<u8> {
        let mut pairs = self.edited.chunks_exact(2);
        let found = pairs.find_map(|pair| match pair {
            [Reply::Integer(edited), Reply::Text(upload)] if *edited as u64 == number => Some(upload.clone()),
            _ => None,
        });
        found.unwrap_or(self.upload.clone())
    }
}

/// A chunk that was asked for.
struct Wanted {
    upload: Vec<u8>,
    number: u64,
}

fn push(wanted: &Wanted, link: &mut Link) {
    let number = wanted.number.to_string();
    link.push(&[b"LARGE", b"READ", &wanted.upload[..], number.as_bytes()]);
}

/// Downloads the value.
pub(super) fn run(args: &GetArgs) -> Result<ExitCode, CliError> {
    let mut peer = args.at.connect()?;
    let about = stat(&mut peer, args)?;
    let sum = about.checksum;
    if args.file.as_os_str() == "-" {
        let mut out = std::io::stdout().lock();
        read(peer, args, &about, &mut out)?;
        out.flush().map_err(CliError::io("standard output"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let (whole, mut file) = OutFile::create(&args.file, args.force)?;
    read(peer, args, &about, &mut file)?;
    whole.finish(&file)?;
    if args.at.target.json {
        println!("{}", json!({ "bytes": about.length, "checksum": format!("{sum:08x}") }));
    } else {
        println!("OK {} bytes, checksum {sum:08x}", about.length);
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(args: &GetArgs) -> String {
    bytes(&args.key).escape_ascii().to_string()
}

fn stat(peer: &mut Peer, args: &GetArgs) -> Result<About, CliError> {
    let command: [&[u8]; 3] = [b"LARGE", b"STAT", bytes(&args.key)];
    match parts(peer.ask_one(args.at.keyspace(), &command)?) {
        Err(Reply::Nil) => Err(CliError::Refused(format!("there is no key '{}'", shown(args)))),
        Err(reply) => Err(peer.strange(&command, &reply)),
        Ok(
            [Reply::Text(upload), Reply::Integer(length), Reply::Integer(chunk), sum, Reply::Array(edited)],
        ) => {
            let number = |number: i64| u64::try_from(number).unwrap_or(0);
            let (length, chunk) = (number(length), number(chunk));
            let checksum = checksum(&sum).filter(|_| chunk > 0 || upload.is_empty());
            let checksum = checksum.ok_or_else(|| peer.strange(&command, &sum))?;
            Ok(About { upload, length, chunk, checksum, edited })
        }
        Ok(other) => Err(peer.strange(&command, &Reply::Array(other.into()))),
    }
}

/// Writes the value to `out`.
fn read(mut peer: Peer, args: &GetArgs, about: &About, out: &mut dyn Write) -> Result<(), CliError> {
    let replaced = || {
        CliError::Refused(format!("the value of '{}' was replaced or removed while it was read", shown(args)))
    };
    let failed = || CliError::io(args.file.display().to_string());
    if about.upload.is_empty() {
        let command: [&[u8]; 2] = [b"GET", bytes(&args.key)];
        let value = match peer.ask_one(args.at.keyspace(), &command)? {
            Reply::Text(value) => value,
            Reply::Nil => return Err(replaced()),
            reply => return Err(peer.strange(&command, &reply)),
        };
        if crc32c::crc32c(&value) != about.checksum {
            return Err(replaced());
        }
        return out.write_all(&value).map_err(failed());
    }
    let (mut window, mut progress) =
        (Window::new(peer, args.at.keyspace(), push), Progress::of_bytes("downloading"));
    let (mut next, end) = (0, about.length.div_ceil(about.chunk));
    let (mut length, mut sum) = (0, 0);
    loop {
        while next < end && window.len() < READS {
            window.add(Wanted { upload: about.owner(next), number: next });
            next += 1;
        }
        let Some((wanted, reply)) = window.next()? else { break };
        let chunk = match parts(reply) {
            Ok([chunk_sum, Reply::Text(chunk)]) if checksum(&chunk_sum) == Some(crc32c::crc32c(&chunk)) => {
                chunk
            }
            Ok(_) => return Err(CliError::Refused(format!("chunk {} is damaged: checksum", wanted.number))),
            Err(Reply::Nil) => return Err(replaced()),
            Err(reply) => return Err(window.strange(&[b"LARGE READ"], &reply)),
        };
        sum = crc32c::crc32c_append(sum, &chunk);
        length += chunk.len() as u64;
        out.write_all(&chunk).map_err(failed())?;
        progress.show(Done { keys: length, part: length, whole: about.length });
    }
    progress.clear();
    if (length, sum) != (about.length, about.checksum) {
        return Err(CliError::Refused(format!(
            "the value of '{}' is damaged: {length} bytes with checksum {sum:08x}, not {} with {:08x}",
            shown(args),
            about.length,
            about.checksum
        )));
    }
    Ok(())
}
