//! Draws the [`LightCurve`] of an object as SVG or PNG, with the colours and markers that the object's page has; and says where the objects
//! of a field are drawn.

mod band;
mod chart;
mod field;
mod legend;
mod marker;
mod notes;
mod png;
mod points;
mod tangent;
mod ticks;

pub use band::{BANDS, BandStyle, OTHER, named};
pub use chart::svg;
pub use field::FieldChart;
pub use png::png;
pub use points::{LightCurve, WITHDRAWN, says_nothing};
pub use tangent::position_angle_deg;

/// The quantity that a light curve shows.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Quantity {
    /// The flux on the difference image, in nJy.
    Flux,
    /// The AB magnitude, for fluxes that have one, and upper limits.
    Magnitude,
}

impl Quantity {
    /// All of them; the first is the default.
    pub const ALL: [Quantity; 2] = [Quantity::Flux, Quantity::Magnitude];

    /// Its name in a request.
    pub fn name(self) -> &'static str {
        match self {
            Quantity::Flux => "flux",
            Quantity::Magnitude => "magnitude",
        }
    }
}

/// The format of a picture.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Picture {
    /// A vector graphic.
    Svg,
    /// An image in pixels.
    Png,
}

impl Picture {
    /// All of them; the first is the default.
    pub const ALL: [Picture; 2] = [Picture::Svg, Picture::Png];

    /// Its word in a request.
    pub fn name(self) -> &'static str {
        match self {
            Picture::Svg => "svg",
            Picture::Png => "png",
        }
    }

    /// Its media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Picture::Svg => "image/svg+xml",
            Picture::Png => "image/png",
        }
    }
}
