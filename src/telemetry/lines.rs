//! Writes figures of the time of a scrape as metrics: one figure, or one for each value of a label.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Unit;

use crate::limits::GateUse;

/// The lines of a scrape.
pub(super) struct Lines<'a>(DescriptorEncoder<'a>);

impl<'a> Lines<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    pub(super) fn info(&mut self, name: &str, help: &str, label: (&str, &str)) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Info)?;
        Info::new([label]).encode(encoder)
    }

    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        figure: f64,
    ) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        ConstGauge::new(figure).encode(encoder)
    }

    pub(super) fn gauges<'l>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        label: &str,
        figures: impl IntoIterator<Item = (&'l str, f64)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        for (value, figure) in figures {
            ConstGauge::new(figure).encode(encoder.encode_family(&[(label, value)])?)?;
        }
        Ok(())
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, figure: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(figure).encode(encoder)
    }

    pub(super) fn counters<'l>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        figures: impl IntoIterator<Item = (&'l str, u64)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, figure) in figures {
            ConstCounter::new(figure).encode(encoder.encode_family(&[(label, value)])?)?;
        }
        Ok(())
    }

    /// How gates are used, and how long was waited at them.
    pub(super) fn gates(&mut self, gates: &[GateUse]) -> fmt::Result {
        let taken = gates.iter().map(|gate| (gate.work, gate.taken as f64));
        self.gauges("permits_taken", "Permits to work that are taken", None, "work", taken)?;
        let most = gates.iter().map(|gate| (gate.work, gate.most as f64));
        self.gauges("permits_limit", "Most permits at once", None, "work", most)?;
        let refused = gates.iter().map(|gate| (gate.work, gate.counts.refused.get()));
        self.counters("permits_refused", "Permits that were refused", "work", refused)?;
        let (help, unit) = ("Waits of those who did not get a permit at once", Some(Unit::Seconds));
        let kind = MetricType::Histogram;
        let mut encoder = self.0.encode_descriptor("queue_wait", help, unit.as_ref(), kind)?;
        for gate in gates {
            gate.counts.waits.encode(encoder.encode_family(&[("work", gate.work)])?)?;
        }
        Ok(())
    }
}
