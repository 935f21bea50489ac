//! Searches: a shape around a place, and the cells that cover it.

use super::{Area, Cell, EARTH_RADIUS, Point, STEPS};

/// Half the width of the square map at the equator, in metres: what one step makes of the whole.
const HALF_MAP: f64 = 20_037_726.37;

/// One degree in radians. Dividing by it rounds as Redis does; `to_degrees` multiplies by the inverse.
const DEGREE: f64 = std::f64::consts::PI / 180.0;

/// The shape of what is searched, in metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// What is at most this far from the centre.
    Circle {
        /// The greatest distance.
        radius: f64,
    },
    /// What is at most half the width to the east or west, measured along the place's own parallel, and half the height
    /// to the north or south.
    Box {
        /// From east to west.
        width: f64,
        /// From north to south.
        height: f64,
    },
}

/// A shape around a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// The middle of the shape.
    pub centre: Point,
    /// What is searched around it.
    pub shape: Shape,
}

/// The centre's cell and those around it, as steps to the east and to the north, in the order in which they are
/// searched. Who stops after enough finds gets what this order gives.
const AROUND: [(i32, i32); 9] = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];

impl Search {
    /// How far a place is from the centre, in metres, if it is inside the shape.
    pub fn distance_to(&self, point: Point) -> Option<f64> {
        match self.shape {
            Shape::Circle { radius } => Some(self.centre.distance(point)).filter(|distance| *distance <= radius),
            Shape::Box { width, height } => {
                // The cheaper test first.
                if self.centre.latitude_distance(point) > height / 2.0 {
                    return None;
                }
                let beside = Point { longitude: self.centre.longitude, latitude: point.latitude };
                (point.distance(beside) <= width / 2.0).then(|| self.centre.distance(point))
            }
        }
    }

    /// The cells that together cover the shape: disjoint, the centre's first.
    pub fn cells(&self) -> impl Iterator<Item = Cell> + use<> {
        let bounds = self.bounds();
        let steps = self.steps();
        let mut cell = Cell::of(self.centre, steps);
        if steps > 1 && !block_reaches(cell, bounds) {
            cell = Cell::of(self.centre, steps - 1);
        }
        let area = cell.area();
        // Four cells are the whole map; there every one is looked at.
        let all = cell.steps() < 2;
        let wanted = move |(east, north): &(i32, i32)| {
            all || !(*north < 0 && area.south < bounds.south
                || *north > 0 && area.north > bounds.north
                || *east < 0 && area.west < bounds.west
                || *east > 0 && area.east > bounds.east)
        };
        let mut last = None;
        AROUND.into_iter().filter(wanted).map(move |(east, north)| cell.neighbour(east, north)).filter(move |cell| {
            // With four cells the ways to the east and to the west lead to the same one.
            last.replace(*cell) != Some(*cell)
        })
    }

    /// Half of the shape's width and height in metres.
    fn halves(&self) -> (f64, f64) {
        match self.shape {
            Shape::Circle { radius } => (radius, radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
        }
    }

    /// The part of the map that holds the shape. A degree of longitude is shorter nearer to the pole, so the shape
    /// takes the most of them at the edge that is nearer to it.
    fn bounds(&self) -> Area {
        let Point { longitude, latitude } = self.centre;
        let (half_width, half_height) = self.halves();
        let up = half_height / EARTH_RADIUS / DEGREE;
        let edge = if latitude < 0.0 { latitude - up } else { latitude + up };
        let aside = half_width / EARTH_RADIUS / edge.to_radians().cos() / DEGREE;
        Area { west: longitude - aside, south: latitude - up, east: longitude + aside, north: latitude + up }
    }

    /// How deep the cells lie of which three in a row are probably wide enough.
    fn steps(&self) -> u8 {
        let reach = match (self.shape, self.halves()) {
            (Shape::Circle { radius }, _) => radius,
            (Shape::Box { .. }, (x, y)) => (x * x + y * y).sqrt(),
        };
        if reach == 0.0 {
            return STEPS;
        }
        let mut size = reach;
        let mut steps = -1;
        while size < HALF_MAP {
            size *= 2.0;
            steps += 1;
        }
        // The map is stretched towards the poles.
        steps -= match self.centre.latitude.abs() {
            latitude if latitude > 80.0 => 2,
            latitude if latitude > 66.0 => 1,
            _ => 0,
        };
        steps.clamp(1, i32::from(STEPS)) as u8
    }
}

/// Whether the cells around `cell` reach to the bounds in all four directions.
fn block_reaches(cell: Cell, bounds: Area) -> bool {
    let area = |east, north| cell.neighbour(east, north).area();
    !(area(0, 1).north < bounds.north
        || area(0, -1).south > bounds.south
        || area(1, 0).east < bounds.east
        || area(-1, 0).west > bounds.west)
}
