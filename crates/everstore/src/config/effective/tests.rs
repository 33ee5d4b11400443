use std::io::Write;

use super::*;

fn flags(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    pairs.iter().map(|(name, value)| (*name, (*value).to_string())).collect()
}

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temp file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn source_of(effective: &Effective, name: &str) -> Source {
    let row = effective.rows().find(|(key, ..)| key.name == name);
    row.expect("a key").2.clone()
}

#[test]
fn defaults_are_a_valid_configuration() {
    let effective = Effective::load(&[], &[], None).expect("defaults");
    let config = effective.config();
    assert_eq!((config.port, config.peer_port, config.admin_port), (6379, 16379, 26379));
    assert_eq!((config.replicas, config.shards, config.threads), (3, 16, 1));
    assert_eq!(config.max_value, 8 << 20);
    assert_eq!(config.quorum_timeout.as_secs(), 5);
    assert_eq!(source_of(&effective, "peer-port"), Source::Derived("port"));
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let file = file("port = 1001\nshards = 2\nreplicas = 5\nbind = [\"127.0.0.1\", \"::1\"]\n");
    let env = env(&[("EVERSTORE_PORT", "1002"), ("EVERSTORE_SHARDS", "4"), ("HOME", "/x")]);
    let flags = flags(&[("port", "1003")]);
    let effective = Effective::load(&flags, &env, Some(file.path())).expect("valid");
    let config = effective.config();
    assert_eq!((config.port, config.shards, config.replicas), (1003, 4, 5));
    assert_eq!(config.bind.len(), 2);
    assert_eq!(config.peer_port, 11003);
    assert_eq!(source_of(&effective, "port"), Source::Flag("--port".into()));
    assert_eq!(source_of(&effective, "shards"), Source::Env("EVERSTORE_SHARDS".into()));
    assert_eq!(source_of(&effective, "replicas"), Source::File(file.path().into()));
}

