//! In the status: when everything was last read to find damage, and when replicas were last compared.

use cluster::status::Status;

/// A line; empty if no node has done either since its start.
pub fn line(status: &Status) -> String {
    let up = || status.nodes.iter().filter(|node| node.state.is_up() && !node.witness);
    let read: Vec<u64> = up().map(|node| node.scrub_last_ms).filter(|ms| *ms > 0).collect();
    let groups = || status.shards.iter().chain(&status.meta);
    let compared: Vec<u64> =
        groups().filter_map(|shard| shard.compared.as_ref()).map(|found| found.ms).collect();
    if read.is_empty() && compared.is_empty() {
        return String::new();
    }
    let since =
        |times: &[u64]| times.iter().min().map_or(String::new(), |ms| format!(", all since {}", utc(*ms)));
    format!(
        "  scrub: {} of {} nodes have read all they have{}; replicas of {} of {} groups were compared{}\n",
        read.len(),
        up().count(),
        since(&read),
        compared.len(),
        groups().count(),
        since(&compared),
    )
}

/// Date and time to the minute of a number of ms since 1970.
fn utc(ms: u64) -> String {
    let (mut days, minutes) = (ms / 86_400_000, ms / 60_000 % 1440);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    format!("{year}-{:02}-{:02} {:02}:{:02} UTC", month + 1, days + 1, minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::status::{ComparedStatus, NodeState, NodeStatus, ShardStatus};

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01 00:00 UTC");
        assert_eq!(utc(951_782_399_999), "2000-02-28 23:59 UTC");
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00 UTC");
        assert_eq!(utc(1_704_067_199_999), "2023-12-31 23:59 UTC");
    }

    #[test]
    fn the_longest_ago_is_told() {
        let node =
            |scrub_last_ms| NodeStatus { scrub_last_ms, state: NodeState::Up, ..NodeStatus::default() };
        let compared = ComparedStatus { ms: 86_400_000, ..ComparedStatus::default() };
        let shard = ShardStatus { compared: Some(compared), ..ShardStatus::default() };
        let mut status = Status { nodes: vec![node(0), node(0)], ..Status::default() };
        assert_eq!(line(&status), "");
        status.nodes[1] = node(60_000);
        status.shards = vec![shard, ShardStatus::default()];
        assert_eq!(
            line(&status),
            "  scrub: 1 of 2 nodes have read all they have, all since 1970-01-01 00:01 UTC; \
             replicas of 1 of 2 groups were compared, all since 1970-01-02 00:00 UTC\n"
        );
    }
}
