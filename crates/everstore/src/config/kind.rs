//! What a key accepts: parsing one value, saying what is allowed, showing it in its canonical form.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::memory::Memory;
use super::units::{parse_duration, parse_size, show_duration, show_size};

/// What a key accepts. Numbers have inclusive bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text; empty means unset.
    Text,
    /// As [`Kind::Text`], but never printed.
    Password,
    /// A path; empty means unset.
    Path,
    /// `PATH[,PATH…]`; empty means none.
    PathList,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `HOST:PORT`; empty means unset.
    Address,
    /// `HOST:PORT[,HOST:PORT…]`; empty means none.
    AddressList,
    /// `IP[,IP…]`; `*` stands for all addresses.
    IpList,
    /// A whole number and its unit in words.
    Whole(i64, i64, &'static str),
    /// A whole number that may be left out because it follows from another key.
    Derived(i64, i64),
    /// Bytes.
    Size(u64, u64),
    /// Bytes from this many on, a share of the machine's memory in percent, or 0 for no limit.
    Memory(u64),
    /// Milliseconds.
    Time(u64, u64),
}

/// A value that fits its [`Kind`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing was given, and the key allows that.
    Unset,
    /// Text, path, choice or address.
    Text(String),
    /// Switch.
    Flag(bool),
    /// Whole number.
    Whole(i64),
    /// Bytes.
    Size(u64),
    /// Memory.
    Memory(Memory),
    /// Milliseconds.
    Time(u64),
    /// Addresses.
    List(Vec<String>),
    /// Interfaces.
    Ips(Vec<IpAddr>),
}

impl Kind {
    /// The value in `text`, or `None` if it is not allowed.
    pub fn parse(self, text: &str) -> Option<Value> {
        let text = text.trim();
        match self {
            Kind::Text | Kind::Password | Kind::Path if text.is_empty() => Some(Value::Unset),
            Kind::Address | Kind::Derived(..) if text.is_empty() => Some(Value::Unset),
            Kind::Text | Kind::Password | Kind::Path => Some(Value::Text(text.to_string())),
            Kind::Flag => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(Value::Flag(true)),
                "false" | "no" | "off" | "0" => Some(Value::Flag(false)),
                _ => None,
            },
            Kind::Choice(words) => {
                let word = words.iter().find(|w| w.eq_ignore_ascii_case(text))?;
                Some(Value::Text((*word).to_string()))
            }
            Kind::Address => is_address(text).then(|| Value::Text(text.to_string())),
            Kind::AddressList => address_list(text),
            // Names of folders may hold spaces.
            Kind::PathList if text.is_empty() => Some(Value::List(Vec::new())),
            Kind::PathList => {
                let items: Vec<String> = text.split(',').map(|item| item.trim().to_owned()).collect();
                items.iter().all(|item| !item.is_empty()).then_some(Value::List(items))
            }
            Kind::IpList => ip_list(text),
            Kind::Whole(min, max, _) | Kind::Derived(min, max) => {
                let number = text.parse().ok()?;
                (min..=max).contains(&number).then_some(Value::Whole(number))
            }
            Kind::Size(min, max) => {
                let bytes = parse_size(text)?;
                (min..=max).contains(&bytes).then_some(Value::Size(bytes))
            }
            Kind::Memory(min) => Memory::parse(text, min).map(Value::Memory),
            Kind::Time(min, max) => {
                let ms = parse_duration(text)?;
                (min..=max).contains(&ms).then_some(Value::Time(ms))
            }
        }
    }

    /// What is allowed, in words.
    pub fn allowed(self) -> String {
        match self {
            Kind::Text | Kind::Password => "text".into(),
            Kind::Path => "a path".into(),
            Kind::PathList => "PATH[,PATH...]".into(),
            Kind::Flag => "true, false".into(),
            Kind::Choice(words) => words.join(", "),
            Kind::Address => "HOST:PORT".into(),
            Kind::AddressList => "HOST:PORT[,HOST:PORT...]".into(),
            Kind::IpList => "IP[,IP...], or * for all interfaces".into(),
            Kind::Whole(min, max, _) | Kind::Derived(min, max) if min == max => min.to_string(),
            Kind::Whole(min, max, "") => format!("{min} to {max}"),
            Kind::Whole(min, max, unit) => format!("{min} to {max} ({unit})"),
            Kind::Derived(min, max) => format!("{min} to {max}"),
            Kind::Size(min, max) => {
                let allowed = format!("{} to {}", show_size(min), show_size(max));
                with_examples(allowed, (min, max), &[("64kb", 64 << 10), ("8mb", 8 << 20)])
            }
            Kind::Memory(min) => {
                format!("from {} on, 1% to 100% of the machine's memory, or 0 for no limit", show_size(min))
            }
            Kind::Time(min, max) => {
                let allowed = format!("{} to {}", show_duration(min), show_duration(max));
                with_examples(allowed, (min, max), &[("120ms", 120), ("5s", 5000)])
            }
        }
    }

    /// Whether the value is written without quotes in TOML.
    pub fn is_bare(self) -> bool {
        matches!(self, Kind::Flag | Kind::Whole(..) | Kind::Derived(..))
    }
}

impl Value {
    /// The canonical text; parsing it gives this value again.
    pub fn show(&self) -> String {
        match self {
            Value::Unset => String::new(),
            Value::Text(text) => text.clone(),
            Value::Flag(on) => on.to_string(),
            Value::Whole(number) => number.to_string(),
            Value::Size(bytes) => show_size(*bytes),
            Value::Memory(memory) => memory.show(),
            Value::Time(ms) => show_duration(*ms),
            Value::List(items) => items.join(","),
            Value::Ips(ips) => ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        }
    }

