//! A real Redis, started on a free port in a folder of its own, as the reference.

use super::value::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running server with one connection; ends when dropped.
pub struct Redis {
    process: Child,
    folder: PathBuf,
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Redis {
    /// Starts `redis-server` 7.0 from the search path.
    pub fn start() -> Redis {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("redis-{port}"));
        std::fs::create_dir_all(&folder).expect("a folder for Redis");
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(&folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server 7.0 in the search path");
        let stream = (0..100).find_map(|_| {
            std::thread::sleep(Duration::from_millis(50));
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        let stream = stream.expect("a connection to Redis");
        let mut redis = Redis { process, folder, stream, unread: Vec::new() };
        let info = redis.run(&[b"INFO".to_vec(), b"server".to_vec()]);
        assert!(info.render().concat().contains("redis_version:7.0."), "{:?}", info.render());
        redis
    }

    /// Empties it and picks the protocol.
    pub fn reset(&mut self, resp3: bool) {
        let version = if resp3 { "3" } else { "2" };
        for command in [vec!["FLUSHALL"], vec!["SELECT", "0"], vec!["HELLO", version]] {
            let args: Vec<_> = command.iter().map(|arg| arg.as_bytes().to_vec()).collect();
            assert!(!self.run(&args).is_error());
        }
    }

    /// Runs a command.
    pub fn run(&mut self, args: &[Vec<u8>]) -> Value {
        let mut request = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            request.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            request.extend_from_slice(arg);
            request.extend_from_slice(b"\r\n");
        }
        self.stream.write_all(&request).expect("Redis reads");
        loop {
            if let Some((value, used)) = Value::read(&self.unread) {
                self.unread.drain(..used);
                return value;
            }
            let mut buffer = [0; 65536];
            let read = self.stream.read(&mut buffer).expect("Redis answers");
            assert!(read > 0, "Redis closed the connection");
            self.unread.extend_from_slice(&buffer[..read]);
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
