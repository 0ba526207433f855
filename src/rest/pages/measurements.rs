//! The measurements of an object as a table, newest first.

use askama::Template;

use super::series::Series;

/// The table of measurements.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<details class="measurements"{% if open %} open{% endif %}><summary>{{ name }} <span class="count">{{ series.all.count() }}</span></summary>
{% if series.has_more() %}<p class="hint">The newest {{ series.shown() }} of them; the downloads have all.</p>
{% endif %}<div class="wide{% if is_long() %} long{% endif %}" tabindex="0" role="region" aria-label="{{ name }}">
<table class="stacked rows">
<thead><tr><th scope="col">Date (UTC)</th><th scope="col">MJD (TAI)</th><th scope="col">Band</th><th scope="col">psfFlux, nJy</th>
<th scope="col">±</th><th scope="col">AB mag</th><th scope="col">±</th><th scope="col">S/N</th><th scope="col">Visit</th>
{% if series.tagged %}<th scope="col">Quality</th>{% endif %}</tr></thead>
<tbody>
{% for row in series.newest %}<tr><td>{{ row.date() }}</td><td>{{ row.mjd() }}</td><td>{{ row.band() }}</td><td>{{ row.flux() }}</td><td>{{ row.flux_err() }}</td><td>{{ row.mag() }}</td><td>{{ row.mag_err() }}</td><td>{{ row.snr() }}</td><td>{{ row.visit() }}</td>{% if series.tagged %}<td>{{ row.quality() }}</td>{% endif %}</tr>
{% endfor %}</tbody>
</table>
</div>
</details>
"#
)]
pub(crate) struct Measurements<'a> {
    pub name: &'static str,
    pub series: &'a Series,
    /// Whether the table is shown at first.
    pub open: bool,
}

/// A table with more rows scrolls in a frame of its own, and is laid out when it comes into view.
const LONG_ROWS: usize = 15;

impl Measurements<'_> {
    fn is_long(&self) -> bool {
        self.series.newest.len() > LONG_ROWS
    }
}
