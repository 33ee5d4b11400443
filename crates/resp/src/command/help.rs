//! `... HELP`: the texts of Redis for what is here, and our own.

use super::{Call, Outcome};
use model::Reply;

pub(super) fn help(call: &mut Call<'_>, container: &str) -> Outcome {
    let lines = lines(container);
    let title = format!(
        "{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        container.to_ascii_uppercase()
    );
    let mut reply = call.reply();
    reply.array(lines.len() + 3);
    reply.status(&title);
    lines.iter().for_each(|line| reply.status(line));
    reply.status("HELP");
    reply.status("    Prints this help.");
    Outcome::Done
}

fn lines(container: &str) -> &'static [&'static str] {
    match container {
        "acl" => ACL,
        "client" => CLIENT,
        "cluster" => CLUSTER,
        "command" => COMMAND,
        "config" => CONFIG,
        "debug" => DEBUG,
        "everstore" => EVERSTORE,
        "keyspace" => KEYSPACE,
        "large" => LARGE,
        "latency" => LATENCY,
        "losses" => LOSSES,
        "memory" => MEMORY,
        "module" => MODULE,
        "object" => OBJECT,
        "slowlog" => SLOWLOG,
        "xinfo" => XINFO,
        _ => &[],
    }
}

const ACL: &[&str] = &[
    "CAT [<category>]",
    "    List all commands that belong to <category>, or all command categories",
    "    when no category is specified.",
    "WHOAMI",
    "    Return the current connection username.",
];

const LOSSES: &[&str] = &[
    "ACKNOWLEDGE <id>",
    "    Remove a loss account of this node.",
    "LIST",
    "    List the loss accounts of this node.",
    "REPLAY <id> [FORCE]",
    "    Give the keys of an account their lost values where they were not changed",
    "    since; with FORCE also where they were, and if the account is undecided.",
    "SHOW <id> [<cursor>]",
    "    Show the effects and keys of an account as lines of JSON, page by page.",
];

const LARGE: &[&str] = &[
    "ABORT <key> <upload>",
    "    Give an upload up.",
    "BEGIN <key> <bytes> [LEASE <ms>]",
    "    Begin to upload a value of at most so many bytes. Return the id of the",
    "    upload, the end of its lease, and the bytes of a chunk.",
    "COMMIT <key> <upload> <bytes> <checksum> [NX|XX] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL]",
    "    Give the key the value that was uploaded.",
    "READ <upload> <number>",
    "    Return checksum and bytes of a chunk, or null.",
    "RENEW <key> <upload> <bytes> [LEASE <ms>]",
    "    Begin the lease anew, for at most so many bytes. Return its end.",
    "STAT <key>",
    "    Return upload, length, bytes of a chunk and checksum of a value, or null.",
    "WRITE <upload> <number> <end of lease> <checksum> <bytes>",
    "    Upload a chunk.",
];

const CLIENT: &[&str] = &[
    "CACHING (YES|NO)",
    "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
    "GETREDIR",
    "    Return the client ID we are redirecting to when tracking is enabled.",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made from the specified address",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made to specified local address",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Kill connections by type.",
    "    * USER <username>",
    "      Kill connections authenticated by <username>.",
    "    * SKIPME (YES|NO)",
    "      Skip killing current connection (default: yes).",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "UNPAUSE",
    "    Stop the current client pause, resuming traffic.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Suspend all, or just write, clients for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "REPLICATION (FOLLOW|SYNC|ASYNC)",
    "    When writes of this connection are answered: as the keyspace says, when they",
    "    are committed, or before where the keyspace allows it.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Unblock the specified blocked client.",
    "TRACKING OFF",
    "    Accepted; tracking is always off.",
    "TRACKINGINFO",
    "    Report tracking status for the current connection.",
    "NO-EVICT (ON|OFF)",
    "    Protect current client connection from eviction.",
    "NO-TOUCH (ON|OFF)",
    "    Will not touch idle times of keys when set on.",
    "SETINFO (LIB-NAME|LIB-VER) <value>",
    "    Set the name or the version of the client's library.",
];

const CLUSTER: &[&str] = &[
    "COUNT-FAILURE-REPORTS <node-id>",
    "    Return number of failure reports for <node-id>.",
    "COUNTKEYSINSLOT <slot>",
    "    Return the number of keys in <slot>.",
    "GETKEYSINSLOT <slot> <count>",
    "    Return key names in a slot.",
    "INFO",
    "    Return information about the cluster.",
    "KEYSLOT <key>",
    "    Return the hash slot for <key>.",
    "LINKS",
    "    Return information about all network links between this node and its peers.",
    "    Output format is an array where each array element is a map containing attributes of a link",
    "MYID",
    "    Return the node id.",
    "MYSHARDID",
    "    Return the node's shard id.",
    "NODES",
    "    Return cluster configuration seen by node. Output format:",
    "    <id> <ip:port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
    "REPLICAS <node-id>",
    "    Return <node-id> replicas.",
    "SHARDS",
    "    Return information about slot range mappings and the nodes associated with them.",
    "SLOTS",
    "    Return information about slots range mappings. Each range is made of:",
    "    start, end, master and replicas IP addresses, ports and ids",
];

