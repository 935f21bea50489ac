//! Places on Earth as numbers in one order, so that a search around a point is a few ranges of a sorted set.
//!
//! # The problem
//!
//! "Who is within five kilometres?" is a question in two dimensions, and a sorted structure has one. Whichever
//! coordinate it is sorted by, a narrow band in it still goes around the whole planet.
//!
//! # How it works
//!
//! Each coordinate is scaled to an integer of 26 bits, and the bits of the two are interleaved. Every two bits, from
//! the top, halve the cell in both directions; two places that share a prefix share a cell:
//!
//! ```text
//!   latitude   ──▶ 26 bits  y25 y24 … y0 ─┐
//!                                         ├─▶ x25 y25 x24 y24 … x0 y0      52 bits: exact in an f64
//!   longitude  ──▶ 26 bits  x25 x24 … x0 ─┘
//!
//!   one step: ┌────┬────┐     two steps: each of them again       a cell of n steps
//!             │ 01 │ 11 │                                           = the hashes with one prefix of 2n bits
//!             ├────┼────┤                                           = one range of scores
//!             │ 00 │ 10 │
//!             └────┴────┘
//! ```
//!
//! The order is broken at the edges of cells: two neighbours on either side of the Greenwich meridian share no prefix
//! at all. So a [`Search`] takes cells about as large as itself and looks into the one with its centre and the eight
//! around it ([`Search::cells`]). A neighbour that the search's bounding box doesn't touch is left out. What is found in
//! the cells is measured ([`Search::distance_to`]), because cells are not circles.
//!
//! ```text
//!   ┌──────┬──────┬──────┐      the nine reach beyond the circle wherever in its
//!   │      │  __  │      │      cell the centre lies, or else the cells of the
//!   ├──────┼─/──\─┼──────┤      next larger size are taken; here the two columns
//!   │      │ \__/ │      │      at the sides and the row below are not asked
//!   ├──────┼──────┼──────┤
//!   │      │      │      │
//!   └──────┴──────┴──────┘
//! ```
//!
//! Latitudes end at 85.05112878° ([`MAX_LATITUDE`]), where the square Mercator map of the web ends. The public text
//! form ([`Point::text`]) has another range, up to the poles, so it is computed anew from the decoded place.
//!
//! # Invariants
//!
//! - A [`Point`] is within the limits: [`Point::new`] checks, and [`Point::from_hash`] clamps whatever number it gets.
//! - A point and what its hash decodes to lie in the same cell of [`STEPS`] steps, so they differ by at most half a
//!   metre or so (a property test).
//! - No hash is in two cells of one search, so nothing is found twice.
//! - Every point of a search is in one of its cells, between the 70th parallels (a property test).
//! - Hashes, cells, their order and the distances are those of Redis to the last bit: both compute with the same
//!   formulas in doubles.
//!
//! # Cost
//!
//! Encoding and decoding: two divisions and some twenty shifts. A search costs up to nine ranges, and a haversine, which
//! is five calls of trigonometric functions, for each point in them. The cells that are left have, at the equator, five
//! to twelve times the area of the circle: a cell is two to four radii wide, and the circle touches those around it only
//! sometimes.
//!
//! # Example
//!
//! ```
//! use std::collections::BTreeMap;
//! use xs_storage::geohash::{Point, Search, Shape};
//!
//! let mut index = BTreeMap::new();
//! for (name, longitude, latitude) in [("Palermo", 13.361389, 38.115556), ("Catania", 15.087269, 37.502669)] {
//!     index.insert(Point::new(longitude, latitude).unwrap().hash(), name);
//! }
//! let search = Search { centre: Point::new(15.0, 37.0).unwrap(), shape: Shape::Circle { radius: 100_000.0 } };
//! let candidates = search.cells().flat_map(|cell| index.range(cell.hashes()));
//! let found: Vec<_> = candidates
//!     .filter_map(|(hash, name)| Some((*name, search.distance_to(Point::from_hash(*hash))?.round())))
//!     .collect();
//! assert_eq!(found, [("Catania", 56441.0)]);
//! ```
//!
//! # How others do it
//!
//! Google's S2 projects the sphere on a cube and orders cells along a Hilbert curve, whose neighbours share longer
//! prefixes, and covers a region by cells of mixed sizes. Uber's H3 has hexagons, all of whose neighbours are equally
//! far. PostGIS puts bounding boxes into an R-tree, and can index lines and areas.
//!
//! # What this leaves out
//!
//! The poles beyond 85°, and completeness near them: where meridians run together, a circle spans many cells' widths,
//! and the size of the cells is only a coarse guess there. The Earth is a sphere here, which is wrong by up to 0.5 %.
//! A search over the 180th meridian finds what lies on both sides, but one that is close to a box's width there is not
//! examined further.
//!
//! # Try next
//!
//! Cover the circle by up to twenty cells of mixed sizes instead of nine equal ones, merge those that are adjacent, and
//! count how many points are measured for nothing.
//!
//! # Sources
//!
//! G. Morton, "A computer oriented geodetic data base" (1966); G. Niemeyer's geohash.org (2008); R. Sinnott, "Virtues
//! of the Haversine" (1984); the Redis documentation of the geo commands.

