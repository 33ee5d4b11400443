//! `LATENCY`, `MEMORY`, `SLOWLOG`.

use super::{Call, Outcome, integer};
use crate::command_stats::Counts;
use model::Reply;

/// Entries that `SLOWLOG GET` shows without a count.
const SLOWLOG_SHOWN: usize = 10;

pub(super) fn slowlog(call: &mut Call<'_>, sub: &str) -> Outcome {
    match sub {
        "len" => {
            let len = call.host.slowlog().len();
            call.int(len as i64)
        }
        "reset" => {
            call.host.slowlog().reset();
            call.ok()
        }
        _ => slowlog_get(call),
    }
}

fn slowlog_get(call: &mut Call<'_>) -> Outcome {
    if call.args.len() > 3 {
        return call.subcommand_error("SLOWLOG");
    }
    let count = match call.args.get(2).map(|arg| integer(arg)) {
        None => SLOWLOG_SHOWN,
        Some(Some(-1)) => usize::MAX,
        Some(Some(count)) if count >= 0 => count as usize,
        Some(_) => return call.error("ERR count should be greater than or equal to -1"),
    };
    let entries: Vec<_> = call.host.slowlog().entries().take(count).cloned().collect();
    let mut reply = call.reply();
    reply.array(entries.len());
    for entry in entries {
        reply.array(6);
        reply.int(entry.id as i64);
        reply.int(entry.time_s as i64);
        reply.int(entry.took_us as i64);
        reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| reply.bulk(arg));
        reply.bulk_str(&entry.addr);
        reply.bulk_str(&entry.name);
    }
    Outcome::Done
}

pub(super) fn latency(call: &mut Call<'_>, sub: &str) -> Outcome {
    match sub {
        "latest" => latency_latest(call),
        "history" => latency_history(call),
        "reset" => {
            let reset = call.host.latency().reset(&call.args[2..]);
            call.int(reset as i64)
        }
        "graph" => match latency_graph(call) {
            Some(text) => call.verbatim(&text),
            None => call.error_about("ERR No samples available for event '", call.args[2], "'"),
        },
        "histogram" => latency_histogram(call),
        _ => latency_doctor(call),
    }
}

fn latency_latest(call: &mut Call<'_>) -> Outcome {
    let latest: Vec<(&str, (u64, u64), u64)> = call
        .host
        .latency()
        .events()
        .filter_map(|(name, event)| Some((name, *event.samples.back()?, event.max_ms)))
        .collect();
    let mut reply = call.reply();
    reply.array(latest.len());
    for (name, (time_s, took_ms), max_ms) in latest {
        reply.array(4);
        reply.bulk_str(name);
        reply.int(time_s as i64);
        reply.int(took_ms as i64);
        reply.int(max_ms as i64);
    }
    Outcome::Done
}

fn latency_history(call: &mut Call<'_>) -> Outcome {
    let found = call.host.latency().event(call.args[2]).map(|(_, event)| event.samples.clone());
    let samples = found.unwrap_or_default();
    let mut reply = call.reply();
    reply.array(samples.len());
    for (time_s, took_ms) in samples {
        reply.array(2);
        reply.int(time_s as i64);
        reply.int(took_ms as i64);
    }
    Outcome::Done
}

/// `LATENCY HISTOGRAM [command ...]`: a container stands for its subcommands.
fn latency_histogram(call: &mut Call<'_>) -> Outcome {
    let asked = &call.args[2..];
    let named = |name: &str| {
        let container = name.split_once('|').map(|(container, _)| container);
        let is = |word: &&[u8]| {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            is(name) || container.is_some_and(is)
        };
        asked.is_empty() || asked.iter().any(is)
    };
    let all = call.host.command_stats().each();
    let found: Vec<(&str, Counts)> = all
        .filter(|(name, counts)| counts.calls > 0 && named(name))
        .map(|(name, counts)| (name, counts.clone()))
        .collect();
    let mut reply = call.reply();
    reply.map(found.len());
    for (name, counts) in found {
        let histogram = counts.histogram();
        reply.bulk_str(name);
        reply.map(2);
        reply.bulk_str("calls");
        reply.int(counts.calls as i64);
        reply.bulk_str("histogram_usec");
        reply.map(histogram.len());
        for (most_us, calls) in histogram {
            reply.int(most_us as i64);
            reply.int(calls as i64);
        }
    }
    Outcome::Done
}

