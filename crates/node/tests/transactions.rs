//! MULTI, EXEC, DISCARD, WATCH and UNWATCH on three cores.

mod world;

use model::GroupId;
use world::World;

const SHARD: GroupId = GroupId(1);

/// A cluster of one shard, its leader and another node.
fn start() -> (World, u64, u64) {
    let mut world = World::new(3, 1);
    world.run(1000);
    let leader = world.leader(SHARD);
    let other = (1..=3).find(|node| *node != leader).unwrap();
    (world, leader, other)
}

/// What a node answers to commands, one after the other.
fn say(world: &mut World, node: u64, conn: u64, script: &[(&str, &str)]) {
    for (command, reply) in script {
        assert_eq!(&world.ask(node, conn, command), reply, "{command}");
    }
}

/// A transaction of these commands.
fn send_all(world: &mut World, node: u64, conn: u64, commands: &[&str]) {
    commands.iter().for_each(|command| world.send(node, conn, command));
}

#[test]
fn a_transaction_is_answered_as_one_array_here_and_through_another_node() {
    let (mut world, leader, other) = start();
    for node in [leader, other] {
        let c = world.connect(node);
        say(
            &mut world,
            node,
            c,
            &[
                ("SET {a}n 5", "+OK"),
                ("MULTI", "+OK"),
                ("SET {a}1 x", "+QUEUED"),
                ("INCR {a}1", "+QUEUED"),
                ("INCR {a}n", "+QUEUED"),
                ("MGET {a}1 {a}n {a}none", "+QUEUED"),
                ("DEL {a}1", "+QUEUED"),
                ("EXEC", "*5 +OK -ERR value is not an integer or out of range :6 *3 $1 x $1 6 $-1 :1"),
                ("EXISTS {a}1", ":0"),
                ("GET {a}n", "$1 6"),
                ("EXEC", "-ERR EXEC without MULTI"),
                ("DISCARD", "-ERR DISCARD without MULTI"),
                ("MULTI", "+OK"),
                ("EXEC", "*0"),
                ("MULTI", "+OK"),
                ("MULTI", "-ERR MULTI calls can not be nested"),
                ("WATCH x", "-ERR WATCH inside MULTI is not allowed"),
                ("INCR {a}n", "+QUEUED"),
                ("DISCARD", "+OK"),
                ("GET {a}n", "$1 6"),
            ],
        );
    }
}

#[test]
fn hello_wait_and_sleep_are_queued_and_what_follows_a_hello_is_answered_in_its_protocol() {
    let (mut world, leader, other) = start();
    for node in [leader, other] {
        let c = world.connect(node);
        let before = [
            ("DEL {a}h", if node == leader { ":0" } else { ":1" }),
            ("HSET {a}h f v", ":1"),
            ("MULTI", "+OK"),
            ("HGETALL {a}h", "+QUEUED"),
            ("HELLO 3 SETNAME me", "+QUEUED"),
            ("HGETALL {a}h", "+QUEUED"),
            ("WAIT 1 0", "+QUEUED"),
            ("DEBUG SLEEP 0.3", "+QUEUED"),
            ("WAIT x 0", "+QUEUED"),
        ];
        say(&mut world, node, c, &before);
        let began_ms = world.now.wall_ms;
        let reply = world.ask(node, c, "EXEC");
        let slept_ms = world.now.wall_ms - began_ms;
        assert!(slept_ms >= 300, "it slept for {slept_ms} ms");
        assert!(reply.starts_with("*6 *2 $1 f $1 v %7 $6 server $5 redis"), "{reply}");
        assert!(
            reply.ends_with("*0 %1 $1 f $1 v :0 +OK -ERR value is not an integer or out of range"),
            "{reply}"
        );
        say(
            &mut world,
            node,
            c,
            &[
                ("GET {a}none", "_"),
                ("CLIENT GETNAME", "$2 me"),
                ("MULTI", "+OK"),
                ("HELLO 9", "+QUEUED"),
                ("GET {a}none", "+QUEUED"),
                ("EXEC", "*2 -NOPROTO unsupported protocol version _"),
                ("MULTI", "+OK"),
                ("HELLO 2", "+QUEUED"),
                ("DEBUG SLEEP 0.1", "+QUEUED"),
                ("DISCARD", "+OK"),
                ("GET {a}none", "_"),
                ("MULTI", "+OK"),
                ("DEBUG SLEEP 0.1", "+QUEUED"),
                ("PING", "+QUEUED"),
                ("EXEC", "*2 +OK +PONG"),
            ],
        );
    }
}

