//! Segments whose checksums are right and whose content is anything: what a defect of an older or
//! newer program could have written. Layout: `docs/formats/log.md`.

use super::script::Script;
use super::{CLUSTER, Folder, dir, stays};
use env::{Disk, Open};
use model::varint::{Reader, put_u64};
use storage::log::MIN_SEGMENT_BYTES;

const HEADER_BLOCK: usize = 4096;
const BATCH_HEADER: usize = 48;

/// Writes up to three segments as the script says and opens them.
pub fn check(script: &mut Script<'_>) {
    let folder = Folder::new(script);
    let (disk, direct) = (&folder.disk, folder.direct);
    disk.create_dir_all(dir()).expect("a disk without faults");
    let (mut number, mut sequence, mut end) = (1 + script.number() % 4, 1, 0);
    for file in 1..=1 + script.below(3) {
        number = odd(script, number);
        let place = (number, odd(script, sequence), odd(script, end));
        let (bytes, batches) = segment(script, place, direct);
        let path = dir().join(format!("seg-{file:08}.log"));
        let mut file = disk.open(&path, Open::CREATE).expect("a disk without faults");
        file.write_at(0, &bytes).expect("a disk without faults");
        file.sync_data().expect("a disk without faults");
        (sequence, end) = (sequence.wrapping_add(batches.0), batches.1);
        number = number.wrapping_add(1);
    }
    disk.sync_dir(dir()).expect("a disk without faults");
    if let Ok(opened) = folder.open() {
        stays(&folder, opened);
    }
}

/// Mostly the number that fits, sometimes another one.
fn odd(script: &mut Script<'_>, fits: u64) -> u64 {
    if script.byte() % 16 == 15 { script.number() } else { fits }
}

/// A segment, how many batches it has and where they end.
fn segment(
    script: &mut Script<'_>,
    (number, first, previous_end): (u64, u64, u64),
    direct: bool,
) -> (Vec<u8>, (u64, u64)) {
    let mut out = vec![0; MIN_SEGMENT_BYTES as usize];
    let salt = number ^ 11;
    out[0..8].copy_from_slice(b"EverLog\n");
    (out[8], out[9]) = (1, u8::from(direct));
    out[16..24].copy_from_slice(&number.to_le_bytes());
    out[24..32].copy_from_slice(&salt.to_le_bytes());
    out[32..48].copy_from_slice(&CLUSTER);
    let bytes = odd(script, MIN_SEGMENT_BYTES);
    out[48..56].copy_from_slice(&bytes.to_le_bytes());
    out[56..64].copy_from_slice(&previous_end.to_le_bytes());
    out[64..72].copy_from_slice(&first.to_le_bytes());
    let crc = crc32c::crc32c(&out[..92]);
    out[92..96].copy_from_slice(&crc.to_le_bytes());
    let (mut at, mut count) = (HEADER_BLOCK, 0u64);
    for _ in 0..1 + script.below(8) {
        let payload = payload(script);
        let synced = (odd(script, number), odd(script, at as u64) as u32);
        let sequence = odd(script, first.wrapping_add(count));
        let batch = batch((number, salt), sequence, synced, &payload);
        let Some(place) = out.get_mut(at..at + batch.len()) else { break };
        place.copy_from_slice(&batch);
        at += batch.len();
        count += 1;
    }
    (out, (count, at as u64))
}

fn batch((number, salt): (u64, u64), sequence: u64, synced: (u64, u32), payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; (BATCH_HEADER + payload.len()).next_multiple_of(8)];
    out[0..4].copy_from_slice(b"EvB1");
    out[8..12].copy_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    out[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    out[16..24].copy_from_slice(&sequence.to_le_bytes());
    out[24..32].copy_from_slice(&synced.0.to_le_bytes());
    out[32..40].copy_from_slice(&groups(payload).to_le_bytes());
    out[40..44].copy_from_slice(&synced.1.to_le_bytes());
    out[44] = 1;
    let key = crc32c::crc32c_append(crc32c::crc32c(&number.to_le_bytes()), &salt.to_le_bytes());
    let crc = crc32c::crc32c_append(key, &out[8..BATCH_HEADER]);
    out[4..8].copy_from_slice(&crc.to_le_bytes());
    out[BATCH_HEADER..BATCH_HEADER + payload.len()].copy_from_slice(payload);
    out
}

/// Some group bits; the reader needs them only for a batch whose payload is damaged.
fn groups(payload: &[u8]) -> u64 {
    payload.get(1).map_or(0, |group| 1 << (group % 64))
}

/// Items of the script: their tags are mostly known ones.
fn payload(script: &mut Script<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    if script.byte() % 8 == 7 {
        return script.bytes(64).to_vec();
    }
    for _ in 0..1 + script.below(6) {
        let tag = script.byte() % 10;
        out.push(tag);
        let numbers = [0, 3, 4, 4, 4, 2, 1, 1, 1, 1][usize::from(tag)];
        // The first number is the group, except of tag 8: a few groups, so that items meet.
        for n in 0..numbers {
            let number = if n == 0 { u64::from(script.byte() % 4) } else { script.number() };
            put_u64(&mut out, number);
        }
        match tag {
            1 => {
                out.push(script.byte());
                let data = script.bytes(32);
                put_u64(&mut out, data.len() as u64);
                out.extend_from_slice(data);
            }
            3 | 4 => out.push(0),
            _ => {}
        }
    }
    debug_assert!(!Reader::new(&out).is_empty());
    out
}
