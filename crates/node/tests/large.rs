//! Large values in cores: chunks, manifests, what becomes of them when leaders go, and the collector.

mod world;

use model::GroupId;
use model::large::GRACE_MS;
use model::limits::CHUNK;
use world::World;

/// Time after which all nodes have said that they understand large values.
const READY_MS: u64 = 6000;
/// Bytes of the last chunk of the value in these tests, behind one whole chunk.
const TAIL: usize = 10;

fn checksum(bytes: &str) -> String {
    format!("{:08x}", crc32c::crc32c(bytes.as_bytes()))
}

/// A value of two chunks.
fn value(letter: &str) -> String {
    letter.repeat(CHUNK) + &"z".repeat(TAIL)
}

/// Begins an upload; its id and the end of its lease.
fn begin(world: &mut World, node: u64, conn: u64, key: &str) -> (String, String) {
    let begun = world.ask(node, conn, &format!("LARGE BEGIN {key} {} LEASE 2000", CHUNK + TAIL));
    let words: Vec<&str> = begun.split(' ').collect();
    let ["*3", "$32", id, until, size] = words[..] else { panic!("{begun}") };
    assert_eq!(size, format!(":{CHUNK}"));
    (id.to_owned(), until[1..].to_owned())
}

fn write(id: &str, until: &str, number: usize, bytes: &str) -> String {
    format!("LARGE WRITE {id} {number} {until} {} {bytes}", checksum(bytes))
}

fn commit(key: &str, id: &str, value: &str) -> String {
    format!("LARGE COMMIT {key} {id} {} {}", value.len(), checksum(value))
}

/// Uploads a value; its upload.
fn put(world: &mut World, node: u64, conn: u64, key: &str, value: &str) -> String {
    let (id, until) = begin(world, node, conn, key);
    let (first, last) = value.split_at(CHUNK);
    assert_eq!(world.ask(node, conn, &write(&id, &until, 0, first)), "+OK");
    assert_eq!(world.ask(node, conn, &write(&id, &until, 1, last)), "+OK");
    assert_eq!(world.ask(node, conn, &commit(key, &id, value)), "+OK");
    id
}

/// A field of INFO, over all nodes.
fn sum(world: &mut World, field: &str) -> u64 {
    let nodes: Vec<u64> = world.cores.keys().copied().filter(|node| !world.frozen.contains(node)).collect();
    let of = |world: &mut World, node: u64| -> u64 {
        let conn = world.connect(node);
        let info = world.ask(node, conn, "INFO everstore");
        let found = info.split(' ').find_map(|word| word.strip_prefix(field)?.strip_prefix(':'));
        found.expect("the field").parse().expect("a number")
    };
    nodes.into_iter().map(|node| of(world, node)).sum()
}

/// Chunks and uploads, over all nodes, once followers have heard of the last commit.
fn left(world: &mut World) -> (u64, u64) {
    world.run(100);
    (sum(world, "large_chunks"), sum(world, "large_values"))
}

#[test]
fn any_node_reads_and_keeps_the_order_of_replies() {
    let mut world = World::new(3, 4);
    world.run(READY_MS);
    let c = world.connect(1);
    let value = value("a");
    put(&mut world, 1, c, "k", &value);
    assert_eq!(left(&mut world), (6, 3));
    for node in 1..=3 {
        let c = world.connect(node);
        assert_eq!(world.ask(node, c, "STRLEN k"), format!(":{}", value.len()));
        world.send(node, c, &format!("GETRANGE k {} -8", CHUNK - 2));
        world.run(100);
        assert_eq!(world.got(node, c), "$5\r\naazzz\r\n");
        assert_eq!(world.ask(node, c, "GETRANGE k 5 3"), "$0");
        for command in
            ["SET other v", "GETRANGE k 0 2", "GET k", "GET other", "SUBSTR k -2 -1", "CLIENT REPLY SKIP"]
        {
            world.send(node, c, command);
        }
        world.send(node, c, "GET k");
        world.send(node, c, "GET other");
        world.run(500);
        let all =
            format!("+OK\r\n$3\r\naaa\r\n${}\r\n{value}\r\n$1\r\nv\r\n$2\r\nzz\r\n$1\r\nv\r\n", value.len());
        assert!(world.got(node, c) == all, "node {node}");
        world.send(node, c, "MULTI");
        assert_eq!(world.ask(node, c, "GET k"), "+OK +QUEUED");
        let reply = world.ask(node, c, "EXEC");
        assert!(reply.starts_with("*1 -LARGE") && reply.ends_with("it can not be read here"), "{reply}");
        assert_eq!(world.ask(node, c, "MULTI"), "+OK");
        assert!(world.ask(node, c, "LARGE STAT k").starts_with("-ERR Command not allowed inside"));
    }
}

