//! A position on the sky in the notation of astronomers, `10h00m27.917s` and `+02°12′21.00″`, with links to what other services know of it.

use askama::Template;

/// Milliseconds of time in a full turn, and hundredths of an arc second in a degree.
const DAY_MS: u64 = 24 * 3600 * 1000;
const DEGREE_CAS: f64 = 3600.0 * 100.0;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<div><dt>Position (ICRS)</dt>
<dd class="numbers">{{ hms }} {{ dms }}</dd>
<dd class="numbers">{{ degrees }}</dd>
<dd>at this place: <a href="{{ simbad }}" rel="noreferrer">SIMBAD</a>, <a href="{{ vizier }}" rel="noreferrer">VizieR</a>,
<a href="{{ aladin }}" rel="noreferrer">Aladin Lite</a></dd></div>
"#
)]
pub(crate) struct Position {
    hms: String,
    dms: String,
    degrees: String,
    simbad: String,
    vizier: String,
    aladin: String,
}

impl Position {
    pub(crate) fn from_degrees(ra_deg: f64, dec_deg: f64) -> Self {
        let place = format!("{ra_deg:.7}%20{dec_deg:+.7}").replace('+', "%2B");
        Self {
            hms: hms(ra_deg),
            dms: dms(dec_deg),
            degrees: degrees(ra_deg, dec_deg),
            simbad: format!(
                "https://simbad.cds.unistra.fr/simbad/sim-coo?Coord={place}&Radius=5&Radius.unit=arcsec"
            ),
            vizier: format!("https://vizier.cds.unistra.fr/viz-bin/VizieR?-c={place}&-c.rs=5"),
            aladin: format!("https://aladin.cds.unistra.fr/AladinLite/?target={place}&fov=0.03"),
        }
    }
}

/// Both coordinates in degrees, as the search box takes them.
pub(crate) fn degrees(ra_deg: f64, dec_deg: f64) -> String {
    format!("{ra_deg:.7} {dec_deg:+.7}")
}

/// Right ascension in hours, to a millisecond of time.
pub(crate) fn hms(ra_deg: f64) -> String {
    let ms = (ra_deg.rem_euclid(360.0) / 360.0 * DAY_MS as f64).round() as u64 % DAY_MS;
    let (seconds, ms) = (ms / 1000, ms % 1000);
    format!("{:02}h{:02}m{:02}.{ms:03}s", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Declination in degrees, to a hundredth of an arc second.
pub(crate) fn dms(dec_deg: f64) -> String {
    let sign = if dec_deg.is_sign_negative() { '−' } else { '+' };
    let cas = (dec_deg.abs() * DEGREE_CAS).round() as u64;
    let (seconds, cas) = (cas / 100, cas % 100);
    format!("{sign}{:02}°{:02}′{:02}.{cas:02}″", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sgr A* (Reid & Brunthaler 2004): 17h45m40.0409s -29d00m28.118s.
    #[test]
    fn known_places() {
        let place = (266.416_837_08, -29.007_810_56);
        assert_eq!((hms(place.0), dms(place.1)), ("17h45m40.041s".into(), "−29°00′28.12″".into()));
        assert_eq!((hms(0.0), dms(0.0)), ("00h00m00.000s".into(), "+00°00′00.00″".into()));
        assert_eq!(dms(-0.5 / 3600.0), "−00°00′00.50″");
    }

    #[test]
    fn rounding_carries() {
        assert_eq!(hms(359.999_999_99), "00h00m00.000s");
        assert_eq!(hms(14.999_999_99), "01h00m00.000s");
        assert_eq!(hms(-15.0), "23h00m00.000s");
        assert_eq!(dms(9.999_999_99), "+10°00′00.00″");
        assert_eq!(dms(-90.0), "−90°00′00.00″");
    }
}
