//! What a survey promises: its order, its ids, its seed, its statistics.

use std::collections::{HashMap, HashSet};

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type};

use super::batches::Survey;
use super::life::States;
use super::plan::{FIRST_NIGHT_MJD, NIGHTS};
use super::{Nights, SurveyOptions};
use crate::schema::{KEY, TIME, Table, content_hash, new_table_schema};

/// The whole tables sources, fp and objects.
fn survey(objects: u64, seed: u64, rows_per_batch: usize) -> [RecordBatch; 3] {
    tables(&SurveyOptions { objects, seed, nights: Nights::ALL }, rows_per_batch)
}

fn tables(options: &SurveyOptions, rows_per_batch: usize) -> [RecordBatch; 3] {
    let mut survey = Survey::new(options, States::Newest, rows_per_batch).unwrap();
    let mut tables = [vec![], vec![], vec![]];
    while let Some(batch) = survey.next_batch().unwrap() {
        let batches = [batch.sources, batch.fp, batch.objects];
        tables.iter_mut().zip(batches).for_each(|(table, batch)| table.push(batch));
    }
    let schemas = Table::ALL.map(new_table_schema);
    std::array::from_fn(|i| concat_batches(&schemas[i], &tables[i]).unwrap())
}

fn longs(batch: &RecordBatch, name: &str) -> Vec<i64> {
    batch[name].as_primitive::<Int64Type>().values().to_vec()
}

fn doubles(batch: &RecordBatch, name: &str) -> Vec<f64> {
    batch[name].as_primitive::<Float64Type>().values().to_vec()
}

fn floats(batch: &RecordBatch, name: &str) -> Vec<f64> {
    let values = batch[name].as_primitive::<Float32Type>();
    values.values().iter().map(|v| f64::from(*v)).collect()
}

fn strings<'a>(batch: &'a RecordBatch, name: &str) -> Vec<&'a str> {
    batch[name].as_string::<i32>().iter().flatten().collect()
}

/// The share of a column that is null.
fn nulls(batch: &RecordBatch, name: &str) -> f64 {
    batch[name].null_count() as f64 / batch.num_rows() as f64
}

/// Row numbers of each object, in order.
fn by_object(batch: &RecordBatch) -> HashMap<i64, Vec<usize>> {
    let mut rows: HashMap<i64, Vec<usize>> = HashMap::new();
    longs(batch, KEY)
        .into_iter()
        .enumerate()
        .for_each(|(i, id)| rows.entry(id).or_default().push(i));
    rows
}

#[test]
fn tables_are_sorted_and_ids_unique() {
    let tables = survey(400, 1, 1000);
    for (table, batch) in Table::ALL.into_iter().zip(&tables) {
        let ids = longs(batch, table.id_column());
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), batch.num_rows(), "{table:?}");
        let keys = longs(batch, KEY);
        let times =
            if table == Table::Objects { vec![0.0; ids.len()] } else { doubles(batch, TIME) };
        assert!(
            (1..ids.len())
                .all(|i| { (keys[i - 1], times[i - 1], ids[i - 1]) < (keys[i], times[i], ids[i]) })
        );
        for column in table.sort_columns().iter().chain([&table.id_column()]) {
            assert_eq!(batch[*column].null_count(), 0, "{table:?} {column}");
        }
    }
    assert_eq!(tables[2].num_rows(), 400);
}

#[test]
fn a_seed_gives_the_same_rows_whatever_the_batches() {
    let tables = survey(120, 7, 10_000);
    assert_eq!(tables, survey(120, 7, 1));
    let other = survey(120, 8, 10_000);
    let ids = |tables: &[RecordBatch; 3]| -> HashSet<i64> {
        longs(&tables[0], "diaSourceId").into_iter().collect()
    };
    assert!(ids(&tables).intersection(&ids(&other)).count() < 10);
}

#[test]
fn a_small_survey_is_part_of_a_large_one() {
    let (small, large) = (survey(60, 3, 5000), survey(300, 3, 5000));
    let ids: HashSet<i64> = longs(&small[2], KEY).into_iter().collect();
    for (small, large) in small.iter().zip(&large) {
        let kept: BooleanArray =
            longs(large, KEY).iter().map(|id| Some(ids.contains(id))).collect();
        assert_eq!(small, &filter_record_batch(large, &kept).unwrap());
    }
}

