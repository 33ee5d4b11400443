//! Places on earth: members of sorted sets whose scores are positions.

mod area;
mod cell;
pub(super) mod places;
mod request;
pub(super) mod search;
mod sphere;

use super::float;
use crate::data::Stop;
use cell::Cell;

/// Longitude and latitude in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    longitude: f64,
    latitude: f64,
}

impl Point {
    /// Reads a longitude and a latitude.
    ///
    /// # Errors
    /// What is no number, or outside of what [`cell`] can name.
    fn parse(longitude: &[u8], latitude: &[u8]) -> Result<Point, Stop> {
        let point = Point { longitude: float::argument(longitude)?, latitude: float::argument(latitude)? };
        if cell::contains(point) {
            return Ok(point);
        }
        let Point { longitude, latitude } = point;
        Err(Stop::error(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}")))
    }

    /// The point that a score means.
    fn of_score(score: f64) -> Point {
        Cell::of_score(score).center()
    }
}

/// Metres of a unit.
///
/// # Errors
/// What is no unit.
fn metres(unit: &[u8]) -> Result<f64, Stop> {
    match () {
        () if unit.eq_ignore_ascii_case(b"m") => Ok(1.0),
        () if unit.eq_ignore_ascii_case(b"km") => Ok(1000.0),
        () if unit.eq_ignore_ascii_case(b"ft") => Ok(0.3048),
        () if unit.eq_ignore_ascii_case(b"mi") => Ok(1609.34),
        () => Err(Stop::error("ERR unsupported unit provided. please use M, KM, FT, MI")),
    }
}

/// A distance as text: four decimals, whatever the unit.
fn distance_text(distance: f64) -> String {
    format!("{distance:.4}")
}
