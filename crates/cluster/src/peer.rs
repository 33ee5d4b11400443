//! What nodes know of each other: addresses, incarnation, and which running process it is.

use crate::hex;
use model::NodeId;
use model::varint::{DecodeError, Reader, put_bytes, put_u64};

/// Longest address in bytes: a DNS name, a colon and a port.
pub const MAX_ADDRESS: usize = 260;
/// Most members of a cluster.
pub const MAX_MEMBERS: usize = 1024;

/// Where a node can be reached, each `HOST:PORT`. Addresses may change with every start.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Addresses {
    /// For Redis clients.
    pub redis: String,
    /// For other nodes.
    pub peer: String,
    /// Admin port; empty if it is off.
    pub admin: String,
    /// For clients that speak Redis Cluster; empty if that port is off.
    pub cluster: String,
}

/// Distinguishes the process that runs now from every other one: random, new with each start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Boot(pub [u8; 16]);

/// By which a joining node is known before it has an id: random, made with its data folder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JoinToken(pub [u8; 16]);

/// What a node knows of another one (or tells others of itself).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its id.
    pub node: NodeId,
    /// Where it was last.
    pub addresses: Addresses,
    /// Highest incarnation known of it; 0 if none is.
    pub incarnation: u64,
    /// The process that had this incarnation, if known.
    pub boot: Option<Boot>,
}

macro_rules! nonce {
    ($($t:ident)*) => {$(
        impl $t {
            /// The value of 32 hexadecimal digits.
            pub fn parse(text: &str) -> Option<$t> {
                hex::decode(text).map($t)
            }
        }
        impl std::fmt::Display for $t {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&hex::encode(&self.0))
            }
        }
        impl std::fmt::Debug for $t {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($t))
            }
        }
    )*};
}
nonce!(Boot JoinToken);

impl Addresses {
    /// Appends the three addresses that every version knows. That of the cluster port has another place in
    /// each format, where programs that know only three do not miss it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for address in [&self.redis, &self.peer, &self.admin] {
            put_bytes(out, address.as_bytes());
        }
    }

    /// Reads what [`Addresses::encode`] wrote.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] for an address that [`Addresses::check`] refuses.
    pub fn decode(r: &mut Reader<'_>) -> Result<Addresses, DecodeError> {
        let mut next = || read_address(r);
        Ok(Addresses { redis: next()?, peer: next()?, admin: next()?, cluster: String::new() })
    }

    /// The first address that is too long or has characters no address has.
    ///
    /// # Errors
    /// A text that names it.
    pub fn check(&self) -> Result<(), String> {
        let all = [&self.redis, &self.peer, &self.admin, &self.cluster];
        match all.into_iter().find(|text| !well_formed(text)) {
            None => Ok(()),
            Some(bad) => Err(format!(
                "{bad:?} is no address; allowed: HOST:PORT of at most {MAX_ADDRESS} printable characters"
            )),
        }
    }
}

/// Reads one address, written with its length in front.
pub(crate) fn read_address(r: &mut Reader<'_>) -> Result<String, DecodeError> {
    let text = std::str::from_utf8(r.bytes()?).map_err(|_| DecodeError::Malformed("address"))?;
    well_formed(text).then(|| text.to_owned()).ok_or(DecodeError::Malformed("address"))
}

/// Printable ASCII without spaces, so that an address of a peer cannot forge lines of a log.
fn well_formed(text: &str) -> bool {
    text.len() <= MAX_ADDRESS && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Peer {
    /// Appends this peer.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_u64(out, self.node.0);
        put_u64(out, self.incarnation);
        put_nonce(out, self.boot.map(|boot| boot.0));
        self.addresses.encode(out);
    }

    /// Reads what [`Peer::encode`] wrote.
    ///
    /// # Errors
    /// As [`Addresses::decode`]; node 0 does not exist.
    pub fn decode(r: &mut Reader<'_>) -> Result<Peer, DecodeError> {
        let node = NodeId(r.u64()?);
        if node.0 == 0 {
            return Err(DecodeError::Malformed("node id"));
        }
        let incarnation = r.u64()?;
        let boot = read_nonce(r)?.map(Boot);
        Ok(Peer { node, incarnation, boot, addresses: Addresses::decode(r)? })
    }
}

/// Appends 16 bytes or nothing, with a length in front.
pub(crate) fn put_nonce(out: &mut Vec<u8>, nonce: Option<[u8; 16]>) {
    put_bytes(out, nonce.as_ref().map_or(&[], |bytes| &bytes[..]));
}

/// Reads what [`put_nonce`] wrote.
pub(crate) fn read_nonce(r: &mut Reader<'_>) -> Result<Option<[u8; 16]>, DecodeError> {
    match r.bytes()? {
        [] => Ok(None),
        bytes => bytes.try_into().map(Some).map_err(|_| DecodeError::Malformed("nonce")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn peers_round_trip(node in 1u64.., incarnation: u64, boot: Option<[u8; 16]>, a in "[!-~]{0,260}") {
            let addresses = Addresses { redis: a.clone(), peer: "h:1".into(), admin: a, cluster: String::new() };
            let peer = Peer { node: NodeId(node), addresses, incarnation, boot: boot.map(Boot) };
            let mut out = Vec::new();
            peer.encode(&mut out);
            prop_assert_eq!(Peer::decode(&mut Reader::new(&out)), Ok(peer));
            for cut in 0..out.len() {
                prop_assert!(Peer::decode(&mut Reader::new(&out[..cut])).is_err());
            }
        }
    }

    #[test]
    fn addresses_that_could_forge_a_log_line_are_refused() {
        for bad in ["a b:1".to_owned(), "a\n:1".to_owned(), "ä:1".to_owned(), "x".repeat(MAX_ADDRESS + 1)] {
            let addresses = Addresses { redis: bad.clone(), ..Addresses::default() };
            assert!(addresses.check().unwrap_err().contains("is no address"), "{bad}");
            let cluster = Addresses { cluster: bad.clone(), ..Addresses::default() };
            assert!(cluster.check().unwrap_err().contains("is no address"), "{bad}");
            let mut out = Vec::new();
            addresses.encode(&mut out);
            let decoded = Addresses::decode(&mut Reader::new(&out));
            assert_eq!(decoded, Err(DecodeError::Malformed("address")), "{bad}");
        }
    }
}