#[test]
fn light_curves_are_like_rubins() {
    let [sources, fp, objects] = survey(3000, 1, 50_000);
    let counts: Vec<usize> = by_object(&sources).into_values().map(|rows| rows.len()).collect();
    let mean = sources.num_rows() as f64 / counts.len() as f64;
    assert!((12.0..30.0).contains(&mean), "mean {mean}");
    let few = counts.iter().filter(|n| **n <= 10).count();
    assert!(few > counts.len() / 2 && counts.iter().any(|n| *n > 500), "{few}");
    assert!(counts.iter().all(|n| *n <= 2000));

    for band in ["u", "g", "r", "i", "z", "y"] {
        let share = |batch| {
            let bands = strings(batch, "band");
            bands.iter().filter(|b| **b == band).count() as f64 / bands.len() as f64
        };
        assert!((0.01..0.45).contains(&share(&sources)), "{band} {}", share(&sources));
        assert!((0.03..0.35).contains(&share(&fp)), "{band} {}", share(&fp));
    }
    let first_mjd = f64::from(FIRST_NIGHT_MJD);
    let nights = first_mjd..first_mjd + f64::from(NIGHTS) + 2.0;
    assert!(doubles(&sources, TIME).iter().all(|mjd| nights.contains(mjd)));
    let today_mjd = chrono::Utc::now().timestamp() as f64 / 86_400.0 + 40_587.0;
    assert!(nights.end < today_mjd, "the survey is of nights to come");
    assert!(doubles(&objects, "dec").iter().all(|dec| (-75.0..8.0).contains(dec)));
    assert!(doubles(&objects, "ra").iter().all(|ra| (0.0..360.0).contains(ra)));
    let visits: HashSet<i64> = longs(&sources, "visit").into_iter().collect();
    assert!(visits.len() * 2 < sources.num_rows(), "visits are shared");
    assert!(floats(&sources, "snr").iter().all(|snr| *snr >= 5.0));
    let quotient = |i: usize| floats(&sources, "psfFlux")[i] / floats(&sources, "psfFluxErr")[i];
    assert!((quotient(0).abs() - floats(&sources, "snr")[0]).abs() < 1e-4);
    let science = floats(&sources, "scienceFlux");
    let below_zero = science.iter().filter(|flux| **flux < 0.0).count();
    assert!(below_zero * 200 < science.len(), "{below_zero} total fluxes below zero");
    assert!(strings(&sources, "target_name").iter().any(|name| name.contains(", ")));
}

#[test]
fn nulls_are_where_real_alerts_have_them() {
    let [sources, fp, objects] = survey(1500, 2, 50_000);
    for column in ["psfLnL", "timeWithdrawnMjdTai", "trailChi2", "trailRaErr"] {
        assert_eq!(nulls(&sources, column), 1.0, "{column}");
    }
    for column in ["psfFlux", "band", "observation_reason", "clf_cats_class", "xm_gaiadr3_VarFlag"]
    {
        assert_eq!(nulls(&sources, column), 0.0, "{column}");
    }
    assert!((0.10..0.16).contains(&nulls(&sources, "extendedness")));
    assert!((0.85..0.96).contains(&nulls(&sources, "dipoleLength")));
    assert!((0.88..1.0).contains(&nulls(&objects, "main_label_crossmatch")));
    assert_eq!(nulls(&fp, "timeWithdrawnMjdTai"), 1.0);
    assert_eq!(nulls(&objects, "g_fpFluxMean"), 1.0);
    for batch in [&sources, &fp, &objects] {
        for column in batch.columns() {
            let finite = match column.data_type() {
                DataType::Float32 => {
                    column.as_primitive::<Float32Type>().iter().flatten().all(f32::is_finite)
                }
                DataType::Float64 => {
                    column.as_primitive::<Float64Type>().iter().flatten().all(f64::is_finite)
                }
                _ => true,
            };
            assert!(finite);
        }
    }
}

#[test]
fn objects_agree_with_their_sources() {
    let [sources, _, objects] = survey(300, 5, 5000);
    let rows = by_object(&sources);
    let (times, bands) = (doubles(&sources, TIME), strings(&sources, "band"));
    let (flux, error) = (floats(&sources, "psfFlux"), floats(&sources, "psfFluxErr"));
    let n_dia_sources = objects["nDiaSources"].as_primitive::<Int32Type>();
    for (o, id) in longs(&objects, KEY).into_iter().enumerate() {
        let rows = &rows[&id];
        assert_eq!(n_dia_sources.value(o) as usize, rows.len());
        assert_eq!(longs(&sources, "diaSourceId")[rows[0]], id, "named after its first source");
        let last = rows[rows.len() - 1];
        assert_eq!(doubles(&objects, "firstDiaSourceMjdTai")[o], times[rows[0]]);
        assert_eq!(doubles(&objects, "lastDiaSourceMjdTai")[o], times[last]);
        for (of_alert, of_source) in [
            ("alertDiaSourceId", "diaSourceId"),
            ("alertMidpointMjdTai", TIME),
            ("alertTimeProcessedMjdTai", "timeProcessedMjdTai"),
            ("alertFinkBrokerVersion", "fink_broker_version"),
            ("alertFinkScienceVersion", "fink_science_version"),
            ("alertContentHash", "contentHash"),
        ] {
            let [alert, source] = [(&objects, of_alert, o), (&sources, of_source, last)]
                .map(|(rows, column, at)| rows[column].slice(at, 1));
            assert_eq!(&alert, &source, "{of_alert}");
        }
        for band in ["u", "g", "r", "i", "z", "y"] {
            let of_band: Vec<usize> = rows.iter().copied().filter(|i| bands[*i] == band).collect();
            let column = |name: &str| &objects[format!("{band}_{name}").as_str()];
            let value = |name: &str| {
                let column = column(name).as_primitive::<Float32Type>();
                column.is_valid(o).then(|| f64::from(column.value(o)))
            };
            let count = column("psfFluxNdata").as_primitive::<Int32Type>().value(o);
            assert_eq!(count as usize, of_band.len());
            assert_eq!(value("psfFluxSigma").is_some(), of_band.len() > 1);
            let Some(mean) = value("psfFluxMean") else {
                assert!(of_band.is_empty());
                continue;
            };
            let weights: f64 = of_band.iter().map(|i| error[*i].powi(-2)).sum();
            let sum: f64 = of_band.iter().map(|i| flux[*i] * error[*i].powi(-2)).sum();
            assert!((mean - sum / weights).abs() <= 1e-6 * mean.abs().max(1.0));
            let max = of_band.iter().map(|i| flux[*i]).fold(f64::MIN, f64::max);
            assert_eq!(value("psfFluxMax"), Some(max));
        }
    }
}

