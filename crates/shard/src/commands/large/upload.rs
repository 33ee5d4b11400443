//! Uploads: begun with a lease, made longer, committed to a key or given up. All of it happens in the shard of
//! the key.

use super::{MAX_LEASE_MS, checksum, number, upload_id};
use crate::commands::set_options::{Expiry, Of, SetOptions};
use crate::data::{Context, Done, Key, Stop};
use model::large::{Manifest, State, Upload, UploadId};
use model::limits::{CHUNK, MAX_LARGE};
use model::planted::{Bug, is_planted};
use model::row::kind;

/// Lease of an upload that names none, in ms.
const LEASE_MS: u64 = 30_000;
/// Shortest lease, in ms.
const MIN_LEASE_MS: u64 = 1_000;

fn unknown(upload: UploadId) -> Stop {
    Stop::error(format!("ERR there is no upload {upload} under way: it was given up, or its lease is over"))
}

/// End of a lease that begins now: options `[LEASE ms]`.
fn lease(now: u64, options: &[&[u8]]) -> Result<u64, Stop> {
    match options {
        [] => Ok(now + LEASE_MS),
        [word, ms] if word.eq_ignore_ascii_case(b"lease") => {
            let ms = number(ms, "lease", MAX_LEASE_MS)?;
            if ms < MIN_LEASE_MS {
                let text =
                    format!("ERR lease '{ms}' is not allowed; allowed: {MIN_LEASE_MS} to {MAX_LEASE_MS}");
                return Err(Stop::error(text));
            }
            Ok(now + ms)
        }
        _ => Err(Stop::SYNTAX),
    }
}

/// `LARGE BEGIN key bytes [LEASE ms]`: an upload of at most so many bytes for the key. Its id, the end of its lease
/// (shard time in ms), and the bytes of a chunk.
pub(in crate::commands) fn begin(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (key, now) = (c.data.key(args[2]), c.data.now());
    c.data.check_large()?;
    c.data.check_size(key, 0)?;
    let bound = number(args[3], "size", MAX_LARGE)?;
    let until = lease(now, &args[4..])?;
    let upload = new_id(c, key, now);
    c.data.put_upload(upload, Some(&Upload { state: State::Uploading, from: 0, bound, until }));
    c.reply.array(3);
    c.reply.bulk_str(&upload.to_string());
    c.reply.int(until as i64);
    c.reply.int(CHUNK as i64);
    Ok(())
}

/// Uploads of all shards share one keyspace. Two ids are equal only if two random numbers are, and what names the
/// moment and the key as well.
pub(super) fn new_id(c: &mut Context<'_>, key: Key<'_>, now: u64) -> UploadId {
    let moment = [key.position.0, now, c.data.random()].map(u64::to_be_bytes).concat();
    let numbers = [c.data.random(), xxhash_rust::xxh3::xxh3_64(&moment)];
    c.data.new_upload(numbers, key)
}

/// An upload that is under way and whose lease is not over. Not one of a slot that has become another shard's: that
/// shard has its row as well, and may have its chunks removed.
pub(super) fn under_way(c: &mut Context<'_>, id: UploadId) -> Result<Upload, Stop> {
    let now = c.data.now();
    let own = c.data.owns_upload(id);
    let upload = c.data.upload(id)?;
    let upload = upload.filter(|upload| own && upload.state == State::Uploading && upload.until >= now);
    upload.ok_or_else(|| unknown(id))
}

/// `LARGE RENEW key upload bytes [LEASE ms]`: the lease begins anew, and the upload may have so many bytes. The end of
/// the lease.
pub(in crate::commands) fn renew(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (id, now) = (upload_id(args[3])?, c.data.now());
    let bound = number(args[4], "size", MAX_LARGE)?;
    let until = lease(now, &args[5..])?;
    let upload = under_way(c, id)?;
    // Chunks may have been written up to the old ones.
    let (bound, until) = (bound.max(upload.bound), until.max(upload.until));
    c.data.put_upload(id, Some(&Upload { bound, until, ..upload }));
    c.reply.int(until as i64);
    Ok(())
}

