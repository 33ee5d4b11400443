//! Operations with a reply, in lanes: within a lane each comes before the next. A set of operations that
//! can begin an order is then one position per lane, however long the history is.

use super::Item;

/// Indices of the items with a reply, per lane in their order. Call and return times grow within a lane.
pub(crate) fn lanes(items: &[Item<'_>]) -> Vec<Vec<u32>> {
    let mut order: Vec<u32> = (0..items.len() as u32).collect();
    order.retain(|at| items[*at as usize].reply.is_some());
    order.sort_by_key(|at| items[*at as usize].call);
    let mut lanes: Vec<Vec<u32>> = Vec::new();
    for at in order {
        let item = &items[at as usize];
        let last = |lane: &Vec<u32>| lane.last().map(|last| &items[*last as usize]);
        let same = |lane: &Vec<u32>| last(lane).is_some_and(|last| program_order(last, item));
        let before = |lane: &Vec<u32>| last(lane).is_some_and(|last| last.ret < item.call);
        let found = lanes.iter().position(same).or_else(|| lanes.iter().position(before));
        match found {
            Some(lane) => lanes[lane].push(at),
            None => lanes.push(vec![at]),
        }
    }
    lanes
}

/// Whether `b`, called not before `a`, comes after it because one client sent both: on one connection in
/// the order sent, also in a pipeline; on another one when the former had returned.
fn program_order(a: &Item<'_>, b: &Item<'_>) -> bool {
    if !a.ordered || !b.ordered {
        return false;
    }
    let pipelined = a.op.connection == b.op.connection && a.ret <= b.ret;
    let sequential = a.op.client == b.op.client && a.ret <= b.call;
    pipelined || sequential
}