#[test]
fn a_node_that_was_left_no_memory_refuses_at_once_what_needs_some() {
    let (mut world, leader, other) = start();
    let oom = "OOM command not allowed when used memory > 'maxmemory'";
    for node in [leader, other] {
        let c = world.connect(node);
        say(&mut world, node, c, &[("SET {a}k 1", "+OK"), ("MULTI", "+OK"), ("SET {a}k 2", "+QUEUED")]);
        let set = |world: &mut World, none| world.cores.get_mut(&node).unwrap().set_no_memory(none);
        set(&mut world, true);
        let reply = world.ask(node, c, "EXEC");
        assert!(reply.starts_with(&format!("-EXECABORT Transaction discarded because of: {oom}")), "{reply}");
        assert!(world.ask(node, c, "SET {a}k 3").starts_with(&format!("-{oom}")));
        say(&mut world, node, c, &[("GET {a}k", "$1 1"), ("MULTI", "+OK")]);
        assert!(world.ask(node, c, "SET {a}k 4").starts_with(&format!("-{oom}")));
        set(&mut world, false);
        let aborted = "-EXECABORT Transaction discarded because of previous errors.";
        say(&mut world, node, c, &[("EXEC", aborted), ("SET {a}k 5", "+OK"), ("DEL {a}k", ":1")]);
    }
}

#[test]
fn what_can_not_be_queued_spoils_the_transaction() {
    let (mut world, _, node) = start();
    let c = world.connect(node);
    let aborted = "-EXECABORT Transaction discarded because of previous errors.";
    for (bad, reply) in [
        ("SET k", "-ERR wrong number of arguments for 'set' command"),
        ("FOO", "-ERR unknown command 'FOO', with args beginning with:"),
        ("SHUTDOWN", "-ERR Command not allowed inside a transaction"),
        ("FAILOVER", "-ERR Command not allowed inside a transaction"),
        ("HELLO 3 AUTH default x", "-ERR Command not allowed inside a transaction"),
    ] {
        say(
            &mut world,
            node,
            c,
            &[
                ("MULTI", "+OK"),
                ("SET k 1", "+QUEUED"),
                (bad, reply),
                ("SET k 2", "+QUEUED"),
                ("EXEC", aborted),
            ],
        );
    }
    for bad in
        ["SET {other}k 1", "MGET {k}1 {k}2 {m}1", "DBSIZE", "KEYS *", "SCAN 0", "FLUSHALL", "COPY k k DB 2"]
    {
        say(&mut world, node, c, &[("MULTI", "+OK"), ("SET k 1", "+QUEUED")]);
        let reply = world.ask(node, c, bad);
        if bad.starts_with("COPY") {
            assert_eq!(reply, "+QUEUED", "both keyspaces are spread");
            assert_eq!(world.ask(node, c, "DISCARD"), "+OK");
        } else {
            assert!(reply.starts_with("-CROSSSLOT "), "{bad}: {reply}");
            assert_eq!(world.ask(node, c, "EXEC"), aborted);
        }
    }
    say(
        &mut world,
        node,
        c,
        &[
            (
                "EXEC now",
                "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command",
            ),
            ("EXISTS k", ":0"),
        ],
    );
}