mod cell;
mod search;

#[cfg(all(test, not(xs_loom)))]
mod tests;

pub use cell::{Area, Cell};
pub use search::{Search, Shape};

/// Bits of a hash for each coordinate.
pub const STEPS: u8 = 26;
/// Longitudes reach from its negative to this, in degrees.
pub const MAX_LONGITUDE: f64 = 180.0;
/// Latitudes reach from its negative to this, in degrees.
pub const MAX_LATITUDE: f64 = 85.051_128_78;
/// The radius of the sphere that distances are measured on, in metres: a quadratic mean of the real one's.
pub const EARTH_RADIUS: f64 = 6_372_797.560_856;

/// The digits of the public text form: no `a`, `i`, `l` and `o`.
const DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// A place on Earth, within the limits that have hashes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    longitude: f64,
    latitude: f64,
}

impl Point {
    /// A place by its coordinates in degrees; `None` when one of them is beyond its limit or no number.
    pub fn new(longitude: f64, latitude: f64) -> Option<Point> {
        let valid = longitude.abs() <= MAX_LONGITUDE && latitude.abs() <= MAX_LATITUDE;
        valid.then_some(Point { longitude, latitude })
    }

    /// Degrees to the east of Greenwich.
    pub fn longitude(self) -> f64 {
        self.longitude
    }

    /// Degrees to the north of the equator.
    pub fn latitude(self) -> f64 {
        self.latitude
    }

    /// The place's number, below 2^52, except on the eastern and the northern limit itself, which begins cells of its
    /// own beyond the others.
    pub fn hash(self) -> u64 {
        Cell::of(self, STEPS).bits()
    }

    /// The middle of the cell that a hash means. Any number is taken; one that is no hash gives some place.
    pub fn from_hash(hash: u64) -> Point {
        let area = cell::decode(hash, STEPS);
        let middle = |low: f64, high: f64, limit: f64| ((low + high) / 2.0).clamp(-limit, limit);
        Point {
            longitude: middle(area.west, area.east, MAX_LONGITUDE),
            latitude: middle(area.south, area.north, MAX_LATITUDE),
        }
    }

    /// The text form of geohash.org, eleven characters. The last one is always `0`: 52 bits are ten characters and a
    /// rest.
    pub fn text(self) -> [u8; 11] {
        let bits = cell::encode((self.longitude + 180.0) / 360.0, (self.latitude + 90.0) / 180.0, STEPS);
        let mut text = [DIGITS[0]; 11];
        for (at, digit) in text[..10].iter_mut().enumerate() {
            *digit = DIGITS[(bits >> (47 - 5 * at)) as usize & 31];
        }
        text
    }

    /// The distance over the surface in metres.
    pub fn distance(self, other: Point) -> f64 {
        let v = ((other.longitude.to_radians() - self.longitude.to_radians()) / 2.0).sin();
        if v == 0.0 {
            return self.latitude_distance(other);
        }
        let (here, there) = (self.latitude.to_radians(), other.latitude.to_radians());
        let u = ((there - here) / 2.0).sin();
        let a = u * u + here.cos() * there.cos() * v * v;
        // Rounding may lift antipodes a little above 1.
        2.0 * EARTH_RADIUS * a.sqrt().min(1.0).asin()
    }

    /// The distance in metres between the two parallels.
    fn latitude_distance(self, other: Point) -> f64 {
        EARTH_RADIUS * (other.latitude.to_radians() - self.latitude.to_radians()).abs()
    }
}