    /// The value as `CONFIG GET` prints it: sizes in bytes, switches as yes and no.
    pub fn show_for_redis(&self) -> String {
        match self {
            Value::Flag(on) => if *on { "yes" } else { "no" }.to_string(),
            Value::Size(bytes) => bytes.to_string(),
            Value::Memory(memory) => memory.bytes().to_string(),
            Value::Ips(ips) => ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            other => other.show(),
        }
    }
}

/// Whether `text` is `HOST:PORT` with a port from 1 to 65535 (an IPv6 host in brackets).
pub fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let host_fits = bracketed || !host.contains(':');
    let port_fits = port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0);
    !host.is_empty() && !host.contains(char::is_whitespace) && host_fits && port_fits
}

fn address_list(text: &str) -> Option<Value> {
    let items: Vec<String> = items(text).map(str::to_string).collect();
    items.iter().all(|item| is_address(item)).then_some(Value::List(items))
}

fn ip_list(text: &str) -> Option<Value> {
    let ips: Option<Vec<IpAddr>> = items(text)
        .map(|item| match item {
            "*" => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            other => other.parse().ok(),
        })
        .collect();
    ips.filter(|ips| !ips.is_empty()).map(Value::Ips)
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ']).map(str::trim).filter(|item| !item.is_empty())
}

/// A field of [`super::Config`] made from the value of its key.
pub trait Field: Sized {
    /// `None` if the table gives the key a kind that does not fit the field's type.
    fn from_value(value: &Value) -> Option<Self>;
}

impl Field for String {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl Field for PathBuf {
    fn from_value(value: &Value) -> Option<Self> {
        String::from_value(value).map(PathBuf::from)
    }
}

impl Field for bool {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Flag(on) => Some(*on),
            _ => None,
        }
    }
}

impl Field for Duration {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Time(ms) => Some(Duration::from_millis(*ms)),
            _ => None,
        }
    }
}

impl Field for Vec<String> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::List(items) => Some(items.clone()),
            _ => None,
        }
    }
}

impl Field for Vec<PathBuf> {
    fn from_value(value: &Value) -> Option<Self> {
        Vec::<String>::from_value(value).map(|items| items.into_iter().map(PathBuf::from).collect())
    }
}

impl Field for Vec<IpAddr> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Ips(ips) => Some(ips.clone()),
            _ => None,
        }
    }
}

impl Field for u64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Whole(number) => u64::try_from(*number).ok(),
            Value::Size(bytes) => Some(*bytes),
            _ => None,
        }
    }
}

impl Field for Memory {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Memory(memory) => Some(*memory),
            _ => None,
        }
    }
}

impl Field for i64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Whole(number) => Some(*number),
            _ => None,
        }
    }
}

impl Field for u16 {
    fn from_value(value: &Value) -> Option<Self> {
        u64::from_value(value).and_then(|number| number.try_into().ok())
    }
}

impl Field for usize {
    fn from_value(value: &Value) -> Option<Self> {
        u64::from_value(value).and_then(|number| number.try_into().ok())
    }
}

impl<T: Field> Field for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Unset => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
}

/// What is allowed, with examples of how it is written that are allowed as well.
fn with_examples(allowed: String, (min, max): (u64, u64), examples: &[(&str, u64)]) -> String {
    let fit = examples.iter().filter(|(_, value)| (min..=max).contains(value));
    let fit: Vec<&str> = fit.map(|(text, _)| *text).collect();
    if fit.is_empty() { allowed } else { format!("{allowed}, such as {}", fit.join(" or ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_need_a_host_and_a_port() {
        for good in ["127.0.0.1:7001", "node-1.example:16379", "[::1]:80"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", ":80", "host", "host:", "host:0", "host:70000", "::1:80", "a b:1", "h:+1"] {
            assert!(!is_address(bad), "{bad}");
        }
    }

    #[test]
    fn values_outside_their_bounds_are_refused() {
        assert_eq!(Kind::Whole(1, 7, "").parse("8"), None);
        assert_eq!(Kind::Whole(1, 7, "").parse("7"), Some(Value::Whole(7)));
        assert_eq!(Kind::Size(1024, 2048).parse("1kb"), Some(Value::Size(1024)));
        assert_eq!(Kind::Size(1024, 2048).parse("3kb"), None);
        assert_eq!(Kind::Time(50, 1000).parse("2s"), None);
        assert_eq!(Kind::Flag.parse("maybe"), None);
        assert_eq!(Kind::AddressList.parse("a:1,b"), None);
        assert_eq!(Kind::IpList.parse(""), None);
        assert_eq!(Kind::PathList.parse("/a,,/b"), None);
    }

    #[test]
    fn what_is_shown_parses_to_the_same_value() {
        for (kind, text) in [
            (Kind::AddressList, "a:1, b:2"),
            (Kind::PathList, "/a b, c"),
            (Kind::PathList, ""),
            (Kind::IpList, "*,::1"),
            (Kind::Size(0, 1 << 40), "8mb"),
            (Kind::Memory(1024), "25 %"),
            (Kind::Memory(1024), "2048"),
            (Kind::Time(0, 100_000), "5s"),
            (Kind::Choice(&["direct", "buffered"]), "DIRECT"),
            (Kind::Flag, "yes"),
            (Kind::Address, ""),
        ] {
            let value = kind.parse(text).expect("a good value");
            assert_eq!(kind.parse(&value.show()), Some(value), "{text}");
        }
    }
}
