//! The file format.

use check::history::{Error, Invalid, MAX_LINE, read_json_lines, write_json_lines};
use check::{Action, Class, Condition, History, Reply};

use crate::check;
use crate::script::{INCR, append, number, set_for, set_if, sync};

const HEADER: &str = r#"{"history":{"format":1}}"#;

fn read(text: &str) -> Result<History, Error> {
    read_json_lines(text.as_bytes())
}

fn error(lines: &[&str]) -> String {
    read(&lines.join("\n")).expect_err("an error").to_string()
}

#[test]
fn what_is_written_is_read() {
    let script = sync()
        .set(1, 0, 1, "a")
        .get(1, 2, 3, "")
        .done(1, 4, 5, set_if("b", Condition::Nx, true), Reply::Nil)
        .done(1, 6, 7, INCR, Reply::Error)
        .unknown(2, 8, 9, append("<1.1>"))
        .not_done(2, 10, 11, set_for("c", 5))
        .done(2, 12, 13, Action::Expire { ttl_ms: -1 }, number(1))
        .done(2, 14, 15, Action::GetDel, Reply::Value([0xff, 0, b'x'].as_slice().into()))
        .read_only((16, 17), 500, "a")
        .last("a")
        .key(Class::Async, "k")
        .failover(50, 1, 2, 3)
        .account(50, &["a", "b"]);
    let mut text = Vec::new();
    write_json_lines(&script.history, &mut text).expect("written");
    let back = read_json_lines(text.as_slice()).expect("read");
    assert_eq!(back.operations(), script.history.operations());
    assert_eq!(back.events(), script.history.events());
    assert!(back.keys().eq(script.history.keys()));
    assert!(String::from_utf8(text).expect("UTF-8").contains(r#"{"value":{"hex":"ff0078"}}"#));
}

/// The lines of the page in docs/formats.
#[test]
fn the_example_of_the_page_is_read() {
    let page = include_str!("../../../../docs/formats/history.md");
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with('{')).collect();
    let history = read(&lines.join("\n")).expect("the page is right");
    assert!(history.operations().len() >= 4 && history.events().len() == 2);
    let verdict = check::all(&history, &check::Bounds::default());
    assert!(verdict.passed(), "{verdict:#?}");
}

#[test]
fn errors_name_the_line() {
    let operation = |rest: &str| {
        format!(
            r#"{{"operation":{{"client":1,"connection":1,"keyspace":"sync","key":"k","call_ns":5,{rest}}}}}"#
        )
    };
    let good = operation(r#""return_ns":6,"action":"get","outcome":{"done":"nil"}"#);
    assert_eq!(read(&[HEADER, &good, "", &good].join("\n")).expect("read").operations().len(), 2);
    let with = |rest: &str| error(&[HEADER, &good, &operation(rest)]);
    let torn = with(r#""return_ns":6,"action":"get","outcome":{"do"#);
    assert!(torn.starts_with("line 3: "), "{torn}");
    let wrong = with(r#""return_ns":6,"action":"gett","outcome":"unknown""#);
    assert!(wrong.starts_with("line 3: unknown variant `gett`"), "{wrong}");
    let extra = with(r#""return_ns":6,"action":"get","outcome":"unknown","colour":1"#);
    assert!(extra.contains("unknown field `colour`"), "{extra}");
    let early = with(r#""return_ns":4,"action":"get","outcome":"unknown""#);
    assert_eq!(early, "line 3: it returned before it was called");
    let never = with(r#""action":"get","outcome":{"done":"nil"}"#);
    assert_eq!(never, format!("line 3: {}", Invalid::DoneWithoutReturn));
    let promise = with(r#""return_ns":6,"promise":"final","action":"del","outcome":"unknown""#);
    assert_eq!(promise, format!("line 3: {}", Invalid::PromiseOfNoRead));
    let ttl = with(r#""return_ns":6,"action":{"set":{"value":"a","ttl_ms":0}},"outcome":"unknown""#);
    assert_eq!(ttl, format!("line 3: {}", Invalid::NoTimeToLive));
    let both = with(
        r#""return_ns":6,"action":{"set":{"value":"a","ttl_ms":1,"keep_ttl":true}},"outcome":"unknown""#,
    );
    assert_eq!(both, format!("line 3: {}", Invalid::TwoDeadlines));
    for bytes in [r#"{"hex":"0"}"#, r#"{"hex":"0g"}"#, "5"] {
        let text =
            with(&format!(r#""return_ns":6,"action":{{"append":{{"value":{bytes}}}}},"outcome":"unknown""#));
        assert!(text.starts_with("line 3: ") && text.contains("hexadecimal"), "{text}");
    }
}

#[test]
fn the_header_is_demanded() {
    assert!(matches!(read(""), Err(Error::NoHeader)));
    assert!(matches!(read("hello"), Err(Error::NoHeader)));
    assert!(matches!(
        read(r#"{"failover":{"at_ns":1,"exposure":{"entries":1,"bytes":1,"ms":1}}}"#),
        Err(Error::NoHeader)
    ));
    assert!(error(&[r#"{"history":{"format":2}}"#]).contains("format 2, known is 1"));
    assert_eq!(error(&[HEADER, HEADER]), "line 2: the header stands only in line 1");
}

#[test]
fn a_line_is_bounded() {
    let long = [HEADER, "\n", &" ".repeat(MAX_LINE + 1)].concat();
    assert!(matches!(read(&long), Err(Error::TooLong { line: 2 })));
}
