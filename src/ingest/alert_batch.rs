//! Alerts that come one by one, from a stream: they are decoded and staged as they come, and committed together, with how far the stream
//! has been read. What a file of them would give, they give: the same rows, and the same are refused.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use serde_json::Value;

use super::datum::DatumDecoder;
use super::intake::Intake;
use super::mapping::Mapping;
use super::packet::{self, PacketRows};
use super::{IngestOptions, Summary, typed};
use crate::error::{Error, Kind, Result};
use crate::warehouse::{Positions, Warehouse};

/// A packet in Avro's binary form, and where it comes from.
#[derive(Clone, Debug)]
pub struct Datum {
    /// The topic and the partition, as they stand in messages.
    pub source: Arc<str>,
    /// The offset in the partition.
    pub offset: i64,
    /// The packet.
    pub bytes: Bytes,
}

/// The schema that packets were written with.
pub struct WriterSchema {
    json: Value,
    history: bool,
    /// Of packets that are decoded together, and one by one. None before the first, and after an error: what the decoder has read of a
    /// damaged packet stays in it.
    together: Option<DatumDecoder>,
    alone: Option<DatumDecoder>,
}

/// The most packets that are decoded together.
const TOGETHER: usize = 64;

impl WriterSchema {
    /// Takes a schema as JSON. One that is not of alerts is an `Input` error. The history is read if asked for.
    pub fn new(json: &str, history: bool) -> Result<Self> {
        let json: Value = serde_json::from_str(json)
            .map_err(|error| Error::input(format!("the Avro schema is not JSON: {error}")))?;
        let together = Some(DatumDecoder::new(json.clone(), history, TOGETHER)?);
        Ok(Self { json, history, together, alone: None })
    }

    /// The schema, as JSON.
    pub fn to_json(&self) -> String {
        self.json.to_string()
    }

    /// Decodes the first of some packets, as many as are decoded together.
    fn decode(&mut self, datums: &[&Datum]) -> Result<RecordBatch> {
        let (decoder, most) = match datums {
            [_] => (&mut self.alone, 1),
            _ => (&mut self.together, TOGETHER),
        };
        let mut own = match decoder.take() {
            Some(decoder) => decoder,
            None => DatumDecoder::new(self.json.clone(), self.history, most)?,
        };
        for datum in datums {
            if !own.has_room(datum.bytes.len()) {
                break;
            }
            let length = own.push(&datum.bytes)?;
            if let left @ 1.. = datum.bytes.len() - length {
                return Err(Error::input(format!("damaged: {left} bytes after the packet")));
            }
        }
        let batch = own.batch()?;
        *decoder = Some(own);
        Ok(batch)
    }
}

/// What became of some packets.
pub struct Pushed {
    /// So many of them were taken, in their order. The others are to be given again.
    pub taken: usize,
    /// Those of them that are refused: their index, and the reason.
    pub refused: Vec<(usize, String)>,
}

/// The most schemas whose mapping is kept: of a stream there is one, and for some time two.
const MOST_MAPPINGS: usize = 8;

/// Alerts that are to be committed together.
pub struct AlertBatch {
    intake: Intake,
    history: bool,
    /// How packets of some schemas become rows. None was made before a column came.
    mappings: Vec<(SchemaRef, Arc<Mapping>)>,
}

impl AlertBatch {
    /// An empty one.
    pub async fn begin(warehouse: &Warehouse, options: &IngestOptions) -> Result<Self> {
        let intake = Intake::begin(warehouse, options).await?;
        Ok(Self { intake, history: options.history, mappings: Vec::new() })
    }

    /// Decodes and stages packets of one schema, at least one. It takes time and waits for the disk. An error means that the batch cannot
    /// go on.
    pub fn push(&mut self, schema: &mut WriterSchema, datums: &[&Datum]) -> Result<Pushed> {
        let rows = match self.rows(schema, datums) {
            Ok(rows) if rows.refused.count == rows.refused.first.len() as u64 => rows,
            // One of them cannot be read, or not all reasons are told.
            Ok(_) => return self.push_each(schema, datums),
            Err(error) if error.kind() == Kind::Input && datums.len() > 1 => {
                return self.push_each(schema, datums);
            }
            Err(error) if error.kind() == Kind::Input => {
                return Ok(Pushed { taken: 1, refused: vec![(0, error.to_string())] });
            }
            Err(error) => return Err(error),
        };
        let (taken, refused) = (rows.packets as usize, rows.refused.first.clone());
        let place = |at: usize| (datums[at].source.to_string(), datums[at].offset as u64);
        self.intake.take(rows, place)?;
        Ok(Pushed { taken, refused })
    }

    fn push_each(&mut self, schema: &mut WriterSchema, datums: &[&Datum]) -> Result<Pushed> {
        let mut refused = Vec::new();
        for (at, datum) in datums.iter().enumerate() {
            let of_one = self.push(schema, &[datum])?;
            refused.extend(of_one.refused.into_iter().map(|(_, reason)| (at, reason)));
        }
        Ok(Pushed { taken: datums.len(), refused })
    }

    fn rows(&mut self, schema: &mut WriterSchema, datums: &[&Datum]) -> Result<PacketRows> {
        let packets = schema.decode(datums)?;
        let mapping = self.mapping(&packets.schema())?;
        let packets = typed::typed(&packets, &mapping.packet, 0)?;
        packet::rows(&mapping, &packets)
    }

    /// How packets of a schema become rows.
    fn mapping(&mut self, packet: &SchemaRef) -> Result<Arc<Mapping>> {
        let made =
            self.mappings.iter().find(|(made, _)| Arc::ptr_eq(made, packet) || made == packet);
        if let Some((_, mapping)) = made {
            return Ok(mapping.clone());
        }
        let known = self.intake.known_columns()?;
        let mapping = Arc::new(Mapping::new(packet, self.history, &known)?);
        if mapping.adds_columns(&known) || self.mappings.len() == MOST_MAPPINGS {
            self.mappings.clear();
        }
        self.mappings.push((packet.clone(), mapping.clone()));
        Ok(mapping)
    }

    /// Commits all rows, and how far streams have been `read`, exactly once whatever is committed again: in the version that is given, if
    /// something was committed. `Gone` if another reader of the streams was first.
    pub async fn commit(
        self,
        warehouse: &Warehouse,
        read: &Positions,
    ) -> Result<(Summary, Option<u64>)> {
        self.intake.commit(warehouse, read).await
    }
}
