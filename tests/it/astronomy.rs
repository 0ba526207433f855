//! The SQL functions: thousands of values through a DataFusion session, compared with astropy's.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch};
use chrono::NaiveDate;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::prelude::{SessionConfig, SessionContext};
use diaflight::astronomy;
use diaflight::error::{Error, Kind};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::python;

const ROWS: usize = 40_000;

fn session() -> SessionContext {
    let config = SessionConfig::new().with_information_schema(true);
    let session = SessionContext::new_with_config(config);
    for function in astronomy::functions() {
        session.register_udf(function.as_ref().clone());
    }
    session
}

/// A flux of any size; one in ten is not positive, null or NaN.
fn flux_njy(rng: &mut impl Rng) -> Option<f64> {
    match rng.random_range(0..40) {
        0 => None,
        1 => Some(f64::NAN),
        2 => Some(0.0),
        3 => Some(-rng.random_range(0.0..1e5)),
        _ => Some(10f64.powf(rng.random_range(-3.0..10.0))),
    }
}

/// A time of 1972 to 2050: any, about a leap second or a day on which there might have been one, and
/// where a millisecond is rounded.
fn mjd_tai(rng: &mut impl Rng) -> f64 {
    let mjd = |year, month| {
        let date = NaiveDate::from_ymd_opt(year, month, 1).unwrap();
        f64::from(date.to_epoch_days() + 40_587)
    };
    let from_1972 = mjd(1972, 2)..mjd(2050, 1);
    let half_year = mjd(rng.random_range(1973..2050), [1, 7][rng.random_range(0..2)]);
    match rng.random_range(0..4) {
        0 => rng.random_range(from_1972),
        1 => half_year + rng.random_range(-2.0..45.0) / 86_400.0,
        2 => half_year + (f64::from(rng.random_range(-2..45)) + 0.9995) / 86_400.0,
        _ => {
            let second = f64::from(rng.random_range(0..86_400));
            let half = f64::from(rng.random_range(0..1000)) / 1e3 + 0.0005;
            let near = rng.random_range(-2e-6..2e-6);
            rng.random_range(from_1972).floor() + (second + half + near) / 86_400.0
        }
    }
}

/// Two places in degrees: any, near each other, opposite each other, or at a pole.
fn two_places(rng: &mut impl Rng) -> [f64; 4] {
    let mut place = || {
        let dec = rng.random_range(-1.0..1.0f64).asin().to_degrees();
        [rng.random_range(0.0..360.0), dec]
    };
    let ([ra1, dec1], [ra2, dec2]) = (place(), place());
    let near = 10f64.powf(rng.random_range(-14.0..-1.0));
    let angle = rng.random_range(-1.0..1.0f64) * near;
    match rng.random_range(0..5) {
        0 => [ra1, dec1, ra1 + angle, (dec1 + near).clamp(-90.0, 90.0)],
        1 => [ra1, dec1, (ra1 + 180.0 + angle) % 360.0, (near - dec1).clamp(-90.0, 90.0)],
        2 => [ra1, [90.0, -90.0][rng.random_range(0..2)], ra2, dec2],
        _ => [ra1, dec1, ra2, dec2],
    }
}

fn arguments() -> RecordBatch {
    let rng = &mut ChaCha8Rng::seed_from_u64(3);
    let fluxes: Vec<_> = (0..ROWS).map(|_| flux_njy(rng)).collect();
    let errors: Vec<_> =
        fluxes.iter().map(|flux| flux.map(|flux| flux.abs() * rng.random::<f64>())).collect();
    let places: Vec<_> = (0..ROWS).map(|_| two_places(rng)).collect();
    let coordinate = |i: usize| Float64Array::from_iter_values(places.iter().map(|p| p[i]));
    let columns: [(_, ArrayRef); 8] = [
        ("flux_err_njy", Arc::new(Float64Array::from(errors))),
        ("flux_njy", Arc::new(Float64Array::from(fluxes.clone()))),
        ("mjd_tai", Arc::new(Float64Array::from_iter_values((0..ROWS).map(|_| mjd_tai(rng))))),
        ("ra1_deg", Arc::new(coordinate(0))),
        ("dec1_deg", Arc::new(coordinate(1))),
        ("ra2_deg", Arc::new(coordinate(2))),
        ("dec2_deg", Arc::new(coordinate(3))),
        ("healpix_order", Arc::new(Int32Array::from_iter_values((0..ROWS as i32).map(|i| i % 30)))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

#[tokio::test]
async fn values_are_those_of_astropy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("values.parquet");
    let session = session();
    session.register_batch("arguments", arguments()).unwrap();
    let sql = "SELECT *, ab_mag(flux_njy) AS ab_mag, ab_mag_err(flux_njy, flux_err_njy) AS ab_mag_err, \
        mjd_to_iso_tai(mjd_tai) AS iso_tai, mjd_to_iso_utc(mjd_tai) AS iso_utc, day_obs(mjd_tai) AS day_obs, \
        angular_separation_deg(ra1_deg, dec1_deg, ra2_deg, dec2_deg) AS separation_deg, \
        healpix_index(healpix_order, ra1_deg, dec1_deg) AS healpix_index FROM arguments";
    let values = session.sql(sql).await.unwrap();
    let options = DataFrameWriteOptions::new().with_single_file_output(true);
    values.write_parquet(file.to_str().unwrap(), options, None).await.unwrap();

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/astronomy.py");
    let said = python::run(&script, &[file.to_str().unwrap()], &[]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["rows"], ROWS, "{said}");
}

/// The one value of a query, as text.
async fn value(sql: &str) -> Result<String, Error> {
    let batches = session().sql(sql).await?.collect().await?;
    let column = batches[0].column(0);
    assert_eq!((batches.len(), column.len()), (1, 1), "{sql}");
    Ok(arrow::util::display::array_value_to_string(column, 0)?)
}

#[tokio::test]
async fn any_number_is_an_argument_and_null_gives_null() {
    let of_real =
        value("SELECT ab_mag(CAST(0.1 AS REAL)) = ab_mag(CAST(CAST(0.1 AS REAL) AS DOUBLE))");
    assert_eq!(of_real.await.unwrap(), "true");
    assert_eq!(value("SELECT ab_mag(10000)").await.unwrap(), "21.4");
    assert_eq!(value("SELECT ab_mag(1e4)").await.unwrap(), "21.4");
    assert_eq!(value("SELECT ab_mag_err(flux_err_njy => 0, flux_njy => 1)").await.unwrap(), "0.0");
    for call in ["ab_mag_err(1, NULL)", "mjd_to_iso_utc(NULL)", "healpix_index(NULL, 1, 1)"] {
        assert_eq!(value(&format!("SELECT {call} IS NULL")).await.unwrap(), "true", "{call}");
    }
    let error = value("SELECT ab_mag('bright')").await.unwrap_err();
    assert!(error.to_string().contains("ab_mag"), "{error}");
}

#[tokio::test]
async fn an_order_out_of_range_ends_the_query() {
    for order in ["30", "-1", "1.5"] {
        let error = value(&format!("SELECT healpix_index({order}, 10, 20)")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Argument, "{error}");
        assert!(error.to_string().contains("order"), "{error}");
    }
}

#[tokio::test]
async fn functions_are_listed_with_arguments_and_sources() {
    let functions = session().sql("SHOW FUNCTIONS LIKE 'healpix_index'").await.unwrap();
    let batches = functions.collect().await.unwrap();
    let text = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
    for part in ["order, ra_deg, dec_deg", "Float64", "Int64", "nested scheme", "Gorski"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
