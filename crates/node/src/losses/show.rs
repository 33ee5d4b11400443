//! An account as lines of JSON, for `LOSSES SHOW` and for export; see docs/formats/losses.md.

use super::account::{Account, Before, Last, LostEntry, LostRow};
use super::rows::{each, targets};
use model::change::{Change, names, pairs};
use model::effect::Effect;
use model::entry::EntryReader;
use model::{Index, Keyspace, Term};
use serde_json::{Map, Value, json};
use shard::checkpoint::{KeyContent, KeyValue};

/// Bytes of lines after which a page ends.
const PAGE: usize = 1 << 20;

/// The lines from `cursor` on, and the cursor to go on with; 0 = these were the last. A cursor counts whole
/// entries, then keys.
pub(crate) fn page(account: &Account, cursor: usize) -> (usize, Vec<String>) {
    let (mut lines, mut bytes, mut at) = (Vec::new(), 0, cursor);
    let end = account.entries.len() + account.rows.len();
    while at < end && bytes < PAGE {
        let from = lines.len();
        match at.checked_sub(account.entries.len()) {
            None => entry_lines(&account.entries[at], &mut lines),
            Some(row) => lines.push(row_line(&account.rows[row]).to_string()),
        }
        bytes += lines[from..].iter().map(String::len).sum::<usize>();
        at += 1;
    }
    (if at < end { at } else { 0 }, lines)
}

/// The effects on keys in an entry, a line each: of a log that is read offline.
pub fn lines_of_entry(index: Index, term: Term, payload: &[u8]) -> Vec<String> {
    let Ok(reader) = EntryReader::new(payload) else { return Vec::new() };
    let mut entry = LostEntry { index, term, time_ms: reader.shard_time, ..LostEntry::default() };
    for effect in reader.map_while(Result::ok).filter(|effect| targets(effect).next().is_some()) {
        effect.encode(&mut entry.effects);
        entry.count += 1;
    }
    let mut lines = Vec::new();
    entry_lines(&entry, &mut lines);
    lines
}

/// A key as the checkpoint of a node has it that was given up.
pub fn line_of_key(ks: Keyspace, key: &[u8], content: &KeyContent) -> Value {
    let mut line = json!({ "what": "row", "keyspace": ks.0 });
    if let Some(fields) = line.as_object_mut() {
        put_bytes(fields, "key", key);
        match &content.value {
            KeyValue::String(value) => put_row(fields, content.kind, content.expire, value),
            KeyValue::Dump(dump) => {
                put_type(fields, content.kind, content.expire);
                fields.insert("dump_hex".to_owned(), json!(hex(dump)));
            }
        }
    }
    line
}

fn entry_lines(entry: &LostEntry, lines: &mut Vec<String>) {
    each([entry], |entry, effect| {
        let mut line = json!({
            "what": "effect", "index": entry.index, "term": entry.term, "time_ms": entry.time_ms,
        });
        if let Some(fields) = line.as_object_mut() {
            put_effect(fields, &effect);
        }
        lines.push(line.to_string());
    });
}

fn put_effect(fields: &mut Map<String, Value>, effect: &Effect<'_>) {
    let mut head = |name: &str, ks: Keyspace, key: Option<&[u8]>| {
        fields.insert("effect".to_owned(), json!(name));
        fields.insert("keyspace".to_owned(), json!(ks.0));
        if let Some(key) = key {
            put_bytes(fields, "key", key);
        }
    };
    match *effect {
        Effect::Put { ks, key, kind, expire, value } => {
            head("put", ks, Some(key));
            put_row(fields, kind, expire, value);
        }
        Effect::Patch { ks, key, offset, bytes } => {
            head("patch", ks, Some(key));
            fields.insert("offset".to_owned(), json!(offset));
            put_bytes(fields, "bytes", bytes);
        }
        Effect::Expire { ks, key, expire } => {
            head("expire", ks, Some(key));
            fields.insert("expire_ms".to_owned(), json!(expire));
        }
        Effect::Delete { ks, key } => head("delete", ks, Some(key)),
        Effect::Change { ks, key, kind, change } => {
            head("change", ks, Some(key));
            fields.insert("type".to_owned(), json!(shard::commands::type_name(kind)));
            put_change(fields, change);
        }
        Effect::Rename { ks, key, to_ks, to } => {
            head("rename", ks, Some(key));
            fields.insert("to_keyspace".to_owned(), json!(to_ks.0));
            put_bytes(fields, "to", to);
        }
        Effect::Copy { ks, key, to_ks, to } => {
            head("copy", ks, Some(key));
            fields.insert("to_keyspace".to_owned(), json!(to_ks.0));
            put_bytes(fields, "to", to);
        }
        Effect::Flush { ks } => head("flush", ks, None),
        Effect::Answered { .. } | Effect::Mark { .. } | Effect::System { .. } | Effect::Early { .. } => {}
    }
}

