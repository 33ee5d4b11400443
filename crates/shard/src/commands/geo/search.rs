//! Places in an area: GEOSEARCH, GEOSEARCHSTORE and the older GEORADIUS family.

use super::area::Area;
use super::places::coordinates;
use super::request::{Form, Request, Sort};
use super::{Point, distance_text};
use crate::collection::Elements;
use crate::commands::sorted_set::{look, scored, store};
use crate::data::{Context, Done};
use model::Reply;

/// A member in the area.
#[derive(Debug, Clone, Copy)]
struct Found<'a> {
    member: &'a [u8],
    score: f64,
    point: Point,
    /// From the center, in metres.
    distance: f64,
}

/// `GEOSEARCH key FROMMEMBER member | FROMLONLAT longitude latitude BYRADIUS radius unit | BYBOX width height unit
/// [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]`
pub(in crate::commands) fn geosearch(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    search(c, args, Form::Search)
}

/// `GEOSEARCHSTORE destination source` and the options of GEOSEARCH, `[STOREDIST]` instead of the last ones
pub(in crate::commands) fn geosearchstore(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    search(c, args, Form::SearchStore)
}

/// `GEORADIUS key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]]
/// [ASC | DESC] [STORE key | STOREDIST key]`
pub(in crate::commands) fn georadius(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    search(c, args, Form::Radius { stores: true })
}

/// GEORADIUS without STORE
pub(in crate::commands) fn georadius_ro(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    search(c, args, Form::Radius { stores: false })
}

/// `GEORADIUSBYMEMBER key member radius unit` and the options of GEORADIUS
pub(in crate::commands) fn georadiusbymember(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    search(c, args, Form::RadiusByMember { stores: true })
}

/// GEORADIUSBYMEMBER without STORE
pub(in crate::commands) fn georadiusbymember_ro(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    search(c, args, Form::RadiusByMember { stores: false })
}

fn search(c: &mut Context<'_>, args: &[&[u8]], form: Form) -> Done {
    let key = c.data.key(args[form.key()]);
    let members = look(&mut c.data, key)?;
    let request = Request::parse(args, form, members)?;
    let mut found = match request.area() {
        Some(area) if !members.is_empty() => find(members, &area, most_found(&request)),
        _ => Vec::new(),
    };
    match request.sort {
        Sort::None => {}
        Sort::Ascending => found.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
        Sort::Descending => found.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
    }
    if request.count > 0 {
        found.truncate(request.count);
    }
    let Some(to) = request.store else {
        answer(c.reply, &request, &found);
        return Ok(());
    };
    let score =
        |one: &Found<'_>| if request.store_distances { one.distance / request.unit } else { one.score };
    let kept = found.iter().map(|one| (one.member.into(), score(one))).collect();
    store(c, to, kept)
}

/// How many members to find: where any will do, not more than are wanted.
fn most_found(request: &Request<'_>) -> usize {
    if request.any { request.count } else { usize::MAX }
}

/// Up to `most` members in an area.
fn find<'a>(members: Elements<'a>, area: &Area, most: usize) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    for cell in area.cells() {
        let (first, end) = (cell.first_score(), cell.end_score());
        let from = members.count_before(|score, _| score < first);
        let within = members.starting_at(from).map(scored).take_while(|(_, score)| *score < end);
        for (member, score) in within {
            let point = Point::of_score(score);
            if let Some(distance) = area.distance(point) {
                found.push(Found { member, score, point, distance });
                if found.len() == most {
                    return found;
                }
            }
        }
    }
    found
}

fn answer(reply: &mut dyn Reply, request: &Request<'_>, found: &[Found<'_>]) {
    let more =
        usize::from(request.distances) + usize::from(request.hashes) + usize::from(request.coordinates);
    reply.array(found.len());
    for one in found {
        if more > 0 {
            reply.array(1 + more);
        }
        reply.bulk(one.member);
        if request.distances {
            reply.bulk_str(&distance_text(one.distance / request.unit));
        }
        if request.hashes {
            reply.int(one.score as i64);
        }
        if request.coordinates {
            coordinates(reply, one.point);
        }
    }
}
