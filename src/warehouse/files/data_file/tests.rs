//! What the log keeps of a file, and what is believed of what it says.

use super::*;

#[test]
fn statistics_keep_every_digit() {
    let at = DateTime::from_timestamp_millis(1_767_225_600_123).unwrap();
    let file = DataFile {
        rows: Some(3),
        keys: 170_028_485_706_776_685..=i64::MAX - 1,
        ids: i64::MIN + 1..=-9_007_199_254_740_993,
        times_mjd: Some(61105.093643486834..=61105.0958006999),
        may_lack_keys: false,
        ..DataFile::unknown("t/part-1.parquet".into(), 10, at)
    };
    let stats = file.log_stats(Table::Sources);
    let read = DataFile::from_log(
        Table::Sources,
        file.path.clone(),
        file.size_bytes,
        file.modified,
        Some(&stats),
    );
    assert_eq!(read.unwrap(), file);
}

#[test]
fn a_file_without_statistics_may_hold_any_id() {
    let read = DataFile::from_log(Table::Fp, "x".into(), 1, DateTime::UNIX_EPOCH, None).unwrap();
    assert_eq!((read.keys, read.ids, read.times_mjd), (ANY_ID, ANY_ID, None));
}

#[test]
fn what_others_say_is_not_taken_for_more_than_it_says() {
    let read = |stats: &str| {
        let path = "x".into();
        DataFile::from_log(Table::Fp, path, 1, DateTime::UNIX_EPOCH, Some(stats)).unwrap()
    };
    let times = |from: &str, to: &str, nulls: &str| {
        let stats = format!(
            r#"{{"numRecords": 18446744073709551615, "minValues": {{"midpointMjdTai": {from}}},
            "maxValues": {{"midpointMjdTai": {to}}}, "nullCount": {{{nulls}}}}}"#
        );
        let read = read(&stats);
        assert_eq!(read.rows, None);
        read.times_mjd.map(|times| (times.start().to_bits(), times.end().to_bits()))
    };
    let bits = |from: f64, to: f64| Some((from.to_bits(), to.to_bits()));
    let none = r#""midpointMjdTai": 0"#;
    assert_eq!(times("0.0", "-0.0", none), bits(-0.0, 0.0));
    assert_eq!(times("60000", "60000.5", none), bits(60000.0, 60000.5));
    assert_eq!(times("60000", "9007199254740993", none), None);
    assert_eq!(times(r#""60000""#, "60001", none), None);
    assert_eq!(times("60000", "60001", r#""midpointMjdTai": 1"#), None);
    assert_eq!(times("60000", "60001", ""), None);
    let ids = read(r#"{"minValues": {"diaObjectId": 1.7e17}, "maxValues": {"diaObjectId": "5"}}"#);
    assert_eq!(ids.keys, ANY_ID);
    let few = read(r#"{"numRecords": 5, "minValues": null, "maxValues": {"deep": {"a": [1]}}}"#);
    assert_eq!((few.rows, few.keys, few.may_lack_keys), (Some(5), ANY_ID, true));
}

/// Every such number is read as another one by a parser that multiplies digits by a power of ten.
#[test]
fn times_are_read_to_the_last_bit() {
    let mut inexact = 0;
    for n in 0..2000 {
        let time = 61000.0 + f64::from(n) * 0.000_123_456_789_1;
        let text = time.to_string();
        let digits: f64 = text.replace('.', "").parse().unwrap();
        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        inexact += usize::from(digits / 10f64.powi(decimals as i32) != time);
        let file = DataFile {
            rows: Some(1),
            keys: 0..=1,
            ids: 0..=1,
            times_mjd: Some(time..=time),
            may_lack_keys: false,
            ..DataFile::unknown("x".into(), 1, DateTime::UNIX_EPOCH)
        };
        let stats = file.log_stats(Table::Fp);
        let path = file.path.clone();
        let read = DataFile::from_log(Table::Fp, path, 1, file.modified, Some(&stats));
        assert_eq!(read.unwrap(), file);
    }
    assert!(inexact > 10, "{inexact}");
}
