//! The values in force and where each came from.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use cluster::identity::MAX_FOLDERS;

use super::error::ConfigError;
use super::kind::{Kind, Value};
use super::memory::Memory;
use super::suggest::nearest;
use super::table::{ADMIN_PORT_OFFSET, Config, KEYS, Key, PEER_PORT_OFFSET};
use super::units::parse_size;

/// Environment variables with our prefix that are not keys.
const OTHER_VARIABLES: [&str; 4] =
    ["EVERSTORE_NODE", "EVERSTORE_CONFIG", "EVERSTORE_PASSWORD", "EVERSTORE_BIN"];
/// Prefixes that container platforms make from the name of a service called `everstore`.
const FOREIGN_PREFIXES: [&str; 2] = ["EVERSTORE_SERVICE_", "EVERSTORE_PORT_"];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The table.
    Default,
    /// Computed from another key, which is named.
    Derived(&'static str),
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A flag of the command line.
    Flag(String),
    /// `CONFIG SET` since the start.
    Online,
}

impl Source {
    /// In words, for `everstore config` and for errors.
    pub fn describe(&self) -> String {
        match self {
            Source::Default => "default".into(),
            Source::Derived(from) => format!("from {from}"),
            Source::File(path) => format!("file {}", path.display()),
            Source::Env(name) => format!("environment {name}"),
            Source::Flag(flag) => format!("flag {flag}"),
            Source::Online => "CONFIG SET".into(),
        }
    }
}

/// Values of all keys with their sources, and the typed [`Config`] made from them.
#[derive(Debug, Clone)]
pub struct Effective {
    values: BTreeMap<&'static str, (Value, Source)>,
    config: Config,
}

