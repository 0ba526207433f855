//! A polygon on the sky: corners that are joined by arcs of great circles. What lies within is what one cannot leave without crossing an
//! odd number of them; the point opposite of its corners' middle lies outside.

use std::hash::{Hash, Hasher};

use cdshealpix::nested;
use cdshealpix::sph_geom::coo3d::{Coo3D, LonLat, LonLatT, UnitVect3, Vec3};
use cdshealpix::sph_geom::{ContainsSouthPoleMethod, Polygon as Sides};

use super::Region;
use super::cells::{CollectedCells, LevelCell};
use crate::astronomy::{CELL_ORDER, cells_within, is_place};
use crate::error::{Error, Result};
use crate::limits::HeldMemory;

/// The most corners.
pub const MOST_CORNERS: usize = 1000;

/// The most cells of the circle around it, of which some are on its rim.
const MOST_RIM_CELLS: f64 = (1 << 18) as f64;
/// More than what rounding moves a place.
const ROUNDING_RAD: f64 = 1e-9;

/// A direction, as a unit vector.
type Direction = [f64; 3];

/// The sides of a polygon.
pub(super) struct Polygon {
    corners: Vec<Direction>,
    sides: Sides,
}

impl Region {
    /// The region within some corners. Errors: `Argument` for fewer than three or more than [`MOST_CORNERS`], and where they do not lie in
    /// half of the sky.
    pub fn from_corners(corners: &[[f64; 2]], memory: HeldMemory) -> Result<Self> {
        if !(3..=MOST_CORNERS).contains(&corners.len()) {
            let number = corners.len();
            return Err(Error::argument(format!(
                "there are {number} corners: give 3 to {MOST_CORNERS}"
            )));
        }
        let polygon = Polygon::new(corners)?;
        let radius_rad = polygon.radius_rad();
        let is_coarse =
            |order: &u8| cells_within(*order, radius_rad.to_degrees()) <= MOST_RIM_CELLS;
        let order = (0..=CELL_ORDER).rev().find(is_coarse).unwrap_or_default();
        let (mut cells, mut rim) = (CollectedCells::new(memory), Vec::new());
        let sides: Vec<_> = (0..corners.len()).collect();
        for base in 0..12 {
            polygon.cover((0, base), order, &sides, &mut cells, &mut rim)?;
        }
        Region::new(cells, Some((rim, polygon)))
    }
}

impl Polygon {
    fn new(corners: &[[f64; 2]]) -> Result<Self> {
        let directions: Vec<_> = corners.iter().map(|place| coordinates(*place)).collect();
        let directions: Vec<_> = directions.iter().map(direction).collect();
        let middle = sum(&directions);
        if directions.iter().any(|corner| dot(corner, &middle) <= 0.0) {
            let text = "the corners do not lie in half of the sky: send a MOC, or several polygons";
            return Err(Error::argument(text));
        }
        let [x, y, z] = middle.map(|part| -part / dot(&middle, &middle).sqrt());
        let outside = Coo3D::from_ref(&UnitVect3::new_unsafe(x, y, z));
        let corners_of_sides = corners.iter().map(|place| {
            let at = coordinates(*place);
            LonLat { lon: at.lon(), lat: at.lat() }
        });
        let sides = Sides::new_custom(
            corners_of_sides.collect(),
            &ContainsSouthPoleMethod::ControlPointOut(outside),
        );
        Ok(Self { corners: directions, sides })
    }

    /// Whether a place lies within.
    pub(super) fn holds(&self, place: [f64; 2]) -> bool {
        is_place(place) && self.sides.contains(&coordinates(place))
    }

    /// How far its corners are from their middle at most: all of it is as near.
    fn radius_rad(&self) -> f64 {
        let middle = sum(&self.corners);
        let angles = self.corners.iter().map(|corner| angle(corner, &middle));
        angles.fold(0.0, f64::max)
    }

    /// Adds what it has of a cell (order and number): as a whole, or, down to an order, in parts. `near` are the sides that may cross it.
    fn cover(
        &self,
        (order, number): (u8, u64),
        finest: u8,
        near: &[usize],
        cells: &mut CollectedCells,
        rim: &mut Vec<LevelCell>,
    ) -> Result<()> {
        let (lon, lat) = nested::center(order, number);
        let centre = direction(&Coo3D::from_sph_coo(lon, lat));
        let radius = cdshealpix::largest_center_to_vertex_distance(order, lon, lat) + ROUNDING_RAD;
        let near: Vec<_> = near
            .iter()
            .copied()
            .filter(|side| self.side_distance(*side, &centre) <= radius)
            .collect();
        let cell = LevelCell::new(order, number, f64::NAN);
        let cell = cell.ok_or_else(|| Error::internal("a cell does not exist"))?;
        if near.is_empty() {
            let place = [lon.to_degrees(), lat.to_degrees()];
            return if self.holds(place) { cells.push(cell) } else { Ok(()) };
        }
        if order == finest {
            rim.push(cell);
            return Ok(());
        }
        (0..4).try_for_each(|child| {
            self.cover((order + 1, 4 * number + child), finest, &near, cells, rim)
        })
    }

    /// How far a direction is from a side.
    fn side_distance(&self, side: usize, to: &Direction) -> f64 {
        let (from, until) = (&self.corners[side], &self.corners[(side + 1) % self.corners.len()]);
        let normal = cross(from, until);
        let is_beside =
            dot(&cross(&normal, from), to) >= 0.0 && dot(&cross(until, &normal), to) >= 0.0;
        let length = dot(&normal, &normal).sqrt();
        match is_beside && length > 0.0 {
            true => (dot(&normal, to).abs() / length).min(1.0).asin(),
            false => angle(from, to).min(angle(until, to)),
        }
    }
}

impl Hash for Polygon {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.corners.iter().flatten().for_each(|part| part.to_bits().hash(state));
    }
}

impl std::fmt::Debug for Polygon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Polygon of {} corners", self.corners.len())
    }
}

fn coordinates([ra_deg, dec_deg]: [f64; 2]) -> Coo3D {
    Coo3D::from_sph_coo(ra_deg.rem_euclid(360.0).to_radians(), dec_deg.to_radians())
}

fn direction(at: &Coo3D) -> Direction {
    [at.x(), at.y(), at.z()]
}

fn sum(directions: &[Direction]) -> Direction {
    let add = |sum: Direction, one: &Direction| [0, 1, 2].map(|part| sum[part] + one[part]);
    directions.iter().fold([0.0; 3], add)
}

fn dot(one: &Direction, other: &Direction) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

fn cross(a: &Direction, b: &Direction) -> Direction {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn angle(one: &Direction, other: &Direction) -> f64 {
    let across = cross(one, other);
    dot(&across, &across).sqrt().atan2(dot(one, other))
}
