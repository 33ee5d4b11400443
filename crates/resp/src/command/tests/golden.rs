//! Replies must be those of Redis 7.0.15 to the byte (`tests/golden/record.py` took them).

use super::*;
use crate::parse::{Limits, Parsed, Parser};

const REPLIES: &str = include_str!("../../../tests/golden/redis-7.0.15.txt");
const TABLE: &str = include_str!("../../../tests/golden/table-7.0.15.txt");

/// The words of a line in the quoting of inline commands, which the parser reads for us.
fn words(line: &str) -> Vec<Vec<u8>> {
    let line = format!("{line}\n");
    let mut parser = Parser::new(Limits { max_inline: 1 << 20, ..Limits::default() });
    assert!(matches!(parser.next(line.as_bytes()), Parsed::Command { .. }), "{line}");
    parser.slices(line.as_bytes()).iter().map(|word| word.to_vec()).collect()
}

/// Everything the node answers to raw bytes on a connection of its own, and whether it closes.
fn raw(client: &mut Client, bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut parser = Parser::new(Limits { max_bulk: 512 << 20, ..Limits::default() });
    let (mut out, mut rest) = (Vec::new(), bytes);
    loop {
        parser.set_authenticated(client.session.authenticated);
        match parser.next(rest) {
            Parsed::Command { consumed } => {
                let args = parser.slices(rest);
                if !args.is_empty() {
                    let (reply, outcome) = client.call(&args);
                    out.extend(reply);
                    if outcome == Outcome::Close {
                        return (out, true);
                    }
                }
                rest = &rest[consumed..];
            }
            Parsed::Incomplete { .. } => return (out, false),
            Parsed::Error(error) => {
                error.write(&mut out);
                return (out, true);
            }
            other => panic!("no streaming was asked for: {other:?}"),
        }
    }
}

fn connect(password: &str) -> Client {
    let mut client = Client::default();
    client.host.password = (!password.is_empty()).then(|| password.as_bytes().to_vec());
    client.session.authenticated = password.is_empty();
    // The recorder's node had no other clients.
    client.host.others.clear();
    client
}

#[test]
fn replies_are_those_of_redis() {
    let mut password = "";
    let mut client = connect(password);
    let mut lines = REPLIES.lines().filter(|line| !line.starts_with('#'));
    let mut wrong = Vec::new();
    let mut checked = 0;
    while let Some(line) = lines.next() {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (reply, closed) = match verb {
            "password" => {
                password = rest;
                client = connect(password);
                continue;
            }
            "proto" => {
                client = connect(password);
                client.say(&format!("HELLO {rest}"));
                continue;
            }
            "raw" => raw(&mut connect(password), &words(rest)[0]),
            _ => {
                let args = words(rest);
                let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
                let (reply, outcome) = client.call(&args);
                (reply, outcome == Outcome::Close)
            }
        };
        let recorded = lines.next().expect("a reply follows each request");
        let expected = words(recorded.strip_suffix(" closed").unwrap_or(recorded)).remove(0);
        checked += 1;
        if reply != expected || closed != recorded.ends_with(" closed") {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            wrong.push(format!("{line}\n  redis: {:?}\n  ours:  {:?}", text(&expected), text(&reply)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 200, "{checked}");
}

#[test]
fn the_table_is_described_as_redis_describes_it() {
    let mut client = connect("");
    client.say("HELLO 3");
    let mut lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let (mut newer, mut ours) = (Vec::new(), Vec::new());
    while let (Some(request), Some(recorded)) = (lines.next(), lines.next()) {
        let request = request.trim_start_matches("> ");
        let expected = String::from_utf8(words(recorded).remove(0)).expect("text");
        if expected == "*1\r\n_\r\n" || expected == "%0\r\n" {
            newer.push(request.rsplit(' ').next().unwrap_or_default());
            continue;
        }
        let (said, name) = (client.say(request), request.rsplit(' ').next().unwrap_or_default());
        if name == "readonly" && said != expected {
            ours.push(name);
            continue;
        }
        assert_eq!(said, expected, "{request}");
    }
    ours.dedup();
    assert_eq!(ours, ["readonly"], "with arguments of our own");
    newer.dedup();
    assert_eq!(
        newer,
        ["client|no-touch", "client|setinfo", "cluster|myshardid", "waitaof"],
        "not in Redis 7.0"
    );
}
