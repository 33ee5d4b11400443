//! Just enough of RESP2 to read replies.

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Simple(String),
    Error(String),
    Int(i64),
    Bulk(Option<String>),
    Array(Vec<Reply>),
}

/// The first whole reply and its length.
pub fn first(bytes: &[u8]) -> Option<(Reply, usize)> {
    let end = bytes.windows(2).position(|w| w == b"\r\n")?;
    let line = String::from_utf8_lossy(&bytes[1..end]).into_owned();
    let used = end + 2;
    let number = || line.parse::<i64>().expect("a number");
    Some(match bytes[0] {
        b'+' => (Reply::Simple(line), used),
        b'-' => (Reply::Error(line), used),
        b':' => (Reply::Int(number()), used),
        b'$' if number() < 0 => (Reply::Bulk(None), used),
        b'$' => {
            let content = bytes.get(used..used + number() as usize)?;
            bytes.get(used + content.len() + 1)?;
            (Reply::Bulk(Some(String::from_utf8_lossy(content).into_owned())), used + content.len() + 2)
        }
        b'*' => {
            let (mut parts, mut used) = (Vec::new(), used);
            for _ in 0..number() {
                let (part, len) = first(&bytes[used..])?;
                parts.push(part);
                used += len;
            }
            (Reply::Array(parts), used)
        }
        other => panic!("a reply begins with byte {other}: {:?}", String::from_utf8_lossy(bytes)),
    })
}

/// A command as a client sends it.
pub fn encode(args: &[&str], out: &mut Vec<u8>) {
    out.extend(format!("*{}\r\n", args.len()).bytes());
    args.iter().for_each(|a| out.extend(format!("${}\r\n{a}\r\n", a.len()).bytes()));
}
