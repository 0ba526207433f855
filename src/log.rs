//! What the program says on standard error, or in a file: events for people on a terminal, JSON lines otherwise, and a
//! progress bar for long work on a terminal.
//!
//! Nobody waits for the log. Its lines are written by a thread of their own; when their reader stalls, lines are dropped and
//! counted, and when it is gone they are counted only.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tracing_subscriber::EnvFilter;

use crate::error::{Error, Result};

/// How many lines may wait for a slow reader of standard error.
const LINES_AHEAD: usize = 1024;
/// How long the writing thread waits for more lines after one. Until then, logging threads need not wake it.
const LINES_PAUSE: Duration = Duration::from_millis(5);
/// How long the end of the program waits for the last lines to be written.
const END_LIMIT: Duration = Duration::from_secs(1);
/// How often to check for dropped lines.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// There is one log in a process, as there is one standard error.
static WAITING: AtomicUsize = AtomicUsize::new(0);
static DROPPED: AtomicU64 = AtomicU64::new(0);
/// Whether the file is to be opened anew before the next line.
static REOPEN: AtomicBool = AtomicBool::new(false);

/// The running log. When it is dropped, at the end of the program, it waits until the last lines are written.
pub struct LogGuard(());

impl Drop for LogGuard {
    fn drop(&mut self) {
        let start = Instant::now();
        while WAITING.load(Ordering::Acquire) > 0 && start.elapsed() < END_LIMIT {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Starts the log: events that pass `filter`, and panics, are written to a file, or else to standard error. It must be called once.
pub fn start(filter: &str, file: Option<&Path>) -> Result<LogGuard> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Error::argument(format!(
            "--log {filter}: {error}; give a filter such as warn,diaflight=debug"
        ))
    })?;
    let output = file.map(LogFile::open).transpose()?;
    let is_terminal = output.is_none() && io::stderr().is_terminal();
    let (sender, receiver) = sync_channel(LINES_AHEAD);
    thread::Builder::new()
        .name("diaflight-log".to_string())
        .spawn(move || write(receiver, output))?;
    let lines = move || LogWriter(sender.clone());
    let events = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines);
    let started = if is_terminal {
        events.try_init()
    } else {
        events.json().with_span_list(false).try_init()
    };
    started.map_err(|error| Error::internal(format!("starting the log: {error}")))?;
    panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a thread panicked")));
    Ok(LogGuard(()))
}

/// Opens the log file anew at its path before the next line: what rotates logs has renamed it. Without a file nothing is done.
pub fn reopen() {
    REOPEN.store(true, Ordering::Release);
}

/// The file of the log.
struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    fn open(path: &Path) -> Result<Self> {
        let file = File::options().append(true).create(true).open(path);
        let file = file
            .map_err(|error| Error::argument(format!("--log-file {}: {error}", path.display())))?;
        Ok(Self { path: path.to_path_buf(), file })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if REOPEN.swap(false, Ordering::AcqRel) {
            match Self::open(&self.path) {
                Ok(new) => *self = new,
                // The old file goes on. Only standard error is left to say so.
                Err(error) => _ = writeln!(io::stderr(), "diaflight: {error}"),
            }
        }
        self.file.write_all(line)
    }
}

/// The number of lines dropped so far.
pub fn dropped_lines() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Logs how many lines were dropped, as soon as lines are written again.
pub async fn tell_dropped_lines() {
    let mut told = 0;
    loop {
        tokio::time::sleep(TOLD_EVERY).await;
        let dropped = dropped_lines();
        if dropped > told {
            tracing::warn!(lines = dropped - told, "the log dropped lines: its reader was slow");
            if dropped_lines() == dropped {
                told = dropped;
            }
        }
    }
}

/// Takes events from tracing: each is one line and one call.
struct LogWriter(SyncSender<Vec<u8>>);

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        WAITING.fetch_add(1, Ordering::AcqRel);
        if self.0.try_send(line.to_vec()).is_err() {
            WAITING.fetch_sub(1, Ordering::AcqRel);
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(lines: Receiver<Vec<u8>>, mut output: Option<LogFile>) {
    while let Ok(line) = lines.recv() {
        write_line(&line, output.as_mut());
        // While lines keep coming, logging threads need not wake this thread.
        while let Ok(line) = lines.try_recv().or_else(|_| {
            thread::sleep(LINES_PAUSE);
            lines.try_recv()
        }) {
            write_line(&line, output.as_mut());
        }
    }
}

fn write_line(line: &[u8], output: Option<&mut LogFile>) {
    let written = match output {
        Some(file) => file.write(line),
        None => io::stderr().write_all(line),
    };
    if written.is_err() {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
    WAITING.fetch_sub(1, Ordering::AcqRel);
}

/// A spinner for work of unknown length. It is hidden if standard error is not a terminal.
pub fn spinner(doing: &str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(doing.to_string());
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

/// A progress bar. It is hidden if standard error is not a terminal.
pub fn progress_bar(template: &str) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template(template)
        .map_err(|error| Error::internal(format!("the progress bar: {error}")))?;
    Ok(ProgressBar::new(0).with_style(style))
}
