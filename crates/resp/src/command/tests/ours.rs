//! What Redis's replies cannot show: effects on the node and the connection, and our own choices.

use super::*;
use crate::encode::Proto;
use crate::session::Staleness;
use model::Keyspace;

#[test]
fn select_reset_and_readonly_change_the_connection() {
    let mut client = Client::default();
    client.say("SELECT 7");
    client.say("CLIENT SETNAME me");
    client.say("HELLO 3");
    client.say("READONLY");
    assert_eq!((client.session.keyspace, client.session.proto), (Keyspace(7), Proto::Resp3));
    assert!(client.session.flags.readonly);
    assert_eq!(client.say("RESET"), "+RESET\r\n");
    assert_eq!((client.session.keyspace, client.session.proto), (Keyspace(0), Proto::Resp2));
    assert!(client.session.name.is_empty() && !client.session.flags.readonly);
    client.say("READONLY");
    assert_eq!(client.say("READWRITE"), "+OK\r\n");
    assert!(!client.session.flags.readonly);
}

#[test]
fn readonly_takes_a_bound_of_its_own() {
    let mut client = Client::default();
    for (command, staleness) in [
        ("READONLY", Staleness::Usual),
        ("READONLY max-staleness 10", Staleness::AtMost { ms: 10 }),
        ("READONLY MAX-STALENESS 3600000", Staleness::AtMost { ms: 3_600_000 }),
        ("READONLY stale", Staleness::Any),
        ("READONLY", Staleness::Usual),
    ] {
        assert_eq!(client.say(command), "+OK\r\n", "{command}");
        assert_eq!((client.session.staleness, client.session.flags.readonly), (staleness, true));
    }
    client.say("READWRITE");
    for ms in ["9", "3600001", "-1", "x", "1.5"] {
        assert_eq!(
            client.say(&format!("READONLY MAX-STALENESS {ms}")),
            format!("-ERR max-staleness '{ms}' is not allowed; allowed: 10 to 3600000 (ms)\r\n")
        );
    }
    for command in ["READONLY MAX-STALENESS", "READONLY old", "READONLY STALE now", "READONLY STALE 5"] {
        let syntax = "-ERR syntax error: READONLY [MAX-STALENESS ms | STALE]\r\n";
        assert_eq!(client.say(command), syntax, "{command}");
    }
    assert!(!client.session.flags.readonly, "an error changes nothing");
    client.say("READONLY STALE");
    client.say("RESET");
    assert_eq!((client.session.staleness, client.session.flags.readonly), (Staleness::Usual, false));
}

#[test]
fn hello_tells_role_and_version() {
    let mut client = Client::default();
    let hello = "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:4\r\n\
                 $4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";
    assert_eq!(client.say("HELLO"), hello);
    client.host.follows = true;
    let three = client.say("HELLO 3 SETNAME you");
    assert!(three.starts_with("%7\r\n") && three.contains("$7\r\nreplica\r\n"), "{three}");
    assert_eq!(client.session.name, "you");
    assert_eq!(
        client.say("ROLE"),
        "*5\r\n$5\r\nslave\r\n$8\r\n10.0.0.2\r\n:6379\r\n$9\r\nconnected\r\n:7\r\n"
    );
}

#[test]
fn a_failed_hello_changes_no_protocol() {
    let mut client = Client::default();
    client.host.password = Some(b"secret".to_vec());
    client.session.authenticated = false;
    assert!(client.say("HELLO 3").starts_with("-NOAUTH HELLO must"));
    assert_eq!(client.session.proto, Proto::Resp2);
    assert!(client.say("HELLO 3 AUTH default secret").starts_with("%7"));
    assert_eq!(client.say("RESET"), "+RESET\r\n");
    assert!(!client.session.authenticated);
}

#[test]
fn client_list_is_in_the_order_of_ids_or_as_asked() {
    let mut client = Client::default();
    let ids = |text: &str| -> Vec<String> {
        let fields = text.split_whitespace().filter_map(|word| word.strip_prefix("id="));
        fields.map(String::from).collect()
    };
    assert_eq!(ids(&client.say("CLIENT LIST")), ["3", "4", "5"]);
    assert_eq!(ids(&client.say("CLIENT LIST TYPE normal")), ["3", "4", "5"]);
    assert_eq!(ids(&client.say("CLIENT LIST ID 5 9 3")), ["5", "3"]);
    let info = client.say("CLIENT INFO");
    assert_eq!(ids(&info), ["4"]);
    assert!(info.contains(" cmd=client|info "), "{info}");
    client.say("HELLO 3");
    assert!(client.say("CLIENT INFO").contains("\r\ntxt:id=4 "));
}

