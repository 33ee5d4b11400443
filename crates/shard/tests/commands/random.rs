//! Random commands that try every option with every kind of argument, likely and unlikely ones.

/// A generator with a state of 64 bits; the same seed gives the same commands.
pub struct Random(u64);

const VALUES: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "10",
    "007",
    "9223372036854775807",
    "-9223372036854775808",
    "3.5",
    "-0",
    "1e3",
    "0.1",
    "hello",
    "ohmytext",
    "mynewtext",
    "a b",
    "x\r\ny",
    "9999999999999999999",
    "1.7976931348623157",
    "abcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabc",
];
const INTS: &[&str] = &[
    "0",
    "1",
    "2",
    "-1",
    "-2",
    "5",
    "100",
    "-100",
    "9223372036854775807",
    "-9223372036854775808",
    "x",
    "1.5",
    "",
    "+1",
];
const FLOATS: &[&str] = &[
    "0.1",
    "1.5",
    "-1.5",
    "3",
    "1e5",
    "1e-5",
    "-0.3",
    "inf",
    "nan",
    "1e400",
    "x",
    " 1",
    "0x1p-3",
    "12345.678",
];
/// Times that are over at once or stay for the whole test, in any unit from now.
const TIMES: &[&str] =
    &["100000", "200000", "100000", "-1", "0", "9223372036854775807", "x", "9223372036854775"];
const TIME_OPTIONS: &[&str] = &["EX", "PX", "EXAT", "PXAT"];
const PATTERNS: &[&str] = &["*", "k?", "k[13]", "k[^1]", "[k-a]*", "**2", "\\k1", "x*", "k[1-", ""];

/// Offsets of bits, far below what our largest value has here, or refused by everybody.
const BITS: &[&str] = &["0", "1", "7", "8", "15", "100", "1000", "4095", "-1", "x", "4294967296", "", "01"];
/// Ends of ranges. No wrong ones: Redis 7.0 does not look at them when the key is absent.
const ENDS: &[&str] = &["0", "1", "2", "5", "-1", "-2", "-7", "100", "-100", "9223372036854775807", "13"];
const FIELDS: &[&str] = &["i1", "u1", "i8", "u8", "i5", "u13", "i64", "u63", "i33", "u64", "i65", "i0", "x"];
/// Numbers for fields. The lowest of all is not among them: Redis takes it for one above the range.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "-2",
    "127",
    "128",
    "-129",
    "255",
    "300",
    "9223372036854775807",
    "4294967296",
    "x",
];
/// The steps of a BITFIELD: `A` a field's type, `B` an offset, `#` one in fields, `Y` a number.
const STEPS: &[&str] = &[
    "GET A B",
    "get A #",
    "SET A B Y",
    "set A # Y",
    "INCRBY A B Y",
    "incrby A # Y",
    "OVERFLOW SAT",
    "overflow fail",
    "OVERFLOW wrap",
    "OVERFLOW no",
    "GET A",
];

/// Names of elements of collections: few, so that they are met again.
const NAMES: &[&str] = &[
    "",
    "a",
    "b",
    "c",
    "d",
    "1",
    "-2",
    "3",
    "44",
    "01",
    "9223372036854775807",
    "9223372036854775808",
    "x\r\ny",
    "a name of more than sixty-four bytes, which is too long for a small one",
];

/// Scores. No negative zero: a large sorted set of Redis keeps its sign.
const SCORES: &[&str] =
    &["0", "1", "2", "3", "-1", "1.5", "0.1", "inf", "-inf", "1e17", "0x10", "nan", "x", "1e400"];
/// Ends of ranges of scores.
const SCORE_ENDS: &[&str] = &["-inf", "+inf", "0", "1", "(1", "(2.5", "3", "(inf", "x", "", " 1"];
/// Ends of ranges of members.
const MEMBER_ENDS: &[&str] = &["-", "+", "[", "[a", "(a", "[c", "(d", "(3", "[3", "x"];
/// Places of a map with few of them.
const LONGITUDES: &[&str] = &["13.361389", "15.087269", "0", "-180", "180", "100.5", "181", "x"];
const LATITUDES: &[&str] = &["38.115556", "37.502669", "0", "85.05112878", "-85", "-33.3", "86"];

