//! Reads messages, decodes the packets in them, and gathers what is to be committed together.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::block_in_place;
use tokio_util::sync::CancellationToken;

use super::frame::{Frame, Framing, frame};
use super::kafka::{StreamMessage, Topics};
use super::schemas::{SchemaName, Schemas};
use crate::error::{Error, Kind, Result};
use crate::ingest::{AlertBatch, Datum, only_packet};
use crate::warehouse::Partition;

/// The most bytes of messages that are to be set aside, give or take some.
const MOST_REFUSED_BYTES: usize = 32 << 20;
/// So many packets are decoded at once, and so many bytes of them, give or take one.
const GROUP: u64 = 64;
const GROUP_BYTES: usize = 8 << 20;
const POLL: Duration = Duration::from_millis(200);

/// What is to be committed together.
pub(super) struct MicroBatch {
    pub batch: AlertBatch,
    /// The offset of the next message of each partition that was read from.
    pub next: BTreeMap<Partition, i64>,
    pub refused: Vec<UnreadMessage>,
    /// When the oldest message was produced, in milliseconds since 1970.
    pub oldest_ms: Option<i64>,
    pub bytes: u64,
    pub messages: u64,
    /// The most messages. So memory and the time of a commit are bounded, however much there is to read.
    most_messages: u64,
    refused_bytes: usize,
    /// Whether rows could not be staged: then it must not be committed.
    pub is_broken: bool,
}

/// A message that cannot be read, or whose packet is refused.
pub(super) struct UnreadMessage {
    pub message: StreamMessage,
    pub reason: String,
    /// The schema, as JSON, and the packet that was written with it; if it is known that far.
    pub packet: Option<(Bytes, Bytes)>,
}

impl UnreadMessage {
    /// With bytes of its own: those of a message that was read are a part of all that came with it.
    fn alone(self) -> Self {
        let own = |bytes: Bytes| Bytes::copy_from_slice(&bytes);
        let Self { message, reason, packet } = self;
        let (key, value) = (message.key.map(own), own(message.value));
        let packet = packet.map(|(schema, packet)| (own(schema), own(packet)));
        Self { message: StreamMessage { key, value, ..message }, reason, packet }
    }

    fn bytes(&self) -> usize {
        let key = self.message.key.as_ref().map_or(0, Bytes::len);
        let packet = self.packet.as_ref().map_or(0, |(schema, packet)| schema.len() + packet.len());
        self.message.value.len() + key + packet + self.reason.len()
    }
}

impl MicroBatch {
    /// Without messages, and for so many at most.
    pub(super) fn new(batch: AlertBatch, most_messages: u64) -> Self {
        Self {
            batch,
            next: BTreeMap::new(),
            refused: Vec::new(),
            oldest_ms: None,
            bytes: 0,
            messages: 0,
            most_messages,
            refused_bytes: 0,
            is_broken: false,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.messages >= self.most_messages || self.refused_bytes >= MOST_REFUSED_BYTES
    }
}

/// Reads the topics.
pub(super) struct Reader {
    pub topics: Topics,
    pub schemas: Schemas,
    pub framing: Framing,
    /// Messages that were polled and are not decoded yet.
    pub pending: VecDeque<StreamMessage>,
    /// How many messages in a row were refused.
    pub refused_in_a_row: u64,
    /// After so many it is of no use to go on.
    pub most_refused: u64,
}

impl Reader {
    pub(super) fn is_hopeless(&self) -> bool {
        self.refused_in_a_row >= self.most_refused
    }

    /// The error for too many messages in a row that cannot be read, of which the last are in a batch.
    pub(super) fn hopeless(&self, gathered: &MicroBatch) -> Option<Error> {
        let UnreadMessage { message, reason, .. } =
            gathered.refused.last().filter(|_| self.is_hopeless())?;
        let Partition { topic, number } = &message.partition;
        let place = format!("offset {} of partition {number} of {topic}", message.offset);
        let count = self.refused_in_a_row;
        Some(Error::input(format!(
            "{count} messages in a row cannot be read, the last at {place}: {reason}"
        )))
    }