#[test]
fn forced_photometry_follows_the_second_detection() {
    let [sources, fp, _] = survey(300, 5, 5000);
    let (detected, forced) = (by_object(&sources), by_object(&fp));
    let (source_times, fp_times) = (doubles(&sources, TIME), doubles(&fp, TIME));
    let visit = longs(&fp, "visit");
    for (id, sources) in &detected {
        let forced = forced.get(id).map_or(&[][..], Vec::as_slice);
        let visits: HashSet<i64> = forced.iter().map(|i| visit[*i]).collect();
        assert_eq!(visits.len(), forced.len(), "one for each visit");
        assert!(forced.len() + 2 >= sources.len(), "and one for each later detection");
        for i in forced {
            assert!(fp_times[*i] > source_times[sources[1]]);
            assert!(fp_times[*i] <= source_times[sources[sources.len() - 1]]);
        }
    }
    assert!(fp.num_rows() > sources.num_rows());
}

#[test]
fn some_nights_tell_what_their_alerts_hold() {
    let [all_sources, all_fp, _] = survey(1500, 5, 50_000);
    let nights = Nights { first: 390, last: 396 };
    let [sources, fp, objects] = tables(&SurveyOptions { objects: 1500, seed: 5, nights }, 1000);
    let night = |mjd: f64| (mjd - 1.0).floor() as i32 - FIRST_NIGHT_MJD;
    let in_nights = |mjd: f64| (nights.first.into()..=nights.last.into()).contains(&night(mjd));
    let mut alerts: HashMap<i64, Vec<f64>> = HashMap::new();
    for (object, mjd) in longs(&all_sources, KEY).into_iter().zip(doubles(&all_sources, TIME)) {
        if in_nights(mjd) {
            alerts.entry(object).or_default().push(mjd);
        }
    }
    for (table, all, told) in [(Table::Sources, all_sources, &sources), (Table::Fp, all_fp, &fp)] {
        let rows = longs(&all, KEY).into_iter().zip(doubles(&all, TIME));
        let held = rows.zip(longs(&all, table.id_column())).filter(|((object, mjd), _)| {
            let of_object = alerts.get(object).map_or(&[][..], Vec::as_slice);
            of_object.iter().any(|alert| (alert - 365.0..=*alert).contains(mjd))
        });
        let held: Vec<i64> = held.map(|(_, id)| id).collect();
        assert_eq!(longs(told, table.id_column()), held, "{table:?}");
        assert!(doubles(told, TIME)[0] < f64::from(FIRST_NIGHT_MJD + 200), "history");
        assert!(doubles(&all, TIME).iter().any(|mjd| *mjd < 60_945.0 + 20.0), "and before it");
    }
    assert_eq!(
        longs(&objects, KEY).into_iter().collect::<HashSet<_>>(),
        alerts.into_keys().collect()
    );
    for (row, mjd) in doubles(&sources, TIME).into_iter().enumerate() {
        for of_alert in ["alertDiaSourceId", "observation_reason", "xm_gaiadr3_VarFlag"] {
            assert_eq!(sources[of_alert].is_valid(row), in_nights(mjd), "{of_alert}");
        }
        assert!(sources["psfFlux"].is_valid(row) && sources["contentHash"].is_valid(row));
    }
}

#[test]
fn an_impossible_number_of_objects_is_refused() {
    for objects in [0, u64::MAX] {
        let options = SurveyOptions { objects, seed: 1, nights: Nights::ALL };
        let message = Survey::new(&options, States::Newest, 1).err().unwrap().to_string();
        assert!(message.starts_with(&format!("--objects {objects}: expected 1 to ")), "{message}");
    }
}

#[test]
fn the_hash_of_a_row_is_that_of_its_columns() {
    for (table, rows) in Table::ALL.into_iter().zip(survey(40, 5, 500)) {
        let Some(stored) = rows.column_by_name("contentHash") else {
            assert_eq!(table, Table::Fp);
            continue;
        };
        let made = content_hash(rows.schema_ref(), rows.columns()).unwrap();
        assert_eq!(stored.as_primitive::<Int64Type>(), &made);
    }
}
