//! The configuration file.

use everstore::config::{ConfigError, Effective, KEYS};
use std::fmt::Write;
use std::path::Path;

/// A file is accepted or refused with an error that names what is wrong. What is accepted prints back to
/// a file that gives the same configuration, and `CONFIG SET` of what `CONFIG GET` shows changes nothing.
///
/// # Panics
/// If not.
pub fn check(data: &[u8]) {
    // What is no text is refused before this point is reached.
    let Ok(text) = std::str::from_utf8(data) else { return };
    let path = Path::new("everstore.toml");
    let effective = match Effective::merge(&[], &[], Some((path, text))) {
        Ok(effective) => effective,
        Err(error) => return named(&error),
    };
    let printed = printed(&effective);
    let again = Effective::merge(&[], &[], Some((path, &printed)));
    let again = again.unwrap_or_else(|error| panic!("{error}\nin\n{printed}"));
    assert_eq!(again.config(), effective.config());
    let mut set = effective.clone();
    for (name, value) in effective.redis_rows() {
        if let Err(error) = set.set_online(name, &value) {
            assert!(matches!(error, ConfigError::NotOnline(_)), "{name} {value:?}: {error}");
        }
    }
    assert_eq!(set.config(), effective.config());
    let _ = (effective.config().redis_interfaces(), effective.config().advertised_peer_address());
}

/// The error names the key, or the file if its text cannot be read.
fn named(error: &ConfigError) {
    let text = error.to_string();
    let names = match error {
        ConfigError::UnknownKey { key, .. } => text.contains(key.as_str()) && text.contains("everstore.toml"),
        ConfigError::BadValue { key, allowed, .. } => text.contains(key) && text.contains(allowed.as_str()),
        ConfigError::Conflict(_) => KEYS.iter().any(|key| text.contains(&format!("'{}'", key.name))),
        ConfigError::Unreadable { .. } => text.contains("everstore.toml"),
        ConfigError::SecretExposed(_) => text.contains("secret"),
        ConfigError::NotOnline(_) => false,
    };
    assert!(names, "{text}");
}

/// Every key with its value as `everstore config` shows it; secrets as `CONFIG GET` does.
fn printed(effective: &Effective) -> String {
    let plain = effective.redis_rows();
    let mut out = String::new();
    for (key, shown, _) in effective.rows().filter(|(key, ..)| !key.env_only()) {
        let secret = plain.iter().find(|(name, _)| key.is_secret() && key.redis == Some(*name));
        let value = secret.map_or(&shown, |(_, value)| value);
        let _ = write!(out, "{} = \"", key.name);
        for c in value.chars() {
            let _ = write!(out, "\\U{:08x}", u32::from(c));
        }
        out.push_str("\"\n");
    }
    out
}
