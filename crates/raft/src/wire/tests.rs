use super::*;
use proptest::prelude::*;

fn encoded(m: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    encode(m, &mut out);
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// One message of every shape, as written by version 1.
fn fixtures() -> Vec<(Message, &'static str)> {
    let base = |kind| Message { msg_type: kind, to: 2, from: 1, term: 7, ..Message::default() };
    let mut append = base(MessageType::MsgAppend);
    (append.log_term, append.index, append.commit) = (6, 300, 299);
    append.entries = vec![
        Entry { term: 6, index: 301, data: b"ab"[..].into(), ..Entry::default() },
        Entry { term: 7, index: 302, ..Entry::default() },
        Entry { term: 7, index: 303, context: b"c"[..].into(), ..Entry::default() },
    ]
    .into();
    let mut step = append.clone();
    let mut entry =
        Entry { term: 7, index: 301, data: b"\x12\x04\x08\x02\x10\x04"[..].into(), ..Entry::default() };
    entry.set_entry_type(EntryType::EntryConfChangeV2);
    step.entries = vec![entry].into();
    let mut reject = base(MessageType::MsgAppendResponse);
    (reject.index, reject.reject, reject.reject_hint, reject.log_term) = (300, true, 12, 3);
    reject.request_snapshot = 9;
    let mut vote = base(MessageType::MsgRequestVote);
    (vote.index, vote.log_term, vote.commit, vote.commit_term) = (12, 3, 11, 3);
    vote.context = raft::CAMPAIGN_TRANSFER.into();
    let mut heartbeat = base(MessageType::MsgHeartbeat);
    heartbeat.commit = 5;
    let mut snapshot = base(MessageType::MsgSnapshot);
    let meta = snapshot.mut_snapshot().mut_metadata();
    (meta.index, meta.term) = (128, 6);
    let conf = meta.mut_conf_state();
    (conf.voters, conf.learners) = (vec![1, 2, 3], vec![4]);
    vec![
        (step, "01030f02010706ac02ab0201020706120408021004"),
        (append, "01030f020107 06ac02ab02 03 00060261 62 000700 010700 0163"),
        (reject, "0104c303020107 03ac02090c"),
        (vote, "01059b04020107 030c0b03 1043616d706169676e5472616e73666572"),
        (heartbeat, "010808020107 05"),
        (base(MessageType::MsgTimeoutNow), "010e00020107"),
        (snapshot, "010720020107 800106 03010203 0104 00 00 00 00"),
    ]
}

#[test]
fn fixtures_of_version_1_are_read_and_written() {
    for (m, text) in fixtures() {
        let text = text.replace(' ', "");
        assert_eq!(hex(&encoded(&m)), text, "{:?}", m.msg_type);
        assert_eq!(decode(&unhex(&text)).unwrap(), m);
    }
}

#[test]
fn every_cut_and_every_extra_byte_is_refused() {
    for (m, _) in fixtures() {
        let bytes = encoded(&m);
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err(), "{:?} cut to {len}", m.msg_type);
        }
        let mut longer = bytes;
        longer.push(0);
        assert_eq!(decode(&longer), Err(DecodeError::Malformed("bytes after the message")));
    }
}

#[test]
fn what_no_node_sends_is_refused() {
    for kind in [0u8, 1, 2, 10, 11, 12, 13, 15, 16, 19, 255] {
        assert_eq!(decode(&[1, kind, 0, 2, 1, 7]), Err(DecodeError::Malformed("message type")));
    }
    assert_eq!(decode(&[2, 8, 0, 2, 1, 7]), Err(DecodeError::Version(2)));
    assert_eq!(decode(&[1, 8, 0x80, 0x08, 2, 1, 7]), Err(DecodeError::Malformed("field mask")));
    let mut huge = Message { msg_type: MessageType::MsgHeartbeat, ..Message::default() };
    huge.term = MAX_NUMBER + 1;
    assert_eq!(decode(&encoded(&huge)), Err(DecodeError::Malformed("number too large")));
    // A count of entries far beyond the input asks for no memory.
    let counted = |count| {
        let mut bytes = vec![1, 3, ENTRIES as u8, 2, 1, 7];
        put_u64(&mut bytes, count);
        decode(&bytes)
    };
    assert_eq!(counted(MAX_ENTRIES), Err(DecodeError::Short));
    assert_eq!(counted(MAX_ENTRIES + 1), Err(DecodeError::Malformed("too many entries")));
}

fn kinds() -> impl Strategy<Value = MessageType> {
    use protobuf::ProtobufEnum;
    (0..19i32).prop_filter_map("for peers", |n| MessageType::from_i32(n).filter(|k| is_for_peers(*k)))
}

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..300u64, 0..=MAX_NUMBER]
}

prop_compose! {
    fn messages()(
        kind in kinds(),
        n in proptest::array::uniform9(numbers()),
        reject: bool,
        context in proptest::collection::vec(any::<u8>(), 0..20),
        entries in proptest::collection::vec((numbers(), any::<Vec<u8>>(), 0..3usize), 0..5),
        members in proptest::option::of(proptest::collection::vec(numbers(), 0..5)),
    ) -> Message {
        let mut m = Message { msg_type: kind, to: n[0], from: n[1], term: n[2], ..Message::default() };
        (m.log_term, m.index, m.commit) = (n[3], n[4], n[5]);
        (m.commit_term, m.request_snapshot, m.reject_hint) = (n[6], n[7], n[8]);
        (m.reject, m.context) = (reject, context.into());
        let entry = |(i, (term, data, ctx)): (usize, (u64, Vec<u8>, usize))| Entry {
            term,
            index: n[4] + 1 + i as u64,
            data: data.into(),
            context: vec![1; ctx].into(),
            ..Entry::default()
        };
        m.entries = entries.into_iter().enumerate().map(entry).collect::<Vec<_>>().into();
        if let Some(members) = members {
            let meta = m.mut_snapshot().mut_metadata();
            (meta.index, meta.term) = (n[3], n[5]);
            meta.mut_conf_state().voters = members;
        }
        m
    }
}

proptest! {
    #[test]
    fn messages_round_trip(m in messages()) {
        let mut m = m;
        if m.has_snapshot() {
            // Present in the encoding even if empty.
            m.mut_snapshot().mut_metadata().mut_conf_state();
        }
        prop_assert_eq!(decode(&encoded(&m)).unwrap(), m);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = decode(&bytes);
    }

    #[test]
    fn a_changed_byte_never_panics(m in messages(), at: usize, to: u8) {
        let mut bytes = encoded(&m);
        let at = at % bytes.len();
        bytes[at] = to;
        if let Ok(m) = decode(&bytes) {
            // What is read is also written, though perhaps shorter.
            prop_assert_eq!(decode(&encoded(&m)).unwrap(), m);
        }
    }
}
