//! Encodes what packets are made of as Avro records, each once: the alerts' own fields, the sources and the forced measurements of a batch.
//!
//! A source is in the histories of up to hundreds of alerts. Avro's encoding of a record does not depend on where it stands, so its
//! bytes are made once and copied from then on.

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Fields, Schema};
use arrow_avro::schema::SCHEMA_METADATA_KEY;
use arrow_avro::writer::format::AvroBinaryFormat;
use arrow_avro::writer::{EncodedRows, Encoder, WriterBuilder};

use super::cutout::{CUTOUTS, cutouts};
use super::schema::{self, PacketField};
use crate::error::{Error, Result};
use crate::ingest::sections::DIA_SOURCE;
use crate::schema::Table;
use crate::survey::batches::SurveyBatch;
use crate::survey::plan::Plan;

/// Encodes batch after batch.
pub(super) struct PacketEncoder {
    own: RecordsEncoder,
    sources: RecordsEncoder,
    forced: RecordsEncoder,
    cutouts: bool,
}

/// The records of a batch, in the order of its rows.
pub(super) struct EncodedBatch {
    /// One for each state.
    pub own: EncodedRows,
    pub sources: EncodedRows,
    pub forced: EncodedRows,
}

impl PacketEncoder {
    pub(super) fn new(cutouts: bool) -> Result<Self> {
        let images = CUTOUTS.map(|name| Field::new(name, DataType::Binary, true));
        let images = if cutouts { images.to_vec() } else { Vec::new() };
        Ok(Self {
            own: RecordsEncoder::new("alert", schema::own()?, images)?,
            sources: RecordsEncoder::new(DIA_SOURCE, schema::entry(Table::Sources), vec![])?,
            forced: RecordsEncoder::new("diaForcedSource", schema::entry(Table::Fp), vec![])?,
            cutouts,
        })
    }

    /// The Avro schema of the packets, as JSON.
    pub(super) fn schema(&self) -> String {
        schema::packet(self.own.encoder.schema().fields(), self.forced.encoder.schema().fields())
            .to_string()
    }

    pub(super) fn encode(&mut self, batch: &SurveyBatch, plan: &Plan) -> Result<EncodedBatch> {
        let sources = &batch.rows.sources;
        let are_alerts: BooleanArray = sources.iter().map(|s| Some(s.is_alert)).collect();
        let alerts = filter_record_batch(&batch.sources, &are_alerts)?;
        let images = match self.cutouts {
            true => cutouts(sources.iter().filter(|source| source.is_alert), plan),
            false => Vec::new(),
        };
        let of_alert = |table| if table == Table::Objects { &batch.objects } else { &alerts };
        Ok(EncodedBatch {
            own: self.own.encode(of_alert, images)?,
            sources: self.sources.encode(|_| &batch.sources, vec![])?,
            forced: self.forced.encode(|_| &batch.fp, vec![])?,
        })
    }
}

/// Encodes one kind of records.
struct RecordsEncoder {
    fields: Vec<PacketField>,
    encoder: Encoder,
}

impl RecordsEncoder {
    /// Of these fields, and of others that are no columns.
    fn new(name: &str, fields: Vec<PacketField>, others: Vec<Field>) -> Result<Self> {
        let all: Fields = fields.iter().map(PacketField::field).chain(others).collect();
        let avro = schema::record(name, &all).to_string();
        let metadata = [(SCHEMA_METADATA_KEY.to_string(), avro)].into();
        let encoder = WriterBuilder::new(Schema::new_with_metadata(all, metadata))
            .build_encoder::<AvroBinaryFormat>()
            .map_err(|error| Error::internal(format!("the Avro records {name}: {error}")))?;
        Ok(Self { fields, encoder })
    }

    fn encode<'a>(
        &mut self,
        rows: impl Fn(Table) -> &'a RecordBatch,
        others: Vec<ArrayRef>,
    ) -> Result<EncodedRows> {
        let columns = self.fields.iter().map(|field| field.values(rows(field.table)));
        let mut columns = columns.collect::<Result<Vec<_>>>()?;
        columns.extend(others);
        let records = RecordBatch::try_new(self.encoder.schema(), columns)?;
        let encoded = self.encoder.encode(&records);
        encoded.map_err(|error| Error::internal(format!("encoding packets: {error}")))?;
        Ok(self.encoder.flush())
    }
}
