//! The list of endpoints: each path with its arguments, its answers and its handlers. The router, `/openapi.json`, `/docs` and the text of
//! `/` are made from it, so that an endpoint is added here, and its handler in a file of its own.

use super::endpoint::{Endpoint, Returns};
use super::{cone, crossmatch, plot, rows, schema, skymap, stream};
use crate::error::Kind;
use crate::origin::Origin;
use crate::plot::Picture;
use crate::request::{
    ConeRequest, CrossmatchRequest, PlotRequest, RowRequest, SchemaRequest, SkymapRequest,
    StreamRequest,
};
use crate::schema::Table;

const MISSING_ID: (Kind, &str) = (
    Kind::Argument,
    "diaObjectId is missing: give one id, several separated by commas, or an array",
);

/// The endpoints, in the order in which documents list them.
pub(crate) static ENDPOINTS: [Endpoint; 9] = [
    Endpoint {
        path: "/api/v1/sources",
        summary: "the light curves of objects",
        about: "The light curves of objects, one row per diaSource, newest first: ask with diaObjectId, and columns, midpointMjdTai, \
                withupperlim, output-format if you like.",
        table: Table::Sources,
        arguments: RowRequest::ARGUMENTS_OF_SOURCES,
        returns: Returns::Rows,
        errors: &[MISSING_ID],
        methods: rows::methods,
    },
    Endpoint {
        path: "/api/v1/objects",
        summary: "their newest state",
        about: "The newest state of objects, one row per diaObject, in the order of their ids: ask with diaObjectId, and columns, \
                output-format if you like.",
        table: Table::Objects,
        arguments: RowRequest::ARGUMENTS,
        returns: Returns::Rows,
        errors: &[MISSING_ID],
        methods: rows::methods,
    },
    Endpoint {
        path: "/api/v1/fp",
        summary: "their forced photometry",
        about: "The forced photometry of objects, one row per diaForcedSource, newest first: ask with diaObjectId, and columns, \
                output-format if you like.",
        table: Table::Fp,
        arguments: RowRequest::ARGUMENTS,
        returns: Returns::Rows,
        errors: &[MISSING_ID],
        methods: rows::methods,
    },
    Endpoint {
        path: ConeRequest::PATH,
        summary: "the objects in a circle on the sky",
        about: "The objects in a circle on the sky, one row per diaObject: its newest diaSource with what the object says besides, the \
                nearest first. Ask with ra, dec and radius, and n, startdate, stopdate, columns, output-format if you like.",
        table: Table::Sources,
        arguments: ConeRequest::ARGUMENTS,
        returns: Returns::FoundRows,
        errors: &[(Kind::Argument, "radius is missing: give arcseconds, at most 18000")],
        methods: cone::methods,
    },
    Endpoint {
        path: CrossmatchRequest::PATH,
        summary: "the objects near each of many places",
        about: "The objects near each of many places on the sky, one row per place and diaObject, as conesearch has it, with v:place before \
                it, the nearest first. Ask with places and radius, and n, startdate, stopdate, columns, output-format if you like.",
        table: Table::Sources,
        arguments: CrossmatchRequest::ARGUMENTS,
        returns: Returns::FoundRows,
        errors: &[(Kind::Argument, "radius is missing: give arcseconds, at most 60")],
        methods: crossmatch::methods,
    },
    Endpoint {
        path: SkymapRequest::PATH,
        summary: "the objects in a region of the sky",
        about: "The objects in a region of the sky, one row per diaObject, as conesearch has it, with v:credible_level and v:startgwMjdTai, \
                the likeliest cells first. Ask with a map of the sky (a FITS file as the body, skymap or bayestar) and credible_level, or with \
                moc or polygon, and n_day_before, n_day_after, n, startdate, stopdate, columns, output-format if you like.",
        table: Table::Sources,
        arguments: SkymapRequest::ARGUMENTS,
        returns: Returns::FoundRows,
        errors: &[(
            Kind::Argument,
            "credible_level is missing: give how much of the map's probability, above 0 and at most 1",
        )],
        methods: skymap::methods,
    },
    Endpoint {
        path: "/api/v1/plot",
        summary: "a light curve as a picture",
        about: "The light curve of an object as a picture: ask with diaObjectId, and output-format (svg, png), quantity (flux, \
                magnitude) if you like.",
        table: Table::Sources,
        arguments: PlotRequest::ARGUMENTS,
        returns: Returns::Bytes(&[Picture::Svg.content_type(), Picture::Png.content_type()]),
        errors: &[MISSING_ID, (Kind::NotFound, "diaObjectId 7: there is no measurement of it")],
        methods: plot::methods,
    },
    Endpoint {
        path: "/api/v1/stream",
        summary: "new sources as they come",
        about: "New sources as they are committed, as server-sent events that go on: ask with diaObjectId, columns, filter or since, or \
                with the header `accept: text/event-stream`.",
        table: Table::Sources,
        arguments: StreamRequest::ARGUMENTS,
        returns: Returns::Events,
        errors: &[
            (Kind::Argument, "since: sources has no version 12 (yet); the newest is 11"),
            (
                Kind::Unauthenticated,
                "a token is needed: send the server's token in the header `authorization: Bearer TOKEN`, or as the password of basic \
                 authentication",
            ),
        ],
        methods: stream::methods,
    },
    Endpoint {
        path: "/api/v1/schema",
        summary: "the fields of an endpoint",
        about: "The fields of an endpoint: ask with endpoint, such as /api/v1/sources.",
        table: Table::Sources,
        arguments: SchemaRequest::ARGUMENTS,
        returns: Returns::Bytes(&["application/json"]),
        errors: &[
            (
                Kind::Argument,
                "endpoint is missing: give one of /api/v1/conesearch, /api/v1/crossmatch, /api/v1/fp, /api/v1/objects, /api/v1/skymap, /api/v1/sources",
            ),
            (
                Kind::NotFound,
                "endpoint must be one of /api/v1/conesearch, /api/v1/crossmatch, /api/v1/fp, /api/v1/objects, /api/v1/skymap, /api/v1/sources, not `/fp`",
            ),
        ],
        methods: schema::methods,
    },
];

/// The list as text, for clients that do not read HTML, with the paths by which they reach the endpoints.
pub(crate) fn list(origin: &Origin) -> String {
    let below = origin.prefix();
    let endpoints = ENDPOINTS.iter().map(|endpoint| {
        let path = format!("{below}{}", endpoint.path);
        format!("GET or POST {path:<18} {}\n", endpoint.summary)
    });
    let endpoints: String = endpoints.collect();
    let flight = match origin.grpc() {
        Some(_) => {
            "Arrow Flight and Flight SQL answer on the same port: grpc:// in place of http://\n"
        }
        // An address of gRPC has no path, so only the proxy knows it.
        None => "Arrow Flight and Flight SQL answer at an address without a path\n",
    };
    format!(
        "diaflight: light curves of Rubin alerts

{endpoints}GET {below}/<diaObjectId>             the page of an object, for a browser
GET {below}/docs, {below}/openapi.json       all of this, and how to ask
GET {below}/health/live, {below}/health/ready, {below}/metrics

{flight}"
    )
}
