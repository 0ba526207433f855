//! The light curve of an object: what scripts need to draw it, and a picture where there are none. It is drawn as soon as what
//! it needs is there; a browser may have thousands of table rows to go until then.

use askama::Template;

use super::bands::BandTally;
use crate::plot::WITHDRAWN;

/// The symbols of the bands (RTN-045) and of the kinds of points, as in the plot.
pub(crate) const MARKS: &str = r#"<svg class="unseen" aria-hidden="true"><defs>
<symbol id="band-u" viewBox="-6 -6 12 12"><circle r="4.6"/></symbol>
<symbol id="band-g" viewBox="-6 -6 12 12"><path d="M0-5.2 5 3.8H-5Z"/></symbol>
<symbol id="band-r" viewBox="-6 -6 12 12"><path d="M0 5.2 5-3.8H-5Z"/></symbol>
<symbol id="band-i" viewBox="-6 -6 12 12"><path d="M-4.2-4.2H4.2V4.2H-4.2Z"/></symbol>
<symbol id="band-z" viewBox="-6 -6 12 12"><path d="M0-5.8 1.38-1.9 5.52-1.79 2.23.73 3.41 4.69 0 2.35-3.41 4.69-2.23.73-5.52-1.79-1.38-1.9Z"/></symbol>
<symbol id="band-y" viewBox="-6 -6 12 12"><path d="M0-5.2 4.95-1.61 3.06 4.21H-3.06L-4.95-1.61Z"/></symbol>
<symbol id="band-other" viewBox="-6 -6 12 12"><path d="M0-5.4 5.4 0 0 5.4-5.4 0Z"/></symbol>
<symbol id="what-detection" viewBox="-6 -6 12 12"><circle r="4.4" fill="currentColor"/></symbol>
<symbol id="what-poor" viewBox="-6 -6 12 12"><circle r="4.4" fill="none"/><circle r="1.2" fill="currentColor"/></symbol>
<symbol id="what-forced" viewBox="-6 -6 12 12"><circle r="4.4" fill="none"/></symbol>
<symbol id="what-limit" viewBox="-6 -6 12 12"><path d="M0-1.4V5.2M-2.4 2.8 0 5.2 2.4 2.8" fill="none"/><circle cy="-3.4" r="2" fill="none"/></symbol>
</defs></svg>
"#;

/// The requests for the rows that the scripts draw.
pub(crate) struct FigureData {
    sources: String,
    fp: String,
}

impl FigureData {
    /// `tagged`: whether detections are tagged as good or poor.
    pub(crate) fn new(id: i64, tagged: bool) -> Self {
        let columns =
            "r:midpointMjdTai,r:band,r:visit,r:psfFlux,r:psfFluxErr,v:abMag,v:abMagErr,v:dateUtc";
        let [sources, fp] = ["sources", "fp"]
            .map(|table| format!("api/v1/{table}?diaObjectId={id}&columns={columns}"));
        let fp = format!("{fp},{WITHDRAWN}");
        let limits = if tagged { ",v:tag,v:fluxLimit&withupperlim=True" } else { "" };
        Self { sources: sources + limits, fp }
    }
}

/// Elements of the document's head that let the browser fetch rows and scripts before it has read the page to its end.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<link rel="preload" as="fetch" crossorigin="anonymous" href="{{ data.sources }}">
<link rel="preload" as="fetch" crossorigin="anonymous" href="{{ data.fp }}">
<script type="module" src="{{ assets }}/copy.js"></script>
{% for module in MODULES %}<link rel="modulepreload" href="{{ assets }}/{{ module }}">
{% endfor %}"#
)]
pub(crate) struct ObjectHead<'a> {
    pub data: &'a FigureData,
    pub assets: &'static str,
}

/// `light_curve.js` and what it imports.
const MODULES: [&str; 9] = [
    "light_curve.js",
    "bands.js",
    "dates.js",
    "plot.js",
    "plotly-basic.min.js",
    "points.js",
    "ranges.js",
    "readout.js",
    "zoom.js",
];

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<figure class="curve" data-sources="{{ data.sources }}" data-fp="{{ data.fp }}"{% if follows %} data-stream="api/v1/stream?diaObjectId={{ id }}&amp;columns=r:diaSourceId"{% endif %}>
<form class="controls scripted" autocomplete="off">
<fieldset><legend>Scale</legend>
<label><input type="radio" name="scale" value="flux" checked>flux</label>
<label><input type="radio" name="scale" value="mag">AB magnitude</label></fieldset>
<fieldset><legend>Bands</legend>
{% for band in bands %}<label><input type="checkbox" name="band" value="{{ band.value() }}" checked><svg class="mark band-{{ band.mark() }}" aria-hidden="true"><use href="#band-{{ band.mark() }}"/></svg>{{ band.label() }}</label>
{% endfor %}</fieldset>
<fieldset><legend>Show</legend>
{% for (what, name) in SHOWN %}<label><input type="checkbox" name="what" value="{{ what }}" checked><svg class="mark" aria-hidden="true"><use href="#what-{{ what }}"/></svg>{{ name }}</label>
{% endfor %}</fieldset>
<fieldset><legend>Zoom</legend>
<button type="button" data-zoom="in" aria-label="Zoom in">+</button>
<button type="button" data-zoom="out" aria-label="Zoom out">−</button>
<button type="button" data-zoom="reset">all</button></fieldset>
</form>
<div id="plot" class="scripted" tabindex="0" role="application" aria-label="Light curve of {{ id }}" aria-describedby="readout"></div>
<noscript><img src="api/v1/plot?diaObjectId={{ id }}&amp;output-format=svg" alt="Light curve of {{ id }}: difference flux over time" width="900" height="500"></noscript>
<figcaption class="scripted"><output id="readout" aria-live="polite">Point at a measurement, or step through them with the arrow keys when the plot has the focus.</output>
<p class="hint" id="without"></p></figcaption>
</figure>
<script type="module" async src="{{ assets }}/light_curve.js"></script>
{% if follows %}<script type="module" src="{{ assets }}/object.js"></script>
{% endif %}"##
)]
pub(crate) struct Figure<'a> {
    pub id: i64,
    pub data: &'a FigureData,
    pub assets: &'static str,
    pub bands: &'a [BandTally<'a>],
    /// Whether scripts renew the page when the object has new sources.
    pub follows: bool,
}

/// The kinds of points.
const SHOWN: [(&str, &str); 4] = [
    ("detection", "detections"),
    ("poor", "poor quality"),
    ("forced", "forced"),
    ("limit", "below 5σ"),
];
