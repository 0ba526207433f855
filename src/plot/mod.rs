//! A light curve as a picture. In: the [`LightCurve`] of an object. Out: SVG or PNG, with the bands, markers and kinds of points that the
//! object's page has.

mod band;
mod chart;
mod legend;
mod marker;
mod notes;
mod png;
mod points;
mod ticks;

pub use band::{BANDS, BandStyle, OTHER, named};
pub use chart::svg;
pub use png::png;
pub use points::{LightCurve, WITHDRAWN};

/// What a light curve is drawn in.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Quantity {
    /// The flux on the difference image, in nJy.
    Flux,
    /// Its AB magnitude, where it has one, and upper limits.
    Magnitude,
}

impl Quantity {
    pub const ALL: [Quantity; 2] = [Quantity::Flux, Quantity::Magnitude];

    /// Its word in a request.
    pub fn name(self) -> &'static str {
        match self {
            Quantity::Flux => "flux",
            Quantity::Magnitude => "magnitude",
        }
    }
}

/// How a picture is written.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Picture {
    Svg,
    Png,
}

impl Picture {
    pub const ALL: [Picture; 2] = [Picture::Svg, Picture::Png];

    /// Its word in a request.
    pub fn name(self) -> &'static str {
        match self {
            Picture::Svg => "svg",
            Picture::Png => "png",
        }
    }

    pub const fn content_type(self) -> &'static str {
        match self {
            Picture::Svg => "image/svg+xml",
            Picture::Png => "image/png",
        }
    }
}