#[test]
fn chunks_wait_for_a_majority_whatever_the_connection_chose() {
    let mut world = World::new(3, 2);
    world.run(READY_MS);
    let c = world.connect(1);
    assert_eq!(world.ask(1, c, "KEYSPACE SET 0 REPLICATION async"), "+OK");
    let (id, until) = begin(&mut world, 1, c, "k");
    world.frozen.extend([2, 3]);
    world.send(1, c, "SET small v");
    world.run(20);
    let early = world.got(1, c);
    world.send(1, c, &write(&id, &until, 0, "abc"));
    world.run(100);
    assert_eq!(world.got(1, c), "", "a chunk is not answered before its commit");
    world.frozen.clear();
    world.run(1000);
    let answered = early + &world.got(1, c);
    assert!(answered.starts_with("+OK\r\n") && answered.ends_with("+OK\r\n"), "{answered}");
    world.frozen.extend([2, 3]);
    world.send(1, c, "LARGE BEGIN other 5");
    world.run(100);
    assert_eq!(world.got(1, c), "", "nor is an upload that chunks could be written for");
}

#[test]
fn an_upload_goes_on_through_the_loss_of_leaders() {
    let mut world = World::new(3, 4);
    world.run(READY_MS);
    let value = value("b");
    let (first, last) = value.split_at(CHUNK);
    for victim in 1..=3 {
        let node = victim % 3 + 1;
        let (c, key) = (world.connect(node), format!("k{victim}"));
        let (id, until) = begin(&mut world, node, c, &key);
        world.send(node, c, &write(&id, &until, 0, first));
        world.run(1);
        world.frozen.insert(victim);
        world.run(700);
        assert_eq!(world.got(node, c), "+OK\r\n");
        assert_eq!(world.ask(node, c, &write(&id, &until, 0, first)), "+OK", "it may be written again");
        assert_eq!(world.ask(node, c, &write(&id, &until, 1, last)), "+OK");
        world.send(node, c, &commit(&key, &id, &value));
        world.run(700);
        assert_eq!(world.got(node, c), "+OK\r\n");
        assert_eq!(world.ask(node, c, &commit(&key, &id, &value)), "+OK", "it may be committed again");
        world.frozen.remove(&victim);
        world.run(1000);
        let c = world.connect(victim);
        world.send(victim, c, &format!("GETRANGE {key} {} -1", CHUNK - 1));
        world.run(100);
        assert_eq!(world.got(victim, c), "$11\r\nbzzzzzzzzzz\r\n");
    }
}

