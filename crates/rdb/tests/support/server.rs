//! A real Redis, if there is one in the PATH.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How often and how long the start of a server is waited for.
const PATIENCE: (u32, Duration) = (500, Duration::from_millis(20));

/// What Redis answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Status(String),
    Error(String),
    Number(i64),
    Bytes(Option<Vec<u8>>),
    Many(Vec<Answer>),
}

/// A server on a socket file in a folder of its own; stopped when dropped.
pub struct Server {
    process: Child,
    stream: BufReader<UnixStream>,
    folder: tempfile::TempDir,
}

impl Server {
    /// Starts one; `None`, with the reason printed, if there is no Redis 7.0. `file` is what it loads.
    pub fn start(file: Option<&[u8]>) -> Option<Server> {
        let version = Command::new("redis-server").arg("--version").output();
        let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        if !version.as_ref().is_ok_and(|version| version.contains("v=7.0.")) {
            println!("skipped: no redis-server 7.0 in the PATH ({version:?})");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        if let Some(bytes) = file {
            std::fs::write(folder.path().join("dump.rdb"), bytes).expect("a file");
        }
        let process = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket", "socket", "--save", "", "--sanitize-dump-payload", "yes"])
            .args(["--logfile", "log"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("a server starts");
        let stream = connect(folder.path());
        Some(Server { process, stream: BufReader::new(stream), folder })
    }

    /// The file that `SAVE` writes.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("dump.rdb")
    }

    /// What it has to say of itself.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Runs a command of words.
    pub fn run(&mut self, words: &str) -> Answer {
        let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        self.call(&words)
    }

    /// Runs a command.
    pub fn call(&mut self, words: &[&[u8]]) -> Answer {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend(format!("${}\r\n", word.len()).bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&request).expect("a request is sent");
        self.answer()
    }

    fn answer(&mut self) -> Answer {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("an answer");
        let (kind, rest) = line.trim_end().split_at(1);
        let number = || rest.parse::<i64>().expect("a number");
        match kind {
            "+" => Answer::Status(rest.to_string()),
            "-" => Answer::Error(rest.to_string()),
            ":" => Answer::Number(number()),
            "*" => Answer::Many((0..number()).map(|_| self.answer()).collect()),
            "$" if number() < 0 => Answer::Bytes(None),
            "$" => {
                let mut bytes = vec![0; number() as usize + 2];
                self.stream.read_exact(&mut bytes).expect("all of it");
                bytes.truncate(bytes.len() - 2);
                Answer::Bytes(Some(bytes))
            }
            other => panic!("an answer that begins with {other}"),
        }
    }

    /// The payload of a key.
    pub fn dump(&mut self, key: &str) -> Vec<u8> {
        match self.call(&[b"DUMP", key.as_bytes()]) {
            Answer::Bytes(Some(payload)) => payload,
            other => panic!("DUMP {key}: {other:?}"),
        }
    }

    /// Has a payload become a key.
    pub fn restore(&mut self, key: &str, payload: &[u8]) -> Answer {
        self.call(&[b"RESTORE", key.as_bytes(), b"0", payload, b"REPLACE"])
    }
}

fn connect(folder: &Path) -> UnixStream {
    let (times, pause) = PATIENCE;
    for _ in 0..times {
        if let Ok(stream) = UnixStream::connect(folder.join("socket")) {
            return stream;
        }
        std::thread::sleep(pause);
    }
    panic!("no answer: {}", std::fs::read_to_string(folder.join("log")).unwrap_or_default());
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
