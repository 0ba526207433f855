//! The OpenAPI operations of one endpoint, with examples and errors.

use serde_json::{Value, json};
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{AnyOfBuilder, Array, ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Content, ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder};

use super::row;
use crate::encode::Format;
use crate::error::Kind;
use crate::request::argument::{Argument, Takes};
use crate::rest::endpoint::{Endpoint, Returns};
use crate::rest::received;

/// The errors that every endpoint may answer with, each with an example of its text.
const ERRORS: [(Kind, &str); 8] = [
    (
        Kind::TooSlow,
        "the body came too slowly: 1 bytes in 30.0 s; send it at 16384 bytes a second or more",
    ),
    (Kind::TooLarge, "the body has 4194305 bytes; the limit is 4194304: ask for less at once"),
    (Kind::MediaType, received::NOT_JSON),
    (
        Kind::Gone,
        "as_of: dr1 belongs to a table that has been replaced since; ask for the newest version",
    ),
    (
        Kind::Busy,
        "over capacity: 64 requests at once from one address is the limit (--max-concurrent-requests); try again",
    ),
    (Kind::NotReady, "the table `sources` does not exist yet: ingest alerts first"),
    (Kind::Timeout, "over the time limit of 60 s; ask for fewer objects or columns at once"),
    (Kind::Internal, "internal error; please report it with the request id 5f0c"),
];

/// The GET operation of an endpoint, with `object` and `columns` in its examples.
pub(crate) fn get(endpoint: &Endpoint, object: &str, columns: &str) -> Operation {
    let operation = endpoint.arguments.iter().fold(operation(endpoint), |operation, argument| {
        let parameter = ParameterBuilder::new()
            .name(argument.name)
            .parameter_in(ParameterIn::Query)
            .required(required(argument))
            .description(Some(about(argument)))
            .schema(Some(text(argument)))
            .example(prefilled(argument).then(|| example(argument, object, columns)));
        operation.parameter(parameter.build())
    });
    operation.operation_id(Some(format!("get_{}", endpoint.name()))).build()
}

pub(crate) fn post(endpoint: &Endpoint, object: &str) -> Operation {
    let mut body = ObjectBuilder::new();
    let mut asked = serde_json::Map::new();
    for argument in endpoint.arguments {
        body = body.property(argument.name, values(argument));
        if required(argument) == Required::True {
            body = body.required(argument.name);
            asked.insert(argument.name.to_string(), example(argument, object, ""));
        }
    }
    let body = ContentBuilder::new().schema(Some(body.build())).example(Some(asked.into()));
    let body = RequestBodyBuilder::new()
        .content("application/json", body.build())
        .required(Some(Required::True));
    let id = format!("post_{}", endpoint.name());
    operation(endpoint).request_body(Some(body.build())).operation_id(Some(id)).build()
}

fn operation(endpoint: &Endpoint) -> OperationBuilder {
    let answers = contents(endpoint).into_iter();
    let answered = answers.fold(ResponseBuilder::new(), |answered, (media_type, content)| {
        answered.content(media_type, content)
    });
    let answered = answered.description("What was asked for.").build();
    let operation = OperationBuilder::new().tag(endpoint.name()).summary(Some(endpoint.about));
    let operation = operation.response("200", answered);
    endpoint.errors.iter().chain(&ERRORS).fold(operation, |operation, (kind, text)| {
        operation.response(kind.http_status().to_string(), refused(text))
    })
}

/// The contents of a 200 by media type.
fn contents(endpoint: &Endpoint) -> Vec<(&'static str, Content)> {
    let bytes = || Content::new(None::<Schema>);
    let rows = |name| {
        let row = RefOr::Ref(Ref::from_schema_name(name));
        let content = move |format| match format {
            Format::Json => Content::new(Some(Schema::Array(Array::new(row.clone())))),
            _ => bytes(),
        };
        Format::ALL.map(|format| (format.content_type(), content(format))).to_vec()
    };
    match endpoint.returns {
        Returns::Bytes(types) => types.iter().map(|media_type| (*media_type, bytes())).collect(),
        Returns::Events => vec![("text/event-stream", bytes())],
        Returns::Rows => rows(row::name(endpoint.table)),
        Returns::FoundRows => rows(row::FOUND),
    }
}