#[test]
fn what_is_good_for_nothing_is_removed_and_nothing_else() {
    let mut world = World::new(3, 4);
    world.run(READY_MS);
    let (c, value) = (world.connect(2), value("c"));
    for key in ["kept", "deleted", "replaced", "expires", "{kept}over"] {
        put(&mut world, 2, c, key, &value);
    }
    let (open, _) = begin(&mut world, 2, c, "open");
    assert_eq!(world.ask(2, c, "SELECT 1"), "+OK");
    put(&mut world, 2, c, "flushed", &value);
    let (late, until) = begin(&mut world, 2, c, "late");
    assert_eq!(world.ask(2, c, &write(&late, &until, 1, "abc")), "+OK");
    assert_eq!(world.ask(2, c, "FLUSHDB"), "+OK");
    let (aborted, until) = begin(&mut world, 2, c, "aborted");
    assert_eq!(world.ask(2, c, &write(&aborted, &until, 0, "abc")), "+OK");
    assert_eq!(world.ask(2, c, &format!("LARGE ABORT aborted {aborted}")), ":1");
    assert_eq!(world.ask(2, c, "SELECT 0"), "+OK");
    assert_eq!(world.ask(2, c, "DEL deleted"), ":1");
    assert_eq!(world.ask(2, c, "SET replaced v"), "+OK");
    assert_eq!(world.ask(2, c, "PEXPIRE expires 10"), ":1");
    assert_eq!(world.ask(2, c, "RENAME kept {kept}over"), "+OK");
    assert_eq!(left(&mut world).1, 9 * 3);
    // The open one is held by its client; what is free stays until nobody can write any more.
    for _ in 0..5 {
        world.run(1000);
        assert!(world.ask(2, c, &format!("LARGE RENEW open {open} 9 LEASE 2000")).starts_with(':'));
    }
    assert_eq!(left(&mut world).0, (6 * 2 + 2) * 3);
    assert!(world.ask(2, c, &commit("late", &late, "abc")).contains("there is no upload"));
    assert!(world.ask(2, c, &write(&late, "1700000000000", 0, "abc")).contains("the lease of upload"));
    for _ in 0..(GRACE_MS / 1000 + 5) {
        world.run(1000);
        world.ask(2, c, &format!("LARGE RENEW open {open} 9 LEASE 2000"));
    }
    assert_eq!(left(&mut world), (2 * 3, 2 * 3), "the renamed value, and the open upload");
    assert_eq!(world.ask(2, c, "GETRANGE {kept}over -3 -1"), "$3 zzz");
    world.run(2000 + GRACE_MS + 3000);
    assert_eq!(left(&mut world), (2 * 3, 3));
}

#[test]
fn a_new_leader_goes_on_with_the_removal() {
    let mut world = World::new(3, 2);
    world.run(READY_MS);
    let (c, value) = (world.connect(1), value("d"));
    put(&mut world, 1, c, "k", &value);
    assert_eq!(world.ask(1, c, "DEL k"), ":1");
    let group = GroupId(1);
    for _ in 0..3 {
        let victim = world.leader(group);
        world.frozen.insert(victim);
        world.run(GRACE_MS / 2);
        world.frozen.remove(&victim);
        world.run(1000);
    }
    world.run(2000);
    assert_eq!(left(&mut world), (0, 0));
}

#[test]
fn chunks_that_are_not_in_memory_are_fetched() {
    let mut world = World::new(3, 2);
    world.keep_rows_on_disk();
    world.run(READY_MS);
    let (c, value) = (world.connect(3), value("e"));
    put(&mut world, 3, c, "k", &value);
    world.checkpoint();
    world.send(3, c, "GET k");
    world.run(500);
    assert!(world.got(3, c) == format!("${}\r\n{value}\r\n", value.len()));
    assert_eq!(world.ask(3, c, "DEL k"), ":1");
    world.checkpoint();
    world.run(2000 + GRACE_MS + 3000);
    assert_eq!(left(&mut world), (0, 0));
}

/// Rows that can not leave memory take more than there is, and less than what makes small commands wait: 8 and 16 MiB more.
#[test]
fn chunks_wait_for_memory_before_small_commands_do() {
    let mut world = World::new(3, 1);
    world.run(READY_MS);
    let (c, other) = (world.connect(1), world.connect(1));
    let key = |n: usize| format!("{n:0>32000}");
    // Names stay in memory.
    for n in 0..400 {
        assert_eq!(world.ask(1, other, &format!("SET {} v", key(n))), "+OK");
    }
    let (id, until) = begin(&mut world, 1, c, "k");
    world.cores.values_mut().for_each(|core| core.set_max_memory(1 << 20));
    world.run(100);
    world.send(1, c, &write(&id, &until, 0, &"w".repeat(CHUNK)));
    world.run(500);
    assert_eq!(world.got(1, c), "", "it waits");
    assert_eq!(world.ask(1, other, "SET small v"), "+OK");
    for n in 0..200 {
        assert_eq!(world.ask(1, other, &format!("DEL {}", key(n))), ":1");
    }
    world.run(200);
    assert_eq!(world.got(1, c), "+OK\r\n", "there is room again");
    for n in 0..200 {
        assert_eq!(world.ask(1, other, &format!("SET {} v", key(n))), "+OK");
    }
    world.send(1, c, &write(&id, &until, 0, &"w".repeat(CHUNK)));
    world.run(5000);
    assert!(world.got(1, c).starts_with("-OOM"), "there was none for long");
}