#[test]
fn client_kill_closes_whom_the_filters_admit() {
    let mut client = Client::default();
    assert_eq!(client.say("CLIENT KILL 10.0.0.1:1005"), "+OK\r\n");
    assert_eq!(client.host.others.len(), 1);
    assert_eq!(client.say("CLIENT KILL ID 3 ADDR 10.0.0.1:1"), ":0\r\n");
    assert_eq!(client.call(&[b"CLIENT", b"KILL", b"TYPE", b"normal"]), (b":1\r\n".to_vec(), Outcome::Done));
    assert_eq!(client.call(&[b"CLIENT", b"KILL", b"ID", b"4"]), (b":0\r\n".to_vec(), Outcome::Done));
    let args: [&[u8]; 6] = [b"client", b"kill", b"laddr", b"127.0.0.1:6379", b"skipme", b"no"];
    assert_eq!(client.call(&args), (b":1\r\n".to_vec(), Outcome::Close));
    let me: [&[u8]; 3] = [b"client", b"kill", b"10.0.0.1:1004"];
    assert_eq!(client.call(&me), (b"+OK\r\n".to_vec(), Outcome::Close));
}

#[test]
fn client_switches_reach_connection_and_node() {
    let mut client = Client::default();
    for words in [
        "CLIENT NO-EVICT on",
        "CLIENT NO-TOUCH ON",
        "CLIENT SETINFO LIB-NAME py",
        "CLIENT SETINFO lib-ver 1.2",
    ] {
        assert_eq!(client.say(words), "+OK\r\n", "{words}");
    }
    assert!(client.session.flags.no_evict && client.session.flags.no_touch);
    assert_eq!((&*client.session.lib_name, &*client.session.lib_ver), ("py", "1.2"));
    assert_eq!(client.say("CLIENT SETINFO foo x"), "-ERR Unrecognized option 'foo'\r\n");
    let bad: [&[u8]; 4] = [b"CLIENT", b"SETINFO", b"LIB-VER", b"a b"];
    assert_eq!(
        client.call(&bad).0,
        b"-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n"
    );
    client.say("CLIENT PAUSE 250 WRITE");
    assert_eq!(client.host.paused, Some((250, PauseScope::Writes)));
    client.say("CLIENT UNPAUSE");
    assert_eq!(client.host.paused, None);
    client.host.others[0].flags.blocked = true;
    assert_eq!(
        (client.say("CLIENT UNBLOCK 5"), client.say("CLIENT UNBLOCK 3 ERROR")),
        (":1\r\n".into(), ":0\r\n".into())
    );
    assert!(client.say("CLIENT TRACKING ON").starts_with("-ERR CLIENT TRACKING ON is not supported"));
}

#[test]
fn client_reply_silences() {
    let mut client = Client::default();
    assert_eq!(client.say("CLIENT REPLY SKIP"), "");
    assert_eq!((client.say("PING"), client.say("PING")), (String::new(), "+PONG\r\n".into()));
    assert_eq!((client.say("CLIENT REPLY OFF"), client.say("PING")), (String::new(), String::new()));
    assert_eq!(client.say("CLIENT REPLY SKIP"), "");
    assert_eq!((client.say("PING"), client.say("CLIENT REPLY ON")), (String::new(), "+OK\r\n".into()));
    assert_eq!(client.say("PING"), "+PONG\r\n");
}

#[test]
fn config_set_is_all_or_nothing_and_resetstat_reaches_the_node() {
    let mut client = Client::default();
    assert!(client.say("CONFIG SET hz 20 maxmemory x").starts_with("-ERR CONFIG SET failed"));
    assert_eq!(client.host.options["hz"], "10");
    assert_eq!(client.say("CONFIG SET HZ 20 maxmemory 5"), "+OK\r\n");
    assert_eq!(client.say("CONFIG GET *"), "*4\r\n$2\r\nhz\r\n$2\r\n20\r\n$9\r\nmaxmemory\r\n$1\r\n5\r\n");
    assert_eq!((client.say("CONFIG RESETSTAT"), client.host.resets), ("+OK\r\n".into(), 1));
}

