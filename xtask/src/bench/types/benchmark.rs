//! One run of redis-benchmark against one store.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::super::client::Client;
use super::super::process::{Process, wait_idle};
use super::commands::{KEYS, Test};
use super::{CONNECTIONS, KEYSPACE};

/// A store: where it is reached, and its processes, that one first.
pub struct Place<'a> {
    /// Where clients connect.
    pub at: SocketAddr,
    /// All processes.
    pub processes: Vec<&'a Process>,
}

/// Rate and cost of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Requests per second.
    pub rate: f64,
    /// CPU µs per request of each process.
    pub cpu_us: Vec<f64>,
}

impl Figures {
    /// CPU µs per request of all processes.
    pub fn total_us(&self) -> f64 {
        self.cpu_us.iter().sum()
    }
}

impl Place<'_> {
    fn client(&self) -> Result<Client, String> {
        let mut client = Client::connect(self.at)?;
        client.call(&format!("SELECT {KEYSPACE}"))?;
        Ok(client)
    }

    /// Whether the store has the command.
    ///
    /// # Errors
    /// It refuses for another reason.
    pub fn knows(&self, test: &Test) -> Result<bool, String> {
        let mut client = self.client()?;
        client.call("FLUSHDB")?;
        for command in test.before.commands(1).iter().take(1) {
            client.call(command)?;
        }
        let command = test.words.join(" ").replace("__rand_int__", "000000000001");
        client.send(&command)?;
        match client.reply() {
            Err(error) if error.starts_with("-ERR unknown command") => Ok(false),
            // An array, or nothing where a key was drawn that is not there, is no text: known all the same.
            Err(error) if error.starts_with('-') => Err(format!("{}: {command}: {error}", self.at)),
            _ => Ok(true),
        }
    }

    /// Fills what the command needs, waits until nothing is done any more, and runs it.
    ///
    /// # Errors
    /// redis-benchmark fails, or what was there is used up before its end.
    pub fn measure(&self, test: &Test, pipeline: usize, requests: u64) -> Result<Figures, String> {
        let failed = |why: String| format!("{} at {}: {why}", test.name, self.at);
        let mut client = self.client()?;
        client.call("FLUSHDB")?;
        for command in test.before.commands(requests) {
            client.call(&command).map_err(failed)?;
        }
        wait_idle(&self.processes);
        let before: Vec<Duration> = self.processes.iter().map(|process| process.cpu()).collect();
        let output = self.command(test, pipeline, requests).output().map_err(|e| failed(e.to_string()))?;
        let each = |spent: Duration| spent.as_secs_f64() * 1e6 / requests as f64;
        let spent = self.processes.iter().zip(before).map(|(process, before)| process.cpu() - before);
        let cpu_us = spent.map(each).collect();
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_string()));
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let rate = rate(&text).ok_or_else(|| failed(format!("no figure in {text:?}")))?;
        if let Some(key) = test.key
            && client.call(&format!("EXISTS {key}"))? != "1"
        {
            return Err(failed(format!("{key} was used up before the end")));
        }
        client.call("FLUSHDB")?;
        Ok(Figures { rate, cpu_us })
    }

    fn command(&self, test: &Test, pipeline: usize, requests: u64) -> Command {
        let mut command = Command::new("redis-benchmark");
        command.arg("-h").arg(self.at.ip().to_string()).arg("-p").arg(self.at.port().to_string());
        let numbers = [
            ("--dbnum", u64::from(KEYSPACE)),
            ("-c", CONNECTIONS as u64),
            ("-P", pipeline as u64),
            ("-n", requests),
            ("-r", KEYS),
        ];
        for (option, number) in numbers {
            command.arg(option).arg(number.to_string());
        }
        command.arg("--csv").args(test.words);
        command
    }
}

/// Requests per second in what `redis-benchmark --csv` prints: a line of headings, then one of figures, of which
/// the first is the command and the second the rate.
fn rate(csv: &str) -> Option<f64> {
    let figures = csv.lines().last()?.rsplit_once("\",\"")?.0;
    // Six times follow the rate, of which one is cut off already.
    figures.rsplit("\",\"").nth(5)?.trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read() {
        let headings = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\
                        \"p99_latency_ms\",\"max_latency_ms\"\n";
        let line = "\"SET key:__rand_int__ xxx\",\"61349.69\",\"0.421\",\"0.144\",\"0.407\",\"0.655\",\"0.807\",\"1.063\"\n";
        assert_eq!(rate(&format!("{headings}{line}")), Some(61349.69));
        assert_eq!(rate(headings), None);
        assert_eq!(rate(""), None);
    }
}
