//! `MONITOR`: connections that are told of every command that clients of this node have executed.

use crate::conn::{Blocked, Conn};
use crate::core::Core;
use crate::transaction::queue::Item;
use resp::host::Host;
use router::request::parse;
use shard::table::{Spec, flag};

impl Core {
    /// Tells of what was queued since MULTI, as EXEC is about to run it.
    #[cold]
    pub(crate) fn show_queue(&mut self, conn: &mut Conn) {
        let queue = conn.transaction.as_ref().and_then(|transaction| transaction.queue.as_ref());
        let Some(queue) = queue.filter(|queue| !queue.spoiled) else { return };
        let items: Vec<Vec<u8>> = queue
            .items
            .iter()
            .map(|item| match item {
                Item::Shard(request) | Item::Front(request) => request.clone(),
            })
            .collect();
        for request in items {
            if let Ok(parts) = parse(&request) {
                self.tell(conn, parts.ks.0, &parts.args);
            }
        }
    }

    /// Tells of a command that has run. Those for administrators are not shown, as in Redis.
    #[cold]
    pub(crate) fn show(&mut self, conn: &mut Conn, spec: &Spec, args: &[&[u8]]) {
        let runs_again = matches!(conn.blocked, Some(Blocked::Cold | Blocked::Drain(_)));
        if !spec.flags.has(flag::ADMIN) && !runs_again {
            self.tell(conn, conn.session.keyspace.0, args);
        }
    }

    fn tell(&mut self, conn: &mut Conn, keyspace: u16, args: &[&[u8]]) {
        let line = resp::monitor::line(self.wall_us(), keyspace, &conn.session.addr, args);
        for &id in &self.stats.monitors {
            let watcher =
                if id == conn.id { Some(&mut *conn) } else { self.conns.get_mut(&id).map(|c| &mut **c) };
            let Some(watcher) = watcher else { continue };
            let buf = watcher.reply_buffer();
            let start = buf.len();
            buf.extend_from_slice(&line);
            watcher.reply_free(start);
            self.touched.push(id);
        }
    }
}