#[test]
fn info_shows_the_sections_asked_for() {
    let mut client = Client::default();
    let server = "# Server\r\nabout:Server\r\n";
    let (stats, keys) = ("# Commandstats\r\nabout:Commandstats\r\n", "# Keyspace\r\nabout:Keyspace\r\n");
    let bulk = |text: String| format!("${}\r\n{text}\r\n", text.len());
    assert_eq!(client.say("INFO"), bulk(format!("{server}\r\n{keys}")));
    assert_eq!(client.say("INFO default"), bulk(format!("{server}\r\n{keys}")));
    assert_eq!(client.say("INFO everything"), bulk(format!("{server}\r\n{stats}\r\n{keys}")));
    assert_eq!(client.say("INFO keyspace COMMANDSTATS"), bulk(format!("{stats}\r\n{keys}")));
}

#[test]
fn what_takes_longer_is_left_to_the_node() {
    let mut client = Client::default();
    let mut outcome = |words: &str| {
        let args: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        let (reply, outcome) = client.call(&args);
        (String::from_utf8(reply).expect("text"), outcome)
    };
    assert_eq!(outcome("DEBUG SLEEP 0.25"), (String::new(), Outcome::Sleep { ms: 250 }));
    for bad in ["x", "-1", "inf", "nan", "3601"] {
        let error = "-ERR DEBUG SLEEP takes seconds from 0 to 3600\r\n".to_string();
        assert_eq!(outcome(&format!("DEBUG SLEEP {bad}")), (error, Outcome::Done));
    }
    let shutdown = Outcome::Shutdown { save: Some(false), now: true, force: false };
    assert_eq!(outcome("SHUTDOWN nosave NOW"), (String::new(), shutdown));
    let plain = Outcome::Shutdown { save: None, now: false, force: false };
    assert_eq!(outcome("SHUTDOWN"), (String::new(), plain));
    for words in ["FAILOVER", "KEYSPACE LIST", "EVERSTORE STATUS", "KEYSPACE SET 1 LAYOUT single"] {
        assert_eq!(outcome(words), (String::new(), Outcome::Node), "{words}");
    }
    assert!(outcome("KEYSPACE HELP").0.starts_with("*12\r\n+KEYSPACE <subcommand>"));
    assert!(outcome("EVERSTORE HELP").0.contains("+SWITCHOVER"));
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let mut client = Client::default();
    assert!(client.say("SWAPDB 0 1").starts_with("-ERR SWAPDB is not supported: "));
    assert!(client.say("DEBUG populate 5").starts_with("-ERR DEBUG POPULATE is not supported"));
    assert!(client.say("REPLICAOF 127.0.0.1 6379").starts_with("-ERR REPLICAOF is not supported: "));
    assert!(client.say("GET k").starts_with("-ERR 'get' is not a command of the connection"));
}

#[test]
fn saving_reaches_the_node_and_wrong_words_do_not() {
    let mut client = Client::default();
    for (words, reply) in [
        ("SAVE", "+OK\r\n"),
        ("BGSAVE", "+Background saving started\r\n"),
        ("BGSAVE schedule", "+Background saving started\r\n"),
        ("BGREWRITEAOF", "+Background append only file rewriting started\r\n"),
        ("DEBUG RELOAD NOSAVE", "+OK\r\n"),
        ("DEBUG LOADAOF", "+OK\r\n"),
    ] {
        let before = client.host.saves;
        assert_eq!(client.say(words), reply, "{words}");
        assert_eq!(client.host.saves, before + 1, "{words}");
    }
    let saves = client.host.saves;
    for words in ["BGSAVE now", "BGSAVE SCHEDULE x", "DEBUG RELOAD all", "SAVE x"] {
        assert!(client.say(words).starts_with("-ERR "), "{words}");
    }
    assert_eq!(client.host.saves, saves);
    client.say("DEBUG SET-ACTIVE-EXPIRE 0");
    assert!(!client.host.active_expire);
    client.say("DEBUG SET-ACTIVE-EXPIRE 1");
    assert!(client.host.active_expire);
}

#[test]
fn list_names_what_info_describes() {
    let mut client = Client::default();
    let list = client.say("COMMAND LIST");
    for name in ["get", "client|id", "function|flush", "debug"] {
        assert!(list.contains(&format!("\r\n{name}\r\n")), "{name}");
    }
    assert!(!list.contains("debug|object"), "no command of its own");
}

#[test]
fn time_and_figures_are_shown() {
    let mut client = Client::default();
    assert_eq!(client.say("TIME"), "*2\r\n$10\r\n1700000000\r\n$2\r\n42\r\n");
    assert_eq!(client.say("LASTSAVE"), ":1700000000\r\n");
    assert!(client.say("LOLWUT VERSION 5").contains("Everstore ver. 0.1.0"));
    client.say("HELLO 3");
    let stats = client.say("MEMORY STATS");
    assert!(stats.starts_with("%15\r\n") && stats.contains("$15\r\npeak.percentage\r\n,50\r\n"), "{stats}");
    assert!(client.say("MEMORY DOCTOR").contains("Peak memory"));
}

