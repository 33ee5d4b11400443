//! The configuration as the core knows it: its settings, and the table of `CONFIG GET` and `CONFIG SET`.

use env::{Clock, RealClock};
use node::{CollectionLimits, ConfigTable, Settings};
use resp::host::ConfigError as Refusal;

use super::output_limits;
use crate::config::redis_options::{first_name, other_names};
use crate::config::{Config, ConfigError, Effective, RedisOptions};

/// Options may be set as high as in Redis; from here on more means the same. Elements, or bytes of one.
const MAX_PACKED: u64 = 1_000_000;
/// A `max-memory` below this, in bytes, leaves room for nothing. Programs set it to see what they do without memory.
const MIN_MEMORY: u64 = 1 << 20;
/// Bytes of a page of a stream.
const MAX_PAGE: u64 = 1 << 30;
/// Bytes of a sparse HyperLogLog; none is as large.
const MAX_SPARSE: u64 = 1 << 20;

fn packed(most: u64) -> usize {
    most.min(MAX_PACKED) as usize
}

/// What a core needs of the configuration.
pub fn settings(config: &Config) -> Settings {
    let mut settings = Settings {
        base_election_ms: config.base_election_timeout.as_millis() as u64,
        heartbeat_ms: config.heartbeat_interval.as_millis() as u64,
        stopwatch: || RealClock.mono_ns(),
        ..Settings::default()
    };
    apply(config, &mut settings);
    settings
}

/// Takes over what can change while the node runs.
fn apply(config: &Config, settings: &mut Settings) {
    settings.quorum_timeout_ms = config.quorum_timeout.as_millis() as u64;
    settings.max_staleness_ms = config.max_staleness.as_millis() as u64;
    settings.max_value = config.max_value as usize;
    settings.chunk_threshold = config.chunk_threshold as usize;
    settings.collections = CollectionLimits {
        hash_entries: packed(config.hash_max_listpack_entries),
        hash_value: packed(config.hash_max_listpack_value),
        sorted_set_entries: packed(config.zset_max_listpack_entries),
        sorted_set_value: packed(config.zset_max_listpack_value),
        integer_set_entries: packed(config.set_max_intset_entries),
        stream_entries: config.stream_node_max_entries.min(MAX_PACKED),
        stream_bytes: config.stream_node_max_bytes.min(MAX_PAGE),
        ..CollectionLimits::default()
    };
    settings.hll_sparse_max_bytes = config.hll_sparse_max_bytes.min(MAX_SPARSE) as usize;
    settings.max_clients = config.max_clients as usize;
    settings.query_buffer_limit = config.query_buffer_limit as usize;
    settings.output_buffer_limit = config.output_buffer_limit as usize;
    settings.max_memory = config.max_memory.bytes();
    settings.no_memory = (1..MIN_MEMORY).contains(&settings.max_memory);
    settings.checkpoint_log_share = config.checkpoint_log_share;
    settings.snapshot_rate = config.snapshot_rate;
    settings.replace_after_ms = config.replace_after.as_millis() as u64;
    settings.scrub_interval_ms = config.scrub_interval.as_millis() as u64;
    settings.scrub_rate = config.scrub_rate;
    settings.max_moves = config.max_moves as usize;
    settings.shard_target_bytes = config.shard_target_size;
    settings.zone = cluster::map::zone_name(config.zone.as_deref().unwrap_or_default());
    settings.zone_role = cluster::ZoneRole::parse(&config.zone_role);
    settings.requirepass = config.requirepass.clone().unwrap_or_default();
    settings.slowlog_slower_than_us = config.slowlog_log_slower_than;
    settings.slowlog_max_len = config.slowlog_max_len as usize;
    settings.latency_threshold_ms = config.latency_monitor_threshold;
    settings.client_timeout_s = config.timeout;
}

/// [`Effective`] as the core's table, and the options of Redis that have no key of ours.
#[derive(Debug)]
pub struct Options {
    effective: Effective,
    redis: RedisOptions,
}

impl Options {
    /// The table of a node that starts with this configuration.
    pub fn new(effective: Effective) -> Options {
        Options { effective, redis: RedisOptions::default() }
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = self.effective.redis_rows();
        rows.extend(self.redis.rows());
        rows.push((output_limits::NAME, output_limits::show(self.effective.config().output_buffer_limit)));
        rows.extend(other_names(&rows));
        rows.sort_unstable();
        rows
    }
}

