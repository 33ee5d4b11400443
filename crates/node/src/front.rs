//! Commands that the front answers itself, and those of them that concern the whole cluster.

use crate::conn::{Blocked, Conn};
use crate::core::Core;
use crate::layouts::shown;
use crate::polls::Goal;
use model::limits::KEYSPACES;
use model::{GroupId, Keyspace, NodeId, Reply, ShardId};
use resp::{Call, Outcome};
use shard::table::Spec;

impl Core {
    /// Runs a command of the front.
    pub(crate) fn run_front(&mut self, conn: &mut Conn, spec: &'static Spec, args: &[&[u8]]) {
        let mut buf = std::mem::take(conn.reply_buffer());
        let start = buf.len();
        let was = conn.session.authenticated;
        let mut call = Call { args, session: &mut conn.session, host: self, buf: &mut buf };
        let outcome = resp::run(spec, &mut call);
        *conn.reply_buffer() = buf;
        if conn.session.authenticated != was {
            conn.parser.set_authenticated(conn.session.authenticated);
        }
        self.stats.note_reply(&conn.reply_buffer()[start..]);
        if spec.name == "reset" {
            conn.end_transaction();
            self.stats.monitors.remove(&conn.id);
        }
        if spec.name == "monitor" {
            self.stats.monitors.insert(conn.id);
        }
        match outcome {
            Outcome::Done => conn.reply_free(start),
            Outcome::Close => {
                conn.reply_free(start);
                conn.closing = true;
            }
            Outcome::Sleep { ms } => {
                self.note_sleep(conn, spec, args, ms);
                let place = conn.reserve();
                self.sleep(conn, ms, place, b"+OK\r\n".to_vec());
            }
            Outcome::Shutdown { .. } => {
                self.outbox.shutdown = true;
                conn.closing = true;
            }
            Outcome::Slot { slot, keys } => self.look_into_slot(conn, slot, keys),
            Outcome::Node => self.run_node(conn, spec, args),
        }
    }

    /// `DEBUG SLEEP`: the connection gets its reply, at the place reserved for it, that many ms from now.
    pub(crate) fn sleep(&mut self, conn: &mut Conn, ms: u64, place: u64, reply: Vec<u8>) {
        conn.blocked = Some(Blocked::Busy);
        conn.session.flags.blocked = true;
        self.sleeping.insert((self.now.mono_ms() + ms, conn.id), (place, reply));
    }

    fn run_node(&mut self, conn: &mut Conn, spec: &'static Spec, args: &[&[u8]]) {
        let result = match spec.name {
            "everstore|status" => self.show_status(conn, args),
            "everstore|version" => {
                self.reply_now(conn, |r| r.bulk_str(env!("CARGO_PKG_VERSION")));
                Ok(())
            }
            _ if self.forming.is_some() => Err(self.forming_text()),
            "everstore|switchover" => self.switchover(conn, args),
            "everstore|node" => self.decide_node(conn, args),
            "everstore|replicas" => self.decide_replicas(conn, args),
            "everstore|zone" => self.decide_zone(conn, args),
            "everstore|shards" => self.decide_shards(conn, args),
            "everstore|scrub" => {
                self.begin_scrub();
                self.reply_now(conn, |reply| reply.ok());
                Ok(())
            }
            "everstore|plan" => {
                let plan = self.explain_plan();
                self.reply_now(conn, |reply| {
                    reply.array(plan.len());
                    plan.iter().for_each(|line| reply.bulk_str(line));
                });
                Ok(())
            }
            "failover" => self.failover(conn, args),
            "client|replication" => self.choose_replication(conn, args),
            name if name.starts_with("losses|") => self.run_losses(conn, name, args),
            "keyspace|list" => self.list_keyspaces(conn),
            "keyspace|get" => self.get_keyspace(conn, args),
            "keyspace|set" => self.set_keyspace(conn, args),
            other => Err(format!("ERR '{other}' is not implemented")),
        };
        if let Err(text) = result {
            self.reply_now(conn, |r| r.error(&text));
        }
    }

    fn show_status(&mut self, conn: &mut Conn, args: &[&[u8]]) -> Result<(), String> {
        let as_text = match args.get(2) {
            None => false,
            Some(format) if format.eq_ignore_ascii_case(b"json") => false,
            Some(format) if format.eq_ignore_ascii_case(b"text") => true,
            Some(_) => return Err("ERR syntax error: STATUS [JSON|TEXT]".to_owned()),
        };
        let status = self.status();
        let text = if as_text {
            let problems: Vec<String> = status.problems.iter().map(|p| p.text.clone()).collect();
            if problems.is_empty() { "all shards have all replicas".to_owned() } else { problems.join("\n") }
        } else {
            serde_json::to_string(&status).map_err(|e| format!("ERR {e}"))?
        };
        self.reply_now(conn, |r| r.bulk_str(&text));
        Ok(())
    }