#[test]
fn a_value_without_one_of_its_chunks_is_an_error_or_ends_the_connection() {
    let mut world = World::new(3, 2);
    world.run(READY_MS);
    let (c, value) = (world.connect(1), value("f"));
    let (id, until) = begin(&mut world, 1, c, "k");
    assert_eq!(world.ask(1, c, &write(&id, &until, 0, &value[..CHUNK])), "+OK");
    assert_eq!(world.ask(1, c, &commit("k", &id, &value)), "+OK");
    let reply = world.ask(1, c, &format!("GETRANGE k {CHUNK} -1"));
    assert!(reply.starts_with("-ERR chunk 1 of the value is gone or damaged"), "{reply}");
    world.send(1, c, "GET k");
    world.run(300);
    let (wire, close) = world.cores.get_mut(&1).unwrap().wire(c).unwrap();
    assert!(close && !wire.ends_with(b"\r\n"), "half a reply, and no more");
}

/// Found by the simulator (seed 1101777): the reply behind a large value that was being read was taken for it.
#[test]
fn who_is_killed_while_a_value_is_read_gets_no_later_reply_in_its_place() {
    let mut world = World::new(3, 4);
    world.run(READY_MS);
    let (c, killer) = (world.connect(1), world.connect(1));
    let value = value("k");
    put(&mut world, 1, c, "k", &value);
    let all = format!("${}\r\n{value}\r\n+PONG\r\n", value.len());
    let mut cut_off = 0;
    for steps in 0..12 {
        let victim = world.connect(1);
        let id = world.ask(1, victim, "CLIENT ID");
        world.send(1, victim, "GET k");
        world.send(1, victim, "PING");
        (0..steps).for_each(|_| world.step());
        assert_eq!(world.ask(1, killer, &format!("CLIENT KILL ID {}", &id[1..])), ":1");
        world.run(200);
        let (wire, close) = world.cores.get_mut(&1).unwrap().wire(victim).unwrap();
        let got = String::from_utf8_lossy(wire);
        assert!(close && all.starts_with(&*got), "after {steps} steps: {:?}", &got[..got.len().min(40)]);
        cut_off += usize::from(got.len() < all.len());
    }
    assert!(cut_off > 0, "none was killed in time");
}

/// SET of a value of so many chunks and some bytes, with options, as bytes on the wire.
fn set(key: &str, value: &str, options: &[&str]) -> Vec<u8> {
    let words = [&["SET", key, value], options].concat();
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    words.iter().for_each(|word| bytes.extend(format!("${}\r\n{word}\r\n", word.len()).bytes()));
    bytes
}

/// Sends bytes in pieces, as far as the node takes them, and runs until a reply is there.
fn feed(world: &mut World, node: u64, conn: u64, bytes: &[u8], piece: usize) -> String {
    let mut kept = 0;
    for piece in bytes.chunks(piece) {
        while world.cores[&node].is_full(conn) {
            world.run(1);
            kept += 1;
            assert!(kept < 20_000, "it is read again");
        }
        let core = world.cores.get_mut(&node).unwrap();
        core.set_now(world.now);
        core.on_data(conn, piece);
    }
    world.run(3000);
    world.got(node, conn)
}

