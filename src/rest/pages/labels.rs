//! The labels that Fink gives an object, each with its value and meaning.

use arrow::datatypes::Schema;
use askama::Template;
use serde_json::{Map, Value};

use super::text::{NOTHING, fixed, utc};
use crate::schema::DESCRIPTION;

/// One of Fink's columns with its value.
pub(crate) struct Label {
    name: String,
    value: String,
    about: String,
}

/// The labels of an object, in the order of the columns.
pub(crate) fn labels(row: &Map<String, Value>, schema: &Schema) -> Vec<Label> {
    let fields = schema.fields().iter();
    let label = |(name, field): (&str, &arrow::datatypes::FieldRef)| Label {
        name: name.to_string(),
        value: value(name, &row[field.name()]),
        about: field.metadata().get(DESCRIPTION).cloned().unwrap_or_default(),
    };
    fields.filter_map(|field| Some((field.name().strip_prefix("f:")?, field))).map(label).collect()
}

fn value(name: &str, value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_string(),
        Value::Bool(true) => "yes".to_string(),
        Value::Bool(false) => "no".to_string(),
        Value::String(text) => text.clone(),
        Value::Number(mjd) if name.contains("Mjd") => {
            let mjd = mjd.as_f64().unwrap_or(f64::NAN);
            format!("{} UTC (MJD {})", utc(mjd), fixed(Some(mjd), 6))
        }
        Value::Number(class) if name == "main_label_classifier" => match cats(class.as_i64()) {
            Some(meaning) => format!("{class}: {meaning}"),
            None => class.to_string(),
        },
        other => other.to_string(),
    }
}

/// The classes of CATS, as the catalog describes `clf_cats_class`.
fn cats(class: Option<i64>) -> Option<&'static str> {
    match class? {
        11 => Some("SN-like"),
        12 => Some("fast"),
        13 => Some("long"),
        21 => Some("periodic"),
        22 => Some("non-periodic"),
        -1 => Some("not classified"),
        _ => None,
    }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<dl class="labels">
{% for label in labels %}<div><dt><code>{{ label.name }}</code></dt><dd><strong>{{ label.value }}</strong>
{% if !label.about.is_empty() %}<span class="hint">{{ label.about }}</span>{% endif %}</dd></div>
{% endfor %}</dl>
"#
)]
pub(crate) struct Labels {
    pub labels: Vec<Label>,
}
