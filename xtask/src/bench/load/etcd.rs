//! As much of gRPC over HTTP/2 as a put to etcd needs: fixed headers without compression, one message
//! each way. Written by hand so that the bench needs neither protoc nor a runtime.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use super::Outcome;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PATH: &[u8] = b"/etcdserverpb.KV/Put";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// Bytes before a frame's payload.
const FRAME_HEAD: usize = 9;
/// Opens the connection's receive window once, far wider than a run can use up.
const WINDOW: u32 = (1 << 31) - 1 - 65_535;

/// One connection's view of the protocol.
#[derive(Debug)]
pub struct EtcdProtocol {
    headers: Vec<u8>,
    value: Vec<u8>,
    stream: u32,
    answered: bool,
}

impl EtcdProtocol {
    /// Sends preface and settings.
    pub fn open(stream: &mut TcpStream, target: SocketAddr, value: usize) -> std::io::Result<EtcdProtocol> {
        let mut greeting = PREFACE.to_vec();
        frame(&mut greeting, SETTINGS, 0, 0, &[]);
        frame(&mut greeting, WINDOW_UPDATE, 0, 0, &WINDOW.to_be_bytes());
        stream.write_all(&greeting)?;
        Ok(EtcdProtocol {
            headers: headers(&target.to_string()),
            value: vec![b'x'; value],
            stream: 1,
            answered: false,
        })
    }

    /// Appends one put.
    pub fn append(&mut self, key: u64, out: &mut Vec<u8>) {
        let mut message = Vec::with_capacity(self.value.len() + 32);
        field(&mut message, 1, format!("key:{key:012}").as_bytes());
        field(&mut message, 2, &self.value);
        let mut body = vec![0u8];
        body.extend_from_slice(&(message.len() as u32).to_be_bytes());
        body.extend_from_slice(&message);
        frame(out, HEADERS, END_HEADERS, self.stream, &self.headers);
        frame(out, DATA, END_STREAM, self.stream, &body);
        self.stream += 2;
    }

    /// Counts finished puts and answers pings and settings into `out`: (bytes used, puts).
    pub fn count(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        outcome: &mut Outcome,
    ) -> Result<(usize, u64), String> {
        let mut at = 0;
        let mut finished = 0;
        while input.len() >= at + FRAME_HEAD {
            let head = &input[at..at + FRAME_HEAD];
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let (kind, flags) = (head[3], head[4]);
            let Some(payload) = input.get(at + FRAME_HEAD..at + FRAME_HEAD + length) else { break };
            match kind {
                // A put that failed has trailers but no message.
                DATA => self.answered |= length > 0,
                HEADERS if flags & END_STREAM != 0 => {
                    finished += 1;
                    if !std::mem::take(&mut self.answered) {
                        outcome.errors += 1;
                        outcome.first_error.get_or_insert("etcd refused a put".into());
                    }
                }
                SETTINGS if flags & ACK == 0 => frame(out, SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => frame(out, PING, ACK, 0, payload),
                RST_STREAM | GOAWAY => return Err("etcd ended the connection".into()),
                _ => {}
            }
            at += FRAME_HEAD + length;
        }
        Ok((at, finished))
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// A protobuf field of type bytes, shorter than 16 KiB.
fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    let length = bytes.len();
    if length < 128 {
        out.push(length as u8);
    } else {
        out.extend_from_slice(&[(length & 127) as u8 | 128, (length >> 7) as u8]);
    }
    out.extend_from_slice(bytes);
}

/// The header block: indexes of HPACK's static table, and literals that are never indexed.
fn headers(authority: &str) -> Vec<u8> {
    const POST: u8 = 0x83;
    const HTTP: u8 = 0x86;
    const NAME_PATH: u8 = 4;
    const NAME_AUTHORITY: u8 = 1;
    /// Index 31 does not fit four bits: 15, then 16.
    const NAME_CONTENT_TYPE: [u8; 2] = [0x0f, 0x10];
    let mut out = vec![POST, HTTP];
    let text = |out: &mut Vec<u8>, text: &[u8]| {
        out.push(text.len() as u8);
        out.extend_from_slice(text);
    };
    out.push(NAME_PATH);
    text(&mut out, PATH);
    out.push(NAME_AUTHORITY);
    text(&mut out, authority.as_bytes());
    out.extend_from_slice(&NAME_CONTENT_TYPE);
    text(&mut out, b"application/grpc");
    out.push(0);
    text(&mut out, b"te");
    text(&mut out, b"trailers");
    out
}
