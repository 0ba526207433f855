//! What the system tells of the process, under the names that Prometheus' own clients use for it. Nothing where there is no `/proc`.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Unit;

use super::lines::Lines;

/// Linux tells processor time in hundredths of a second, whatever the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// The process of the server.
#[derive(Debug)]
pub(super) struct OwnProcess {
    started: SystemTime,
}

impl Default for OwnProcess {
    fn default() -> Self {
        Self { started: SystemTime::now() }
    }
}

impl Collector for OwnProcess {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let ticks = fs::read_to_string("/proc/self/stat").ok().and_then(|text| ticks(&text));
        if let Some(ticks) = ticks {
            let (help, unit) = ("Processor time", Some(Unit::Seconds));
            let kind = MetricType::Counter;
            let seconds = ConstCounter::new(ticks / TICKS_PER_SECOND);
            seconds.encode(encoder.encode_descriptor(
                "process_cpu",
                help,
                unit.as_ref(),
                kind,
            )?)?;
        }
        let mut lines = Lines::new(encoder);
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        lines.gauge("process_start_time", "When it was started", Some(Unit::Seconds), started)?;
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        for (name, help, key) in [
            ("process_resident_memory", "Memory that it occupies", "VmRSS:"),
            ("process_resident_memory_peak", "The most that it occupied", "VmHWM:"),
        ] {
            if let Some(kib) = number_after(&status, key) {
                lines.gauge(name, help, Some(Unit::Bytes), kib * 1024.0)?;
            }
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            lines.gauge("process_open_fds", "Files that are open", None, files.count() as f64)?;
        }
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        match number_after(&limits, "Max open files") {
            Some(most) => lines.gauge("process_max_fds", "Most files that may be open", None, most),
            None => Ok(()),
        }
    }
}

/// The first number after the words that a line begins with.
fn number_after(text: &str, words: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(words))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and system time. The name of the program, which may have any character, stands before them in brackets.
fn ticks(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_told_in_the_words_of_the_kernel() {
        let stat = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        assert_eq!(ticks(stat), Some(300.0));
        assert_eq!(number_after("VmPeak:  9 kB\nVmRSS:\t  2048 kB\n", "VmRSS:"), Some(2048.0));
        let unlimited = "Max open files            unlimited            unlimited            files";
        assert_eq!(number_after(unlimited, "Max open files"), None);
    }
}
