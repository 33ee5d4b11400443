//! Replies of every type in both protocols, as our own encoder writes them.

use super::Seed;
use model::Reply;
use resp::{Proto, Resp};

pub fn seeds() -> Vec<Seed> {
    let mut seeds = vec![
        ("attribute", b"|1\r\n+ttl\r\n:3\r\n$1\r\na\r\n".to_vec()),
        ("blob-error", b"!9\r\nERR other\r\n(123456789012345678901\r\n".to_vec()),
        ("push", b">2\r\n+message\r\n$2\r\nhi\r\n".to_vec()),
        ("nested", [&b"*1\r\n".repeat(70)[..], b":1\r\n"].concat()),
        ("huge-count", b"*9223372036854775807\r\n%9223372036854775807\r\n".to_vec()),
        ("cut", b"*3\r\n$5\r\nhel".to_vec()),
    ];
    for (name, proto) in [("resp2", Proto::Resp2), ("resp3", Proto::Resp3)] {
        let mut bytes = Vec::new();
        every_type(&mut Resp { buf: &mut bytes, proto });
        seeds.push((name, bytes));
    }
    seeds
}

fn every_type(reply: &mut Resp<'_>) {
    reply.ok();
    reply.error("ERR wrong");
    reply.array(8);
    reply.int(-7);
    reply.bulk(b"a\r\nb");
    reply.null();
    reply.null_array();
    reply.double(1.5);
    reply.double(f64::NAN);
    reply.boolean(true);
    reply.verbatim("txt", "text");
    reply.map(1);
    reply.bulk(b"role");
    reply.set(2);
    reply.bulk(b"");
    reply.int(i64::MAX);
}
