//! What a search is called with: where, how far, and what to answer.

use super::area::{Area, Shape};
use super::{Point, metres};
use crate::collection::Elements;
use crate::commands::{float, integer};
use crate::data::{Done, Stop};

/// The commands that search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// GEORADIUS: around coordinates. `stores`: with STORE and STOREDIST.
    Radius { stores: bool },
    /// GEORADIUSBYMEMBER: around a member.
    RadiusByMember { stores: bool },
    /// GEOSEARCH: as its options say.
    Search,
    /// GEOSEARCHSTORE: the same, into another key.
    SearchStore,
}

impl Form {
    /// Where the sorted set's key is.
    pub fn key(self) -> usize {
        if self == Form::SearchStore { 2 } else { 1 }
    }

    /// Whether it has STORE and STOREDIST as options with a key.
    fn names_keys(self) -> bool {
        matches!(self, Form::Radius { stores: true } | Form::RadiusByMember { stores: true })
    }

    /// Whether options say where and how far.
    fn is_search(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }
}

/// The order of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Any.
    None,
    /// The nearest first.
    Ascending,
    /// The farthest first.
    Descending,
}

/// A search.
#[derive(Debug)]
pub(super) struct Request<'a> {
    center: Option<Point>,
    /// FROMMEMBER was given: of a key that is absent there is no center.
    from_member: bool,
    shape: Option<Shape>,
    /// Metres of the unit that distances are in.
    pub unit: f64,
    pub distances: bool,
    pub hashes: bool,
    pub coordinates: bool,
    pub sort: Sort,
    /// Most members to answer with; 0 = all.
    pub count: usize,
    /// The first ones that are found will do.
    pub any: bool,
    /// Where the result is kept.
    pub store: Option<&'a [u8]>,
    /// With distances as scores.
    pub store_distances: bool,
}

impl<'a> Request<'a> {
    /// Reads a command. `members`: of its sorted set, in which members are looked for while it is read, as in Redis.
    ///
    /// # Errors
    /// The first of the mistakes in it.
    pub fn parse(args: &[&'a [u8]], form: Form, members: Elements<'_>) -> Result<Request<'a>, Stop> {
        let mut request = Request {
            center: None,
            from_member: false,
            shape: None,
            unit: 1.0,
            distances: false,
            hashes: false,
            coordinates: false,
            sort: Sort::None,
            count: 0,
            any: false,
            store: (form == Form::SearchStore).then_some(args[1]),
            store_distances: false,
        };
        let mut rest = &args[form.key() + 1..];
        match (form, rest) {
            (Form::Radius { .. }, [longitude, latitude, radius, unit, after @ ..]) => {
                request.center = Some(Point::parse(longitude, latitude)?);
                request.circle(radius, unit)?;
                rest = after;
            }
            (Form::RadiusByMember { .. }, [member, radius, unit, after @ ..]) => {
                request.around(member, members)?;
                // Of an absent key the radius is not looked at.
                if !members.is_empty() {
                    request.circle(radius, unit)?;
                }
                rest = after;
            }
            _ => {}
        }
        while !rest.is_empty() {
            rest = request.option(rest, form, members)?;
        }
        request.check(args[0], form)?;
        Ok(request)
    }

