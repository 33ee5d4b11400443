//! Options of Redis that have no key of their own here. Programs and test suites ask for them and set
//! them, so `CONFIG` knows them: some are kept and change nothing, because they tune how Redis itself is built;
//! the value of others follows from what Everstore is, and any other value is refused with the way to it.

mod table;

use std::collections::BTreeMap;

use super::kind::Kind;
use table::{FIXED, KEPT, OTHER_NAMES};

/// An option that is kept as it is set and changes nothing.
struct Kept {
    name: &'static str,
    kind: Kind,
    default: &'static str,
}

/// An option that always has the same value.
struct Fixed {
    name: &'static str,
    value: &'static str,
    /// What there is instead, as the end of a sentence; empty if there is nothing.
    instead: &'static str,
}

/// The options that are kept and were changed, with their values.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions(BTreeMap<&'static str, String>);

impl RedisOptions {
    /// Every option with its value, as `CONFIG GET` shows it.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let kept = KEPT.iter().map(|option| (option.name, self.value(option)));
        let fixed = FIXED.iter().map(|option| (option.name, option.value.to_owned()));
        kept.chain(fixed).collect()
    }

    fn value(&self, option: &Kept) -> String {
        let shown = || option.kind.parse(option.default).map(|value| value.show_for_redis());
        self.0.get(option.name).cloned().or_else(shown).unwrap_or_default()
    }

    /// Sets an option by its first name. `None` if it is none of these.
    ///
    /// # Errors
    /// What is allowed, in words.
    pub fn set(&mut self, name: &str, text: &str) -> Option<Result<(), String>> {
        if let Some(option) = FIXED.iter().find(|option| option.name == name) {
            let percent = text.strip_suffix('%').and_then(|number| number.parse::<u64>().ok());
            if name == "maxmemory-clients" && percent.is_some_and(|percent| percent > 100) {
                return Some(Err("percentage argument must be less or equal to 100".to_owned()));
            }
            return Some(if text.eq_ignore_ascii_case(option.value) {
                Ok(())
            } else {
                Err(option.refusal())
            });
        }
        let option = KEPT.iter().find(|option| option.name == name)?;
        if name == "save" && !are_save_points(text) {
            return Some(Err("allowed: pairs of seconds and changes, such as '3600 1 300 100'".to_owned()));
        }
        let value = option.kind.parse(text);
        Some(match value {
            Some(value) => {
                self.0.insert(option.name, value.show_for_redis());
                Ok(())
            }
            None => Err(format!("allowed: {}", option.kind.allowed())),
        })
    }
}

/// Whether these are seconds and changes in turns, or nothing.
fn are_save_points(text: &str) -> bool {
    let numbers: Option<Vec<u32>> = text.split_whitespace().map(|word| word.parse().ok()).collect();
    numbers.is_some_and(|n| n.len().is_multiple_of(2) && n.chunks(2).all(|pair| pair[0] > 0))
}

impl Fixed {
    fn refusal(&self) -> String {
        let always = format!("immutable, always '{}' here", self.value);
        if self.instead.is_empty() { always } else { format!("{always}; {}", self.instead) }
    }
}

/// The name under which an option that has several is kept; any other name stays as it is.
pub fn first_name(name: &str) -> &str {
    OTHER_NAMES.iter().find(|(other, _)| *other == name).map_or(name, |(_, first)| first)
}

/// The other names of the options among these rows, with the values of their options.
pub fn other_names(rows: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
    let value = |name: &str| rows.iter().find(|row| row.0 == name).map(|row| row.1.clone());
    OTHER_NAMES.iter().filter_map(|(other, first)| Some((*other, value(first)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KEYS;

    #[test]
    fn every_option_is_there_once_and_every_default_is_allowed() {
        let mut names: Vec<&str> = KEPT.iter().map(|o| o.name).chain(FIXED.iter().map(|o| o.name)).collect();
        names.extend(OTHER_NAMES.iter().map(|(other, _)| other));
        let ours = |name: &&str| KEYS.iter().any(|key| key.name == *name || key.redis == Some(*name));
        assert!(!names.iter().any(ours), "a key of ours has the name of one of these");
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
        for option in KEPT {
            assert!(option.kind.parse(option.default).is_some(), "{}", option.name);
        }
        for (other, first) in OTHER_NAMES {
            let known = RedisOptions::default().rows().iter().any(|row| row.0 == *first);
            assert!(known || KEYS.iter().any(|key| key.redis == Some(first)), "{other}");
        }
    }

    #[test]
    fn what_is_kept_is_checked_and_shown_and_what_is_fixed_says_what_there_is_instead() {
        let mut options = RedisOptions::default();
        assert_eq!(options.set("list-max-listpack-size", "5"), Some(Ok(())));
        assert_eq!(options.set("hz", "0"), Some(Err("allowed: 1 to 500".into())));
        assert_eq!(options.set("repl-backlog-size", "2mb"), Some(Ok(())));
        for good in ["", "3600 1", "3600 1 300 0"] {
            assert_eq!(options.set("save", good), Some(Ok(())), "{good}");
        }
        for bad in ["3600", "0 1", "a b", "60 -1"] {
            assert!(matches!(options.set("save", bad), Some(Err(_))), "{bad}");
        }
        assert!(matches!(options.set("daemonize", "yes"), Some(Err(why)) if why.starts_with("immutable")));
        assert!(
            matches!(options.set("maxmemory-policy", "allkeys-lru"), Some(Err(why)) if why.contains("CACHE"))
        );
        assert_eq!(options.set("nonsense", "1"), None);
        let rows = options.rows();
        let value = |name: &str| rows.iter().find(|row| row.0 == name).map(|row| row.1.as_str());
        assert_eq!(value("list-max-listpack-size"), Some("5"));
        assert_eq!((value("hz"), value("repl-backlog-size")), (Some("10"), Some("2097152")));
        assert!(other_names(&rows).contains(&("list-max-ziplist-size", "5".to_owned())));
        assert_eq!(first_name("list-max-ziplist-size"), "list-max-listpack-size");
    }
}