/// `LARGE COMMIT key upload length checksum [NX | XX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`: the key has the
/// value that was uploaded, whose chunks are all committed. Doing it again changes nothing.
pub(in crate::commands) fn commit(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (key, id, now) = (c.data.key(args[2]), upload_id(args[3])?, c.data.now());
    let length = number(args[4], "length", MAX_LARGE)?;
    let checksum = checksum(args[5])?;
    let options = SetOptions::parse(&args[6..], Of::Set)?;
    if options.get {
        return Err(Stop::SYNTAX);
    }
    let deadline = options.deadline(now, "large|commit")?;
    let (mut found, mut kept) = (false, 0);
    if let Some(row) = c.data.peek(key)? {
        (found, kept) = (true, row.expire);
        if row.manifest().transpose()?.is_some_and(|manifest| manifest.upload == id) {
            c.reply.ok();
            return Ok(());
        }
    }
    let upload = under_way(c, id)?;
    if length > upload.bound {
        return Err(Stop::error(format!(
            "ERR length {length} is above the size of the upload: {}",
            upload.bound
        )));
    }
    if options.nx && found || options.xx && !found {
        c.reply.null();
        return Ok(());
    }
    let expire = match options.expiry {
        Expiry::Keep => kept,
        _ => deadline.unwrap_or(0),
    };
    let Upload { bound, until, .. } = upload;
    let edited = Vec::new();
    let manifest = Manifest { upload: id, length, chunk: CHUNK as u64, checksum, bound, until, edited };
    c.data.put_manifest(key, expire, &manifest)?;
    c.reply.ok();
    Ok(())
}

/// `LARGE ABORT key upload`: 1 if it was under way and is given up.
pub(in crate::commands) fn abort(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (id, now) = (upload_id(args[3])?, c.data.now());
    let own = c.data.owns_upload(id);
    let upload = c.data.upload(id)?.filter(|upload| own && upload.state == State::Uploading);
    if let Some(upload) = &upload {
        c.data.put_upload(id, Some(&upload.freed(now)));
    }
    c.reply.int(upload.is_some().into());
    Ok(())
}

/// `LARGE STAT key`: of a large value its upload, length, bytes of a chunk, checksum, and number and upload of each chunk
/// that was edited since; of another string the same with an empty upload and no chunks; null if there is no such key.
pub(in crate::commands) fn stat(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[2]);
    let (upload, length, chunk, checksum, edited) = match c.data.get(key)? {
        None => {
            c.reply.null_array();
            return Ok(());
        }
        Some(row) if row.kind == kind::STRING => {
            (String::new(), row.value_len() as u64, 0, crc32c::crc32c(row.value()), Vec::new())
        }
        Some(row) => {
            let manifest = row.manifest().ok_or(Stop::WRONG_TYPE)??;
            let Manifest { upload, length, chunk, checksum, edited, .. } = manifest;
            (upload.to_string(), length, chunk, checksum, edited)
        }
    };
    c.reply.array(5);
    c.reply.bulk_str(&upload);
    c.reply.int(length as i64);
    c.reply.int(chunk as i64);
    c.reply.bulk_str(&format!("{checksum:08x}"));
    c.reply.array(2 * edited.len());
    for (number, upload) in edited {
        c.reply.int(number as i64);
        c.reply.bulk_str(&upload.to_string());
    }
    Ok(())
}

/// A request of the leader to itself, arguments: name of the upload's row. One that is good for nothing any more gets free: its lease is
/// over, or its keyspace was flushed. From then on nobody can commit it, whatever the next leader's clock says.
///
/// # Errors
/// As [`crate::data::Data::upload`].
pub fn collect(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (name, now) = (args[1], c.data.now());
    let id = UploadId::of_row_name(name).ok_or(Stop::error("ERR malformed internal request"))?;
    if let Some(upload) = c.data.upload_row(id, name)? {
        let useless = match upload.state {
            State::Uploading => upload.until < now,
            // Planted: see model/planted.rs
            State::Live { .. } if is_planted(Bug::LiveCollected) => upload.until < now,
            State::Live { ks, generation } => {
                c.data.settled_generation(ks).is_some_and(|settled| settled != generation)
            }
            State::Free => false,
        };
        if useless {
            c.data.put_upload_row(id, name, Some(&upload.freed(now)));
        }
    }
    c.reply.ok();
    Ok(())
}

/// A request of the leader to itself, arguments: name of the upload's row. Its chunks are all removed, and it is forgotten.
///
/// # Errors
/// As [`crate::data::Data::upload`].
pub fn forget(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let name = args[1];
    let id = UploadId::of_row_name(name).ok_or(Stop::error("ERR malformed internal request"))?;
    if c.data.upload_row(id, name)?.is_some_and(|upload| upload.state == State::Free) {
        c.data.put_upload_row(id, name, None);
    }
    c.reply.ok();
    Ok(())
}
