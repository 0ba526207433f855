//! How to get the rows of an object elsewhere: links to download, and requests to copy into a program.

use askama::Template;

use crate::encode::Format;
use crate::origin::Origin;

/// A link to download the rows of one endpoint.
struct Download {
    name: &'static str,
    about: &'static str,
}

const DOWNLOADS: [Download; 3] = [
    Download { name: "sources", about: "Detections" },
    Download { name: "fp", about: "Forced photometry" },
    Download { name: "objects", about: "The object" },
];

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h2 id="download">Download</h2>
<dl class="downloads">
{% for download in DOWNLOADS %}<div><dt>{{ download.about }}</dt><dd>
{% for format in Format::ALL %}<a href="api/v1/{{ download.name }}?diaObjectId={{ id }}&amp;output-format={{ format.name() }}" download="{{ download.name }}-{{ id }}.{{ format.extension() }}">{{ format.name() }}</a>
{% endfor %}</dd></div>
{% endfor %}</dl>
<p class="hint">All columns of all rows. <a href="docs/">The API</a> has the arguments that choose among them.</p>
<h2 id="requests">The same from a program</h2>
{% for request in requests %}<section class="request">
<h3 id="{{ request.id }}-name">{{ request.name }}</h3>
<button type="button" data-copy="{{ request.id }}" class="scripted">Copy</button>
<pre tabindex="0" role="region" aria-labelledby="{{ request.id }}-name"><code id="{{ request.id }}">{{ request.text }}</code></pre>
</section>
{% endfor %}<p class="unseen" id="copied" aria-live="polite"></p>
"#
)]
pub(crate) struct Requests {
    id: i64,
    requests: Vec<Snippet>,
}

/// A request to copy into a program.
struct Snippet {
    id: &'static str,
    name: &'static str,
    text: String,
}

impl Requests {
    pub(crate) fn new(id: i64, origin: &Origin) -> Self {
        let http = origin.http();
        let python = format!(
            r#"import pandas

light_curve = pandas.read_parquet(
    "{http}/api/v1/sources?diaObjectId={id}&output-format=parquet"
)"#
        );
        let curl = format!("curl '{http}/api/v1/sources?diaObjectId={id}&output-format=csv'");
        let mut requests = vec![
            Snippet { id: "python", name: "Python, pandas", text: python },
            Snippet { id: "curl", name: "curl", text: curl },
        ];
        // A Flight address has no path. If the server is below a path, its Flight address is not known.
        if let Some(grpc) = origin.grpc() {
            requests.push(Snippet {
                id: "flight",
                name: "Python, Arrow Flight",
                text: flight(id, &grpc),
            });
        }
        Self { id, requests }
    }
}

fn flight(id: i64, grpc: &str) -> String {
    format!(
        r#"import json

import pyarrow.flight as flight

client = flight.connect("{grpc}")
asked = json.dumps({{"endpoint": "sources", "diaObjectId": "{id}"}})
info = client.get_flight_info(flight.FlightDescriptor.for_command(asked))
light_curve = client.do_get(info.endpoints[0].ticket).read_pandas()"#
    )
}