#[test]
fn a_long_value_of_any_client_is_cut_as_it_comes() {
    let mut world = World::new(3, 4);
    world.run(READY_MS);
    let long = "0123456789".repeat(10 * CHUNK / 10) + &value("g");
    for node in 1..=3 {
        let (c, key) = (world.connect(node), format!("k{node}"));
        let options: &[&str] = if node == 2 { &["PX", "100000"] } else { &[] };
        // Behind it comes what must see it.
        let mut bytes = set(&key, &long, options);
        bytes.extend(set("after", "v", &[]));
        bytes.extend(format!("*2\r\n$6\r\nSTRLEN\r\n${}\r\n{key}\r\n", key.len()).bytes());
        for piece in [100_000, 3 * CHUNK, usize::MAX] {
            let got = feed(&mut world, node, c, &bytes, piece.min(bytes.len()));
            assert_eq!(got, format!("+OK\r\n+OK\r\n:{}\r\n", long.len()), "pieces of {piece}");
        }
        assert!(world.ask(node, c, &format!("LARGE STAT {key}")).contains(&checksum(&long)));
        world.send(node, c, &format!("GET {key}"));
        let mut got = String::new();
        for _ in 0..3000 {
            world.run(1);
            got += &world.got(node, c);
        }
        assert!(got == format!("${}\r\n{long}\r\n", long.len()));
        let ttl = world.ask(node, c, &format!("TTL {key}"));
        assert_eq!(ttl == ":-1", node != 2, "{ttl}");
        let got = feed(&mut world, node, c, &set(&key, &long, &["NX"]), CHUNK);
        assert_eq!(got, "$-1\r\n");
        let got = feed(&mut world, node, c, &set(&key, &long, &["GET"]), CHUNK);
        assert_eq!(got, "-ERR syntax error\r\n");
        world.send(node, c, "CLIENT REPLY SKIP");
        assert_eq!(feed(&mut world, node, c, &set(&key, &long, &[]), CHUNK), "");
        assert_eq!(world.ask(node, c, "PING"), "+PONG");
    }
    world.run(8000 + 30_000 + GRACE_MS);
    assert_eq!(left(&mut world), (3 * 12 * 3, 3 * 3), "those that were replaced are gone");
}

#[test]
fn long_values_that_can_not_be_set_are_skipped() {
    let mut world = World::new(3, 2);
    world.run(READY_MS);
    let (c, long) = (world.connect(1), "x".repeat(9 * CHUNK));
    assert_eq!(world.ask(1, c, "LPUSH list v"), ":1");
    let command = |words: &[&str]| {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        words.iter().for_each(|word| bytes.extend(format!("${}\r\n{word}\r\n", word.len()).bytes()));
        bytes
    };
    let ping = command(&["PING"]);
    for (words, error) in [
        (
            &["APPEND", "k", &long][..],
            "-ERR argument of 'append' is longer than 8388608 bytes (max-value); only SET",
        ),
        (&["MSET", "a", &long, "b", &long], "-ERR syntax error"),
        (&["NONSENSE", &long], "-ERR unknown command"),
        (&["SET", "k", &long, "PX", "x"], "-ERR value is not an integer"),
        (&["SET", "k", "v", &long], "-ERR argument of 'set' is longer"),
    ] {
        let bytes = [command(words), ping.clone()].concat();
        let got = feed(&mut world, 1, c, &bytes, CHUNK);
        assert!(got.starts_with(error) && got.ends_with("\r\n+PONG\r\n"), "{got}");
    }
    let bytes = [command(&["MULTI"]), command(&["SET", "k", &long]), command(&["EXEC"])].concat();
    let got = feed(&mut world, 1, c, &bytes, CHUNK);
    assert!(got.starts_with("+OK\r\n-ERR a value above max-value") && got.contains("-EXECABORT"), "{got}");
    assert_eq!(world.ask(1, c, "EXISTS k a b"), ":0");
    // A client that goes in the middle of its value leaves nothing.
    let half = &command(&["SET", "k", &long])[..5 * CHUNK];
    feed(&mut world, 1, c, half, CHUNK);
    world.cores.get_mut(&1).unwrap().on_disconnect(c);
    world.run(30_000 + GRACE_MS + 8000);
    assert_eq!(left(&mut world), (0, 0));
}

