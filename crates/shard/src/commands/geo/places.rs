//! Places by their names: GEOADD, GEOPOS, GEODIST, GEOHASH.

use super::cell::{self, Cell, STEPS};
use super::{Point, distance_text, metres, sphere};
use crate::commands::elements::at_most;
use crate::commands::sorted_set::add::{AddOptions, add};
use crate::commands::sorted_set::look;
use crate::data::{Context, Done, Stop};
use model::Reply;

/// `GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member …]`
pub(in crate::commands) fn geoadd(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let mut options = AddOptions::default();
    let mut rest = &args[2..];
    while let [word, after @ ..] = rest {
        match () {
            () if word.eq_ignore_ascii_case(b"nx") => options.nx = true,
            () if word.eq_ignore_ascii_case(b"xx") => options.xx = true,
            () if word.eq_ignore_ascii_case(b"ch") => options.ch = true,
            () => break,
        }
        rest = after;
    }
    if rest.is_empty() || !rest.len().is_multiple_of(3) || options.nx && options.xx {
        return Err(Stop::SYNTAX);
    }
    let mut members = Vec::with_capacity(rest.len() / 3);
    for place in rest.chunks_exact(3) {
        let point = Point::parse(place[0], place[1])?;
        members.push((Cell::of(point, STEPS).first_score(), place[2]));
    }
    add(c, args[1], options, &members)
}

/// `GEOPOS key [member …]`
pub(in crate::commands) fn geopos(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let members = look(&mut c.data, key)?;
    c.reply.array(args.len() - 2);
    for member in &args[2..] {
        match members.score(member) {
            Some(score) => coordinates(c.reply, Point::of_score(score)),
            None => c.reply.null_array(),
        }
    }
    Ok(())
}

/// Answers with a point.
pub(super) fn coordinates(reply: &mut dyn Reply, point: Point) {
    reply.array(2);
    for degrees in [point.longitude, point.latitude] {
        reply.double_text(&model::double::decimal(degrees));
    }
}

/// `GEODIST key member1 member2 [M | KM | FT | MI]`
pub(in crate::commands) fn geodist(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    at_most(args, 5)?;
    let unit = args.get(4).map_or(Ok(1.0), |unit| metres(unit))?;
    let key = c.data.key(args[1]);
    let members = look(&mut c.data, key)?;
    match members.score(args[2]).zip(members.score(args[3])) {
        Some((a, b)) => {
            let distance = sphere::distance(Point::of_score(a), Point::of_score(b));
            c.reply.bulk_str(&distance_text(distance / unit));
        }
        None => c.reply.null(),
    }
    Ok(())
}

/// `GEOHASH key [member …]`
pub(in crate::commands) fn geohash(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let members = look(&mut c.data, key)?;
    c.reply.array(args.len() - 2);
    for member in &args[2..] {
        match members.score(member) {
            Some(score) => c.reply.bulk(&cell::text(Point::of_score(score))),
            None => c.reply.null(),
        }
    }
    Ok(())
}
