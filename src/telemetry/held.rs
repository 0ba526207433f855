//! What the engine holds in memory, as metrics.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::query::EngineUse;

/// A gauge for each figure of [`EngineUse`].
#[derive(Default)]
pub(crate) struct EngineGauges {
    index_files: Gauge,
    index_file_bytes: Gauge,
    index_row_groups: Gauge,
    index_row_group_bytes: Gauge,
    index_hits: Gauge,
    index_reads: Gauge,
    footers: Gauge,
    footer_bytes: Gauge,
    plan_hits: Gauge,
    plans_made: Gauge,
}

impl EngineGauges {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let mut count = |name: &str, help: &str, gauge: &Gauge| {
            registry.register(name, help, gauge.clone());
        };
        count("index_files", "Files in the key index", &self.index_files);
        count("index_row_groups", "Row groups whose page index is cached", &self.index_row_groups);
        count("index_hits", "Row groups looked up whose page index was cached", &self.index_hits);
        count("index_reads", "Row groups whose page index was read", &self.index_reads);
        count("footer_cache_entries", "Parquet footers cached for scans", &self.footers);
        count("plan_hits", "Lookups whose plan was cached", &self.plan_hits);
        count("plans_made", "Plans made for lookups", &self.plans_made);
        let mut bytes = |name: &str, help: &str, gauge: &Gauge| {
            registry.register_with_unit(name, help, Unit::Bytes, gauge.clone());
        };
        bytes("index_files", "Memory of the key index of files", &self.index_file_bytes);
        bytes(
            "index_row_groups",
            "Memory of the page indexes of row groups",
            &self.index_row_group_bytes,
        );
        bytes("footer_cache", "Memory of the Parquet footers cached for scans", &self.footer_bytes);
    }

    pub(crate) fn set(&self, engine: EngineUse) {
        let EngineUse { index, footers, footer_bytes, plan_hits, plans_made } = engine;
        for (gauge, figure) in [
            (&self.index_files, index.files),
            (&self.index_file_bytes, index.file_bytes),
            (&self.index_row_groups, index.groups),
            (&self.index_row_group_bytes, index.group_bytes),
            (&self.index_hits, index.hits),
            (&self.index_reads, index.reads),
            (&self.footers, footers),
            (&self.footer_bytes, footer_bytes),
            (&self.plan_hits, plan_hits),
            (&self.plans_made, plans_made),
        ] {
            gauge.set(i64::try_from(figure).unwrap_or(i64::MAX));
        }
    }
}