const COMMAND: &[&str] = &[
    "(no subcommand)",
    "    Return details about all Redis commands.",
    "COUNT",
    "    Return the total number of commands in this Redis server.",
    "LIST",
    "    Return a list of all commands in this Redis server.",
    "INFO [<command-name> ...]",
    "    Return details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "DOCS [<command-name> ...]",
    "    Return documentation details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "GETKEYS <full-command>",
    "    Return the keys from a full Redis command.",
    "GETKEYSANDFLAGS <full-command>",
    "    Return the keys and the access flags from a full Redis command.",
];

const CONFIG: &[&str] = &[
    "GET <pattern>",
    "    Return parameters matching the glob-like <pattern> and their values.",
    "SET <directive> <value>",
    "    Set the configuration <directive> to <value>.",
    "RESETSTAT",
    "    Reset statistics reported by the INFO command.",
    "REWRITE",
    "    Rewrite the configuration file.",
];

const MODULE: &[&str] = &["LIST", "    Return a list of loaded modules: there are none."];

const DEBUG: &[&str] = &[
    "DIGEST-VALUE <key> [<key> ...]",
    "    Return a signature of the value of each key, equal for equal values.",
    "ERROR <string>",
    "    Return a Redis protocol error with <string> as message. Useful for clients",
    "    unit tests to simulate Redis errors.",
    "LOG <message>",
    "    Write <message> to the node's log.",
    "OBJECT <key>",
    "    Show what is known of a key and its value.",
    "PROTOCOL <type>",
    "    Reply with a test value of the specified type. <type> can be: string,",
    "    integer, double, bignum, null, array, set, map, attrib, push, verbatim,",
    "    true, false.",
    "RELOAD [option ...]",
    "    Begin checkpoints of everything on the node. Nothing is loaded: what a node",
    "    has in memory is what it would load.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Setting it to 0 has the node delete expired keys only when they are asked",
    "    for, 1 also before.",
    "SLEEP <seconds>",
    "    Answer after <seconds>. Decimals allowed. Only this connection waits.",
];

const EVERSTORE: &[&str] = &[
    "NODE (DRAIN|REMOVE) <number> [FORCE]",
    "    Have the node give up its replicas; remove it once it has none.",
    "NODE UNDRAIN <number>",
    "    Let the node have replicas again.",
    "NODE REPLACE <number> <number>",
    "    Have the second node take the place of the first.",
    "PLAN",
    "    Return which shards are to move and why.",
    "REPLICAS <number>",
    "    Change how many replicas each shard should have.",
    "SCRUB",
    "    Begin to read everything on the disk of the node, to find damage.",
    "STATUS [TEXT|JSON]",
    "    Return nodes, shards, keyspaces and what is wrong.",
    "SWITCHOVER (NODE|SHARD) <number>",
    "    Hand over what the node leads, or the shard.",
    "VERSION",
    "    Return the version of the node.",
];

const KEYSPACE: &[&str] = &[
    "GET <number>",
    "    Return the options of the keyspace.",
    "LIST",
    "    Return all keyspaces with their options.",
    "SET <number> LAYOUT (SINGLE|SPREAD)",
    "    Change the layout of the keyspace; it must be empty.",
    "SET <number> [REPLICATION (SYNC|ASYNC)] [MAX-EXPOSURE-BYTES <n>]",
    "    [MAX-EXPOSURE-MS <n>] [ALLOW-ASYNC (YES|NO)]",
    "    Change when the writes of the keyspace are answered.",
];

const LATENCY: &[&str] = &[
    "DOCTOR",
    "    Return a human readable latency analysis report.",
    "GRAPH <event>",
    "    Return an ASCII latency graph for the <event> class.",
    "HISTORY <event>",
    "    Return time-latency samples for the <event> class.",
    "LATEST",
    "    Return the latest latency samples for all events.",
    "RESET [<event> ...]",
    "    Reset latency data of one or more <event> classes.",
    "    (default: reset all data for all event classes)",
    "HISTOGRAM [COMMAND ...]",
    "    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
    "    If no commands are specified then all histograms are replied.",
];

const MEMORY: &[&str] = &[
    "DOCTOR",
    "    Return memory problems reports.",
    "MALLOC-STATS",
    "    Return internal statistics report from the memory allocator.",
    "PURGE",
    "    Attempt to purge dirty pages for reclamation by the allocator.",
    "STATS",
    "    Return information about the memory usage of the server.",
    "USAGE <key> [SAMPLES <count>]",
    "    Return memory in bytes used by <key> and its value. Nested values are",
    "    sampled up to <count> times (default: 5, 0 means sample all).",
];

const OBJECT: &[&str] = &[
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
];

const SLOWLOG: &[&str] = &[
    "GET [<count>]",
    "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
    "    Entries are made of:",
    "    id, timestamp, time in microseconds, arguments array, client IP and port,",
    "    client name",
    "LEN",
    "    Return the length of the slowlog.",
    "RESET",
    "    Reset the slowlog.",
];

const XINFO: &[&str] = &[
    "GROUPS <key>",
    "    Show the stream consumer groups.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Show information about the stream.",
];
