//! Buttons that download the rows of listed objects: a form, since a URL has no room for thousands of ids.

use askama::Template;

use crate::encode::Format;
use crate::schema::Table;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<form method="post">
<input type="hidden" name="diaObjectId" value="{{ ids }}">
<dl class="downloads">
{% for table in Table::ALL %}<div><dt>{{ table.name() }}</dt><dd>
{% for format in Format::ALL %}<button formaction="objects/{{ table.name() }}" name="output-format" value="{{ format.name() }}">{{ format.name() }}</button>
{% endfor %}</dd></div>
{% endfor %}</dl>
</form>
"#
)]
pub(crate) struct DownloadForm {
    /// The objects, separated by commas.
    ids: String,
}

impl DownloadForm {
    pub(crate) fn new(ids: &[i64]) -> Self {
        Self { ids: joined(ids) }
    }
}

/// Ids as an argument has them.
pub(crate) fn joined(ids: &[i64]) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}
