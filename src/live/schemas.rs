//! The schemas that packets were written with, each with its decoder: found by their id, or taken from the messages themselves.

use std::collections::HashMap;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::ingest::{SchemaSource, WriterSchema};

/// The most schemas that are kept. Each has a decoder, of some MB; a stream has two or three.
const MOST_SCHEMAS: usize = 32;

/// Which schema a packet was written with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum SchemaName {
    /// That of an id.
    Registered(u32),
    /// This, as JSON.
    Text(Bytes),
}

/// All schemas so far.
pub(super) struct Schemas {
    source: Option<SchemaSource>,
    history: bool,
    known: HashMap<SchemaName, WriterSchema>,
}

impl Schemas {
    pub(super) fn new(source: Option<SchemaSource>, history: bool) -> Self {
        Self { source, history, known: HashMap::new() }
    }

    /// A schema. An id that nobody knows, and a schema that is not of alerts, are `Input` errors. A registry that does not answer is none:
    /// ask again.
    pub(super) async fn get(&mut self, name: &SchemaName) -> Result<&mut WriterSchema> {
        if !self.known.contains_key(name) {
            let schema = match name {
                SchemaName::Registered(id) => {
                    let source = self.source.as_ref().ok_or_else(|| {
                        Error::input(format!("schema {id}: give --registry or --schema-dir"))
                    })?;
                    let json = source.text(*id).await?;
                    let read = WriterSchema::new(&json, self.history);
                    read.map_err(|error| error.context(format!("schema {id}")))?
                }
                SchemaName::Text(json) => {
                    let json = std::str::from_utf8(json)
                        .map_err(|_| Error::input("the Avro schema is not UTF-8"))?;
                    WriterSchema::new(json, self.history)?
                }
            };
            if self.known.len() >= MOST_SCHEMAS {
                self.known.clear();
            }
            // The text of a message is a part of all that came with it.
            let own = match name {
                SchemaName::Text(json) => SchemaName::Text(Bytes::copy_from_slice(json)),
                registered => registered.clone(),
            };
            self.known.insert(own, schema);
        }
        self.known.get_mut(name).ok_or_else(|| Error::internal("the schema is gone"))
    }
}