/// A command line's pattern: `K` a key, `V` a value, `I` an integer, `F` a float, `T` a time, `P` a
/// glob, `N` a number for COUNT, `O` an option with or without its time, `B` a bit's offset, `E` an end of a
/// range, `G` steps of a BITFIELD, `Q` an end of a list, `W` a side of a pivot, `Z` an option of LPOS, `KC` a key
/// that often holds a hash or a set, `EN` the name of an element, `NK` a number of keys; of
/// sorted sets `SC` a score, `RA` and `LX` ends of ranges, `AO`, `RO` and `CO` options; of places `LO` and `LA`
/// coordinates, `ME` a distance, `UN` a unit, `GO` an option; anything else stands for
/// itself; `?` cuts the line there now and then.
const LINES: &[&str] = &[
    "GET K",
    "SET K V",
    "SET K V",
    "SET K V O ? O ? O",
    "SETNX K V",
    "SETEX K T V",
    "PSETEX K T V",
    "GETSET K V",
    "GETDEL K",
    "GETEX K ? O ? O",
    "MGET K ? K ? K",
    "MSET K V ? K V",
    "MSETNX K V ? K V",
    "APPEND K V",
    "SETRANGE K I V",
    "GETRANGE K I I",
    "SUBSTR K I I",
    "STRLEN K",
    "INCR K",
    "DECR K",
    "INCRBY K I",
    "DECRBY K I",
    "INCRBYFLOAT K F",
    "INCRBYFLOAT K F",
    "LCS K K ? L ? L ? L",
    "SETBIT K B J",
    "GETBIT K B",
    "BITCOUNT K ? E E ? U",
    "BITPOS K J ? E ? E ? U",
    "BITOP H K K ? K ? K",
    "BITFIELD K G",
    "BITFIELD K G",
    "BITFIELD_RO K G",
    "HSET KC EN V ? EN V ? EN V ? EN",
    "HSET KC EN V EN V EN V EN V EN V",
    "HMSET KC EN V ? EN V ? EN",
    "HSETNX KC EN V",
    "HGET KC EN",
    "HMGET KC EN ? EN ? EN",
    "HDEL KC EN ? EN ? EN",
    "HEXISTS KC EN",
    "HSTRLEN KC EN",
    "HLEN KC",
    "HGETALL KC",
    "HKEYS KC",
    "HVALS KC",
    "HINCRBY KC EN I",
    "HINCRBYFLOAT KC EN F",
    "HRANDFIELD KC 1000 ? WITHVALUES ? x",
    "HSCAN KC 0 COUNT 1000 ? MATCH P ? COUNT N",
    "SADD KC EN ? EN ? EN",
    "SADD KC EN EN EN EN EN EN",
    "SREM KC EN ? EN ? EN",
    "SMOVE KC KC EN",
    "SCARD KC",
    "SISMEMBER KC EN",
    "SMISMEMBER KC EN ? EN",
    "SMEMBERS KC",
    "SUNION KC ? KC ? KC",
    "SINTER KC ? KC ? KC",
    "SDIFF KC ? KC ? KC",
    "SUNIONSTORE KC KC ? KC ? KC",
    "SINTERSTORE KC KC ? KC",
    "SDIFFSTORE KC KC ? KC ? KC",
    "SINTERCARD NK KC ? KC ? LIMIT I",
    "SRANDMEMBER KC 1000",
    "SPOP KC 1000",
    "SSCAN KC 0 COUNT 1000 ? MATCH P ? COUNT N",
    "OBJECT ENCODING KC",
    "TYPE KC",
    "DEL KC",
    "RENAME KC KC",
    "COPY KC KC ? M",
    "EXPIRE KC T",
    "ZADD KC SC EN ? SC EN ? SC EN",
    "ZADD KC SC EN SC EN SC EN SC EN SC EN",
    "ZADD KC AO SC EN ? SC EN",
    "ZADD KC AO AO SC EN ? SC EN",
    "ZADD KC AO AO AO SC EN",
    "ZADD l1 0 EN 0 EN 0 EN",
    "ZADD l1 0 EN 0 EN 0 EN",
    "ZINCRBY KC SC EN",
    "ZSCORE KC EN",
    "ZMSCORE KC EN ? EN",
    "ZRANK KC EN",
    "ZREVRANK KC EN",
    "ZCARD KC",
    "ZREM KC EN ? EN ? EN",
    "ZCOUNT KC RA RA",
    "ZLEXCOUNT l1 LX LX",
    "ZRANGE KC E E ? RO ? RO",
    "ZRANGE KC RA RA BYSCORE ? RO ? RO",
    "ZRANGE l1 LX LX BYLEX ? RO ? RO",
    "ZRANGE KC I I ? RO ? RO ? RO",
    "ZREVRANGE KC E E ? RO",
    "ZRANGEBYSCORE KC RA RA ? RO ? RO",
    "ZREVRANGEBYSCORE KC RA RA ? LIMIT I I",
    "ZRANGEBYLEX l1 LX LX ? LIMIT I I",
    "ZREVRANGEBYLEX l1 LX LX ? LIMIT E E",
    "ZRANGESTORE KC KC E E ? RO ? RO",
    "ZRANGESTORE KC KC RA RA BYSCORE ? RO",
    "ZREMRANGEBYRANK KC E E",
    "ZREMRANGEBYSCORE KC RA RA",
    "ZREMRANGEBYLEX l1 LX LX",
    "ZPOPMIN KC ? I",
    "ZPOPMAX KC ? I",
    "ZMPOP NK KC ? KC MIN ? COUNT I",
    "ZMPOP 1 KC MAX ? COUNT I",
    "ZUNION NK KC KC ? CO ? CO ? CO",
    "ZINTER NK KC KC ? CO ? CO",
    "ZDIFF NK KC KC ? WITHSCORES",
    "ZUNION 2 KC KC WEIGHTS SC SC WITHSCORES",
    "ZUNIONSTORE KC 2 KC KC ? CO ? CO",
    "ZINTERSTORE KC 2 KC KC ? CO ? CO",
    "ZDIFFSTORE KC NK KC KC",
    "ZINTERCARD NK KC KC ? LIMIT I",
    "ZRANDMEMBER KC 1000",
    "ZSCAN KC 0 COUNT 1000 ? MATCH P ? COUNT N",
    "GEOADD KC LO LA EN ? LO LA EN",
    "GEOADD KC AO LO LA EN",
    "GEOPOS KC EN ? EN",
    "GEOHASH KC EN ? EN",
    "GEODIST KC EN EN ? UN",
    "GEOSEARCH KC FROMLONLAT LO LA BYRADIUS ME UN ? GO ? GO ? GO",
    "GEOSEARCH KC FROMMEMBER EN BYBOX ME ME UN ? GO ? GO",
    "GEOSEARCHSTORE KC KC FROMMEMBER EN BYRADIUS ME UN ? GO ? STOREDIST",
    "GEORADIUS KC LO LA ME UN ? GO ? STORE KC",
    "GEORADIUS_RO KC LO LA ME UN ? GO ? GO",
    "GEORADIUSBYMEMBER KC EN ME UN ? GO ? STOREDIST KC",
    "GEORADIUSBYMEMBER_RO KC EN ME UN ? GO ? GO",
    "DEL K ? K",
    "UNLINK K ? K",
    "EXISTS K ? K",
    "TOUCH K ? K",
    "TYPE K",
    "EXPIRE K T ? C ? C",
    "PEXPIRE K T ? C ? C",
    "EXPIREAT K T ? C",
    "PEXPIREAT K T ? C",
    "TTL K",
    "PTTL K",
    "EXPIRETIME K",
    "PEXPIRETIME K",
    "PERSIST K",
    "RENAME K K",
    "RENAMENX K K",
    "COPY K K ? M ? M",
    "MOVE K D",
    "KEYS P",
    "DBSIZE",
    "SELECT S",
    "SCAN 0 COUNT 1000 ? MATCH P ? TYPE string",
    "SCAN 0 COUNT N",
    "SCAN I COUNT 1000 MATCH none",
    "FLUSHDB",
    "OBJECT FREQ K",
    "MGET K K K K",
    "LPUSH K V ? V ? V",
    "RPUSH K V ? V ? V",
    "LPUSHX K V ? V",
    "RPUSHX K V ? V",
    "LPOP K ? I",
    "RPOP K ? I",
    "LLEN K",
    "LINDEX K I",
    "LRANGE K E E",
    "LTRIM K E E",
    "LSET K E V",
    "LREM K E V",
    "LINSERT K W V V",
    "LPOS K V ? Z I ? Z I",
    "LMOVE K K Q Q",
    "RPOPLPUSH K K",
    "LMPOP 2 K K Q ? COUNT I",
    "SORT K ALPHA ? LIMIT E E ? STORE K",
    "SORT_RO K ? BY k* ? GET k*",
];

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % n
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }

    /// A command; times are counted from `now` (ms) where they are absolute.
    pub fn command(&mut self, now: u64) -> Vec<Vec<u8>> {
        let line = self.pick(LINES);
        // A flush is rare, so that something is there.
        let line = if line == "FLUSHDB" && self.below(10) > 0 { "DBSIZE" } else { line };
        let mut args: Vec<Vec<u8>> = Vec::new();
        for word in line.split(' ') {
            match word {
                "?" if self.below(2) == 0 => break,
                "?" => {}
                "O" => self.option(now, &mut args),
                "G" => self.steps(&mut args),
                "T" => {
                    let absolute = line.contains("EXPIREAT");
                    let unit = if line.starts_with("PEX") { 1 } else { 1000 };
                    args.push(self.time(if absolute { now / unit } else { 0 }));
                }
                other => args.push(self.word(other)),
            }
        }
        args
    }

    fn word(&mut self, word: &'static str) -> Vec<u8> {
        let text = match word {
            "K" => self.pick(&["k1", "k2", "k3", "k4"]),
            "KC" => self.pick(&["q1", "q2", "q3", "q4", "k1"]),
            "EN" => self.pick(NAMES),
            "NK" => self.pick(&["1", "2", "2", "3", "0", "x"]),
            "V" => self.pick(VALUES),
            "I" => self.pick(INTS),
            "SC" => self.pick(SCORES),
            "RA" => self.pick(SCORE_ENDS),
            "LX" => self.pick(MEMBER_ENDS),
            "AO" => self.pick(&["NX", "XX", "GT", "LT", "CH", "INCR", "nx", "oops"]),
            "RO" => self.pick(&["WITHSCORES", "withscores", "REV", "BYSCORE", "LIMIT", "1", "-1"]),
            "CO" => self.pick(&["WITHSCORES", "AGGREGATE", "MIN", "max", "SUM", "WEIGHTS", "2"]),
            "LO" => self.pick(LONGITUDES),
            "LA" => self.pick(LATITUDES),
            "ME" => self.pick(&["0", "1", "500", "20000", "1e9", "-1", "x"]),
            "UN" => self.pick(&["m", "km", "KM", "mi", "ft", "yd"]),
            "GO" => self.pick(&["ASC", "DESC", "WITHDIST", "WITHHASH", "WITHCOORD", "COUNT", "2", "ANY"]),
            "N" => self.pick(&["100", "0", "-1", "x", "", "1.5"]),
            "F" if self.below(2) == 0 => return self.float().into_bytes(),
            "F" => self.pick(FLOATS),
            "P" => self.pick(PATTERNS),
            "L" => self.pick(&["LEN", "IDX", "WITHMATCHLEN", "MINMATCHLEN", "1", "3", "x"]),
            "C" => self.pick(&["NX", "xx", "GT", "LT", "GT", "LT", "QQ"]),
            "M" => self.pick(&["REPLACE", "DB", "1", "0", "17", "x", "99999999999"]),
            "D" => self.pick(&["0", "1", "1", "17", "x"]),
            "S" => self.pick(&["0", "0", "1"]),
            "A" => self.pick(FIELDS),
            "B" => self.pick(BITS),
            "E" => self.pick(ENDS),
            "H" => self.pick(&["AND", "or", "XOR", "NOT", "DIFF"]),
            "J" => self.pick(&["0", "1", "0", "1", "2", "x"]),
            "U" => self.pick(&["BYTE", "BIT", "bit"]),
            "Y" => self.pick(NUMBERS),
            "Q" => self.pick(&["LEFT", "right", "UP"]),
            "W" => self.pick(&["BEFORE", "after", "AT"]),
            "Z" => self.pick(&["COUNT", "MAXLEN", "count"]),
            other => other,
        };
        text.as_bytes().to_vec()
    }

    /// Up to four steps, most of them right.
    fn steps(&mut self, args: &mut Vec<Vec<u8>>) {
        for _ in 0..self.below(5) {
            // The last two are wrong, and would be in most commands.
            let right = self.below(8) > 0;
            let step = self.pick(if right { &STEPS[..STEPS.len() - 2] } else { STEPS });
            for word in step.split(' ') {
                match word {
                    "#" => args.push(format!("#{}", self.below(40)).into_bytes()),
                    // The first eight are right.
                    "A" if right => args.push(self.pick(&FIELDS[..8]).as_bytes().to_vec()),
                    "B" if right => args.push(self.pick(&BITS[..8]).as_bytes().to_vec()),
                    "Y" if right => args.push(self.pick(&NUMBERS[..8]).as_bytes().to_vec()),
                    other => args.push(self.word(other)),
                }
            }
        }
    }

    fn option(&mut self, now: u64, args: &mut Vec<Vec<u8>>) {
        if self.below(3) > 0 {
            let plain = ["NX", "XX", "GET", "KEEPTTL", "PERSIST", "get", "EX", "oops"];
            args.push(self.pick(&plain).as_bytes().to_vec());
            return;
        }
        let option = self.pick(TIME_OPTIONS);
        let unit = if option.starts_with('P') { 1 } else { 1000 };
        args.push(option.as_bytes().to_vec());
        args.push(self.time(if option.ends_with("AT") { now / unit } else { 0 }));
    }

    fn time(&mut self, base: u64) -> Vec<u8> {
        let text = self.pick(TIMES);
        match text.parse::<u64>() {
            Ok(time) if (1..1_000_000).contains(&time) => (time + base).to_string().into_bytes(),
            _ => text.as_bytes().to_vec(),
        }
    }

    fn float(&mut self) -> String {
        let (digits, exponent) = (self.below(usize::MAX), self.below(40) as i32 - 20);
        let mut text = digits.to_string();
        let len = self.below(text.len()) + 1;
        text.truncate(len);
        if self.below(2) == 0 {
            text.insert(self.below(len + 1), '.');
        }
        let sign = self.pick(&["", "-", "+"]);
        let exponent = if self.below(3) == 0 { format!("e{exponent}") } else { String::new() };
        format!("{sign}{text}{exponent}")
    }
}
