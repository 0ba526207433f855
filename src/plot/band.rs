//! The bands and how each is drawn: the colours for a white background and the symbols of Rubin's guidelines for figures (RTN-045,
//! "Colorblind-friendly plots"; in lsst.utils.plotting).

use plotters::style::RGBColor;

/// A filter of the camera.
#[derive(Debug)]
pub struct Band {
    pub name: &'static str,
    pub colour: RGBColor,
    pub symbol: Symbol,
}

/// A shape to be told apart without its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbol {
    Circle,
    TriangleUp,
    TriangleDown,
    Square,
    Star,
    Pentagon,
}

/// From the shortest wavelength.
pub static BANDS: [Band; 6] = [
    Band { name: "u", colour: RGBColor(0x0c, 0x71, 0xff), symbol: Symbol::Circle },
    Band { name: "g", colour: RGBColor(0x49, 0xbe, 0x61), symbol: Symbol::TriangleUp },
    Band { name: "r", colour: RGBColor(0xc6, 0x1c, 0x00), symbol: Symbol::TriangleDown },
    Band { name: "i", colour: RGBColor(0xff, 0xc2, 0x00), symbol: Symbol::Square },
    Band { name: "z", colour: RGBColor(0xf3, 0x41, 0xa2), symbol: Symbol::Star },
    Band { name: "y", colour: RGBColor(0x5d, 0x00, 0x00), symbol: Symbol::Pentagon },
];

/// A measurement whose band is missing, or none of the camera's.
pub static OTHER: Band =
    Band { name: "other", colour: RGBColor(0x70, 0x70, 0x70), symbol: Symbol::Circle };

/// The band of a name.
pub fn named(name: &str) -> &'static Band {
    BANDS.iter().find(|band| band.name == name).unwrap_or(&OTHER)
}