#[test]
fn the_cluster_port_is_off_unless_it_is_set_and_must_differ_from_the_others() {
    let load = |pairs: &[(&'static str, &str)]| Effective::load(&flags(pairs), &[], None);
    assert_eq!(load(&[]).expect("defaults").config().cluster_port, 0);
    // 0 is no port: that of an admin port that is off is not the same.
    load(&[("admin-port", "0")]).expect("both off");
    let on = load(&[("cluster-port", "7301"), ("cluster-advertise", "db-1:7301")]).expect("valid");
    assert!(on.redis_rows().contains(&("cluster-port", "7301".to_owned())));
    let text = load(&[("cluster-port", "16379")]).expect_err("the peer port").to_string();
    assert!(text.contains("'cluster-port' and 'peer-port' must differ: both are 16379"), "{text}");
    let text = load(&[("cluster-advertise", "h:1")]).expect_err("no port").to_string();
    assert!(text.contains("'cluster-port' is reached, which is off"), "{text}");
}

#[test]
fn unknown_keys_are_errors_with_a_suggestion() {
    let file = file("replica = 3\n");
    let error = Effective::load(&[], &[], Some(file.path())).expect_err("unknown key");
    let text = error.to_string();
    assert!(text.starts_with("unknown key 'replica' in file "), "{text}");
    assert!(text.ends_with("did you mean 'replicas'?"), "{text}");

    let error = Effective::load(&[], &env(&[("EVERSTORE_PEERPORT", "1")]), None).expect_err("unknown");
    assert!(error.to_string().contains("did you mean 'peer-port'?"), "{error}");
}

#[test]
fn foreign_variables_are_left_alone() {
    let env = env(&[
        ("EVERSTORE_NODE", "127.0.0.1:7001"),
        ("EVERSTORE_PASSWORD", "x"),
        ("EVERSTORE_SERVICE_HOST", "10.0.0.1"),
        ("EVERSTORE_PORT_6379_TCP", "tcp://10.0.0.1:6379"),
    ]);
    assert!(Effective::load(&[], &env, None).is_ok());
}

#[test]
fn bad_values_name_the_value_and_what_is_allowed() {
    let cases = [
        ("port", "70000", "'70000'; allowed: 1 to 65535"),
        ("replicas", "2", "'2'; allowed: 1 to 7 (odd)"),
        ("max-value", "9mb", "'9mb'; allowed: 1kb to 8mb, such as 64kb or 8mb"),
        ("chunk-threshold", "64kb", "'64kb'; allowed: 1mb to 8mb, such as 8mb"),
        ("quorum-timeout", "5", "'5'; allowed: 100ms to 10m"),
        ("log-mode", "fast", "'fast'; allowed: auto, direct, buffered"),
        ("threads", "2", "'2'; allowed: 1"),
        ("dir", "", "''; allowed: a path"),
        ("join", "host", "'host'; allowed: HOST:PORT"),
    ];
    for (name, value, expected) in cases {
        let error = Effective::load(&flags(&[(name, value)]), &[], None).expect_err(name);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn values_that_do_not_go_together_are_refused() {
    let cases = [
        (vec![("port", "60000")], "give 'peer-port' explicitly"),
        (vec![("peer-port", "6379")], "must differ"),
        (vec![("bootstrap", "true"), ("join", "a:1")], "give one of them"),
        (vec![("heartbeat-interval", "100ms")], "a third"),
        (vec![("query-buffer-limit", "1mb")], "above 'max-value'"),
    ];
    for (pairs, expected) in cases {
        let error = Effective::load(&flags(&pairs), &[], None).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn secrets_are_neither_shown_nor_accepted_from_a_file() {
    let env = env(&[("EVERSTORE_SECRET", "abc"), ("EVERSTORE_REQUIREPASS", "hunter2")]);
    let effective = Effective::load(&[], &env, None).expect("valid");
    assert_eq!(effective.config().secret.as_deref(), Some("abc"));
    let shown: String = effective.rows().map(|(_, value, _)| value + "\n").collect();
    assert!(!shown.contains("hunter2") && !shown.contains("abc"), "{shown}");
    let file = file("secret = \"abc\"\n");
    let error = Effective::load(&[], &[], Some(file.path())).expect_err("secret in a file");
    assert!(error.to_string().contains("EVERSTORE_SECRET"), "{error}");
}

#[test]
fn without_a_password_clients_are_served_on_loopback_only() {
    let open = Effective::load(&flags(&[("bind", "*")]), &[], None).expect("valid");
    let (interfaces, reason) = open.config().redis_interfaces();
    assert!(interfaces.iter().all(IpAddr::is_loopback));
    assert!(reason.is_some_and(|text| text.contains("requirepass")));
    let guarded = flags(&[("bind", "*"), ("requirepass", "x")]);
    let guarded = Effective::load(&guarded, &[], None).expect("valid");
    assert_eq!(guarded.config().redis_interfaces(), (vec!["0.0.0.0".parse().expect("ip")], None));
}

#[test]
fn online_changes_are_checked_and_remembered() {
    let mut effective = Effective::load(&[], &[], None).expect("defaults");
    effective.set_online("maxclients", "50").expect("online");
    effective.set_online("quorum-timeout", "2s").expect("online");
    assert_eq!(effective.config().max_clients, 50);
    assert_eq!(effective.config().quorum_timeout.as_secs(), 2);
    assert_eq!(source_of(&effective, "max-clients"), Source::Online);
    assert_eq!(effective.set_online("port", "1").expect_err("restart"), ConfigError::NotOnline("port"));
    assert!(effective.set_online("maxclients", "0").is_err());
    assert_eq!(effective.config().max_clients, 50);
    let rows = effective.redis_rows();
    assert!(rows.contains(&("maxclients", "50".to_string())));
    assert!(rows.contains(&("max-value", "8388608".to_string())));
    assert!(rows.iter().all(|(name, _)| *name != "secret"));
}

#[test]
fn a_broken_file_names_itself() {
    let file = file("port = = 1\n");
    let error = Effective::load(&[], &[], Some(file.path())).expect_err("not TOML");
    assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
    let missing = Effective::load(&[], &[], Some(Path::new("no-such.toml"))).expect_err("missing");
    assert!(missing.to_string().contains("no-such.toml"), "{missing}");
}
