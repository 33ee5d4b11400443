//! Whether the node that is about to be killed still leads: on a busy machine a leader may lose its shard before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::super::client::Client;

/// Between two questions.
const EVERY: Duration = Duration::from_millis(20);

/// Asks a node again and again, beside the load, until it is dead.
#[derive(Debug)]
pub struct Lead {
    lost: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Lead {
    /// Begins to ask the node whether it leads the shard of a single keyspace.
    ///
    /// # Errors
    /// It does not accept.
    pub fn watch(node: SocketAddr, keyspace: u16) -> Result<Lead, String> {
        let mut client = Client::connect(node)?;
        let lost = Arc::new(AtomicBool::new(false));
        let found = Arc::clone(&lost);
        let thread = std::thread::spawn(move || {
            while let Ok(text) = client.call("EVERSTORE STATUS") {
                if !serde_json::from_str(&text).is_ok_and(|status| leads(&status, keyspace)) {
                    found.store(true, Ordering::Relaxed);
                }
                std::thread::sleep(EVERY);
            }
        });
        Ok(Lead { lost, thread })
    }

    /// After its end: whether it led whenever it was asked.
    pub fn lasted(self) -> bool {
        let ended = self.thread.join().is_ok();
        ended && !self.lost.load(Ordering::Relaxed)
    }
}

/// Whether the node that answered says that it leads.
fn leads(status: &Value, keyspace: u16) -> bool {
    let entry = |list: &str, name: &str, value: &Value| {
        let list = status[list].as_array().map_or(&[][..], Vec::as_slice);
        list.iter().find(|entry| entry[name] == *value).cloned().unwrap_or(Value::Null)
    };
    let shard = entry("keyspaces", "n", &keyspace.into())["shard"].clone();
    let leader = entry("shards", "id", &shard)["leader"].clone();
    leader.is_u64() && leader == status["answered_by"]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_names_itself_leads() {
        let status = |leader: &str| {
            let text = format!(
                r#"{{"answered_by":2,"keyspaces":[{{"n":0}},{{"n":1,"shard":4}}],
                    "shards":[{{"id":3,"leader":2}},{{"id":4,"leader":{leader}}}]}}"#
            );
            serde_json::from_str::<Value>(&text).expect("JSON")
        };
        let answers = ["2", "1", "null"].map(|leader| leads(&status(leader), 1));
        assert_eq!(answers, [true, false, false]);
        assert!(!leads(&status("2"), 0), "a spread keyspace names no shard");
    }
}
