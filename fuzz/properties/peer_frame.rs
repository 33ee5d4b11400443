//! What a peer sends after the handshake: frames, their sections, and what is in those.

#[path = "allocated.rs"]
mod allocated;

use allocated::bounded;
use cluster::{Heartbeat, NodeReport};
use model::varint::{DecodeError, Reader};
use node::frame::compared::Compared;
use node::frame::content::{self, Chunk, ChunkAck, MapNews, RowsWanted, Wish};
use node::frame::proof::{Probe, Proof};
use node::frame::{Builder, Section, first, sections};
use node::promises;
use router::request;
use router::wire::{AnswerFrame, ForwardFrame};

/// No decoder allocates more than so many times its input (an entry of three bytes becomes a structure,
/// in a vector that doubles), plus [`MORE`] bytes (errors, the first room of a vector).
const TIMES: usize = 64;
const MORE: usize = 4096;

/// Any bytes as what arrived on a connection, and as the content of a frame: they are read or refused,
/// within the bound on memory, and what was read is written so that it is read as the same.
///
/// # Panics
/// If not.
pub fn check(data: &[u8]) {
    if let Ok(Some((content, len))) = first(data) {
        assert!(len <= data.len() && content.len() < len);
        of_content(content);
    }
    of_content(data);
    for section in ALL {
        of_section(section, data);
    }
}

const ALL: [Section; 13] = [
    Section::Raft,
    Section::Forward,
    Section::Answer,
    Section::Heartbeat,
    Section::Report,
    Section::Wish,
    Section::Chunk,
    Section::ChunkAck,
    Section::Promises,
    Section::Rows,
    Section::Probe,
    Section::Proof,
    Section::Compare,
];

fn of_content(content: &[u8]) {
    let read: Vec<_> = bounded(content.len(), TIMES, MORE, || sections(content).collect());
    let (last, before) = match read.split_last() {
        None => return assert!(content.is_empty()),
        Some((last, before)) => (last, before),
    };
    assert!(before.iter().all(Result::is_ok), "nothing is read behind an error");
    let good: Vec<_> = read.iter().flatten().copied().collect();
    good.iter().for_each(|(section, content)| of_section(*section, content));
    if last.is_err() {
        return;
    }
    let mut builder = Builder::default();
    good.iter().for_each(|(section, content)| builder.section(*section, |out| out.extend(*content)));
    let mut frame = Vec::new();
    builder.flush(&mut frame);
    let (again, len) = first(&frame).expect("our own frame").expect("all of it");
    assert_eq!(len, frame.len());
    assert!(sections(again).map(|section| section.expect("our own section")).eq(good));
}

/// Decodes, within the bound; encodes what came out, which must decode to the same.
macro_rules! round_trip {
    ($bytes:expr, $decode:expr, $encode:expr) => {{
        let value = bounded($bytes.len(), TIMES, MORE, || $decode($bytes)).ok();
        if let Some(value) = &value {
            let mut out = Vec::new();
            $encode(value, &mut out);
            assert_eq!($decode(&out).as_ref(), Ok(value));
        }
        value
    }};
}

fn of_section(section: Section, bytes: &[u8]) {
    match section {
        Section::Raft | Section::RaftLater => {
            let put = |(group, generations, message): &(_, _, _), out: &mut _| {
                content::put_raft(out, *group, *generations, message);
            };
            round_trip!(bytes, content::raft, put);
        }
        Section::Forward => {
            if let Some(frame) = round_trip!(bytes, forward, ForwardFrame::encode) {
                request(frame.request);
            }
            request(bytes);
        }
        Section::Map => drop(round_trip!(bytes, MapNews::decode, MapNews::encode)),
        Section::Answer => drop(round_trip!(bytes, answer, AnswerFrame::encode)),
        Section::Heartbeat => {
            if let Some(beat) = round_trip!(bytes, heartbeat, Heartbeat::encode) {
                let _ = beat.round_trip_ns(beat.stamp_ns);
            }
        }
        Section::Report => {
            let encode = |report: &NodeReport, out: &mut Vec<u8>| out.extend(report.encode());
            round_trip!(bytes, NodeReport::decode, encode);
        }
        Section::Wish => drop(round_trip!(bytes, Wish::decode, Wish::encode)),
        Section::Chunk => drop(round_trip!(bytes, Chunk::decode, Chunk::encode)),
        Section::ChunkAck => drop(round_trip!(bytes, ChunkAck::decode, ChunkAck::encode)),
        Section::Rows => drop(round_trip!(bytes, RowsWanted::decode, RowsWanted::encode)),
        Section::Probe => drop(round_trip!(bytes, Probe::decode, Probe::encode)),
        Section::Proof => drop(round_trip!(bytes, Proof::decode, Proof::encode)),
        Section::Compare => drop(round_trip!(bytes, Compared::decode, Compared::encode)),
        // Any bytes are a text.
        Section::Farewell => {}
        Section::Promises => {
            let encode = |(kind, list): &(u8, Vec<_>), out: &mut _| promises::encode(*kind, list, out);
            round_trip!(bytes, promises::decode, encode);
        }
    }
}

fn request(bytes: &[u8]) {
    let Ok(parts) = bounded(bytes.len(), TIMES, MORE, || request::parse(bytes)) else { return };
    assert!(!parts.args.is_empty(), "a request names a command");
    let mut out = Vec::new();
    request::encode(parts.flags, parts.ks, &parts.args, &mut out);
    let again = request::parse(&out).expect("our own request");
    assert_eq!((again.flags, again.ks), (parts.flags, parts.ks));
    assert!(again.args.iter().eq(&parts.args));
}

fn forward(bytes: &[u8]) -> Result<ForwardFrame<'_>, DecodeError> {
    ForwardFrame::decode(&mut Reader::new(bytes))
}

fn answer(bytes: &[u8]) -> Result<AnswerFrame<'_>, DecodeError> {
    AnswerFrame::decode(&mut Reader::new(bytes))
}

fn heartbeat(bytes: &[u8]) -> Result<Heartbeat, DecodeError> {
    Heartbeat::decode(&mut Reader::new(bytes))
}
