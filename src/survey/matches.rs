//! What Fink says of an object: counterparts in catalogues, and the labels of its classifiers.
//! Words are those of the catalogues; numbers mean nothing.

use rand::{Rng, RngExt};

use super::light_curve::ObjectKind;
use super::{log_normal, normal};

/// Counterparts; `None`: no match, which is the rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matches {
    pub gaia: Option<Gaia>,
    pub legacy: Option<Legacy>,
    pub mangrove: Option<Mangrove>,
    pub tns: Option<Tns>,
    pub spicy: Option<(i32, &'static str)>,
    pub simbad_otype: Option<&'static str>,
    pub vsx_type: Option<&'static str>,
    pub gcvs_type: Option<&'static str>,
    pub x3hsp_type: Option<&'static str>,
    pub x4lac_type: Option<&'static str>,
    /// The class CATS comes to once it has enough sources.
    cats_class: i32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Gaia {
    pub name: String,
    /// The parallax in mas; faint sources have none.
    pub parallax_and_error_mas: Option<(f32, f32)>,
    pub variable: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Legacy {
    pub photometric_redshift: f32,
    pub error: f32,
    pub star_likelihood: f32,
    pub well_constrained: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Mangrove {
    pub hyperleda_name: String,
    pub two_mass_name: String,
    pub luminosity_distance_mpc: f32,
    pub angular_distance: f32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Tns {
    pub full_name: String,
    /// The type; `None` before a spectrum is taken.
    pub class: Option<&'static str>,
    pub redshift: Option<f32>,
}

/// What the classifiers make of one source and those before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Classification {
    pub cats_class: i32,
    pub cats_score: f32,
    pub sn_score: f32,
    pub early_ia_score: f64,
    /// Hostless indicators on the science and template images.
    pub elephant: Option<(f32, f32)>,
}

/// CATS needs so many sources to classify an object.
const CATS_LEAST: usize = 5;

impl Matches {
    pub fn draw(kind: ObjectKind, rng: &mut impl Rng) -> Self {
        use ObjectKind::{Constant, Periodic, Transient};
        let star = kind == Periodic;
        let gaia = rng.random_bool(if star { 0.6 } else { 0.08 });
        let legacy = rng.random_bool(0.15);
        let mangrove = rng.random_bool(if kind == Transient { 0.05 } else { 0.005 });
        let tns = kind == Transient && rng.random_bool(0.2);
        let spicy = rng.random_bool(0.002);
        let otypes: &[&str] = match kind {
            Constant => &["Star", "QSO", "Galaxy", "AGN"],
            Transient => &["Galaxy", "SN*"],
            Periodic => &["RRLyr", "EclBin", "LPV*", "delSctV*"],
        };
        let variables = ["RRAB", "EA", "EW", "M", "SR", "DSCT"];
        let mut rarely = |share: f64, words: &[&'static str]| {
            let word = words[rng.random_range(0..words.len())];
            rng.random_bool(share).then_some(word)
        };
        let matches = Self {
            simbad_otype: rarely(0.05, otypes),
            vsx_type: rarely(if star { 0.06 } else { 0.001 }, &variables),
            gcvs_type: rarely(if star { 0.01 } else { 0.0005 }, &variables),
            x3hsp_type: rarely(0.001, &["HBL"]),
            x4lac_type: rarely(0.002, &["bll", "fsrq", "bcu"]),
            ..Self::default()
        };
        Self {
            gaia: gaia.then(|| Gaia::draw(star, rng)),
            legacy: legacy.then(|| Legacy::draw(rng)),
            mangrove: mangrove.then(|| Mangrove::draw(rng)),
            tns: tns.then(|| Tns::draw(rng)),
            spicy: spicy.then(|| (rng.random_range(1..117_446), "ClassII")),
            cats_class: match kind {
                Constant => 22,
                Transient => 11,
                Periodic => 21,
            },
            ..matches
        }
    }

    /// The labels of a source that has `history` sources before it.
    pub fn labels(&self, history: usize, rng: &mut impl Rng) -> Classification {
        let classified = history + 1 >= CATS_LEAST;
        let supernova = self.cats_class == 11;
        Classification {
            cats_class: if classified { self.cats_class } else { -1 },
            cats_score: if classified { rng.random_range(0.5..1.0) } else { 0.0 },
            sn_score: rng.random_range(if supernova { 0.5..1.0 } else { 0.0..0.75 }),
            early_ia_score: match (supernova, history) {
                (true, 2..8) => rng.random(),
                _ => -1.0,
            },
            elephant: rng.random_bool(0.1).then(|| (rng.random(), rng.random())),
        }
    }

    /// A counterpart in SIMBAD or Gaia DR3.
    pub fn is_cataloged(&self) -> bool {
        self.simbad_otype.is_some() || self.gaia.is_some()
    }
}

impl Gaia {
    fn draw(variable: bool, rng: &mut impl Rng) -> Self {
        let error = log_normal(0.27, 0.6, rng);
        let parallax = 0.5 + error * normal(rng);
        let has_parallax = rng.random_bool(0.9);
        let number: i64 = rng.random_range(2_000_000_000_000..6_900_000_000_000_000_000);
        Self {
            name: format!("Gaia DR3 {number}"),
            parallax_and_error_mas: has_parallax.then_some((parallax as f32, error as f32)),
            variable: variable && rng.random_bool(0.7),
        }
    }
}

impl Legacy {
    fn draw(rng: &mut impl Rng) -> Self {
        Self {
            photometric_redshift: rng.random_range(0.02..1.8),
            error: rng.random_range(0.03..0.8),
            star_likelihood: rng.random(),
            well_constrained: rng.random_bool(0.4),
        }
    }
}

impl Mangrove {
    fn draw(rng: &mut impl Rng) -> Self {
        let redshift = rng.random_range(0.005..0.1f32);
        let luminosity_distance_mpc = 4283.0 * redshift * (1.0 + 0.78 * redshift);
        Self {
            hyperleda_name: format!("PGC{:07}", rng.random_range(1..3_000_000)),
            two_mass_name: format!(
                "{:08}-{:07}",
                rng.random_range(0..23_595_999),
                rng.random_range(0..7_000_000)
            ),
            luminosity_distance_mpc,
            angular_distance: luminosity_distance_mpc / (1.0 + redshift).powi(2),
        }
    }
}

impl Tns {
    fn draw(rng: &mut impl Rng) -> Self {
        let class = ["SN Ia", "SN II", "SN Ib", "SN Ic"][rng.random_range(0..4)];
        let class = rng.random_bool(0.7).then_some(class);
        let letters: String = (0..3).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect();
        let prefix = if class.is_some() { "SN" } else { "AT" };
        let redshift = rng.random_range(0.005..0.2);
        Self {
            full_name: format!("{prefix} 2026{letters}"),
            class,
            redshift: class.map(|_| redshift),
        }
    }
}