/// A part of a collection: what is done, and with what.
fn put_change(fields: &mut Map<String, Value>, change: Change<'_>) {
    let mut name = |name: &str| fields.insert("change".to_owned(), json!(name));
    match change {
        Change::Put { name: element, value } => {
            name("put");
            put_bytes(fields, "name", element);
            put_bytes(fields, "value", value);
        }
        Change::Remove { name: element } => {
            name("remove");
            put_bytes(fields, "name", element);
        }
        Change::RemoveRanks { from, count } => {
            name("remove-ranks");
            fields.insert("from".to_owned(), json!(from));
            fields.insert("count".to_owned(), json!(count));
        }
        Change::Splice { at, remove, items } => {
            name("splice");
            fields.insert("at".to_owned(), json!(at));
            fields.insert("remove".to_owned(), json!(remove));
            put_bytes(fields, "items", items);
        }
        Change::RemoveEqual { count, item } => {
            name("remove-equal");
            fields.insert("count".to_owned(), json!(count));
            put_bytes(fields, "item", item);
        }
        Change::About { bytes } => {
            name("about");
            put_bytes(fields, "about", bytes);
        }
        Change::PutAbout { name: element, value, about } => {
            name("put-about");
            put_bytes(fields, "name", element);
            put_bytes(fields, "value", value);
            put_bytes(fields, "about", about);
        }
        Change::PutSeveral { elements } => {
            name("put-several");
            let shown = |(name, value): (&[u8], &[u8])| {
                let mut element = Map::new();
                put_bytes(&mut element, "name", name);
                put_bytes(&mut element, "value", value);
                Value::Object(element)
            };
            let all = pairs(elements).map_while(Result::ok).map(shown).collect();
            fields.insert("elements".to_owned(), Value::Array(all));
        }
        Change::RemoveSeveral { names: gone } => {
            name("remove-several");
            let shown = |name: &[u8]| {
                let mut element = Map::new();
                put_bytes(&mut element, "name", name);
                Value::Object(element)
            };
            let all = names(gone).map_while(Result::ok).map(shown).collect();
            fields.insert("elements".to_owned(), Value::Array(all));
        }
    }
}

fn put_row(fields: &mut Map<String, Value>, kind: u8, expire: u64, value: &[u8]) {
    put_type(fields, kind, expire);
    put_bytes(fields, "value", value);
}

fn put_type(fields: &mut Map<String, Value>, kind: u8, expire: u64) {
    fields.insert("type".to_owned(), json!(shard::commands::type_name(kind)));
    fields.insert("expire_ms".to_owned(), json!(expire));
}

/// Text as it is, anything else in hexadecimal under a name of its own.
pub(crate) fn put_bytes(fields: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => fields.insert(name.to_owned(), json!(text)),
        Err(_) => fields.insert(format!("{name}_hex"), json!(hex(bytes))),
    };
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

fn row_line(row: &LostRow) -> Value {
    let before = match row.before {
        Before::Unknown => "unknown",
        Before::Absent => "absent",
        Before::Row(_) => "present",
    };
    let mut line = json!({
        "what": "key", "keyspace": row.ks.0, "before": before, "outcome": row.outcome.word(),
    });
    if let Some(fields) = line.as_object_mut() {
        put_bytes(fields, "key", &row.key);
        let last = match &row.last {
            Last::Unknown => "unknown",
            Last::Absent => "absent",
            Last::Row { kind, expire, value } => {
                put_row(fields, *kind, *expire, value);
                "present"
            }
        };
        fields.insert("last".to_owned(), json!(last));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::account::{LossId, Outcome, State};
    use super::*;
    use model::{GroupId, NodeId};

    #[test]
    fn pages_hold_every_line_once() {
        let ks = Keyspace(1);
        let entry = |index: u64| {
            let mut effects = Vec::new();
            let (key, value) = (index.to_string(), vec![b'x'; PAGE / 3]);
            Effect::Put { ks, key: key.as_bytes(), kind: 0, expire: 7, value: &value }.encode(&mut effects);
            Effect::Delete { ks, key: &[0xff, 1] }.encode(&mut effects);
            LostEntry { index, term: 2, time_ms: 9, count: 2, effects }
        };
        let (before, last, outcome) = (Before::Absent, Last::Absent, Outcome::Open);
        let account = Account {
            id: LossId { group: GroupId(1), term: 2, index: 1 },
            node: NodeId(1),
            at_ms: 0,
            state: State::Lost,
            not_kept: (0, 0),
            entries: (1..=10).map(entry).collect(),
            rows: vec![LostRow { ks, key: b"1".to_vec(), before, last, outcome }],
        };
        let (mut cursor, mut lines, mut pages) = (0, Vec::new(), 0);
        loop {
            let (next, some) = page(&account, cursor);
            lines.extend(some);
            (cursor, pages) = (next, pages + 1);
            if next == 0 {
                break;
            }
        }
        assert_eq!((lines.len(), pages), (21, 4));
        let put: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!((&put["effect"], &put["key"], &put["expire_ms"]), (&json!("put"), &json!("1"), &json!(7)));
        let delete = r#"{"effect":"delete","index":10,"key_hex":"ff01","keyspace":1,"term":2,"time_ms":9,"what":"effect"}"#;
        assert_eq!(lines[19], delete);
        let key =
            r#"{"before":"absent","key":"1","keyspace":1,"last":"absent","outcome":"open","what":"key"}"#;
        assert_eq!(lines[20], key);
        assert_eq!(page(&account, 99), (0, Vec::new()));
    }
}