#[test]
fn a_single_keyspace_takes_any_command_and_the_front_answers_its_own_in_their_places() {
    let mut world = World::new(3, 4);
    world.run(1000);
    let c = world.connect(2);
    say(
        &mut world,
        2,
        c,
        &[
            ("KEYSPACE SET 3 LAYOUT single", "+OK"),
            ("SELECT 3", "+OK"),
            ("MSET a 1 b 2 c 3", "+OK"),
            ("MULTI", "+OK"),
            ("PING", "+QUEUED"),
            ("DBSIZE", "+QUEUED"),
            ("ECHO hello", "+QUEUED"),
            ("DEL a b", "+QUEUED"),
            ("KEYS *", "+QUEUED"),
            ("SCAN 0", "+QUEUED"),
            ("RANDOMKEY", "-ERR one transaction may have one KEYS or RANDOMKEY"),
            ("EXEC", "-EXECABORT Transaction discarded because of previous errors."),
            ("MULTI", "+OK"),
            ("PING", "+QUEUED"),
            ("DBSIZE", "+QUEUED"),
            ("ECHO hello", "+QUEUED"),
            ("DEL a b", "+QUEUED"),
            ("KEYS *", "+QUEUED"),
            ("SCAN 0", "+QUEUED"),
            ("FLUSHDB", "+QUEUED"),
            ("UNWATCH", "+QUEUED"),
            ("EXEC", "*8 +PONG :3 $5 hello :2 *1 $1 c *2 $1 0 *1 $1 c +OK +OK"),
            ("MULTI", "+OK"),
            ("SET a 1", "+QUEUED"),
            ("SELECT 0", "+QUEUED"),
            ("PING", "+QUEUED"),
            ("EXEC", "*3 +OK +OK +PONG"),
            ("EXISTS a", ":0"),
            ("SELECT 3", "+OK"),
            ("GET a", "$1 1"),
        ],
    );
}

#[test]
fn watched_keys_that_change_abort_and_others_do_not() {
    let (mut world, leader, other) = start();
    for node in [leader, other] {
        let (c, d) = (world.connect(node), world.connect(3));
        for (before, change, runs) in [
            ("SET {w}k 1", "SET {w}other 2", true),
            ("SET {w}k 1", "SET {w}k 1", false),
            ("SET {w}k 1", "DEL {w}k", false),
            ("SET {w}k 1", "EXPIRE {w}k 100", false),
            ("SET {w}k 1", "APPEND {w}k x", false),
            ("SET {w}k 1", "GET {w}k", true),
            ("SET {w}k 1", "SETNX {w}k 2", true),
            ("SET {w}k 1", "INCRBYFLOAT {w}k x", true),
            ("SET {w}k 1", "FLUSHDB", false),
            ("DEL {w}k", "FLUSHDB", true),
            ("DEL {w}k", "SET {w}k 1", false),
            ("DEL {w}k", "DEL {w}k", true),
            ("SET {w}k 1 PX 200", "SLOW", false),
        ] {
            world.ask(node, c, before);
            assert_eq!(world.ask(node, c, "WATCH {w}k {w}k"), "+OK");
            if change == "SLOW" {
                world.run(500);
            } else {
                world.ask(3, d, change);
            }
            say(&mut world, node, c, &[("MULTI", "+OK"), ("SET {w}done 1", "+QUEUED")]);
            let reply = world.ask(node, c, "EXEC");
            assert_eq!(reply, if runs { "*1 +OK" } else { "*-1" }, "{before}, {change}");
            world.ask(node, c, "UNWATCH");
        }
    }
}

