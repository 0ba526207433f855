//! Reads the messages of topics, of all their partitions, from the positions that the warehouse has. The broker keeps no position of ours.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use krafka::auth::{AuthConfig, TlsConfig};
use krafka::consumer::{AutoOffsetReset, Consumer, ConsumerRecord};
use krafka::{Kafka, KrafkaError};
use tokio_util::task::AbortOnDropHandle;
use twox_hash::XxHash3_64;

use crate::error::{Error, Kind, Result};
use crate::token::Token;
use crate::warehouse::Partition;

/// What one request may bring, in all and of a partition. A message that is larger comes alone.
const FETCH_BYTES: i32 = 16 << 20;
const PARTITION_BYTES: i32 = 4 << 20;
/// What a batch of messages may have when it is decompressed.
const DECOMPRESSED_BYTES: usize = 256 << 20;
const MOST_MESSAGES: i32 = 500;
/// As many partitions are asked for at once.
const PARTITIONS_AT_ONCE: usize = 16;
/// How long a broker waits for messages where there are none.
const MOST_WAIT: Duration = Duration::from_millis(200);
/// How long what is known of topics is believed.
const KNOWN_FOR: Duration = Duration::from_secs(10);
/// How long brokers may take to say what they have.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a broker gives that knows no ids of topics.
const NO_ID: [u8; 16] = [0; 16];

/// Where the brokers are and how they are spoken to.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// `HOST:PORT`, of some of them, with commas between.
    pub brokers: String,
    /// The topics.
    pub topics: Vec<String>,
    /// User and password, for SCRAM-SHA-512.
    pub login: Option<(String, Token)>,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// A file of certificates that are trusted then, in place of the system's.
    pub ca_cert: Option<String>,
}

/// Where partitions are read from that were never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The oldest message that there is.
    Earliest,
    /// The next one.
    Latest,
    /// The first one of this time or later.
    Time(DateTime<Utc>),
}

/// One message.
#[derive(Clone, Debug)]
pub(super) struct StreamMessage {
    pub partition: Partition,
    pub offset: i64,
    /// When it was produced, in milliseconds since 1970.
    pub timestamp_ms: i64,
    pub key: Option<Bytes>,
    pub value: Bytes,
}

/// The offsets of the first message of a partition, and of the next that will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OffsetRange {
    pub first: i64,
    pub next: i64,
}

/// What the brokers say of the topics.
#[derive(PartialEq)]
pub(super) struct FoundTopics {
    pub partitions: Vec<Partition>,
    /// The hash of the id of each topic: one that is made anew has another id. Not all brokers give ids.
    pub ids: BTreeMap<String, i64>,
}

/// The next messages, which are fetched and decompressed while those before are decoded.
type Coming = AbortOnDropHandle<Result<Vec<ConsumerRecord>, KrafkaError>>;

/// The topics, being read.
pub(super) struct Topics {
    consumer: Arc<Consumer>,
    topics: Vec<String>,
    coming: Option<Coming>,
}

impl Topics {
    /// Connects to the brokers.
    pub(super) async fn connect(options: &KafkaOptions) -> Result<Self> {
        let mut security = match &options.login {
            Some((user, password)) => AuthConfig::sasl_scram_sha512(user, password.expose()),
            None => AuthConfig::plaintext(),
        };
        if options.tls {
            security = security.with_tls(match &options.ca_cert {
                Some(file) => TlsConfig::new().with_ca_cert(file),
                None => TlsConfig::new(),
            });
        }
        let kafka = Kafka::builder(&options.brokers)
            .client_id("diaflight")
            .security(security)
            .metadata_max_age(KNOWN_FOR);
        let kafka = kafka.connect().await.map_err(failed)?;
        let consumer = kafka
            .consumer_without_group()
            .auto_offset_reset(AutoOffsetReset::None)
            .enable_auto_commit(false)
            .fetch_max_bytes(FETCH_BYTES)
            .max_partition_fetch_bytes(PARTITION_BYTES)
            .max_decompressed_size(DECOMPRESSED_BYTES)
            .max_poll_records(MOST_MESSAGES)
            .max_buffered_records(MOST_MESSAGES)
            .fetch_max_wait(MOST_WAIT);
        let consumer = consumer.build().await.map_err(failed)?;
        Ok(Self { consumer: Arc::new(consumer), topics: options.topics.clone(), coming: None })
    }