#[test]
fn a_long_value_is_set_through_the_loss_of_a_leader() {
    let mut world = World::new(3, 4);
    world.run(READY_MS);
    let (c, long) = (world.connect(1), "y".repeat(20 * CHUNK + TAIL));
    let bytes = set("k", &long, &[]);
    let (first, rest) = bytes.split_at(7 * CHUNK);
    feed(&mut world, 1, c, first, CHUNK);
    world.frozen.insert(2);
    assert_eq!(feed(&mut world, 1, c, rest, CHUNK), "+OK\r\n");
    assert_eq!(world.ask(1, c, "STRLEN k"), format!(":{}", long.len()));
    assert!(world.ask(1, c, "LARGE STAT k").contains(&checksum(&long)));
}

/// The value of a key, read to its end.
fn get(world: &mut World, node: u64, conn: u64, key: &str) -> String {
    world.send(node, conn, &format!("GET {key}"));
    let mut got = String::new();
    for _ in 0..2000 {
        world.run(1);
        got += &world.got(node, conn);
        if let Some((head, rest)) = got.split_once("\r\n")
            && let Some(length) = head.strip_prefix('$')
            && rest.len() == length.parse::<usize>().expect("a length") + 2
        {
            return rest[..rest.len() - 2].to_owned();
        }
    }
    panic!("no whole value: {}", &got[..got.len().min(200)]);
}

/// The value is this one, and the checksum that is known of it is right.
fn is(world: &mut World, node: u64, conn: u64, key: &str, value: &str) {
    assert!(get(world, node, conn, key) == value, "{key}");
    let about = world.ask(node, conn, &format!("LARGE STAT {key}"));
    assert!(about.contains(&format!(" :{} :{CHUNK} $8 {} ", value.len(), checksum(value))), "{about}");
}

#[test]
fn a_large_value_is_changed_in_place() {
    let mut world = World::new(3, 4);
    world.run(READY_MS);
    for node in 1..=3 {
        let (c, key) = (world.connect(node), format!("k{node}"));
        let mut expected = value("h");
        put(&mut world, node, c, &key, &expected);
        assert_eq!(world.ask(node, c, &format!("PEXPIRE {key} 100000")), ":1");
        let upload = world.ask(node, c, &format!("LARGE STAT {key}"))[7..39].to_owned();
        assert_eq!(world.ask(node, c, &format!("SETRANGE {key} 10 abc")), format!(":{}", expected.len()));
        expected.replace_range(10..13, "abc");
        is(&mut world, node, c, &key, &expected);
        assert_eq!(world.ask(node, c, &format!("APPEND {key} tail")), format!(":{}", expected.len() + 4));
        expected += "tail";
        is(&mut world, node, c, &key, &expected);
        let at = CHUNK - 2;
        assert_eq!(world.ask(node, c, &format!("SETRANGE {key} {at} wxyz")), format!(":{}", expected.len()));
        expected.replace_range(at..at + 4, "wxyz");
        is(&mut world, node, c, &key, &expected);
        let far = 3 * CHUNK + 7;
        assert_eq!(world.ask(node, c, &format!("SETRANGE {key} {far} end")), format!(":{}", far + 3));
        expected += &"\0".repeat(far - expected.len());
        expected += "end";
        is(&mut world, node, c, &key, &expected);
        assert_eq!(world.ask(node, c, &format!("PERSIST {key}")), ":1", "it keeps its time");
        assert!(
            !world.ask(node, c, &format!("LARGE STAT {key}"))[40..].contains(&upload),
            "all chunks are new"
        );
        for (command, error) in [
            (format!("SETRANGE {key} 536870911 xy"), "-ERR string exceeds maximum allowed size"),
            (format!("SETRANGE {key} -1 xy"), "-ERR offset is out of range"),
        ] {
            let reply = world.ask(node, c, &command);
            assert!(reply.starts_with(error), "{reply}");
        }
        assert_eq!(world.ask(node, c, &format!("SETRANGE {key} 5 ")), format!(":{}", expected.len()));
        assert_eq!(world.ask(node, c, &format!("APPEND {key} ")), format!(":{}", expected.len()));
        world.ask(node, c, "MULTI");
        world.ask(node, c, &format!("APPEND {key} x"));
        let reply = world.ask(node, c, "EXEC");
        assert!(reply.contains("it can not be changed in a transaction"), "{reply}");
    }
    world.run(30_000 + GRACE_MS + 5000);
    assert_eq!(left(&mut world).0, 3 * 4 * 3, "four chunks of each value are left");
    let c = world.connect(1);
    assert_eq!(world.ask(1, c, "DEL k1 k2 k3"), ":3");
    world.run(30_000 + GRACE_MS + 5000);
    assert_eq!(left(&mut world), (0, 0));
}