#[test]
fn watching_ends_with_a_transaction_and_sees_a_key_that_came_and_went() {
    let (mut world, leader, other) = start();
    for node in [leader, other] {
        let (c, d) = (world.connect(node), world.connect(3));
        // A key that comes and goes, and one that is expired when it is watched.
        world.ask(node, c, "DEL {w}k");
        world.ask(node, c, "WATCH {w}k");
        say(&mut world, 3, d, &[("SET {w}k 1", "+OK"), ("DEL {w}k", ":1")]);
        say(&mut world, node, c, &[("MULTI", "+OK"), ("EXEC", "*-1")]);
        world.ask(node, c, "WATCH {w}k");
        say(&mut world, 3, d, &[("SET {w}k 1", "+OK"), ("FLUSHDB", "+OK")]);
        say(&mut world, node, c, &[("MULTI", "+OK"), ("EXEC", "*-1")]);
        world.ask(node, c, "SET {w}k 1 PX 5");
        world.run(100);
        say(&mut world, node, c, &[("WATCH {w}k", "+OK"), ("MULTI", "+OK"), ("EXEC", "*0")]);
        // The own write of the connection counts; after UNWATCH, DISCARD and EXEC nothing is watched.
        say(
            &mut world,
            node,
            c,
            &[
                ("WATCH {w}k", "+OK"),
                ("SET {w}k 7", "+OK"),
                ("MULTI", "+OK"),
                ("GET {w}k", "+QUEUED"),
                ("EXEC", "*-1"),
                ("WATCH {w}k", "+OK"),
                ("SET {w}k 8", "+OK"),
                ("UNWATCH", "+OK"),
                ("MULTI", "+OK"),
                ("GET {w}k", "+QUEUED"),
                ("EXEC", "*1 $1 8"),
                ("WATCH {w}k", "+OK"),
                ("MULTI", "+OK"),
                ("DISCARD", "+OK"),
                ("SET {w}k 9", "+OK"),
                ("MULTI", "+OK"),
                ("PING", "+QUEUED"),
                ("EXEC", "*1 +PONG"),
                ("WATCH {w}k", "+OK"),
                ("SET {w}k 9", "+OK"),
                ("MULTI", "+OK"),
                ("PING", "+QUEUED"),
                ("SELECT 5", "+QUEUED"),
                ("EXEC", "*-1"),
                ("GET {w}k", "$1 9"),
                ("WATCH {w}k {other}k", &crossslot()),
                ("WATCH {w}k", "+OK"),
                ("WATCH {other}k", &crossslot()),
                ("MULTI", "+OK"),
                ("SET {other}k 1", &crossslot()),
                ("RESET", "+RESET"),
                ("EXEC", "-ERR EXEC without MULTI"),
            ],
        );
    }
}

/// The words of a line of the script; what is quoted is empty.
fn words(line: &str) -> String {
    line.replace("\"\"", "")
}

