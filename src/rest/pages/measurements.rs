//! The measurements of an object as a table, newest first.

use askama::Template;

use super::measurement::Newest;

/// The table, under its name.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<details class="measurements"{% if open %} open{% endif %}><summary>{{ name }} <span class="count">{{ newest.how_many() }}</span></summary>
{% if newest.more %}<p class="hint">The newest of them; the downloads have all.</p>
{% endif %}<div class="wide" tabindex="0" role="region" aria-label="{{ name }}">
<table class="rows">
<thead><tr><th scope="col">Date (UTC)</th><th scope="col">MJD (TAI)</th><th scope="col">Band</th><th scope="col">psfFlux, nJy</th>
<th scope="col">±</th><th scope="col">AB mag</th><th scope="col">±</th><th scope="col">S/N</th><th scope="col">Visit</th>
{% if newest.are_tagged() %}<th scope="col">Quality</th>{% endif %}</tr></thead>
<tbody>
{% for row in newest.rows %}<tr><td>{{ row.date() }}</td><td>{{ row.mjd() }}</td><td>{{ row.band() }}</td><td>{{ row.flux() }}</td><td>{{ row.flux_err() }}</td><td>{{ row.mag() }}</td><td>{{ row.mag_err() }}</td><td>{{ row.snr() }}</td><td>{{ row.visit() }}</td>{% if newest.are_tagged() %}<td>{{ row.quality() }}</td>{% endif %}</tr>
{% endfor %}</tbody>
</table>
</div>
</details>
"#
)]
pub struct Measurements<'a> {
    pub name: &'static str,
    pub newest: &'a Newest,
    /// Whether the table is shown at first.
    pub open: bool,
}
