//! The area of a search: a circle or a rectangle around a point, and the cells that cover it.

use super::Point;
use super::cell::{Borders, Cell, STEPS};
use super::sphere::{self, RADIUS};

/// Half the girth of the square map of the earth in metres.
const HALF_GIRTH: f64 = 20_037_726.37;

/// The shape of an area, in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    Circle { radius: f64 },
    Rectangle { width: f64, height: f64 },
}

/// A shape around a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub center: Point,
    pub shape: Shape,
}

impl Area {
    /// The distance of a point from the center, `None` outside of the area.
    pub fn distance(&self, to: Point) -> Option<f64> {
        let center = self.center;
        match self.shape {
            Shape::Circle { radius } => Some(sphere::distance(center, to)).filter(|metres| *metres <= radius),
            Shape::Rectangle { width, height } => {
                let at_latitude = Point { longitude: center.longitude, latitude: to.latitude };
                let outside = sphere::distance(to, at_latitude) > width / 2.0
                    || sphere::distance(at_latitude, center) > height / 2.0;
                (!outside).then(|| sphere::distance(center, to))
            }
        }
    }

    /// How far it reaches in metres.
    fn reach(&self) -> f64 {
        match self.shape {
            Shape::Circle { radius } => radius,
            Shape::Rectangle { width, height } => (width * width / 4.0 + height * height / 4.0).sqrt(),
        }
    }

    /// The cells that cover it: the one of the center, then those around it that the area touches, each once, as
    /// Redis searches them.
    pub fn cells(&self) -> Vec<Cell> {
        let bounds = self.bounds();
        let mut steps = self.steps();
        let mut cell = Cell::of(self.center, steps);
        if steps > 1 && !reaches(cell, &bounds) {
            steps -= 1;
            cell = Cell::of(self.center, steps);
        }
        let own = cell.borders();
        // Of the coarsest cells each is wanted.
        let all = steps < 2;
        let wanted = |east: i32, north: i32| {
            (all || east >= 0 || own.west >= bounds.west)
                && (all || east <= 0 || own.east <= bounds.east)
                && (all || north >= 0 || own.south >= bounds.south)
                && (all || north <= 0 || own.north <= bounds.north)
        };
        let around = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        let mut cells = vec![cell];
        let neighbours = around.into_iter().filter(|&(east, north)| wanted(east, north));
        cells.extend(neighbours.map(|(east, north)| cell.neighbour(east, north)));
        // Coarse cells are neighbours on both sides.
        cells.dedup();
        cells
    }

    /// The least and the largest coordinates in it; near the poles about.
    fn bounds(&self) -> Borders {
        let (width, height) = match self.shape {
            Shape::Circle { radius } => (radius, radius),
            Shape::Rectangle { width, height } => (width / 2.0, height / 2.0),
        };
        let Point { longitude, latitude } = self.center;
        let up = sphere::degrees(height / RADIUS);
        // A degree of longitude is the shorter the nearer the pole is.
        let nearest = if latitude < 0.0 { latitude - up } else { latitude + up };
        let aside = sphere::degrees(width / RADIUS / sphere::radians(nearest).cos());
        Borders {
            west: longitude - aside,
            east: longitude + aside,
            south: latitude - up,
            north: latitude + up,
        }
    }

    /// How often to halve the axes, so that a cell and its neighbours about cover the area.
    fn steps(&self) -> u32 {
        let mut reach = self.reach();
        if reach == 0.0 {
            return STEPS;
        }
        let mut steps = 1i32;
        while reach < HALF_GIRTH {
            reach *= 2.0;
            steps += 1;
        }
        steps -= 2;
        // Near the poles the same distance is more degrees.
        let latitude = self.center.latitude.abs();
        steps -= i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        steps.clamp(1, STEPS as i32) as u32
    }
}

/// Whether the neighbours of a cell reach as far as these bounds.
fn reaches(cell: Cell, bounds: &Borders) -> bool {
    let at = |east, north| cell.neighbour(east, north).borders();
    at(0, 1).north >= bounds.north
        && at(0, -1).south <= bounds.south
        && at(1, 0).east >= bounds.east
        && at(-1, 0).west <= bounds.west
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point() -> impl Strategy<Value = Point> {
        // Not across the line of 180 degrees nor near the poles, where cells do not cover all, as in Redis.
        (-90.0..90.0, -60.0..60.0).prop_map(|(longitude, latitude)| Point { longitude, latitude })
    }

    proptest! {
        #[test]
        fn cells_cover_their_area(center in point(), to in point(), scale in 0.0..8.0f64, wide: bool) {
            let metres = 10f64.powf(scale);
            let shape = if wide {
                Shape::Rectangle { width: metres, height: metres / 3.0 }
            } else {
                Shape::Circle { radius: metres }
            };
            // A point nearby, or anywhere.
            let near = metres / RADIUS;
            let to = Point {
                longitude: center.longitude + (to.longitude - center.longitude) * near.min(1.0),
                latitude: center.latitude + (to.latitude - center.latitude) * near.min(1.0),
            };
            let area = Area { center, shape };
            let point = Cell::of(to, STEPS);
            if area.distance(point.center()).is_some() && metres < 2e6 {
                let score = point.first_score();
                let covered = area.cells().iter().any(|c| (c.first_score()..c.end_score()).contains(&score));
                prop_assert!(covered);
            }
            let cells = area.cells();
            prop_assert!(cells.iter().enumerate().all(|(at, cell)| !cells[..at].contains(cell)));
        }
    }
}