#[test]
fn a_string_that_grows_too_long_for_a_row_becomes_a_large_value() {
    let mut world = World::new(3, 2);
    world.run(READY_MS);
    let (c, piece) = (world.connect(1), "p".repeat(3 * CHUNK));
    for n in 1..=4 {
        assert_eq!(world.ask(1, c, &format!("APPEND k {piece}")), format!(":{}", n * piece.len()));
    }
    is(&mut world, 1, c, "k", &piece.repeat(4));
    assert_eq!(world.ask(1, c, &format!("SETRANGE new {} x", 9 * CHUNK)), format!(":{}", 9 * CHUNK + 1));
    is(&mut world, 1, c, "new", &("\0".repeat(9 * CHUNK) + "x"));
    assert_eq!(left(&mut world).0, 3 * (12 + 10));
}

#[test]
fn changes_of_several_clients_are_done_once_and_in_order_through_the_loss_of_leaders() {
    let mut world = World::new(3, 4);
    world.run(READY_MS);
    let first = world.connect(1);
    let start = value("i");
    put(&mut world, 1, first, "k", &start);
    let clients: Vec<u64> = (0..3).map(|_| world.connect(1)).collect();
    // What follows in a connection sees what was before, though that takes a while.
    for (n, client) in clients.iter().enumerate() {
        for round in 0..4 {
            world.send(1, *client, &format!("APPEND k {n}{round}"));
            world.send(1, *client, "STRLEN k");
        }
    }
    for victim in [2, 3] {
        world.run(3);
        world.frozen.insert(victim);
        world.run(700);
        world.frozen.remove(&victim);
        world.run(700);
    }
    world.run(3000);
    let mut replies = Vec::new();
    for client in clients {
        let got = world.got(1, client);
        let lengths: Vec<u64> =
            got.lines().map(|line| line[1..].parse().unwrap_or_else(|_| panic!("a length: {got}"))).collect();
        assert_eq!(lengths.len(), 8);
        assert!(lengths.is_sorted(), "{lengths:?}");
        replies.extend(lengths.iter().step_by(2).copied());
    }
    replies.sort_unstable();
    let all: Vec<u64> = (1..=12).map(|n| (start.len() + 2 * n) as u64).collect();
    assert_eq!(replies, all, "each change was done once");
    let whole = get(&mut world, 1, first, "k");
    let tail = &whole[start.len()..];
    for n in 0..3 {
        let places: Vec<usize> =
            (0..4).map(|round| tail.find(&format!("{n}{round}")).expect("it is there")).collect();
        assert!(places.is_sorted(), "{tail}");
    }
    is(&mut world, 1, first, "k", &whole);
}

#[test]
fn none_is_made_before_all_members_understand_it() {
    let mut world = World::new(3, 2);
    world.run(1000);
    let c = world.connect(1);
    let piece = "q".repeat(5 * CHUNK);
    assert!(world.ask(1, c, "LARGE BEGIN k 5").starts_with("-TRYAGAIN large values can be made when all"));
    assert_eq!(world.ask(1, c, &format!("APPEND k {piece}")), format!(":{}", piece.len()));
    assert!(world.ask(1, c, &format!("APPEND k {piece}")).starts_with("-TRYAGAIN large values"));
    let got = feed(&mut world, 1, c, &set("k", &value("r").repeat(9), &[]), CHUNK);
    assert!(got.starts_with("-TRYAGAIN large values"), "{got}");
    world.run(READY_MS);
    assert_eq!(world.ask(1, c, &format!("APPEND k {piece}")), format!(":{}", 2 * piece.len()));
}
