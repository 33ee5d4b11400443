use super::*;
use proptest::prelude::*;

/// Everything that a connection's bytes come out as: the commands, then the error if any.
#[derive(PartialEq, Eq, Debug, Default)]
struct Outcome {
    commands: Vec<Vec<Vec<u8>>>,
    error: Option<ProtocolError>,
}

/// Feeds the pieces as a connection would: unread bytes are kept in front of the next piece.
fn feed(limits: Limits, authenticated: bool, pieces: &[&[u8]]) -> Outcome {
    let mut parser = Parser::new(limits);
    parser.set_authenticated(authenticated);
    let mut outcome = Outcome::default();
    let mut command: Vec<Vec<u8>> = Vec::new();
    let mut streamed: Option<Vec<u8>> = None;
    let mut buf: Vec<u8> = Vec::new();
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            let parsed = parser.next(&buf);
            let seen = |parser: &Parser| parser.slices(&buf).iter().map(|a| a.to_vec()).collect::<Vec<_>>();
            let drop = match parsed {
                Parsed::Command { consumed } => {
                    command.extend(seen(&parser));
                    if !command.is_empty() {
                        outcome.commands.push(std::mem::take(&mut command));
                    }
                    consumed
                }
                Parsed::Incomplete { need } => {
                    assert!(need > 0);
                    break;
                }
                Parsed::BulkStart { consumed, len } => {
                    command.extend(seen(&parser));
                    streamed = Some(Vec::with_capacity(len));
                    consumed
                }
                Parsed::BulkPart { len, rest } => {
                    let value = streamed.as_mut().expect("a start comes first");
                    value.extend_from_slice(&buf[..len]);
                    if rest == 0 {
                        command.push(streamed.take().expect("checked above"));
                    }
                    len
                }
                Parsed::Error(error) => {
                    assert_eq!(parser.next(&buf), Parsed::Error(error), "an error stays");
                    outcome.error = Some(error);
                    return outcome;
                }
            };
            buf.drain(..drop);
            if buf.is_empty() && streamed.is_none() {
                break;
            }
        }
    }
    outcome
}

fn small() -> Limits {
    Limits {
        max_bulk: 64,
        max_inline: 40,
        max_args: 20,
        max_request: 300,
        unauthenticated_args: 3,
        unauthenticated_bulk: 10,
        stream_from: usize::MAX,
    }
}

fn parse_all(bytes: &[u8]) -> Outcome {
    feed(Limits::default(), true, &[bytes])
}

#[track_caller]
fn refused(limits: Limits, authenticated: bool, bytes: &[u8], text: &str) {
    let outcome = feed(limits, authenticated, &[bytes]);
    let mut out = Vec::new();
    outcome.error.unwrap_or_else(|| panic!("not refused: {outcome:?}")).write(&mut out);
    assert_eq!(String::from_utf8_lossy(&out), format!("-ERR Protocol error: {text}\r\n"));
}