    /// `EVERSTORE SWITCHOVER NODE n|SHARD s [TO n]`.
    fn switchover(&mut self, conn: &mut Conn, args: &[&[u8]]) -> Result<(), String> {
        let number = |at: usize| {
            let text = args.get(at).and_then(|a| std::str::from_utf8(a).ok());
            text.and_then(|t| t.parse::<u64>().ok())
                .ok_or("ERR value is not an integer or out of range".to_owned())
        };
        let to = match args.get(4) {
            None => None,
            Some(word) if word.eq_ignore_ascii_case(b"to") && args.len() == 6 => {
                let to = self.member(number(5)?)?;
                self.check_leads(to)?;
                Some(to)
            }
            Some(_) => return Err("ERR syntax error: SWITCHOVER NODE n|SHARD s [TO n]".to_owned()),
        };
        let n = number(3)?;
        let (from, groups) = if args[2].eq_ignore_ascii_case(b"node") {
            let node = self.member(n)?;
            (node, self.led_by(node))
        } else if args[2].eq_ignore_ascii_case(b"shard") {
            let shards = self.map.shards.len() as u16;
            if n >= u64::from(shards) {
                return Err(format!("ERR shard {n} does not exist; allowed: 0 to {}", shards - 1));
            }
            let group = ShardId(n as u16).group();
            let Some((leader, _)) = self.routes[group.0 as usize].leader() else {
                return Err(format!("CLUSTERDOWN shard {n} has no leader"));
            };
            (leader, vec![group])
        } else {
            return Err("ERR syntax error: SWITCHOVER NODE n|SHARD s [TO n]".to_owned());
        };
        if to == Some(from) {
            return Err(format!("ERR node {from} leads already"));
        }
        self.begin_switch(conn, groups, from, to)
    }

    pub(crate) fn member(&self, id: u64) -> Result<NodeId, String> {
        let node = NodeId(id);
        if self.map.members.contains_key(&node) {
            return Ok(node);
        }
        let known: Vec<String> = self.map.members.keys().map(NodeId::to_string).collect();
        Err(format!("ERR node {id} does not exist; members: {}", known.join(", ")))
    }

    fn begin_switch(
        &mut self,
        conn: &mut Conn,
        groups: Vec<GroupId>,
        from: NodeId,
        to: Option<NodeId>,
    ) -> Result<(), String> {
        if let Some(node) = to.filter(|node| self.map.is_witness(*node)) {
            return Err(format!("ERR node {node} is a witness, which keeps no data and never leads"));
        }
        self.rest();
        self.switch(&groups, from, to);
        self.poll(conn, Goal::Switched(groups, from, to));
        Ok(())
    }

    /// `FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT ms]`: hands over everything this node leads.
    fn failover(&mut self, conn: &mut Conn, args: &[&[u8]]) -> Result<(), String> {
        let mut to = None;
        let mut at = 1;
        while at < args.len() {
            let word = args[at].to_ascii_lowercase();
            match &word[..] {
                b"to" if at + 2 < args.len() => {
                    let address = [args[at + 1], b":", args[at + 2]].concat();
                    let address = String::from_utf8_lossy(&address).into_owned();
                    let found =
                        self.map.members.keys().copied().find(|n| self.addresses(*n).redis == address);
                    let found = found.ok_or("ERR FAILOVER target HOST and PORT is not a replica.")?;
                    self.check_leads(found)?;
                    to = Some(found);
                    at += 3;
                }
                b"timeout" if at + 1 < args.len() => {
                    let ms = shard::commands::integer::parse(args[at + 1]);
                    if ms.is_none_or(|ms| ms <= 0) {
                        return Err("ERR FAILOVER timeout must be greater than 0".to_owned());
                    }
                    at += 2;
                }
                b"force" => at += 1,
                b"abort" => return Err("ERR No failover in progress.".to_owned()),
                _ => return Err("ERR syntax error".to_owned()),
            }
        }
        let from = self.me.node;
        if to == Some(from) {
            return Err("ERR FAILOVER target HOST and PORT is not a replica.".to_owned());
        }
        if self.map.members.len() < 2 {
            return Err("ERR FAILOVER requires connected replicas.".to_owned());
        }
        let groups = self.led_by(from);
        self.begin_switch(conn, groups, from, to)
    }