/// A reply as the script shows it.
fn quoted(reply: &str) -> String {
    let escaped = reply.replace('\\', "\\\\").replace('"', "\\\"").replace('\r', "\\r").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

#[test]
fn replies_are_those_of_redis() {
    let (mut world, leader, other) = start();
    for node in [leader, other] {
        let lines = include_str!("../../resp/tests/golden/transactions-7.0.15.txt");
        let mut lines = lines.lines().filter(|line| !line.starts_with('#'));
        let (mut conns, mut wrong, mut checked) = ([0; 3], Vec::new(), 0);
        while let Some(line) = lines.next() {
            if line.starts_with("reset>") {
                let c = world.connect(node);
                assert_eq!(world.ask(node, c, "FLUSHALL"), "+OK");
                conns = [0; 3];
                continue;
            }
            let (number, command) = line.split_once("> ").expect("the number of a connection");
            let conn = &mut conns[number.parse::<usize>().unwrap()];
            if *conn == 0 {
                *conn = world.connect(node);
            }
            world.send(node, *conn, &words(command));
            world.run(20);
            let (got, expected) = (quoted(&world.got(node, *conn)), lines.next().expect("a reply"));
            checked += 1;
            if got != expected && !command.starts_with("HELLO") {
                wrong.push(format!("{number}> {command}: {got}, Redis {expected}"));
            }
        }
        assert!(wrong.is_empty() && checked > 150, "{checked} checked\n{}", wrong.join("\n"));
    }
}

fn crossslot() -> String {
    "-CROSSSLOT Keys in request don't hash to the same slot (keyspace 0 is spread over all shards: use hash tags \
     like {user}:a {user}:b, or a keyspace of layout single)"
        .to_owned()
}

#[test]
fn a_pipeline_in_one_turn_is_no_conflict_with_itself() {
    let (mut world, leader, other) = start();
    for node in [leader, other] {
        let c = world.connect(node);
        let pipeline = ["SET {p}k 1", "WATCH {p}k {p}no", "MULTI", "INCR {p}k", "PING", "EXEC", "GET {p}k"];
        send_all(&mut world, node, c, &pipeline);
        world.run(50);
        let got = world.got(node, c).replace("\r\n", " ");
        assert_eq!(got, "+OK +OK +OK +QUEUED +QUEUED *2 :2 +PONG $1 2 ");
        // A change in the same turn, after the look, is seen.
        send_all(&mut world, node, c, &["WATCH {p}k", "INCR {p}k", "MULTI", "INCR {p}k", "EXEC", "GET {p}k"]);
        world.run(50);
        let got = world.got(node, c).replace("\r\n", " ");
        assert_eq!(got, "+OK :3 +OK +QUEUED *-1 $1 3 ");
    }
}

#[test]
fn watch_aborts_across_a_change_of_leaders() {
    let (mut world, leader, other) = start();
    let c = world.connect(other);
    say(&mut world, other, c, &[("SET k 1", "+OK"), ("WATCH k", "+OK")]);
    world.frozen.insert(leader);
    world.run(1000);
    say(
        &mut world,
        other,
        c,
        &[("MULTI", "+OK"), ("SET k 2", "+QUEUED"), ("EXEC", "*-1"), ("GET k", "$1 1")],
    );
    say(
        &mut world,
        other,
        c,
        &[
            ("WATCH k", "+OK"),
            ("MULTI", "+OK"),
            ("SET k 2", "+QUEUED"),
            ("EXEC", "*1 +OK"),
            ("GET k", "$1 2"),
        ],
    );
}

#[test]
fn a_transaction_is_done_once_or_not_at_all_when_its_leader_is_lost() {
    let (mut world, mut leader, _) = start();
    let mut total = 0;
    for round in 0..12u64 {
        let node = (1..=3).find(|node| *node != leader).unwrap();
        let c = world.connect(node);
        send_all(&mut world, node, c, &["MULTI", "INCR {t}a", "INCRBY {t}b 10", "APPEND {t}c x", "EXEC"]);
        total += 1;
        for _ in 0..round {
            world.step();
        }
        world.frozen.insert(leader);
        world.run(1500);
        let got = world.got(node, c).replace("\r\n", " ");
        let exec = format!("+OK +QUEUED +QUEUED +QUEUED *3 :{total} :{} :{total} ", total * 10);
        assert_eq!(got, exec, "round {round}");
        world.frozen.clear();
        world.run(1500);
        leader = world.leader(SHARD);
        let c = world.connect(leader);
        let got = world.ask(leader, c, "MGET {t}a {t}b");
        let (a, b) = (total.to_string(), (total * 10).to_string());
        assert_eq!(got, format!("*2 ${} {a} ${} {b}", a.len(), b.len()));
    }
}

#[test]
fn a_transaction_executed_here_runs_on_the_next_leader_if_its_entry_is_lost() {
    let (mut world, leader, _) = start();
    let c = world.connect(leader);
    say(&mut world, leader, c, &[("SET {t}a 1", "+OK"), ("WATCH {t}a", "+OK"), ("MULTI", "+OK")]);
    say(&mut world, leader, c, &[("INCR {t}a", "+QUEUED")]);
    let d = world.connect(leader);
    // Nobody else hears of the entries.
    let others: Vec<u64> = (1..=3).filter(|node| *node != leader).collect();
    world.late.extend(others.iter().flat_map(|other| [(leader, *other), (*other, leader)]));
    send_all(&mut world, leader, d, &["MULTI", "INCR {t}a", "INCR {t}b", "EXEC"]);
    world.step();
    send_all(&mut world, leader, c, &["EXEC"]);
    world.run(1500);
    assert_eq!(world.got(leader, c), "");
    world.late.clear();
    world.run(1500);
    assert_eq!(world.got(leader, c), "*-1\r\n", "watched under another leader");
    let got = world.got(leader, d).replace("\r\n", " ");
    assert_eq!(got, "+OK +QUEUED +QUEUED *2 :2 :1 ");
}

#[test]
fn cold_rows_are_fetched_and_the_whole_runs_again() {
    let mut world = World::new(3, 1);
    world.keep_rows_on_disk();
    world.run(1000);
    let leader = world.leader(SHARD);
    for node in [leader, 1 + leader % 3] {
        let (c, d) = (world.connect(node), world.connect(node));
        say(&mut world, node, c, &[("MSET {c}1 1 {c}2 2 {c}3 3 {c}4 x", "+OK")]);
        world.checkpoint();
        send_all(
            &mut world,
            node,
            c,
            &["MULTI", "SET {c}new 1", "INCR {c}1", "INCR {c}4", "MGET {c}2 {c}3", "EXEC"],
        );
        world.run(50);
        let got = world.got(node, c).replace("\r\n", " ");
        assert!(
            got.ends_with("*4 +OK :2 -ERR value is not an integer or out of range *2 $1 2 $1 3 "),
            "{got}"
        );
        // A watched row that was changed, left memory and came back has changed.
        world.checkpoint();
        assert_eq!(world.ask(node, c, "WATCH {c}1 {c}2"), "+OK");
        assert_eq!(world.ask(node, d, "INCR {c}2"), ":3");
        world.checkpoint();
        say(&mut world, node, c, &[("MULTI", "+OK"), ("GET {c}1", "+QUEUED"), ("EXEC", "*-1")]);
        assert_eq!(world.ask(node, c, "WATCH {c}1 {c}2"), "+OK");
        world.checkpoint();
        say(&mut world, node, c, &[("MULTI", "+OK"), ("GET {c}1", "+QUEUED"), ("EXEC", "*1 $1 2")]);
    }
}

#[test]
fn sizes_are_bounded_with_an_error_that_names_the_bound() {
    let (mut world, leader, _) = start();
    let c = world.connect(leader);
    let aborted = "-EXECABORT Transaction discarded because of previous errors.";
    assert_eq!(world.ask(leader, c, "MULTI"), "+OK");
    let value = "v".repeat(6 << 20);
    assert_eq!(world.ask(leader, c, &format!("SET big {value}")), "+QUEUED");
    let reply = world.ask(leader, c, &format!("SET big {value}"));
    assert!(reply.contains("bytes, at most 11533312 are allowed"), "{reply}");
    assert_eq!(world.ask(leader, c, "EXEC"), aborted);
    // What its commands change and answer, which is more than they say.
    say(
        &mut world,
        leader,
        c,
        &[(&format!("SET {{b}}1 {value}"), "+OK"), ("MULTI", "+OK"), ("SET {b}0 1", "+QUEUED")],
    );
    for n in 2..5 {
        assert_eq!(world.ask(leader, c, &format!("BITOP OR {{b}}{n} {{b}}1")), "+QUEUED");
    }
    let reply = world.ask(leader, c, "EXEC");
    assert!(
        reply.starts_with("-EXECABORT ") && reply.contains("changes take more than 12582912 bytes"),
        "{reply}"
    );
    assert_eq!(world.ask(leader, c, "EXISTS {b}0 {b}1 {b}2"), ":1", "nothing of it was done");
    say(&mut world, leader, c, &[("MULTI", "+OK"), ("SET {b}0 1", "+QUEUED")]);
    for _ in 0..3 {
        assert_eq!(world.ask(leader, c, "GET {b}1"), "+QUEUED");
    }
    let reply = world.ask(leader, c, "EXEC");
    assert!(reply.contains("replies take more than 16777216 bytes"), "{reply}");
    assert_eq!(world.ask(leader, c, "EXISTS {b}0"), ":0");
    assert_eq!(world.ask(leader, c, "MULTI"), "+OK");
    for _ in 0..16_384 {
        world.send(leader, c, "PING");
    }
    let reply = world.ask(leader, c, "PING");
    assert!(reply.ends_with("-ERR transaction of more than 16384 commands, at most so many are allowed"));
    assert_eq!(world.ask(leader, c, "EXEC"), aborted);
}
