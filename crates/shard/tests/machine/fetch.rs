//! Rows that are not in memory are read from the store of their node.

use super::reply::Text;
use super::script::{self, End, Op};
use super::world::{Node, World};
use model::Keyspace;
use model::row::{family, parse_key_name};
use shard::machine::{Fetch, Listed};

/// What a fetch has read.
pub struct Read {
    ticket: u64,
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    listed: Vec<Listed>,
}

impl Node {
    /// Reads what the machine wants of the store, whatever is there now.
    fn read(&self, fetch: &Fetch) -> Read {
        let mut read = Read { ticket: fetch.ticket, rows: Vec::new(), listed: Vec::new() };
        for (name, content) in self.store.iter().filter(|(name, _)| name[0] == family::KEY) {
            let parsed = parse_key_name(name).unwrap();
            let wanted = fetch
                .wanted
                .iter()
                .any(|w| (w.ks, w.generation, w.position) == (parsed.ks, parsed.generation, parsed.position));
            if wanted {
                read.rows.push((name.clone(), content.clone()));
            }
            let list = fetch.list.as_ref();
            if list.is_some_and(|list| (list.ks, list.generation) == (parsed.ks, parsed.generation)) {
                let (_, expire, _) = model::row::decode_value(content).unwrap();
                read.listed.push((parsed.position, expire, parsed.key));
            }
        }
        read
    }

    /// All that was read arrives.
    pub fn arrive(&mut self) {
        for read in std::mem::take(&mut self.reads) {
            self.machine.fetched(read.ticket, read.rows, read.listed).unwrap();
        }
    }

    /// Fetches what the machine wants; it runs again then. False if it wants nothing.
    pub fn fetch(&mut self) -> bool {
        let (fetch, ticket) = self.machine.take_fetch();
        if let Some(fetch) = &fetch {
            let read = self.read(fetch);
            self.reads.push(read);
        }
        self.arrive();
        ticket > 0
    }
}

impl World {
    /// A command is stopped for rows that are cold, and never runs again; what is read for it arrives later.
    pub fn abandon(&mut self, ks: u16, keys: &[usize]) {
        let ops: Vec<Op> = keys.iter().map(|key| Op::Get(*key)).collect();
        let cold = |node: &Node| {
            let space = node.machine.space(Keyspace(ks));
            keys.iter().all(|key| space.is_cold(node.machine.position(script::KEYS[*key])))
        };
        if !cold(&self.nodes[self.leader]) {
            return; // It would run, at least in part.
        }
        let args = script::arguments(&ops, End::Done);
        let args: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
        let node = &mut self.nodes[self.leader];
        let mut reply = Text::default();
        let outcome = node.machine.execute(script::run, Keyspace(ks), true, &args, &mut reply);
        assert!(outcome.fetch && !outcome.wrote && reply.0.is_empty());
        if let (Some(fetch), _) = node.machine.take_fetch() {
            let read = node.read(&fetch);
            node.reads.push(read);
        }
    }
}
