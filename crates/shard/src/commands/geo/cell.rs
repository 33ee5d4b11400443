//! Cells of a grid over the earth (G. Niemeyer's geohash): each halving of the longitudes gives a bit, then one of
//! the latitudes. A score is a cell of 26 halvings each, 52 bits: what a double holds exactly.
//!
//! Latitudes end where a square map of the earth (EPSG:3857) does, so that cells are square on it.

use super::Point;

/// Halvings of each axis in a score.
pub(super) const STEPS: u32 = 26;
/// Longitudes.
const LONGITUDES: Axis = Axis { min: -180.0, max: 180.0 };
/// Latitudes.
const LATITUDES: Axis = Axis { min: -85.05112878, max: 85.05112878 };
/// The latitudes of the geohash that people write.
const ALL_LATITUDES: Axis = Axis { min: -90.0, max: 90.0 };
/// 2^64, the first score without a place in 64 bits.
const TOO_LARGE: f64 = 18_446_744_073_709_551_616.0;
/// Letters of a geohash, five bits each.
const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
/// Letters of a geohash that people get; 52 bits are ten and a bit, the last is always the first of them.
const TEXT_LEN: usize = 11;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    min: f64,
    max: f64,
}

impl Axis {
    /// Number of the part of `2^steps` in which a coordinate lies.
    fn part(self, at: f64, steps: u32) -> u32 {
        ((at - self.min) / (self.max - self.min) * two_to(steps)) as u32
    }

    /// Where a part begins.
    fn begin(self, part: u32, steps: u32) -> f64 {
        self.min + f64::from(part) / two_to(steps) * (self.max - self.min)
    }
}

fn two_to(steps: u32) -> f64 {
    (1u64 << steps) as f64
}

/// A cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    /// Latitude in the even bits, longitude in the odd ones.
    bits: u64,
    /// Halvings of each axis, 1 to [`STEPS`].
    steps: u32,
}

/// The borders of a cell in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Borders {
    pub west: f64,
    pub east: f64,
    pub south: f64,
    pub north: f64,
}

/// Whether a point is on the grid.
pub(super) fn contains(point: Point) -> bool {
    (LONGITUDES.min..=LONGITUDES.max).contains(&point.longitude)
        && (LATITUDES.min..=LATITUDES.max).contains(&point.latitude)
}

impl Cell {
    /// The cell that has a point of the grid.
    pub fn of(point: Point, steps: u32) -> Cell {
        Cell::on(point, LATITUDES, steps)
    }

    fn on(point: Point, latitudes: Axis, steps: u32) -> Cell {
        let latitude = latitudes.part(point.latitude, steps);
        let longitude = LONGITUDES.part(point.longitude, steps);
        Cell { bits: spread(latitude) | spread(longitude) << 1, steps }
    }

    /// The cell that a score means. As where Redis runs, a score that is none wraps around.
    pub fn of_score(score: f64) -> Cell {
        let bits = match score {
            ..0.0 => score as i64 as u64,
            TOO_LARGE.. => 0,
            _ => score as u64,
        };
        Cell { bits, steps: STEPS }
    }

    /// The first score that lies in it.
    pub fn first_score(self) -> f64 {
        (self.bits << (2 * (STEPS - self.steps))) as f64
    }

    /// The first score behind those that lie in it.
    pub fn end_score(self) -> f64 {
        Cell { bits: self.bits + 1, steps: self.steps }.first_score()
    }

    /// Where it is.
    pub fn borders(self) -> Borders {
        let (latitude, longitude) = (gather(self.bits), gather(self.bits >> 1));
        Borders {
            west: LONGITUDES.begin(longitude, self.steps),
            east: LONGITUDES.begin(longitude.wrapping_add(1), self.steps),
            south: LATITUDES.begin(latitude, self.steps),
            north: LATITUDES.begin(latitude.wrapping_add(1), self.steps),
        }
    }