impl Effective {
    /// Merges flags (name, value), environment (name, value) and file by precedence and checks the result.
    ///
    /// # Errors
    /// The first unknown key, value that is not allowed, or pair of values that do not go together.
    pub fn load(
        flags: &[(&'static str, String)],
        env: &[(String, String)],
        file: Option<&Path>,
    ) -> Result<Effective, ConfigError> {
        let read =
            |path: &Path| std::fs::read_to_string(path).map_err(|error| unreadable(path, error.to_string()));
        let text = file.map(read).transpose()?;
        Effective::merge(flags, env, file.zip(text.as_deref()))
    }

    /// The same with the content of the file at hand.
    ///
    /// # Errors
    /// As [`Effective::load`].
    pub fn merge(
        flags: &[(&'static str, String)],
        env: &[(String, String)],
        file: Option<(&Path, &str)>,
    ) -> Result<Effective, ConfigError> {
        let mut values = BTreeMap::new();
        for key in KEYS {
            let value = checked(key, key.default, &Source::Default)?;
            values.insert(key.name, (value, Source::Default));
        }
        if let Some((path, text)) = file {
            merge_file(&mut values, path, text)?;
        }
        merge_env(&mut values, env)?;
        for (name, text) in flags {
            let key = known(name, "the flags")?;
            let source = Source::Flag(format!("--{name}"));
            values.insert(key.name, (checked(key, text, &source)?, source));
        }
        derive_ports(&mut values)?;
        derive_dir(&mut values)?;
        let config = typed(&values);
        check_together(&config)?;
        Ok(Effective { values, config })
    }

    /// The typed configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Key, value for a person (secrets masked) and source of every key, in the table's order.
    pub fn rows(&self) -> impl Iterator<Item = (&'static Key, String, &Source)> {
        KEYS.iter().map(|key| {
            let (value, source) = &self.values[key.name];
            let shown = match value {
                Value::Text(_) if key.is_secret() => "(set, not shown)".to_string(),
                other => other.show(),
            };
            (key, shown, source)
        })
    }

    /// What `CONFIG GET` shows: (Redis name or ours where Redis has none, value in Redis's form).
    pub fn redis_rows(&self) -> Vec<(&'static str, String)> {
        let shown = KEYS.iter().filter(|key| !key.env_only());
        shown
            .map(|key| {
                let (value, _) = &self.values[key.name];
                (key.redis.unwrap_or(key.name), value.show_for_redis())
            })
            .collect()
    }

    /// `CONFIG SET name value`, by Redis's name or ours. The caller applies [`Effective::config`] afterwards.
    ///
    /// # Errors
    /// Unknown name, a key that needs a restart, or a value that is not allowed; nothing changes then.
    pub fn set_online(&mut self, name: &str, text: &str) -> Result<&'static Key, ConfigError> {
        let lower = name.to_ascii_lowercase();
        let by_redis = KEYS.iter().find(|key| key.redis == Some(lower.as_str()));
        let key = match by_redis {
            Some(key) => key,
            None => known(&lower, "CONFIG SET")?,
        };
        if !key.online {
            return Err(ConfigError::NotOnline(key.name));
        }
        // Online it may be any amount: a program that has every write refused for a while sets one byte.
        let value = match (key.kind, parse_size(text)) {
            (Kind::Memory(_), Some(bytes)) => Value::Memory(Memory::Bytes(bytes)),
            _ => checked(key, text, &Source::Online)?,
        };
        let mut values = self.values.clone();
        values.insert(key.name, (value, Source::Online));
        let config = typed(&values);
        check_together(&config)?;
        *self = Effective { values, config };
        Ok(key)
    }
}

impl Config {
    /// Interfaces for Redis clients, and why they are fewer than `bind` asks for, if they are.
    pub fn redis_interfaces(&self) -> (Vec<IpAddr>, Option<String>) {
        if self.requirepass.is_some() || self.bind.iter().all(IpAddr::is_loopback) {
            return (self.bind.clone(), None);
        }
        let v6_only = self.bind.iter().all(IpAddr::is_ipv6);
        let loopback: IpAddr =
            if v6_only { std::net::Ipv6Addr::LOCALHOST.into() } else { std::net::Ipv4Addr::LOCALHOST.into() };
        let reason = format!(
            "Redis clients are served on {loopback} only, because 'requirepass' is not set; set it to serve them on 'bind'"
        );
        (vec![loopback], Some(reason))
    }

    /// `HOST:PORT` under which the other nodes reach this one.
    pub fn advertised_peer_address(&self) -> String {
        let given = self.peer_advertise.clone();
        given.unwrap_or_else(|| {
            let usable = self.bind.iter().find(|ip| !ip.is_unspecified());
            match usable {
                Some(IpAddr::V6(ip)) => format!("[{ip}]:{}", self.peer_port),
                Some(IpAddr::V4(ip)) => format!("{ip}:{}", self.peer_port),
                None => format!("127.0.0.1:{}", self.peer_port),
            }
        })
    }
}

type Values = BTreeMap<&'static str, (Value, Source)>;

fn typed(values: &Values) -> Config {
    Config::from_values(|name| values[name].0.clone())
        .expect("every kind of the table fits the type of its field: the defaults test proves it")
}

fn known(name: &str, place: &str) -> Result<&'static Key, ConfigError> {
    Key::find(name).ok_or_else(|| ConfigError::UnknownKey {
        key: name.to_string(),
        place: place.to_string(),
        suggestion: nearest(name, KEYS.iter().map(|key| key.name)),
    })
}

fn checked(key: &'static Key, text: &str, source: &Source) -> Result<Value, ConfigError> {
    let bad = || ConfigError::BadValue {
        key: key.name,
        value: if key.is_secret() { "(secret)".into() } else { text.into() },
        place: source.describe(),
        allowed: key.kind.allowed(),
    };
    let value = key.kind.parse(text).ok_or_else(bad)?;
    // A key with a default has no "unset": an empty folder name is a mistake.
    let unset_is_fine = key.default.is_empty();
    let even_replicas = key.name == "replicas" && matches!(value, Value::Whole(n) if n % 2 == 0);
    if even_replicas || (value == Value::Unset && !unset_is_fine) {
        return Err(bad());
    }
    Ok(value)
}

fn unreadable(path: &Path, reason: String) -> ConfigError {
    ConfigError::Unreadable { path: path.to_path_buf(), reason }
}

fn merge_file(values: &mut Values, path: &Path, text: &str) -> Result<(), ConfigError> {
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| unreadable(path, e.to_string()))?;
    let source = Source::File(path.to_path_buf());
    for (name, value) in &table {
        let key = known(name, &source.describe())?;
        if key.env_only() {
            return Err(ConfigError::SecretExposed(source.describe()));
        }
        let text = plain(value).ok_or_else(|| ConfigError::BadValue {
            key: key.name,
            value: value.to_string(),
            place: source.describe(),
            allowed: key.kind.allowed(),
        })?;
        values.insert(key.name, (checked(key, &text, &source)?, source.clone()));
    }
    Ok(())
}

/// A TOML value as one text: a list is joined by commas. `None` for tables, dates and floats.
fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(on) => Some(on.to_string()),
        toml::Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(plain).collect();
            items.map(|items| items.join(","))
        }
        _ => None,
    }
}

