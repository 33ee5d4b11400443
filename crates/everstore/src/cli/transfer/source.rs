//! Where keys are imported from: the address of a Redis, or a file.

use std::path::PathBuf;

use crate::cli::CliError;
use crate::cli::link::Login;
use crate::config::kind::is_address;

/// The port of an address without one.
const DEFAULT_PORT: &str = "6379";
/// What an error about an address says is allowed.
const ALLOWED: &str = "allowed: redis://[user:password@]host[:port][/number of the database], or a file";

/// A source.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// A Redis that runs.
    Redis {
        /// `HOST:PORT`.
        address: String,
        /// Who asks.
        login: Login,
        /// The only database to import, if the address has one.
        database: Option<u32>,
    },
    /// An RDB file.
    File(PathBuf),
}

impl Source {
    /// Reads `redis://[user:password@]host[:port][/database]`, or the path of a file. Errors do not show the password.
    ///
    /// # Errors
    /// Another scheme, or a part that is none.
    pub fn parse(text: &str) -> Result<Source, CliError> {
        let refuse = |why: String| CliError::Usage(format!("{why}; {ALLOWED}"));
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Source::File(PathBuf::from(text)));
        };
        match scheme {
            "redis" => {}
            "rediss" => {
                return Err(refuse(
                    "rediss://: encrypted connections (TLS) are not supported; go through a tunnel to a plain port"
                        .into(),
                ));
            }
            _ => return Err(refuse(format!("'{scheme}://' is not known"))),
        }
        // An `@` in a password may stand as it is, a slash may not.
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = match place.rsplit_once('@') {
            Some((login, place)) => (read_login(login).map_err(refuse)?, place),
            None => (Login::default(), place),
        };
        let has_port =
            place.rsplit_once(':').is_some_and(|(host, _)| !host.is_empty() && !place.ends_with(']'));
        let address = if has_port { place.to_owned() } else { format!("{place}:{DEFAULT_PORT}") };
        if !is_address(&address) {
            return Err(refuse(format!("'{place}' is not host:port")));
        }
        let database = match path {
            "" => None,
            number => {
                let read =
                    number.parse().map_err(|_| refuse(format!("'/{number}' is no number of a database")));
                Some(read?)
            }
        };
        Ok(Source::Redis { address, login, database })
    }
}

fn read_login(text: &str) -> Result<Login, String> {
    let (user, password) =
        text.split_once(':').ok_or("what stands before the @ is not user:password or :password")?;
    let user = Some(decoded(user)?).filter(|user| !user.is_empty());
    Ok(Login { user, password: Some(decoded(password)?) })
}

/// With `%41` as `A`.
fn decoded(text: &str) -> Result<String, String> {
    let bad = || "a % in user or password is not followed by two hexadecimal digits".to_owned();
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or_else(bad)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(bad());
        }
        out.push(u8::from_str_radix(digits, 16).map_err(|_| bad())?);
        rest = &rest[2..];
    }
    String::from_utf8(out).map_err(|_| "user and password must be UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redis(address: &str, login: (Option<&str>, Option<&str>), database: Option<u32>) -> Source {
        let login = Login { user: login.0.map(str::to_owned), password: login.1.map(str::to_owned) };
        Source::Redis { address: address.to_owned(), login, database }
    }

    #[test]
    fn addresses_and_files_are_told_apart() {
        let cases = [
            ("redis://localhost", redis("localhost:6379", (None, None), None)),
            ("redis://h:7000/", redis("h:7000", (None, None), None)),
            ("redis://h/12", redis("h:6379", (None, None), Some(12))),
            ("redis://:p@h:1", redis("h:1", (None, Some("p")), None)),
            ("redis://u:p@h:1/0", redis("h:1", (Some("u"), Some("p")), Some(0))),
            ("redis://u%40x:p%3a@%2F@h", redis("h:6379", (Some("u@x"), Some("p:@/")), None)),
            ("redis://[::1]", redis("[::1]:6379", (None, None), None)),
            ("redis://[::1]:7001", redis("[::1]:7001", (None, None), None)),
            ("dump.rdb", Source::File("dump.rdb".into())),
            ("/a/b:c@d", Source::File("/a/b:c@d".into())),
        ];
        for (text, source) in cases {
            assert_eq!(Source::parse(text).expect(text), source, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_the_password_is_not() {
        let cases = [
            ("rediss://:secret@h", "encrypted connections (TLS) are not supported"),
            ("http://:secret@h", "'http://' is not known"),
            ("redis://", "'' is not host:port"),
            ("redis://:secret@h:0", "'h:0' is not host:port"),
            ("redis://:secret@h:x", "'h:x' is not host:port"),
            ("redis://:secret@:7000", "':7000' is not host:port"),
            ("redis://:secret@h/x", "'/x' is no number of a database"),
            ("redis://:secret@h/-1", "'/-1' is no number of a database"),
            ("redis://secret@h", "is not user:password or :password"),
            ("redis://:secret%4@h", "two hexadecimal digits"),
            ("redis://:secret%+4@h", "two hexadecimal digits"),
            ("redis://:secret%ff@h", "must be UTF-8"),
        ];
        for (text, words) in cases {
            let error = Source::parse(text).expect_err(text).to_string();
            assert!(error.contains(words) && error.contains("allowed: redis://"), "{text}: {error}");
            assert!(!error.contains("secret"), "{text}: {error}");
        }
    }
}