    /// Waits a moment for messages, and gathers the next ones, as many as have one schema and are decoded at once.
    pub(super) async fn some(
        &mut self,
        gathered: &mut MicroBatch,
        stop: &CancellationToken,
    ) -> Result<()> {
        if self.pending.is_empty() {
            tokio::select! {
                messages = self.topics.poll(POLL) => self.pending.extend(messages?),
                () = stop.cancelled() => return Ok(()),
            }
        }
        let Some(first) = self.pending.front() else { return Ok(()) };
        // A message may be a compressed file.
        let (schema, packet) = match block_in_place(|| packet(self.framing, first)) {
            Ok(found) => found,
            Err(error) => {
                self.take(1, gathered, |_| Some((error.to_string(), None)));
                return Ok(());
            }
        };
        let room = gathered.most_messages.saturating_sub(gathered.messages);
        let most = room.min(GROUP) as usize;
        let packets = block_in_place(|| self.group(&schema, packet, most));
        let mut json = match &schema {
            SchemaName::Text(text) => Some(text.clone()),
            SchemaName::Registered(_) => None,
        };
        let (taken, refused) = match self.schemas.get(&schema).await {
            Ok(known) => {
                let datums: Vec<_> = self.pending.iter().zip(&packets).map(datum).collect();
                let datums: Vec<_> = datums.iter().collect();
                gathered.is_broken = true;
                let pushed = block_in_place(|| gathered.batch.push(known, &datums))?;
                gathered.is_broken = false;
                if !pushed.refused.is_empty() {
                    json.get_or_insert_with(|| Bytes::from(known.to_json()));
                }
                (pushed.taken, pushed.refused)
            }
            Err(error) if error.kind() == Kind::Input => {
                let all = (0..packets.len()).map(|at| (at, error.to_string()));
                (packets.len(), all.collect())
            }
            Err(error) => return Err(error),
        };
        let refused: BTreeMap<_, _> = refused.into_iter().collect();
        self.take(taken, gathered, |at| {
            let packet = json.clone().map(|json| (json, packets[at].clone()));
            refused.get(&at).map(|reason| (reason.clone(), packet))
        });
        Ok(())
    }

    /// The packets of the first pending messages: the first one, and those after it that have the same schema.
    fn group(&self, schema: &SchemaName, first: Bytes, most: usize) -> Vec<Bytes> {
        let mut bytes = first.len();
        let mut packets = vec![first];
        for message in self.pending.iter().take(most).skip(1) {
            match packet(self.framing, message) {
                Ok((other, packet)) if other == *schema && bytes < GROUP_BYTES => {
                    bytes += packet.len();
                    packets.push(packet);
                }
                _ => break,
            }
        }
        packets
    }

    /// Counts the next pending messages as read, of which some are refused.
    fn take(
        &mut self,
        count: usize,
        gathered: &mut MicroBatch,
        refused: impl Fn(usize) -> Option<(String, Option<(Bytes, Bytes)>)>,
    ) {
        for (at, message) in self.pending.drain(..count).enumerate() {
            gathered.next.insert(message.partition.clone(), message.offset + 1);
            gathered.messages += 1;
            gathered.bytes += message.value.len() as u64;
            // A message may have no time.
            if message.timestamp_ms >= 0 {
                let oldest = gathered.oldest_ms.unwrap_or(i64::MAX);
                gathered.oldest_ms = Some(oldest.min(message.timestamp_ms));
            }
            match refused(at) {
                None => self.refused_in_a_row = 0,
                Some((reason, packet)) => {
                    self.refused_in_a_row += 1;
                    let unread = UnreadMessage { message, reason, packet }.alone();
                    gathered.refused_bytes += unread.bytes();
                    gathered.refused.push(unread);
                }
            }
        }
    }
}

/// The schema and the packet of a message.
fn packet(framing: Framing, message: &StreamMessage) -> Result<(SchemaName, Bytes)> {
    match frame(framing, message.key.as_ref(), &message.value)? {
        Frame::Registered { schema, packet } => Ok((SchemaName::Registered(schema), packet)),
        Frame::Keyed { schema, packet } => Ok((SchemaName::Text(schema), packet)),
        Frame::Container(file) => {
            let (schema, packet) = only_packet(&file)?;
            Ok((SchemaName::Text(schema.into()), packet.into()))
        }
    }
}

fn datum((message, packet): (&StreamMessage, &Bytes)) -> Datum {
    let Partition { topic, number } = &message.partition;
    let source: Arc<str> = format!("partition {number} of {topic}").into();
    Datum { source, offset: message.offset, bytes: packet.clone() }
}
