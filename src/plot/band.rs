//! The bands and how each is drawn: the symbols and, where they stand out from the background, the colours of Rubin's guidelines for
//! figures (RTN-045, "Colorblind-friendly plots"; in lsst.utils.plotting). The one place of both, for pictures and pages.
//!
//! Open markers are thin, so every colour has a contrast of 3 : 1 at least (WCAG 1.4.11). On white, Rubin's g and i have 2.4 and 1.6:
//! here they are darker.

use plotters::style::RGBColor;

/// The style of a band.
#[derive(Debug)]
pub struct BandStyle {
    /// Its name, as in the column `band`.
    pub name: &'static str,
    /// Its colour on a light background.
    pub light: RGBColor,
    /// Its colour on a dark background.
    pub dark: RGBColor,
    /// Its symbol.
    pub symbol: Symbol,
}

/// A shape that can be recognised without its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbol {
    Circle,
    TriangleUp,
    TriangleDown,
    Square,
    Star,
    Pentagon,
    Diamond,
}

/// The bands, from the shortest wavelength.
pub static BANDS: [BandStyle; 6] = [
    band("u", 0x0c71ff, 0x3eb7ff, Symbol::Circle),
    band("g", 0x28963f, 0x30c39f, Symbol::TriangleUp),
    band("r", 0xc61c00, 0xff7e00, Symbol::TriangleDown),
    band("i", 0xb07c00, 0x2af5ff, Symbol::Square),
    band("z", 0xf341a2, 0xa7f9c1, Symbol::Star),
    band("y", 0x5d0000, 0xfdc900, Symbol::Pentagon),
];

/// The style of measurements whose band is missing, or not one of the camera's.
pub static OTHER: BandStyle = band("other", 0x707070, 0x9fabb9, Symbol::Diamond);

/// The style of any band, for the legend of the kinds of points.
pub(crate) static ANY: BandStyle = band("any", 0x707070, 0x9fabb9, Symbol::Circle);

const fn band(name: &'static str, light: u32, dark: u32, symbol: Symbol) -> BandStyle {
    BandStyle { name, light: rgb(light), dark: rgb(dark), symbol }
}

const fn rgb(colour: u32) -> RGBColor {
    let [_, red, green, blue] = colour.to_be_bytes();
    RGBColor(red, green, blue)
}

/// The style of a band's name.
pub fn named(name: &str) -> &'static BandStyle {
    BANDS.iter().find(|band| band.name == name).unwrap_or(&OTHER)
}