fn merge_env(values: &mut Values, env: &[(String, String)]) -> Result<(), ConfigError> {
    for (name, text) in env {
        let Some(rest) = name.strip_prefix("EVERSTORE_") else { continue };
        let foreign = FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if foreign || OTHER_VARIABLES.contains(&name.as_str()) {
            continue;
        }
        let key =
            known(&rest.replace('_', "-").to_ascii_lowercase(), &format!("environment variable {name}"))?;
        let source = Source::Env(name.clone());
        values.insert(key.name, (checked(key, text, &source)?, source));
    }
    Ok(())
}

fn derive_ports(values: &mut Values) -> Result<(), ConfigError> {
    let Value::Whole(port) = values["port"].0 else { return Ok(()) };
    for (name, offset) in [("peer-port", PEER_PORT_OFFSET), ("admin-port", ADMIN_PORT_OFFSET)] {
        if values[name].0 != Value::Unset {
            continue;
        }
        let derived = port + i64::from(offset);
        if u16::try_from(derived).is_err() {
            return Err(ConfigError::Conflict(format!(
                "port {port} + {offset} is above 65535: give '{name}' explicitly"
            )));
        }
        values.insert(name, (Value::Whole(derived), Source::Derived("port")));
    }
    Ok(())
}

/// The first of `data-dir` is the home folder.
fn derive_dir(values: &mut Values) -> Result<(), ConfigError> {
    let Value::List(dirs) = &values["data-dir"].0 else { return Ok(()) };
    let Some(first) = dirs.first().cloned() else { return Ok(()) };
    if dirs.len() > MAX_FOLDERS {
        let text = format!("'data-dir' names {} folders; allowed: 1 to {MAX_FOLDERS}", dirs.len());
        return Err(ConfigError::Conflict(text));
    }
    if let Some((_, dir)) = dirs.iter().enumerate().find(|(at, dir)| dirs[..*at].contains(dir)) {
        return Err(ConfigError::Conflict(format!("'data-dir' names {dir} twice")));
    }
    let (dir, source) = &values["dir"];
    if *source != Source::Default && *dir != Value::Text(first.clone()) {
        return Err(ConfigError::Conflict(format!(
            "'dir' ({}, {}) and the first of 'data-dir' ({first}) are both the home folder: give one of them",
            dir.show(),
            source.describe()
        )));
    }
    values.insert("dir", (Value::Text(first), Source::Derived("data-dir")));
    Ok(())
}

fn check_together(config: &Config) -> Result<(), ConfigError> {
    let conflict = |text: String| Err(ConfigError::Conflict(text));
    let (port, peer, admin) = (config.port, config.peer_port, config.admin_port);
    if port == peer || port == admin || peer == admin {
        return conflict(format!(
            "'port' ({port}), 'peer-port' ({peer}) and 'admin-port' ({admin}) must differ"
        ));
    }
    let others = [("port", port), ("peer-port", peer), ("admin-port", admin)];
    if let Some((name, port)) = others.into_iter().find(|(_, p)| *p == config.cluster_port && *p != 0) {
        return conflict(format!("'cluster-port' and '{name}' must differ: both are {port}"));
    }
    if config.cluster_port == 0 && config.cluster_advertise.is_some() {
        return conflict(
            "'cluster-advertise' says where 'cluster-port' is reached, which is off: set that as well".into(),
        );
    }
    if config.witness && config.data_dir.len() > 1 {
        return conflict("a 'witness' keeps no data: it has one folder in 'data-dir'".into());
    }
    if config.bootstrap && !config.join.is_empty() {
        return conflict(
            "'bootstrap' creates a new cluster and 'join' enters an existing one: give one of them".into(),
        );
    }
    if config.zone_role == "learner" {
        if config.zone.as_deref().unwrap_or_default().is_empty() {
            return conflict("'zone-role' learner is the role of a zone: name it with 'zone'".into());
        }
        if config.bootstrap {
            return conflict(
                "the node that creates a cluster votes: its 'zone-role' can not be learner".into(),
            );
        }
    }
    if config.heartbeat_interval * 3 > config.base_election_timeout {
        return conflict(format!(
            "'heartbeat-interval' ({} ms) must be at most a third of 'base-election-timeout' ({} ms)",
            config.heartbeat_interval.as_millis(),
            config.base_election_timeout.as_millis()
        ));
    }
    if config.query_buffer_limit <= config.max_value {
        return conflict(format!(
            "'query-buffer-limit' ({}) must be above 'max-value' ({}), or no such value could arrive",
            config.query_buffer_limit, config.max_value
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
