//! A blocking Redis client for what happens between measurements.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects with timeouts of some seconds.
    ///
    /// # Errors
    /// Nobody accepts.
    pub fn connect(address: SocketAddr) -> Result<Client, String> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(2));
        let stream = stream.map_err(|e| format!("{address}: {e}"))?;
        let timeout = Some(Duration::from_secs(20));
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(timeout))
            .map_err(|e| e.to_string())?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    /// Sends a command whose words have no spaces; gives a simple, bulk or integer reply as text.
    ///
    /// # Errors
    /// An error reply, a null, or a broken connection.
    pub fn call(&mut self, command: &str) -> Result<String, String> {
        self.send(command)?;
        self.reply()
    }

    /// Sends without waiting.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send(&mut self, command: &str) -> Result<(), String> {
        self.stream.get_mut().write_all(request(command).as_bytes()).map_err(|e| e.to_string())
    }

    /// Sends several without waiting.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send_all(&mut self, commands: impl IntoIterator<Item = String>) -> Result<(), String> {
        let requests: String = commands.into_iter().map(|command| request(&command)).collect();
        self.stream.get_mut().write_all(requests.as_bytes()).map_err(|e| e.to_string())
    }

    /// Reads one reply.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn reply(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).map_err(|e| e.to_string())?;
        let text = line.trim_end();
        match text.chars().next() {
            Some('+' | ':') => Ok(text[1..].to_string()),
            Some('$') if text != "$-1" => {
                let length: usize = text[1..].parse().map_err(|_| format!("bad reply {text}"))?;
                let mut bytes = vec![0; length + 2];
                self.stream.read_exact(&mut bytes).map_err(|e| e.to_string())?;
                bytes.truncate(length);
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            Some(_) => Err(text.to_string()),
            None => Err("the connection was closed".into()),
        }
    }
}

fn request(command: &str) -> String {
    let words: Vec<&str> = command.split(' ').collect();
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    request
}

/// A number that `INFO` shows under this name.
pub fn figure(info: &str, name: &str) -> Option<u64> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim_end().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_its_whole_name() {
        let info = "# x\r\nrows_cold:7\r\nrows:12\r\nname:text\r\n";
        assert_eq!((figure(info, "rows"), figure(info, "rows_cold")), (Some(12), Some(7)));
        assert_eq!((figure(info, "cold"), figure(info, "name")), (None, None));
    }

    #[test]
    fn words_are_counted_and_measured() {
        assert_eq!(request("GET key"), "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
    }
}
