//! Reads messages, decodes the packets in them, and gathers what is to be committed together.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::block_in_place;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::frame::{Frame, Framing, frame};
use super::kafka::{Message, Stream};
use super::schemas::{SchemaName, Schemas};
use crate::error::{Error, Kind, Result};
use crate::ingest::{AlertBatch, Datum, only_packet};
use crate::warehouse::Partition;

/// The most packets of one commit: so memory and its time are bounded, however much there is to read.
const MOST_PACKETS: u64 = 20_000;
/// The most bytes of messages that are to be set aside, give or take some.
const MOST_REFUSED_BYTES: usize = 32 << 20;
/// So many packets are decoded at once.
const GROUP: usize = 64;
const POLL: Duration = Duration::from_millis(200);

/// What is to be committed together.
pub(super) struct Gathered {
    pub batch: AlertBatch,
    /// The offset of the next message of each partition that was read from.
    pub next: BTreeMap<Partition, i64>,
    pub refused: Vec<Refused>,
    /// When the oldest message was produced, in milliseconds since 1970.
    pub oldest_ms: Option<i64>,
    pub bytes: u64,
    pub messages: u64,
    refused_bytes: usize,
}

/// A message that cannot be read, or whose packet is refused.
pub(super) struct Refused {
    pub message: Message,
    pub reason: String,
    /// The schema, as JSON, and the packet that was written with it; if it is known that far.
    pub packet: Option<(Bytes, Bytes)>,
}

impl Gathered {
    pub(super) fn new(batch: AlertBatch) -> Self {
        let (next, refused) = (BTreeMap::new(), Vec::new());
        Self { batch, next, refused, oldest_ms: None, bytes: 0, messages: 0, refused_bytes: 0 }
    }

    fn is_full(&self) -> bool {
        self.messages >= MOST_PACKETS || self.refused_bytes >= MOST_REFUSED_BYTES
    }
}

/// Reads the topics.
pub(super) struct Reader {
    pub stream: Stream,
    pub schemas: Schemas,
    pub framing: Framing,
    /// Messages that were polled and are not decoded yet.
    pub pending: VecDeque<Message>,
    /// How many messages in a row were refused.
    pub refused_in_a_row: u64,
    /// After so many it is of no use to go on.
    pub most_refused: u64,
}

impl Reader {
    /// Gathers for a time from the first message on, and longer while what was gathered before `is_busy` being committed, until it is full.
    /// Ends at once when it is told to stop. What was gathered before an error is given first.
    pub(super) async fn gather(
        &mut self,
        gathered: &mut Gathered,
        time: Duration,
        is_busy: impl Fn() -> bool,
        stop: &CancellationToken,
    ) -> Result<()> {
        let mut until = None;
        loop {
            let due = until.is_some_and(|until| Instant::now() >= until) && !is_busy();
            let hopeless = self.refused_in_a_row >= self.most_refused;
            if due || gathered.is_full() || hopeless || stop.is_cancelled() {
                return Ok(());
            }
            let more = self.some(gathered, stop).await;
            if !gathered.next.is_empty() && until.is_none() {
                until = Some(Instant::now() + time);
            }
            match more {
                Ok(()) => {}
                Err(_) if !gathered.next.is_empty() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Gathers the next messages, as many as have one schema, if some come.
    async fn some(&mut self, gathered: &mut Gathered, stop: &CancellationToken) -> Result<()> {
        if self.pending.is_empty() {
            tokio::select! {
                messages = self.stream.poll(POLL) => self.pending.extend(messages?),
                () = stop.cancelled() => return Ok(()),
            }
        }
        let Some(first) = self.pending.front() else { return Ok(()) };
        let (schema, packet) = match packet(self.framing, first) {
            Ok(found) => found,
            Err(error) => {
                self.take(1, gathered, |_| Some((error.to_string(), None)));
                return Ok(());
            }
        };
        let mut packets = vec![packet];
        for message in self.pending.iter().take(GROUP).skip(1) {
            match self::packet(self.framing, message) {
                Ok((other, packet)) if other == schema => packets.push(packet),
                _ => break,
            }
        }
        let mut json = None;
        let refused = match self.schemas.get(&schema).await {
            Ok(known) => {
                json = Some(Bytes::from(known.to_json()));
                let datums: Vec<_> = self.pending.iter().zip(&packets).map(datum).collect();
                let datums: Vec<_> = datums.iter().collect();
                block_in_place(|| gathered.batch.push(known, &datums))?
            }
            Err(error) if error.kind() == Kind::Input => {
                (0..packets.len()).map(|at| (at, error.to_string())).collect()
            }
            Err(error) => return Err(error),
        };
        let refused: BTreeMap<_, _> = refused.into_iter().collect();
        self.take(packets.len(), gathered, |at| {
            let packet = json.clone().map(|json| (json, packets[at].clone()));
            refused.get(&at).map(|reason| (reason.clone(), packet))
        });
        Ok(())
    }

    /// Counts the next pending messages as read, of which some are refused.
    fn take(
        &mut self,
        count: usize,
        gathered: &mut Gathered,
        refused: impl Fn(usize) -> Option<(String, Option<(Bytes, Bytes)>)>,
    ) {
        for (at, message) in self.pending.drain(..count).enumerate() {
            gathered.next.insert(message.partition.clone(), message.offset + 1);
            gathered.messages += 1;
            gathered.bytes += message.value.len() as u64;
            let oldest = gathered.oldest_ms.unwrap_or(i64::MAX);
            gathered.oldest_ms = Some(oldest.min(message.timestamp_ms));
            match refused(at) {
                None => self.refused_in_a_row = 0,
                Some((reason, packet)) => {
                    self.refused_in_a_row += 1;
                    gathered.refused_bytes += message.value.len();
                    gathered.refused.push(Refused { message, reason, packet });
                }
            }
        }
    }
}

/// The schema and the packet of a message.
fn packet(framing: Framing, message: &Message) -> Result<(SchemaName, Bytes)> {
    match frame(framing, message.key.as_ref(), &message.value)? {
        Frame::Registered { schema, packet } => Ok((SchemaName::Registered(schema), packet)),
        Frame::Keyed { schema, packet } => Ok((SchemaName::Text(schema), packet)),
        Frame::Container(file) => {
            let (schema, packet) = only_packet(&file)?;
            Ok((SchemaName::Text(schema.into()), packet.into()))
        }
    }
}

fn datum((message, packet): (&Message, &Bytes)) -> Datum {
    let Partition { topic, number } = &message.partition;
    let source: Arc<str> = format!("partition {number} of {topic}").into();
    Datum { source, offset: message.offset, bytes: packet.clone() }
}

/// The error for too many messages in a row that cannot be read.
pub(super) fn unreadable(gathered: &Gathered, in_a_row: u64) -> Option<Error> {
    let Refused { message, reason, .. } = gathered.refused.last()?;
    let Partition { topic, number } = &message.partition;
    let place = format!("offset {} of partition {number} of {topic}", message.offset);
    Some(Error::input(format!(
        "{in_a_row} messages in a row cannot be read, the last at {place}: {reason}"
    )))
}