impl ConfigTable for Options {
    fn visit(&self, visit: &mut dyn FnMut(&str, &str)) {
        self.rows().iter().for_each(|(name, value)| visit(name, value));
    }

    fn set(&mut self, pairs: &[(String, &[u8])], settings: &mut Settings) -> Result<(), Refusal> {
        // On copies, so that of several values all or none change.
        let (mut next, mut redis, rows) = (self.effective.clone(), self.redis.clone(), self.rows());
        for (given, value) in pairs {
            let refused = |text: &str| Refusal::Refused(given.clone(), text.to_owned());
            let text = std::str::from_utf8(value).map_err(|_| refused("argument must be text"))?;
            let name = first_name(given);
            if name == output_limits::NAME {
                if let Some(most) = output_limits::parse(text).map_err(|why| refused(&why))? {
                    let set = next.set_online("output-buffer-limit", &most.to_string());
                    set.map_err(|_| refused(&format!("{most} bytes are not allowed; allowed: 1mb to 4gb")))?;
                }
                continue;
            }
            if let Some(done) = redis.set(name, text) {
                done.map_err(|why| refused(&why))?;
                continue;
            }
            match next.set_online(name, text) {
                Ok(_) => {}
                // What stays as it is needs no restart.
                Err(ConfigError::NotOnline(_)) if rows.iter().any(|row| row.0 == name && row.1 == text) => {}
                Err(ConfigError::UnknownKey { .. }) => return Err(Refusal::Unknown(given.clone())),
                Err(ConfigError::BadValue { allowed, .. }) => {
                    return Err(refused(&format!("allowed: {allowed}")));
                }
                Err(other) => return Err(refused(&other.to_string())),
            }
        }
        apply(next.config(), settings);
        (self.effective, self.redis) = (next, redis);
        Ok(())
    }

    fn rewrite(&mut self) -> Result<(), String> {
        Err("the file is yours: everstore does not rewrite it; 'everstore config' prints what is in force"
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_values_change_together_or_not_at_all() {
        let mut options = Options::new(Effective::load(&[], &[], None).unwrap());
        let mut settings = settings(options.effective.config());
        assert_eq!((settings.max_clients, settings.heartbeat_ms), (10_000, 20));
        let pairs = |clients| [("timeout".to_owned(), &b"9"[..]), ("maxclients".to_owned(), clients)];
        let refused = options.set(&pairs(b"many"), &mut settings).unwrap_err();
        assert!(matches!(&refused, Refusal::Refused(name, _) if name == "maxclients"), "{refused:?}");
        assert_eq!((settings.max_clients, settings.client_timeout_s), (10_000, 0));
        options.set(&pairs(b"77"), &mut settings).unwrap();
        assert_eq!((settings.max_clients, settings.client_timeout_s), (77, 9));
        let mut shown = Vec::new();
        options.visit(&mut |name, value| shown.push((name.to_owned(), value.to_owned())));
        assert!(shown.contains(&("maxclients".into(), "77".into())) && shown.is_sorted());
        let far = [("hash-max-ziplist-entries".to_owned(), &b"1000000000"[..])];
        options.set(&far, &mut settings).unwrap();
        let entries = ("hash-max-listpack-entries", "1000000000".to_owned());
        assert!(options.rows().contains(&entries) && settings.collections.hash_entries == 1_000_000);
        options.set(&[("maxmemory".to_owned(), &b"1"[..])], &mut settings).unwrap();
        assert_eq!((settings.max_memory, settings.no_memory), (1, true));
        options.set(&[("maxmemory".to_owned(), &b"0"[..])], &mut settings).unwrap();
        assert!(!settings.no_memory);
        let limits = |text: &'static str| [("client-output-buffer-limit".to_owned(), text.as_bytes())];
        options.set(&limits("normal 2mb 0 0"), &mut settings).unwrap();
        assert_eq!(settings.output_buffer_limit, 2 << 20);
        assert!(options.set(&limits("normal 1kb 0 0"), &mut settings).is_err());
        let unknown = options.set(&[("nonsense".to_owned(), &b"1"[..])], &mut settings);
        assert_eq!(unknown, Err(Refusal::Unknown("nonsense".into())));
        let policy = |policy: &'static str| [("maxmemory-policy".to_owned(), policy.as_bytes())];
        assert_eq!(options.set(&policy("noeviction"), &mut settings), Ok(()));
        let refused = options.set(&policy("allkeys-lru"), &mut settings).unwrap_err();
        assert!(matches!(&refused, Refusal::Refused(_, why) if why.contains("KEYSPACE SET n CACHE")));
    }
}