#[test]
fn a_pipeline_is_read_command_by_command() {
    let outcome =
        parse_all(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n*0\r\n\r\n*-1\r\n");
    assert_eq!(
        outcome.commands,
        [vec![b"SET".to_vec(), b"k".to_vec(), vec![]], vec![b"PING".to_vec()], vec![b"QUIT".to_vec()]]
    );
    assert_eq!(outcome.error, None);
}

#[test]
fn the_need_of_a_bulk_string_is_exact() {
    let mut parser = Parser::new(Limits::default());
    assert_eq!(parser.next(b""), Parsed::Incomplete { need: 1 });
    assert_eq!(parser.next(b"*1\r\n$5\r\nab"), Parsed::Incomplete { need: 5 });
    assert_eq!(parser.next(b"*1\r\n$5\r\nabcde\r"), Parsed::Incomplete { need: 1 });
    assert_eq!(parser.next(b"*1\r\n$5\r\nabcde\r\n*"), Parsed::Command { consumed: 15 });
    assert_eq!(parser.args(), [(8, 13)]);
}

#[test]
fn violations_are_named_as_redis_names_them() {
    let all = Limits::default();
    for count in
        ["*abc\r\n", "*1 \r\n", "*01\r\n", "*+1\r\n", "*\r\n", "*1048577\r\n", "*99999999999999999999\r\n"]
    {
        refused(all, true, count.as_bytes(), "invalid multibulk length");
    }
    for bulk in ["-1", "x", "", "00", "8454145", "99999999999999999999"] {
        refused(all, true, format!("*1\r\n${bulk}\r\n").as_bytes(), "invalid bulk length");
    }
    refused(all, true, b"*1\r\nx3\r\n", "expected '$', got 'x'");
    refused(all, true, b"*1\r\n:3\r\n", "expected '$', got ':'");
    refused(all, true, b"*1\r\n\r\n", "expected '$', got ' '");
    refused(all, true, b"*1\r\n\0\r\n", "expected '$', got '");
    refused(all, true, b"SET \"a\r\n", "unbalanced quotes in request");
    refused(all, true, b"SET 'a'b\r\n", "unbalanced quotes in request");
    refused(all, true, &[b'a'; 65 * 1024], "too big inline request");
    refused(all, true, &[&b"*"[..], &[b'1'; 65 * 1024]].concat(), "too big mbulk count string");
    refused(all, true, &[&b"*1\r\n$"[..], &[b'1'; 65 * 1024]].concat(), "too big bulk count string");
    refused(all, false, b"*11\r\n", "unauthenticated multibulk length");
    refused(all, false, b"*1\r\n$16385\r\n", "unauthenticated bulk length");
    let mut long = b"*9\r\n".to_vec();
    for _ in 0..5 {
        long.extend_from_slice(b"$60\r\n");
        long.extend_from_slice(&[b'x'; 60]);
        long.extend_from_slice(b"\r\n");
    }
    refused(small(), true, &long, "too big request");
}

#[test]
fn lengths_at_the_limits_are_accepted() {
    let limits = Limits::default();
    let mut parser = Parser::new(limits);
    assert_eq!(parser.next(b"*10\r\n$16384\r\n"), Parsed::Incomplete { need: 16386 });
    let mut parser = Parser::new(limits);
    parser.set_authenticated(true);
    assert_eq!(parser.next(b"*1048576\r\n"), Parsed::Incomplete { need: 1 });
    let head = format!("*1048576\r\n${}\r\n", limits.max_bulk);
    assert_eq!(parser.next(head.as_bytes()), Parsed::Incomplete { need: limits.max_bulk + 2 });
}

#[test]
fn inline_words_follow_the_quoting_rules() {
    let words = |line: &str| {
        let outcome = parse_all(format!("{line}\n").as_bytes());
        outcome.commands.into_iter().next().unwrap_or_default()
    };
    assert_eq!(words("  set  k\tv \r"), [&b"set"[..], b"k", b"v"]);
    assert_eq!(words(r#"a"b c" 'd"e'"#), [&b"ab c"[..], br#"d"e"#]);
    assert_eq!(words(r#""\x41\n\r\t\b\a\\\"\q\xg1""#), [&b"A\n\r\t\x08\x07\\\"qxg1"[..]]);
    assert_eq!(words(r"'it\'s \n'"), [&br"it's \n"[..]]);
    assert_eq!(words("\"\" ''"), [&b""[..], b""]);
    assert_eq!(words("a\0b"), [&b"a"[..]]);
    assert_eq!(words("\r"), [&b""[..]; 0]);
}

#[test]
fn a_large_bulk_string_comes_in_pieces() {
    let limits = Limits { stream_from: 4, ..Limits::default() };
    let mut parser = Parser::new(limits);
    assert_eq!(
        parser.next(b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$6\r\nab"),
        Parsed::BulkStart { consumed: 24, len: 6 }
    );
    assert_eq!(parser.args(), [(8, 11), (17, 18)]);
    assert_eq!(parser.next(b"ab"), Parsed::BulkPart { len: 2, rest: 4 });
    assert_eq!(parser.next(b""), Parsed::Incomplete { need: 1 });
    assert_eq!(parser.next(b"cdef\r"), Parsed::BulkPart { len: 4, rest: 0 });
    assert_eq!(parser.next(b"\r"), Parsed::Incomplete { need: 1 });
    assert_eq!(parser.next(b"\r\n$2\r\nN"), Parsed::Incomplete { need: 3 });
    assert_eq!(parser.next(b"\r\n$2\r\nNX\r\nrest"), Parsed::Command { consumed: 10 });
    assert_eq!(parser.args(), [(6, 8)]);
    assert_eq!(parser.next(b"rest"), Parsed::Incomplete { need: 1 });
}

#[test]
fn a_long_argument_list_is_not_kept_allocated() {
    let mut parser = Parser::new(Limits::default());
    parser.set_authenticated(true);
    let mut bytes = Vec::new();
    crate::encode::put_command(&mut bytes, &vec!["x"; 5000]);
    assert_eq!(parser.next(&bytes), Parsed::Command { consumed: bytes.len() });
    assert_eq!(parser.args().len(), 5000);
    assert_eq!(parser.next(b""), Parsed::Incomplete { need: 1 });
    assert!(parser.args.capacity() <= KEPT_ARGS);
}

/// Bytes that are often almost a request.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just(b"*".to_vec()),
        Just(b"$".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"'".to_vec()),
        Just(b"\\x4".to_vec()),
        Just(b"*2\r\n$3\r\nGET\r\n".to_vec()),
        Just(b"$1\r\nk\r\n".to_vec()),
        Just(b"$12\r\nabcdefghijkl\r\n".to_vec()),
        (0..70i32).prop_map(|n| n.to_string().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(token, 0..30).prop_map(|parts| parts.concat())
}

/// Cuts bytes at the given places.
fn cut<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = places.iter().map(|p| p.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|w| &bytes[w[0]..w[1]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_bytes_in_any_pieces_give_the_same(
        bytes in noise(),
        places in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        authenticated: bool,
        stream in prop_oneof![Just(usize::MAX), 1..20usize],
    ) {
        let whole = feed(small(), authenticated, &[&bytes]);
        let limits = Limits { stream_from: stream, ..small() };
        let pieces = feed(limits, authenticated, &cut(&bytes, &places));
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        let singles = feed(small(), authenticated, &single);
        prop_assert_eq!(&whole, &singles);
        // What is streamed does not count towards the length of a command.
        if whole.error != Some(ProtocolError::TooBigRequest) {
            prop_assert_eq!(&whole, &pieces);
        }
    }

    #[test]
    fn what_is_encoded_is_read_back(
        commands in proptest::collection::vec(
            proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..8), 1..6),
        places in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        stream in prop_oneof![Just(usize::MAX), 1..30usize],
    ) {
        let mut bytes = Vec::new();
        for command in &commands {
            crate::encode::put_command(&mut bytes, command);
        }
        let limits = Limits { stream_from: stream, ..Limits::default() };
        let outcome = feed(limits, true, &cut(&bytes, &places));
        prop_assert_eq!(outcome.error, None);
        prop_assert_eq!(outcome.commands, commands);
    }
}
