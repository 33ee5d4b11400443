//! Distances on a sphere of the size of the earth.

use super::Point;
use std::f64::consts::PI;

/// Mean radius of the earth in metres.
pub(super) const RADIUS: f64 = 6_372_797.560856;
/// Radians of a degree.
const DEGREE: f64 = PI / 180.0;

/// Degrees in radians.
pub(super) fn radians(degrees: f64) -> f64 {
    degrees * DEGREE
}

/// Radians in degrees.
pub(super) fn degrees(radians: f64) -> f64 {
    radians / DEGREE
}

/// Metres between two points along a great circle (the haversine formula).
pub(super) fn distance(a: Point, b: Point) -> f64 {
    let (latitude_a, latitude_b) = (radians(a.latitude), radians(b.latitude));
    let u = ((latitude_b - latitude_a) / 2.0).sin();
    let v = ((radians(b.longitude) - radians(a.longitude)) / 2.0).sin();
    2.0 * RADIUS * (u * u + latitude_a.cos() * latitude_b.cos() * v * v).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_a_great_circle_is_right() {
        let at = |longitude, latitude| Point { longitude, latitude };
        let quarter = RADIUS * PI / 2.0;
        for (a, b) in [(at(0.0, 0.0), at(90.0, 0.0)), (at(10.0, -45.0), at(10.0, 45.0))] {
            assert!((distance(a, b) - quarter).abs() < 1e-6);
        }
        assert_eq!(distance(at(5.0, 5.0), at(5.0, 5.0)), 0.0);
    }
}