#[test]
fn slow_log_and_latency_are_shown() {
    let mut client = Client::default();
    client.host.slowlog.note(12_345, 9_000, &[b"GET", b"k"], ("10.0.0.1:1004", ""));
    client.host.slowlog.note(12_346, 9_000, &[b"GET", b"k"], ("10.0.0.1:1004", ""));
    assert_eq!(
        client.say("SLOWLOG GET 1"),
        "*1\r\n*6\r\n:1\r\n:9\r\n:12346\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n$13\r\n10.0.0.1:1004\r\n$0\r\n\r\n"
    );
    assert_eq!((client.say("SLOWLOG LEN"), client.say("SLOWLOG RESET")), (":2\r\n".into(), "+OK\r\n".into()));
    assert_eq!(client.say("SLOWLOG LEN"), ":0\r\n");
    client.host.latency.threshold_ms = 1;
    client.host.latency.note("turn", 5_000, 20);
    assert_eq!(client.say("LATENCY LATEST"), "*1\r\n*4\r\n$4\r\nturn\r\n:5\r\n:20\r\n:20\r\n");
    assert_eq!(client.say("LATENCY HISTORY turn"), "*1\r\n*2\r\n:5\r\n:20\r\n");
    assert!(client.say("LATENCY GRAPH turn").contains("turn - high 20 ms"));
    assert!(client.say("LATENCY DOCTOR").contains("turn: 1 spikes"));
    assert_eq!(client.say("LATENCY RESET turn"), ":1\r\n");
}

#[test]
fn every_front_command_answers() {
    let every = shard::table::commands().iter().flat_map(|c| std::iter::once(c).chain(c.subcommands));
    for spec in every.filter(|c| c.route == shard::table::Route::Front && c.subcommands.is_empty()) {
        let argc = spec.arity.unsigned_abs() as usize;
        let mut args: Vec<&[u8]> = spec.name.split('|').map(str::as_bytes).collect();
        args.resize(argc.max(args.len()), b"1");
        let (reply, outcome) = Client::default().call(&args);
        let text = String::from_utf8_lossy(&reply).into_owned();
        assert!(!text.contains("is not a command of the connection"), "{}: {text}", spec.name);
        let held = !matches!(outcome, Outcome::Done | Outcome::Close);
        assert_eq!(reply.is_empty(), held, "{}: {text}", spec.name);
        let whole = crate::decode::value_len(&reply);
        assert!(held || whole == Ok(Some(reply.len())), "{}: {text}", spec.name);
    }
}

#[test]
fn a_histogram_names_the_commands_that_were_called_and_containers_stand_for_their_subcommands() {
    let mut client = Client::default();
    let spec = |name: &[u8], sub: Option<&[u8]>| shard::table::resolve(name, sub).unwrap();
    let stats = &mut client.host.command_stats;
    stats.called(spec(b"get", None), Some(1_500));
    stats.called(spec(b"get", None), Some(3_000));
    stats.called(spec(b"client", Some(b"id")), Some(100));
    stats.rejected(spec(b"set", None));
    let get = "*4\r\n$5\r\ncalls\r\n:2\r\n$14\r\nhistogram_usec\r\n*4\r\n:2\r\n:1\r\n:4\r\n:2\r\n";
    let id = "$9\r\nclient|id\r\n*4\r\n$5\r\ncalls\r\n:1\r\n$14\r\nhistogram_usec\r\n*2\r\n:1\r\n:1\r\n";
    assert_eq!(client.say("LATENCY HISTOGRAM GET set none"), format!("*2\r\n$3\r\nget\r\n{get}"));
    assert_eq!(client.say("LATENCY HISTOGRAM client"), format!("*2\r\n{id}"));
    assert_eq!(client.say("LATENCY HISTOGRAM"), format!("*4\r\n$3\r\nget\r\n{get}{id}"));
}

#[test]
fn an_option_for_those_who_know_its_name_matches_no_pattern() {
    let mut client = Client::default();
    let delay = "*2\r\n$18\r\nrdb-key-save-delay\r\n$1\r\n0\r\n";
    assert_eq!(client.say("CONFIG GET RDB-key-save-delay"), delay);
    assert_eq!(client.say("CONFIG GET rdb-*"), "*0\r\n");
}
