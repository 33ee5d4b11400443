//! One connection of the generator: sends a batch, counts its replies.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use super::etcd::EtcdProtocol;
use super::resp::RespProtocol;
use super::{Keys, Load, Operation, Outcome};

/// What a connection speaks.
#[derive(Debug)]
enum Protocol {
    Resp(RespProtocol),
    Etcd(EtcdProtocol),
}

/// A connected socket with its batch.
#[derive(Debug)]
pub struct Connection {
    /// The socket, registered by the generator.
    pub stream: mio::net::TcpStream,
    protocol: Protocol,
    pipeline: usize,
    out: Vec<u8>,
    written: usize,
    unread: Vec<u8>,
    batch: u64,
    awaited: u64,
    sent: Instant,
}

impl Connection {
    /// Connects, greets and becomes non-blocking.
    pub fn open(target: SocketAddr, load: &Load) -> std::io::Result<Connection> {
        let mut stream = std::net::TcpStream::connect(target)?;
        stream.set_nodelay(true)?;
        let protocol = match load.operation {
            Operation::EtcdPut => Protocol::Etcd(EtcdProtocol::open(&mut stream, target, load.value)?),
            _ => Protocol::Resp(RespProtocol::open(&mut stream, load)?),
        };
        stream.set_nonblocking(true)?;
        Ok(Connection {
            stream: mio::net::TcpStream::from_std(stream),
            protocol,
            pipeline: load.pipeline,
            out: Vec::new(),
            written: 0,
            unread: Vec::new(),
            batch: 0,
            awaited: 0,
            sent: Instant::now(),
        })
    }

    /// Sends the next batch; `false` if there are no keys left.
    pub fn send(&mut self, keys: &mut Keys, now: Instant) -> std::io::Result<bool> {
        // Usually everything; an answer to a ping of the other side may still wait for the socket.
        self.out.drain(..self.written);
        self.written = 0;
        self.batch = 0;
        for _ in 0..self.pipeline {
            let Some(key) = keys.next() else { break };
            match &mut self.protocol {
                Protocol::Resp(resp) => resp.append(key, &mut self.out),
                Protocol::Etcd(etcd) => etcd.append(key, &mut self.out),
            }
            self.batch += 1;
        }
        self.awaited = self.batch
            * match &self.protocol {
                Protocol::Resp(resp) => resp.replies_each(),
                Protocol::Etcd(_) => 1,
            };
        self.sent = now;
        self.flush()?;
        Ok(self.batch > 0)
    }

    /// Writes what is left of the batch, as far as the socket takes it.
    pub fn flush(&mut self) -> std::io::Result<()> {
        while self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.written += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is there. When the batch is complete: its operations and when it was sent.
    pub fn receive(
        &mut self,
        buffer: &mut [u8],
        outcome: &mut Outcome,
    ) -> Result<Option<(u64, Instant)>, String> {
        loop {
            let read = match self.stream.read(buffer) {
                Ok(0) => return Err("the node closed the connection".into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.to_string()),
            };
            self.parse(&buffer[..read], outcome)?;
            // A short read has emptied the socket; the next bytes make a new event.
            if read < buffer.len() {
                break;
            }
        }
        let done = self.batch > 0 && self.awaited == 0;
        Ok(done.then(|| (std::mem::take(&mut self.batch), self.sent)))
    }

    fn parse(&mut self, bytes: &[u8], outcome: &mut Outcome) -> Result<(), String> {
        let joined;
        let input = if self.unread.is_empty() {
            bytes
        } else {
            self.unread.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.unread);
            &joined
        };
        let (used, replies) = match &mut self.protocol {
            Protocol::Resp(resp) => resp.count(input, outcome)?,
            Protocol::Etcd(etcd) => etcd.count(input, &mut self.out, outcome)?,
        };
        self.awaited = self.awaited.checked_sub(replies).ok_or("more replies than requests")?;
        self.unread.extend_from_slice(&input[used..]);
        if self.written < self.out.len() {
            self.flush().map_err(|e| e.to_string())?;
        }
        Ok(())
    }
}
