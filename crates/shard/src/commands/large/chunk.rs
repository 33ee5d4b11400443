//! Chunks: rows of the hidden keyspace, each with its checksum before its bytes.

use super::{MAX_LEASE_MS, checksum, number, upload_id};
use crate::data::{Context, Done, Stop};
use model::large::{GRACE_MS, chunks_of};
use model::limits::{CHUNK, MAX_LARGE};

/// Bytes of the checksum before those of the chunk.
const HEAD: usize = 4;

/// `LARGE WRITE upload number until checksum bytes`: puts a chunk. `until` is the end of the lease, as LARGE BEGIN or
/// RENEW gave it: a write that comes later is refused, for nobody may remove the chunk.
pub(in crate::commands) fn write(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (upload, now) = (upload_id(args[2])?, c.data.now());
    let chunk = number(args[3], "chunk number", chunks_of(MAX_LARGE) - 1)?;
    let until = number(args[4], "end of the lease", now + MAX_LEASE_MS + GRACE_MS)?;
    let (wanted, bytes) = (checksum(args[5])?, args[6]);
    if until < now {
        return Err(Stop::error(format!("ERR the lease of upload {upload} is over")));
    }
    if bytes.is_empty() || bytes.len() > CHUNK {
        return Err(Stop::error(format!("ERR chunk of {} bytes, allowed: 1 to {CHUNK}", bytes.len())));
    }
    let found = crc32c::crc32c(bytes);
    if found != wanted {
        return Err(Stop::error(format!(
            "ERR chunk {chunk} came with checksum {found:08x}, not {wanted:08x}"
        )));
    }
    let mut content = Vec::with_capacity(HEAD + bytes.len());
    content.extend_from_slice(&found.to_le_bytes());
    content.extend_from_slice(bytes);
    let name = upload.chunk_key(chunk);
    let here = c.data.enter_chunks();
    let key = c.data.key(&name);
    // The look first: the reply of a write that was done before waits for it.
    let same = c.data.peek(key)?.is_some_and(|row| row.value() == content);
    if !same {
        c.data.put_chunk(key, &content)?;
    }
    c.data.leave_chunks(here);
    c.reply.ok();
    Ok(())
}

/// `LARGE READ upload number`: checksum and bytes of a chunk, or null if there is none.
pub(in crate::commands) fn read(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let upload = upload_id(args[2])?;
    let chunk = number(args[3], "chunk number", chunks_of(MAX_LARGE) - 1)?;
    let name = upload.chunk_key(chunk);
    let here = c.data.enter_chunks();
    let key = c.data.key(&name);
    match c.data.get(key)?.map(|row| row.value().split_first_chunk::<HEAD>()) {
        None => c.reply.null_array(),
        Some(Some((sum, bytes))) => {
            c.reply.array(2);
            c.reply.bulk_str(&format!("{:08x}", u32::from_le_bytes(*sum)));
            c.reply.bulk(bytes);
        }
        Some(None) => return Err(Stop::error(format!("ERR chunk {chunk} of {upload} is damaged"))),
    }
    c.data.leave_chunks(here);
    Ok(())
}

/// A request of the collector: removes a chunk. Arguments: upload, number.
///
/// # Errors
/// [`Stop::Fetch`] when it is not in memory.
pub fn drop_chunk(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (upload, chunk) = (upload_id(args[1])?, number(args[2], "chunk number", u64::MAX)?);
    let name = upload.chunk_key(chunk);
    let here = c.data.enter_chunks();
    let key = c.data.key(&name);
    c.data.delete(key)?;
    c.data.leave_chunks(here);
    c.reply.ok();
    Ok(())
}
