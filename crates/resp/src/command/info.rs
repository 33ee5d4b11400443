//! `INFO [section …]`.

use super::{Call, Outcome};

pub(super) fn info(call: &mut Call<'_>) -> Outcome {
    let wanted = &call.args[1..];
    let asked = |name: &str| wanted.iter().any(|arg| arg.eq_ignore_ascii_case(name.as_bytes()));
    let everything = asked("all") || asked("everything");
    let default = wanted.is_empty() || asked("default");
    let mut text = String::new();
    for section in call.host.sections() {
        if everything || (default && section.default) || asked(section.name) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            text.push_str(&format!("# {}\r\n", section.name));
            call.host.info(section.name, call.session, &mut text);
        }
    }
    call.verbatim(&text)
}
