use proptest::prelude::*;

use super::*;

fn point(longitude: f64, latitude: f64) -> Point {
    Point::new(longitude, latitude).unwrap()
}

#[test]
fn hashes_texts_and_distances_are_those_of_redis() {
    // GEOADD, ZSCORE, GEOHASH and GEODIST of 7.0.15.
    let palermo = point(13.361389, 38.115556);
    let catania = point(15.087269, 37.502669);
    assert_eq!(palermo.hash(), 3479099956230698);
    assert_eq!(catania.hash(), 3479447370796909);
    let (palermo, catania) = (Point::from_hash(palermo.hash()), Point::from_hash(catania.hash()));
    assert_eq!(&palermo.text(), b"sqc8b49rny0");
    assert_eq!(&catania.text(), b"sqdtr74hyu0");
    assert_eq!(format!("{:.4}", palermo.distance(catania)), "166274.1516");
    assert_eq!(palermo.longitude(), 13.361389338970184);
    assert_eq!(palermo.distance(palermo), 0.0);
}

#[test]
fn what_lies_beyond_the_limits_is_no_point() {
    for (longitude, latitude) in [(180.1, 0.0), (-180.1, 0.0), (0.0, 85.06), (0.0, -85.06), (f64::NAN, 0.0)] {
        assert_eq!(Point::new(longitude, latitude), None);
    }
    // The limits themselves are points, and come back as they are.
    for (longitude, latitude) in [(180.0, MAX_LATITUDE), (180.0, 0.0)] {
        let decoded = Point::from_hash(point(longitude, latitude).hash());
        assert_eq!(decoded.longitude(), longitude);
        assert!((decoded.latitude() - latitude).abs() < 1e-5);
    }
}

#[test]
fn a_small_search_asks_fewer_than_nine_cells() {
    let search = Search { centre: point(0.001, 0.001), shape: Shape::Circle { radius: 100.0 } };
    let cells: Vec<_> = search.cells().collect();
    assert!(cells.len() < 9, "{cells:?}");
    assert_eq!(cells[0], Cell::of(search.centre, cells[0].steps()));
}

#[test]
fn the_largest_search_asks_each_quarter_of_the_map_once() {
    for radius in [6_000_000.0, 3e7, f64::INFINITY] {
        let search = Search { centre: point(-1.8, 20.6), shape: Shape::Circle { radius } };
        let mut bits: Vec<_> = search.cells().map(Cell::bits).collect();
        bits.sort_unstable();
        assert_eq!(bits, [0, 1, 2, 3]);
    }
}

#[test]
fn neighbours_go_around_the_world() {
    let cell = Cell::of(point(179.9, 10.0), 5);
    assert!((cell.neighbour(1, 0).area().west + 180.0).abs() < 1e-9);
    assert_eq!(cell.neighbour(1, 1).neighbour(-1, -1), cell);
    assert_eq!(cell.neighbour(0, 1).area().south, cell.area().north);
}

fn longitude() -> impl Strategy<Value = f64> {
    -180.0..=180.0
}

proptest! {
    #[test]
    fn a_hash_decodes_to_the_middle_of_its_cell(x in longitude(), y in -85.05..85.05) {
        let here = point(x, y);
        let there = Point::from_hash(here.hash());
        prop_assert!(here.distance(there) < 0.6);
        prop_assert_eq!(there.hash(), here.hash());
        for steps in 1..=STEPS {
            let cell = Cell::of(here, steps);
            prop_assert!(cell.hashes().contains(&here.hash()));
            let area = cell.area();
            prop_assert!(area.west <= x && x <= area.east && area.south <= y && y <= area.north);
        }
    }

    #[test]
    fn any_number_decodes_to_a_point(hash in any::<u64>()) {
        let point = Point::from_hash(hash);
        prop_assert_eq!(Point::new(point.longitude(), point.latitude()), Some(point));
        point.text();
    }

    #[test]
    fn the_cells_of_a_search_are_disjoint_and_cover_it(
        x in longitude(), y in -70.0..70.0, reach in 0.0..6.5, ratio in 0.2..1.0, east in -1.0..1.0, north in -1.0..1.0,
    ) {
        let reach = 10f64.powf(reach);
        let centre = point(x, y);
        for shape in [Shape::Circle { radius: reach }, Shape::Box { width: reach, height: reach * ratio }] {
            let search = Search { centre, shape };
            let mut ranges: Vec<_> = search.cells().map(Cell::hashes).collect();
            // A place somewhere near, in most cases inside.
            let degrees = (reach / EARTH_RADIUS).to_degrees();
            let (there_x, there_y) = (x + east * degrees, y + north * degrees);
            if let Some(there) = Point::new(there_x, there_y).filter(|p| p.latitude().abs() < 70.0)
                && search.distance_to(there).is_some()
            {
                prop_assert!(ranges.iter().any(|range| range.contains(&there.hash())), "{search:?} {there:?}");
            }
            ranges.sort_unstable_by_key(|range| range.start);
            prop_assert!(ranges.windows(2).all(|two| two[0].end <= two[1].start));
        }
    }
}
