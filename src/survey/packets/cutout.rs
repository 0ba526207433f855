//! The images that come with an alert, 30 by 30 pixels around its source: science image, template and their difference, each a FITS file
//! with one image in nJy and its coordinates, north up.
//!
//! The images agree with the fluxes of the source: a round Gaussian at the width of the visit's seeing, in noise that gives the flux its
//! uncertainty. Science is template and difference, pixel by pixel.

use std::f64::consts::PI;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryBuilder};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::survey::normal;
use crate::survey::plan::Plan;
use crate::survey::source::GeneratedSource;

/// The fields of the images.
pub(super) const CUTOUTS: [&str; 3] = ["cutoutScience", "cutoutTemplate", "cutoutDifference"];

const SIDE: usize = 30;
const PIXEL_ARCSEC: f64 = 0.2;
/// The template is made of many visits, so it has less noise.
const TEMPLATE_NOISE: f64 = 0.3;
/// FITS files are made of such blocks.
const BLOCK_BYTES: usize = 2880;

type Image = [f64; SIDE * SIDE];

/// The images of sources, in the order of [`CUTOUTS`].
pub(super) fn cutouts<'a>(
    sources: impl Iterator<Item = &'a GeneratedSource>,
    plan: &Plan,
) -> Vec<ArrayRef> {
    let mut columns = [(); CUTOUTS.len()].map(|()| BinaryBuilder::new());
    for source in sources {
        let seeing_arcsec = plan.visits[source.visit as usize].seeing_arcsec;
        for (column, image) in columns.iter_mut().zip(images(source, seeing_arcsec)) {
            column.append_value(fits(&image, source.ra_deg, source.dec_deg));
        }
    }
    columns.map(|mut column| Arc::new(column.finish()) as ArrayRef).to_vec()
}

fn images(source: &GeneratedSource, seeing_arcsec: f64) -> [Image; 3] {
    let sigma = seeing_arcsec / 2.355 / PIXEL_ARCSEC;
    // The uncertainty of a flux fitted with a Gaussian is the noise of a pixel times the root of the Gaussian's area.
    let noise = source.uncertainty_njy / (4.0 * PI * sigma * sigma).sqrt();
    let mut rng = ChaCha8Rng::seed_from_u64(source.id.cast_unsigned());
    let mut image = |flux: f64, noise: f64| -> Image {
        std::array::from_fn(|pixel| {
            let from_centre = |at: usize| at as f64 + 0.5 - SIDE as f64 / 2.0;
            let (x, y) = (from_centre(pixel % SIDE), from_centre(pixel / SIDE));
            let shape = (-(x * x + y * y) / (2.0 * sigma * sigma)).exp();
            flux * shape / (2.0 * PI * sigma * sigma) + noise * normal(&mut rng)
        })
    };
    let difference = image(source.flux_njy, noise);
    let template = image(source.template_njy, TEMPLATE_NOISE * noise);
    [std::array::from_fn(|pixel| template[pixel] + difference[pixel]), template, difference]
}

/// A FITS file of one image, whose centre is at a position.
fn fits(image: &Image, ra_deg: f64, dec_deg: f64) -> Vec<u8> {
    let mut file =
        Vec::with_capacity(BLOCK_BYTES + (SIDE * SIDE * 4).next_multiple_of(BLOCK_BYTES));
    let pixel_deg = PIXEL_ARCSEC / 3600.0;
    let centre = SIDE as f64 / 2.0 + 0.5; // the first pixel is 1
    let cards = [
        ("SIMPLE", "T".to_string()),
        ("BITPIX", "-32".to_string()),
        ("NAXIS", "2".to_string()),
        ("NAXIS1", SIDE.to_string()),
        ("NAXIS2", SIDE.to_string()),
        ("CRPIX1", format!("{centre:.1}")),
        ("CRPIX2", format!("{centre:.1}")),
        ("CRVAL1", format!("{ra_deg:.12}")),
        ("CRVAL2", format!("{dec_deg:.12}")),
        ("CDELT1", format!("{:.12}", -pixel_deg)),
        ("CDELT2", format!("{pixel_deg:.12}")),
    ];
    let texts = [("BUNIT", "nJy     "), ("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN")];
    let cards = cards.map(|(key, value)| format!("{key:<8}= {value:>20}"));
    let texts = texts.map(|(key, text)| format!("{key:<8}= '{text}'"));
    let end = ["END".to_string()];
    for card in cards.iter().chain(&texts).chain(&end) {
        // Writing to memory does not fail.
        let _ = write!(file, "{card:<80}");
    }
    file.resize(BLOCK_BYTES, b' ');
    file.extend(image.iter().flat_map(|value| (*value as f32).to_be_bytes()));
    file.resize(file.len().next_multiple_of(BLOCK_BYTES), 0);
    file
}