    fn keyspace_arg(args: &[&[u8]]) -> Result<Keyspace, String> {
        let text = args.get(2).map(|a| String::from_utf8_lossy(a)).unwrap_or_default();
        match text.parse::<u16>() {
            Ok(n) if n < KEYSPACES => Ok(Keyspace(n)),
            _ => Err(format!("ERR keyspace '{text}' does not exist; allowed: 0 to {}", KEYSPACES - 1)),
        }
    }

    fn describe_keyspace(&self, ks: Keyspace, reply: &mut dyn Reply) {
        let status = self.keyspace_status();
        let (keys, expires) = status.get(usize::from(ks.0)).map_or((0, 0), |k| (k.keys, k.expires));
        let (layout, shard) = shown(&self.map, ks);
        let mode = self.map.mode(ks).mode;
        reply.map(if shard.is_some() { 11 } else { 10 });
        reply.bulk_str("keyspace");
        reply.int(i64::from(ks.0));
        reply.bulk_str("layout");
        reply.bulk_str(layout);
        if let Some(shard) = shard {
            reply.bulk_str("shard");
            reply.int(i64::from(shard));
        }
        reply.bulk_str("mode");
        reply.bulk_str(&mode.replication.to_string());
        reply.bulk_str("max-exposure-bytes");
        reply.int(mode.max_bytes as i64);
        reply.bulk_str("max-exposure-ms");
        reply.int(mode.max_ms as i64);
        reply.bulk_str("cache");
        reply.bulk_str(mode.eviction.name());
        reply.bulk_str("allow-async");
        reply.bulk_str(if mode.allow_async { "yes" } else { "no" });
        reply.bulk_str("reply-means");
        reply.bulk_str(&mode.promise());
        reply.bulk_str("keys");
        reply.int(keys as i64);
        reply.bulk_str("expires");
        reply.int(expires as i64);
    }

    fn list_keyspaces(&mut self, conn: &mut Conn) -> Result<(), String> {
        let mut buf = std::mem::take(conn.reply_buffer());
        let start = buf.len();
        let mut reply = resp::Resp { buf: &mut buf, proto: conn.session.proto };
        reply.array(usize::from(KEYSPACES));
        (0..KEYSPACES).for_each(|n| self.describe_keyspace(Keyspace(n), &mut reply));
        *conn.reply_buffer() = buf;
        conn.reply_free(start);
        Ok(())
    }

    fn get_keyspace(&mut self, conn: &mut Conn, args: &[&[u8]]) -> Result<(), String> {
        let ks = Core::keyspace_arg(args)?;
        let mut buf = std::mem::take(conn.reply_buffer());
        let start = buf.len();
        self.describe_keyspace(ks, &mut resp::Resp { buf: &mut buf, proto: conn.session.proto });
        *conn.reply_buffer() = buf;
        conn.reply_free(start);
        Ok(())
    }

    /// `KEYSPACE SET n LAYOUT single|spread`, or the mode of the keyspace.
    fn set_keyspace(&mut self, conn: &mut Conn, args: &[&[u8]]) -> Result<(), String> {
        let ks = Core::keyspace_arg(args)?;
        if args.len() != 5 || !args[3].eq_ignore_ascii_case(b"layout") {
            let row = self.map.mode(ks);
            let mode = crate::modes::parse(&args[3..], row.mode)?;
            self.poll(conn, Goal::Mode(ks, mode, row.epoch));
            self.drive_polls();
            return Ok(());
        }
        let layout = match &args[4].to_ascii_lowercase()[..] {
            b"single" => "single",
            b"spread" => "spread",
            _ => {
                let given = String::from_utf8_lossy(args[4]);
                return Err(format!("ERR layout '{given}' does not exist; allowed: single, spread"));
            }
        };
        if shown(&self.map, ks).0 == layout && self.map.change_of(ks).is_none() {
            self.reply_now(conn, |r| r.ok());
            return Ok(());
        }
        if self.map.change_of(ks).is_some() {
            return Err(format!("TRYAGAIN the layout of keyspace {ks} is being changed already"));
        }
        let epoch = self.map.layout(ks).epoch;
        // The change begins with an epoch of its own; it is over when a later one is open.
        self.poll(conn, Goal::Layout(ks, epoch, layout));
        self.drive_polls();
        Ok(())
    }
}