    /// The topics as they are now. One that does not exist may come yet: it is a `NotReady` error.
    pub(super) async fn found(&self) -> Result<FoundTopics> {
        let (mut partitions, mut ids) = (Vec::new(), BTreeMap::new());
        for topic in &self.topics {
            let found = self.consumer.fetch_metadata(Some(topic)).await.map_err(failed)?;
            let numbers = found.topics.iter().flat_map(|info| info.partitions.keys());
            let mut numbers: Vec<_> = numbers.copied().collect();
            numbers.sort_unstable();
            if numbers.is_empty() {
                let why = format!("Kafka: there is no topic {topic}");
                return Err(Error::new(Kind::NotReady, why));
            }
            let of = |number| Partition { topic: topic.clone(), number };
            partitions.extend(numbers.into_iter().map(of));
            let id = found.topics.iter().map(|info| info.topic_id).find(|id| *id != NO_ID);
            // Without a sign, since it is kept as a version.
            let hash = id.map(|id| (XxHash3_64::oneshot(&id) >> 1) as i64);
            ids.extend(hash.map(|hash| (topic.clone(), hash)));
        }
        Ok(FoundTopics { partitions, ids })
    }

    /// What a partition has.
    pub(super) async fn kept(&self, partition: &Partition) -> Result<OffsetRange> {
        let Partition { topic, number } = partition;
        let kept = self.consumer.fetch_watermarks(topic, *number).await.map_err(failed)?;
        Ok(OffsetRange { first: kept.0, next: kept.1 })
    }

    /// Where to begin a partition that was never read.
    pub(super) async fn begin(&self, partition: &Partition, from: From) -> Result<i64> {
        let kept = self.kept(partition).await?;
        let time = match from {
            From::Earliest => return Ok(kept.first),
            From::Latest => return Ok(kept.next),
            From::Time(time) => time.timestamp_millis(),
        };
        let Partition { topic, number } = partition;
        let mut found = self.consumer.offsets_for_times(&[(topic, *number)], time).await;
        let found = found.remove(&(topic.clone(), *number)).transpose().map_err(failed)?;
        // There is no message of that time or later yet.
        Ok(found.filter(|offset| *offset >= 0).unwrap_or(kept.next))
    }

    /// Reads on at some positions, in these partitions and no others.
    pub(super) async fn seek(&self, positions: &BTreeMap<Partition, i64>) -> Result<()> {
        for topic in &self.topics {
            let of_topic = positions.keys().filter(|partition| partition.topic == *topic);
            let numbers = of_topic.map(|partition| partition.number).collect();
            self.consumer.assign(topic, numbers).await.map_err(failed)?;
        }
        for (Partition { topic, number }, next) in positions {
            self.consumer.seek(topic, *number, *next).await.map_err(failed)?;
        }
        Ok(())
    }

    /// The next messages; none if none came in this time. Nothing is lost if the future is dropped.
    pub(super) async fn poll(&mut self, wait: Duration) -> Result<Vec<StreamMessage>> {
        let consumer = &self.consumer;
        let fetch = || {
            let consumer = consumer.clone();
            AbortOnDropHandle::new(tokio::spawn(async move { consumer.poll(wait).await }))
        };
        let came = self.coming.get_or_insert_with(fetch).await;
        self.coming = None;
        let came = came.map_err(|error| Error::internal(format!("the fetching ended: {error}")))?;
        let records = came.map_err(failed)?;
        if !records.is_empty() {
            self.coming = Some(fetch());
        }
        let messages = records.into_iter().map(|record| StreamMessage {
            partition: Partition { topic: record.topic.to_string(), number: record.partition },
            offset: record.offset,
            timestamp_ms: record.timestamp,
            key: record.key,
            value: record.value.unwrap_or_default(),
        });
        Ok(messages.collect())
    }

    /// How many messages of each partition are not read yet. `NotReady` if a broker does not say.
    pub(super) async fn lag(&self, partitions: &[Partition]) -> Result<BTreeMap<Partition, u64>> {
        let asked = stream::iter(partitions).map(async |partition| {
            let next = self.kept(partition).await?.next;
            let position = self.consumer.position(&partition.topic, partition.number).await;
            let lag = next.saturating_sub(position.unwrap_or(next)).max(0);
            Ok((partition.clone(), lag as u64))
        });
        let all = asked.buffer_unordered(PARTITIONS_AT_ONCE).try_collect();
        tokio::time::timeout(PATIENCE, all).await.unwrap_or_else(|_| {
            Err(Error::new(Kind::NotReady, "Kafka: the brokers do not say what they have"))
        })
    }
}

fn failed(error: KrafkaError) -> Error {
    let kind = match &error {
        KrafkaError::Auth { .. } => Kind::Unauthenticated,
        KrafkaError::Config { .. } => Kind::Argument,
        // A batch of messages that cannot be decoded, whoever asks again.
        KrafkaError::Protocol { .. } | KrafkaError::Compression { .. } if !error.is_retriable() => {
            Kind::Input
        }
        _ => Kind::NotReady,
    };
    let advice = match &error {
        KrafkaError::Auth { message, .. } if message.contains("TLS handshake") => {
            "; --tls-ca names the authorities that are trusted"
        }
        KrafkaError::Auth { .. } => "; --sasl-user and the password have to be those of the broker",
        _ => "",
    };
    Error::new(kind, format!("Kafka: {error}{advice}"))
}