    /// The point that stands for it.
    pub fn center(self) -> Point {
        let Borders { west, east, south, north } = self.borders();
        Point {
            longitude: ((west + east) / 2.0).clamp(LONGITUDES.min, LONGITUDES.max),
            latitude: ((south + north) / 2.0).clamp(LATITUDES.min, LATITUDES.max),
        }
    }

    /// The neighbour so many cells to the east and to the north; the grid is closed in both directions. As in Redis
    /// what lies on the upper end of an axis, and so behind the last cell, stays there while it moves along the other.
    pub fn neighbour(self, east: i32, north: i32) -> Cell {
        let moved = |part: u32, by: i32| match by {
            0 => part,
            _ => part.wrapping_add_signed(by) & ((1 << self.steps) - 1),
        };
        let (latitude, longitude) = (moved(gather(self.bits), north), moved(gather(self.bits >> 1), east));
        Cell { bits: spread(latitude) | spread(longitude) << 1, steps: self.steps }
    }
}

/// The geohash of a point as people write it.
pub(super) fn text(point: Point) -> [u8; TEXT_LEN] {
    let bits = Cell::on(point, ALL_LATITUDES, STEPS).bits;
    let mut text = [LETTERS[0]; TEXT_LEN];
    for (letter, place) in text.iter_mut().take(TEXT_LEN - 1).zip(1..) {
        *letter = LETTERS[(bits >> (2 * STEPS - 5 * place) & 31) as usize];
    }
    text
}

/// The bits of a number at the even places of one twice as long.
fn spread(number: u32) -> u64 {
    let steps = [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ];
    steps.into_iter().fold(number.into(), |bits: u64, (by, mask)| (bits | bits << by) & mask)
}

/// The bits at the even places.
fn gather(bits: u64) -> u32 {
    let steps = [
        (0, 0x5555_5555_5555_5555),
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ];
    steps.into_iter().fold(bits, |bits, (by, mask)| (bits | bits >> by) & mask) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point() -> impl Strategy<Value = Point> {
        (-180.0..=180.0, LATITUDES.min..=LATITUDES.max)
            .prop_map(|(longitude, latitude)| Point { longitude, latitude })
    }

    #[test]
    fn known_places_have_their_geohash() {
        let palermo = Point { longitude: 13.361389, latitude: 38.115556 };
        let cell = Cell::of(palermo, STEPS);
        assert_eq!(cell.first_score(), 3479099956230698.0);
        assert_eq!(Cell::of_score(3479099956230698.0), cell);
        assert_eq!(&text(cell.center()), b"sqc8b49rny0");
    }

    proptest! {
        #[test]
        fn spread_bits_are_gathered(number: u32, other: u32) {
            prop_assert_eq!(gather(spread(number) | spread(other) << 1), number);
        }

        #[test]
        fn a_point_lies_in_its_cells(point in point(), steps in 1..=STEPS) {
            let (cell, fine) = (Cell::of(point, steps), Cell::of(point, STEPS));
            // At the upper ends of the axes begins what would be the next cell.
            prop_assume!(point.longitude < 180.0 && point.latitude < LATITUDES.max);
            let borders = cell.borders();
            let slack = 1e-9;
            prop_assert!((borders.west - slack..=borders.east + slack).contains(&point.longitude));
            prop_assert!((borders.south - slack..=borders.north + slack).contains(&point.latitude));
            prop_assert!((cell.first_score()..cell.end_score()).contains(&fine.first_score()));
        }

        #[test]
        fn neighbours_are_mutual(point in point(), steps in 1..=STEPS, east in -1..=1, north in -1..=1) {
            prop_assume!(point.longitude < 180.0 && point.latitude < LATITUDES.max);
            let cell = Cell::of(point, steps);
            prop_assert_eq!(cell.neighbour(east, north).neighbour(-east, -north), cell);
        }
    }
}
