//! A connection that sends any bytes as commands and gives replies as values.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::value::Value;

/// Longest wait for a reply.
const PATIENCE: Duration = Duration::from_secs(30);

/// A command with its name first.
pub type Command = Vec<Vec<u8>>;

/// The command that a line without quotes means.
pub fn words(line: &str) -> Command {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// One connection, in RESP2 or RESP3.
#[derive(Debug)]
pub struct Connection {
    name: &'static str,
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    /// Connects and picks the protocol. `name` is what messages call the other side.
    ///
    /// # Errors
    /// Nobody accepts, or HELLO is refused.
    pub fn open(name: &'static str, address: SocketAddr, resp3: bool) -> Result<Connection, String> {
        let stream = TcpStream::connect(address).map_err(|e| format!("{name} at {address}: {e}"))?;
        let set = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(PATIENCE)));
        set.map_err(|e| format!("{name}: {e}"))?;
        let mut connection = Connection { name, stream, unread: Vec::new() };
        connection.must(if resp3 { "HELLO 3" } else { "HELLO 2" })?;
        Ok(connection)
    }

    /// Runs a line that must be answered without an error.
    ///
    /// # Errors
    /// It is answered with one, or the connection breaks.
    pub fn must(&mut self, line: &str) -> Result<Value, String> {
        let value = self.run(&words(line))?;
        if value.is_error() {
            return Err(format!("{}: {line}: {}", self.name, value.render().join(" ")));
        }
        Ok(value)
    }

    /// Runs one command.
    ///
    /// # Errors
    /// The connection breaks, or there is no reply within half a minute.
    pub fn run(&mut self, command: &Command) -> Result<Value, String> {
        let mut values = self.run_all(std::slice::from_ref(command))?;
        values.pop().ok_or_else(|| format!("{}: no reply", self.name))
    }

    /// Sends all commands at once and gives their replies. There must be few enough of them that both fit
    /// into the buffers of the socket.
    ///
    /// # Errors
    /// As [`Connection::run`].
    pub fn run_all(&mut self, commands: &[Command]) -> Result<Vec<Value>, String> {
        let request: Vec<u8> = commands.iter().flat_map(encoded).collect();
        self.stream.write_all(&request).map_err(|e| format!("{}: {e}", self.name))?;
        let mut values = Vec::with_capacity(commands.len());
        while values.len() < commands.len() {
            match Value::read(&self.unread) {
                Some((value, used)) => {
                    self.unread.drain(..used);
                    values.push(value);
                }
                None => self.read(&commands[values.len()])?,
            }
        }
        Ok(values)
    }

    fn read(&mut self, awaited: &Command) -> Result<(), String> {
        let mut buffer = [0; 65536];
        let about = || format!("{}, asked for {}", self.name, super::script::line_of(awaited));
        let read = self.stream.read(&mut buffer).map_err(|e| format!("{}: {e}", about()))?;
        if read == 0 {
            return Err(format!("{}: closed the connection", about()));
        }
        self.unread.extend_from_slice(&buffer[..read]);
        Ok(())
    }
}

fn encoded(command: &Command) -> Vec<u8> {
    let mut request = format!("*{}\r\n", command.len()).into_bytes();
    for arg in command {
        request.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        request.extend_from_slice(arg);
        request.extend_from_slice(b"\r\n");
    }
    request
}
