//! The colours of the bands as a style sheet, one set for each background.

use plotters::style::RGBColor;

use crate::plot::{BANDS, BandStyle, OTHER};

pub(crate) fn style() -> String {
    let bands = || BANDS.iter().chain([&OTHER]);
    let fill = |BandStyle { name, .. }: &BandStyle| {
        format!(".band-{name} {{ fill: var(--band-{name}); }}\n")
    };
    format!(
        ":root {{ {}}}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {}}} }}\n{}",
        bands().map(|band| colour(band, band.light)).collect::<String>(),
        bands().map(|band| colour(band, band.dark)).collect::<String>(),
        bands().map(fill).collect::<String>(),
    )
}

fn colour(band: &BandStyle, RGBColor(red, green, blue): RGBColor) -> String {
    format!("--band-{}: #{red:02x}{green:02x}{blue:02x}; ", band.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::pages::figure::MARKS;

    /// What WCAG 2 asks of graphics (1.4.11).
    const LEAST_CONTRAST: f64 = 3.0;
    const PAGE: &str = include_str!("../../../web/style.css");
    const SCRIPTS: [&str; 2] =
        [include_str!("../../../web/plot.js"), include_str!("../../../web/bands.js")];

    fn rgb(hex: &str) -> [f64; 3] {
        let channel = |i: usize| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap();
        [0, 1, 2].map(|i| f64::from(channel(i)) / 255.0)
    }

    /// Of the definition in WCAG 2.2.
    fn luminance(colour: [f64; 3]) -> f64 {
        let linear = |c: f64| match c <= 0.04045 {
            true => c / 12.92,
            false => ((c + 0.055) / 1.055).powf(2.4),
        };
        let [red, green, blue] = colour.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let [one, other] = [one, other].map(|hex| luminance(rgb(hex)) + 0.05);
        one.max(other) / one.min(other)
    }

    /// The values of a property in a style sheet, in its order: light, dark.
    fn values<'a>(style: &'a str, property: &str) -> [&'a str; 2] {
        let declared: Vec<_> = style.split(&format!("{property}: #")).skip(1).collect();
        let [light, dark] = declared[..] else { panic!("{property} is there {declared:?}") };
        [&light[..6], &dark[..6]]
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((contrast("000000", "ffffff") - 21.0).abs() < 1e-9);
        assert!((contrast("777777", "ffffff") - 4.48).abs() < 0.005);
    }

    #[test]
    fn every_band_stands_out_from_what_it_is_drawn_on() {
        let style = style();
        for background in ["--page", "--surface"] {
            let backgrounds = values(PAGE, background);
            for band in BANDS.iter().chain([&OTHER]) {
                let colours = values(&style, &format!("--band-{}", band.name));
                for (colour, background) in colours.into_iter().zip(backgrounds) {
                    let contrast = contrast(colour, background);
                    let name = band.name;
                    assert!(contrast >= LEAST_CONTRAST, "{name} on #{background}: {contrast:.2}");
                }
            }
        }
        // Pictures have a white background, and their markers are opaque.
        assert!(
            BANDS.iter().all(|band| contrast(&colour(band, band.light)[11..17], "ffffff") >= 3.0)
        );
        assert!(!SCRIPTS[0].contains("opacity: isFilled"));
    }

    #[test]
    fn every_band_has_its_symbol_in_the_page() {
        for band in &BANDS {
            assert!(MARKS.contains(&format!("id=\"band-{}\"", band.name)));
            assert!(SCRIPTS[1].contains(&format!("{}: \"", band.name)));
        }
        assert!(MARKS.contains("id=\"band-other\""));
    }
}