/// The schema of the body of every error.
pub(crate) fn error() -> Schema {
    let text =
        |about: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(about));
    let body = ObjectBuilder::new()
        .property("status", text("`error`").enum_values(Some(["error"])))
        .property("text", text("Names the argument and says what would be right."))
        .required("status")
        .required("text");
    Schema::Object(body.build())
}

fn refused(text: &str) -> Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Error")))
        .example(Some(json!({"status": "error", "text": text})));
    ResponseBuilder::new().description(text).content("application/json", content.build()).build()
}

fn required(argument: &Argument) -> Required {
    match argument.is_required {
        true => Required::True,
        false => Required::False,
    }
}

/// Swagger UI fills in the examples when an endpoint is tried out. Examples that would leave rows out are therefore given in words.
fn prefilled(argument: &Argument) -> bool {
    matches!(argument.takes, Takes::Ids | Takes::Names | Takes::Word(_))
}

fn about(argument: &Argument) -> String {
    match prefilled(argument) {
        true => argument.about.to_string(),
        false => format!("{} For example `{}`.", argument.about, argument.example),
    }
}

/// The schema of its values in a query string.
fn text(argument: &Argument) -> Schema {
    match argument.takes {
        Takes::Ids
        | Takes::Names
        | Takes::VersionOrTime
        | Takes::NumberOrText
        | Takes::Places
        | Takes::Cells
        | Takes::Text => Schema::Object(ObjectBuilder::new().schema_type(Type::String).build()),
        _ => values(argument),
    }
}

/// The schema of its values in a JSON object.
fn values(argument: &Argument) -> Schema {
    let one = |of: Type| ObjectBuilder::new().schema_type(of);
    let any = |types: &[Type]| {
        types.iter().fold(AnyOfBuilder::new(), |any, of| any.item(one(of.clone())))
    };
    let list = |of: AnyOfBuilder| ArrayBuilder::new().items(RefOr::T(Schema::AnyOf(of.build())));
    match &argument.takes {
        Takes::Ids => {
            let id = [Type::String, Type::Integer];
            Schema::AnyOf(any(&id).item(list(any(&id))).build())
        }
        Takes::Names => {
            Schema::AnyOf(any(&[Type::String]).item(list(any(&[Type::String]))).build())
        }
        Takes::Word(words) => Schema::Object(one(Type::String).enum_values(Some(words())).build()),
        Takes::Flag => Schema::Object(one(Type::Boolean).build()),
        Takes::Decimal => Schema::Object(one(Type::Number).build()),
        Takes::NumberOrText => Schema::AnyOf(any(&[Type::Number, Type::String]).build()),
        Takes::VersionOrTime => Schema::AnyOf(any(&[Type::Integer, Type::String]).build()),
        Takes::Places => {
            let pair = || Schema::Array(list(any(&[Type::Number, Type::String])).build());
            let named = one(Type::Object).additional_properties(Some(pair()));
            let pairs = ArrayBuilder::new().items(RefOr::T(pair()));
            Schema::AnyOf(any(&[Type::String]).item(pairs).item(named).build())
        }
        Takes::Text => Schema::Object(one(Type::String).build()),
        Takes::Cells => {
            let cells =
                ArrayBuilder::new().items(RefOr::T(Schema::Object(one(Type::Integer).build())));
            let orders =
                one(Type::Object).additional_properties(Some(Schema::Array(cells.build())));
            Schema::AnyOf(any(&[Type::String]).item(orders).build())
        }
    }
}

fn example(argument: &Argument, object: &str, columns: &str) -> Value {
    match argument.takes {
        Takes::Ids => object.into(),
        Takes::Names => columns.into(),
        Takes::Flag => (argument.example == "true").into(),
        _ => argument.example.into(),
    }
}
