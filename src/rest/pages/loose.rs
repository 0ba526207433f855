//! Reads JSON values whose type a table of others chose: a number or a text, or `None` where it is neither. A page then shows a dash
//! instead of an error.

use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};

pub(crate) fn number<'de, D: Deserializer<'de>>(value: D) -> Result<Option<f64>, D::Error> {
    Ok(Value::deserialize(value)?.as_f64())
}

/// A text, or a number as text. A whole number has no decimals, whatever its type, as in JavaScript.
pub(crate) fn text<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(value)? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(digits(&number)),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    })
}

fn digits(number: &Number) -> String {
    let whole = number.as_f64().filter(|value| number.is_f64() && value.fract() == 0.0);
    whole.map_or_else(|| number.to_string(), |value| format!("{value:.0}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct LooseRow {
        #[serde(default, deserialize_with = "number")]
        flux: Option<f64>,
        #[serde(default, deserialize_with = "text")]
        band: Option<String>,
    }

    #[test]
    fn every_kind_of_json_is_a_value_or_none() {
        let row = |value| from_value::<LooseRow>(value).unwrap();
        for (value, flux, band) in [
            (json!({"flux": 1, "band": "g"}), Some(1.0), Some("g")),
            (json!({"flux": "1", "band": 2}), None, Some("2")),
            (json!({"flux": true, "band": 2.0}), None, Some("2")),
            (json!({"flux": null, "band": 2.5}), None, Some("2.5")),
            (json!({"flux": [1], "band": false}), None, Some("false")),
            (json!({"band": null}), None, None),
            (json!({"band": 9_007_199_254_740_993_i64}), None, Some("9007199254740993")),
        ] {
            assert_eq!(row(value), LooseRow { flux, band: band.map(String::from) });
        }
    }
}
