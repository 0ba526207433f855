//! Many places with circles of one radius, by the cells that these touch: tells of a source near which of the places it lies.

use std::collections::HashMap;

use super::circle::Circle;
use crate::astronomy::{CELL_ORDER, cell, cells_of_circle, cells_within};

/// Places, by cells that are at least as wide as the radius of their circles: a circle touches some nine of them at most.
pub(super) struct PlaceGrid {
    circles: Vec<Circle>,
    order: u8,
    /// The places whose circles touch a cell.
    touching: HashMap<i64, Vec<u32>>,
}

impl PlaceGrid {
    /// The circles of some places, by their numbers from 0.
    pub(super) fn new(circles: Vec<Circle>) -> Self {
        let radius_deg = circles.iter().map(|circle| circle.radius_deg).fold(0.0, f64::max);
        let is_wide = |order: &u8| cells_within(*order, radius_deg) <= 4.0;
        let order = (0..=CELL_ORDER).rev().find(is_wide).unwrap_or_default();
        let mut touching: HashMap<i64, Vec<u32>> = HashMap::new();
        for (number, circle) in (0..).zip(&circles) {
            for cell in cells(order, circle) {
                touching.entry(cell).or_default().push(number);
            }
        }
        Self { circles, order, touching }
    }

    /// The cells of the table of places that the circles touch, ascending.
    pub(super) fn cells(&self) -> Vec<i64> {
        let mut all: Vec<_> =
            self.circles.iter().flat_map(|circle| cells(CELL_ORDER, circle)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn touching(&self, place: [f64; 2]) -> &[u32] {
        let cell = cell(self.order, place);
        cell.and_then(|cell| self.touching.get(&cell)).map_or(&[], Vec::as_slice)
    }

    /// Whether a source at a place may be in one of the circles.
    pub(super) fn may_be_near(&self, place: [f64; 2]) -> bool {
        !self.touching(place).is_empty()
    }

    /// The places in whose circles a source lies, and how far from each.
    pub(super) fn near(&self, place: [f64; 2]) -> impl Iterator<Item = (u32, f64)> {
        self.touching(place).iter().filter_map(move |number| {
            let circle = self.circles.get(*number as usize)?;
            Some((*number, circle.separation_deg(place)?))
        })
    }
}

fn cells(order: u8, circle: &Circle) -> Vec<i64> {
    cells_of_circle(order, [circle.ra_deg, circle.dec_deg], circle.radius_deg)
}
