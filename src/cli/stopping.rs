//! The signals that a server hears: SIGINT and SIGTERM tell it to stop, and a second one ends it at once; SIGHUP tells it to read its files
//! again.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::end;
use crate::error::Result;
use crate::log;

/// Cancelled by the first signal to stop. A second one ends the program with the exit code of its signal.
pub(super) fn stopping() -> Result<CancellationToken> {
    let (first, _) = end::signals()?;
    let stopping = CancellationToken::new();
    let told = stopping.clone();
    tokio::spawn(async move {
        if let Ok(signal) = first.await {
            tracing::info!(signal, "stopping");
            told.cancel();
        }
    });
    Ok(stopping)
}

/// The number of SIGHUPs so far. All that is to be read again, or opened again, waits for it to change.
pub(super) fn hangups() -> Result<watch::Receiver<u64>> {
    let mut signals = signal(SignalKind::hangup())?;
    let (count, hangups) = watch::channel(0);
    tokio::spawn(async move {
        while signals.recv().await.is_some() {
            log::reopen();
            tracing::info!("SIGHUP: files are read again");
            count.send_modify(|count| *count += 1);
        }
    });
    Ok(hangups)
}