    /// Reads an option; returns what follows it.
    fn option<'r>(
        &mut self,
        rest: &'r [&'a [u8]],
        form: Form,
        members: Elements<'_>,
    ) -> Result<&'r [&'a [u8]], Stop> {
        let Some((option, after)) = rest.split_first() else { return Ok(rest) };
        let is = |word: &[u8]| option.eq_ignore_ascii_case(word);
        let mut used = 0;
        match after {
            _ if is(b"withdist") => self.distances = true,
            _ if is(b"withhash") => self.hashes = true,
            _ if is(b"withcoord") => self.coordinates = true,
            _ if is(b"any") => self.any = true,
            _ if is(b"asc") => self.sort = Sort::Ascending,
            _ if is(b"desc") => self.sort = Sort::Descending,
            [count, ..] if is(b"count") => {
                self.count = positive(integer::argument(count)?)?;
                used = 1;
            }
            [key, ..] if form.names_keys() && (is(b"store") || is(b"storedist")) => {
                (self.store, self.store_distances) = (Some(*key), is(b"storedist"));
                used = 1;
            }
            _ if form == Form::SearchStore && is(b"storedist") => self.store_distances = true,
            _ if form.is_search() => used = self.place(is, after, members)?,
            _ => return Err(Stop::SYNTAX),
        }
        Ok(&after[used..])
    }

    /// Reads an option of a search that says where or how far; returns how many arguments it has.
    fn place(
        &mut self,
        is: impl Fn(&[u8]) -> bool,
        after: &[&[u8]],
        members: Elements<'_>,
    ) -> Result<usize, Stop> {
        let from_point = self.center.is_some() && !self.from_member;
        match after {
            [member, ..] if is(b"frommember") && !from_point => {
                self.around(member, members)?;
                self.from_member = true;
                Ok(1)
            }
            [longitude, latitude, ..] if is(b"fromlonlat") && !self.from_member => {
                self.center = Some(Point::parse(longitude, latitude)?);
                Ok(2)
            }
            [radius, unit, ..] if is(b"byradius") && !matches!(self.shape, Some(Shape::Rectangle { .. })) => {
                self.circle(radius, unit)?;
                Ok(2)
            }
            [width, height, unit, ..]
                if is(b"bybox") && !matches!(self.shape, Some(Shape::Circle { .. })) =>
            {
                self.rectangle(width, height, unit)?;
                Ok(3)
            }
            _ => Err(Stop::SYNTAX),
        }
    }

    fn around(&mut self, member: &[u8], members: Elements<'_>) -> Done {
        match members.score(member) {
            Some(score) => self.center = Some(Point::of_score(score)),
            None if members.is_empty() => {}
            None => return Err(Stop::error("ERR could not decode requested zset member")),
        }
        Ok(())
    }

    fn circle(&mut self, radius: &[u8], unit: &[u8]) -> Done {
        let radius = length(radius, "ERR need numeric radius")?;
        if radius < 0.0 {
            return Err(Stop::error("ERR radius cannot be negative"));
        }
        self.unit = metres(unit)?;
        self.shape = Some(Shape::Circle { radius: radius * self.unit });
        Ok(())
    }

    fn rectangle(&mut self, width: &[u8], height: &[u8], unit: &[u8]) -> Done {
        let width = length(width, "ERR need numeric width")?;
        let height = length(height, "ERR need numeric height")?;
        if width < 0.0 || height < 0.0 {
            return Err(Stop::error("ERR height or width cannot be negative"));
        }
        self.unit = metres(unit)?;
        self.shape = Some(Shape::Rectangle { width: width * self.unit, height: height * self.unit });
        Ok(())
    }

    /// Whether the options go together.
    fn check(&mut self, name: &[u8], form: Form) -> Done {
        let name = String::from_utf8_lossy(name);
        if self.store.is_some() && (self.distances || self.hashes || self.coordinates) {
            let what = if form == Form::SearchStore { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(Stop::error(format!(
                "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        if form.is_search() && self.center.is_none() && !self.from_member {
            return Err(Stop::error(format!(
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}"
            )));
        }
        if form.is_search() && self.shape.is_none() {
            return Err(Stop::error(format!(
                "ERR exactly one of BYRADIUS and BYBOX can be specified for {name}"
            )));
        }
        if self.any && self.count == 0 {
            return Err(Stop::error("ERR the ANY argument requires COUNT argument"));
        }
        // The nearest so many are meant, unless any will do.
        if self.count > 0 && self.sort == Sort::None && !self.any {
            self.sort = Sort::Ascending;
        }
        Ok(())
    }

    /// Where to search; `None` if the sorted set is absent.
    pub fn area(&self) -> Option<Area> {
        Some(Area { center: self.center?, shape: self.shape? })
    }
}

fn length(text: &[u8], wrong: &'static str) -> Result<f64, Stop> {
    float::parse(text).ok_or(Stop::error(wrong))
}

fn positive(count: i64) -> Result<usize, Stop> {
    usize::try_from(count).ok().filter(|count| *count > 0).ok_or(Stop::error("ERR COUNT must be > 0"))
}