/// The samples as lines of marks, one per sample, the newest last.
fn latency_graph(call: &mut Call<'_>) -> Option<String> {
    let (name, event) = call.host.latency().event(call.args[2])?;
    let low = event.samples.iter().map(|(_, ms)| *ms).min()?;
    let mut text =
        format!("{name} - high {} ms, low {low} ms (all time high {} ms)\n", event.max_ms, event.max_ms);
    for (time_s, took_ms) in &event.samples {
        let width = (took_ms * 40).div_ceil(event.max_ms.max(1)) as usize;
        text.push_str(&format!("{time_s} {} {took_ms} ms\n", "#".repeat(width)));
    }
    Some(text)
}

fn latency_doctor(call: &mut Call<'_>) -> Outcome {
    let latency = call.host.latency();
    let mut text = String::new();
    if latency.threshold_ms == 0 {
        text.push_str(
            "Latency monitoring is disabled. CONFIG SET latency-monitor-threshold <milliseconds> enables it.\n",
        );
    } else if latency.events().len() == 0 {
        text.push_str("No latency spike was observed. Nothing to worry about.\n");
    }
    for (name, event) in latency.events() {
        let sum: u64 = event.samples.iter().map(|(_, ms)| ms).sum();
        let mean = sum / (event.samples.len() as u64).max(1);
        text.push_str(&format!(
            "{name}: {} spikes of at least {} ms (average {mean} ms, worst {} ms).\n",
            event.samples.len(),
            latency.threshold_ms,
            event.max_ms
        ));
    }
    call.verbatim(&text)
}

pub(super) fn memory(call: &mut Call<'_>, sub: &str) -> Outcome {
    match sub {
        "stats" => memory_stats(call),
        "purge" => call.ok(),
        "malloc-stats" => call.bulk(b"Stats not supported for the current allocator"),
        _ => memory_doctor(call),
    }
}

fn memory_doctor(call: &mut Call<'_>) -> Outcome {
    let memory = call.host.memory();
    let mut text = String::new();
    if memory.peak > memory.total * 3 / 2 {
        text.push_str(
            "Peak memory: at most two thirds of the peak is in use now; the rest may not be given back.\n",
        );
    }
    if memory.resident > memory.total * 2 && memory.total > 0 {
        text.push_str("High overhead: the process is more than twice as large as what it has in use.\n");
    }
    if text.is_empty() {
        text.push_str("No memory problem was found.\n");
    }
    call.verbatim(&text)
}

fn memory_stats(call: &mut Call<'_>) -> Outcome {
    let memory = call.host.memory();
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    let overhead = memory.total.saturating_sub(memory.dataset);
    let net = memory.total.saturating_sub(memory.startup);
    let integers = [
        ("peak.allocated", memory.peak),
        ("total.allocated", memory.total),
        ("startup.allocated", memory.startup),
        ("replication.backlog", memory.log),
        ("clients.slaves", 0),
        ("clients.normal", memory.clients),
        ("overhead.total", overhead),
        ("keys.count", memory.keys),
        ("keys.bytes-per-key", memory.dataset.checked_div(memory.keys).unwrap_or(0)),
        ("dataset.bytes", memory.dataset),
        ("allocator.resident", memory.resident),
        ("fragmentation.bytes", memory.resident.saturating_sub(memory.total)),
    ];
    let ratio = if memory.total == 0 { 0.0 } else { memory.resident as f64 / memory.total as f64 };
    let doubles = [
        ("dataset.percentage", share(memory.dataset, net.max(memory.dataset))),
        ("peak.percentage", share(memory.total, memory.peak)),
        ("fragmentation", ratio),
    ];
    let mut reply = call.reply();
    reply.map(integers.len() + doubles.len());
    for (name, value) in integers {
        reply.bulk_str(name);
        reply.int(value as i64);
    }
    for (name, value) in doubles {
        reply.bulk_str(name);
        reply.double(value);
    }
    Outcome::Done
}
