//! Ends a command that writes, however it ends: deletes the files that it began and did not commit, and temporary folders, and gives its
//! exit code.
//!
//! SIGINT and SIGTERM stop the work where it is; the exit code is 128 and the signal's number, as a shell has it. A second signal
//! ends the program at once, and what there is then is left to the next command on the machine, or to vacuum.

use std::io::{self, Write};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Kind, Result};
use crate::warehouse::Warehouse;

/// Runs the command until it ends or is stopped, and deletes its uncommitted and temporary files.
pub(crate) async fn clean<T>(
    warehouse: &Warehouse,
    work: impl Future<Output = Result<T>>,
) -> Result<Ended<T>> {
    let (stop, signals) = signals()?;
    let ended = tokio::select! {
        done = work => done.map(Ended::Done),
        Ok(signal) = stop => {
            // If standard error is closed, the files are deleted all the same.
            let _ = writeln!(
                io::stderr(),
                "diaflight: stopped by signal {signal}: uncommitted files are deleted"
            );
            Ok(Ended::Stopped(signal))
        }
    };
    warehouse.discard_uncommitted().await;
    signals.abort();
    ended
}

/// Runs work that blocks, until it ends or has noticed that it is to stop: it fails as `Busy` then, and deletes what it leaves unfinished.
pub(crate) async fn noticed<T: Send + 'static>(
    work: impl FnOnce(&CancellationToken) -> Result<T> + Send + 'static,
) -> Result<Ended<T>> {
    let (stop, signals) = signals()?;
    let stopped = CancellationToken::new();
    let told = stopped.clone();
    let mut work = tokio::task::spawn_blocking(move || work(&told));
    let broken = |error| Error::internal(format!("the work ended: {error}"));
    let ended = tokio::select! {
        done = &mut work => done.map_err(broken)?.map(Ended::Done),
        Ok(signal) = stop => {
            let _ = writeln!(io::stderr(), "diaflight: stopped by signal {signal}: unfinished files are deleted");
            stopped.cancel();
            match work.await.map_err(broken)? {
                // It had just ended.
                Ok(done) => Ok(Ended::Done(done)),
                Err(error) if error.kind() == Kind::Busy => Ok(Ended::Stopped(signal)),
                Err(error) => Err(error),
            }
        }
    };
    signals.abort();
    ended
}

/// What became of the work.
pub(crate) enum Ended<T> {
    Done(T),
    /// By a signal of this number.
    Stopped(u8),
}

impl<T> Ended<T> {
    /// What follows the work, unless it was stopped.
    pub(crate) async fn then(
        self,
        next: impl AsyncFnOnce(T) -> Result<ExitCode>,
    ) -> Result<ExitCode> {
        match self {
            Self::Done(done) => next(done).await,
            Self::Stopped(signal) => Ok(ExitCode::from(128 + signal)),
        }
    }
}

/// The first signal to stop. It is waited for by a task of its own: the work may keep its thread for long. A second one ends the program at
/// once.
pub(super) fn signals() -> Result<(oneshot::Receiver<u8>, JoinHandle<()>)> {
    let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
    let (mut interrupted, mut terminated) = (signal(interrupt)?, signal(terminate)?);
    let (first, stop) = oneshot::channel();
    let signals = tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = interrupted.recv() => interrupt.as_raw_value() as u8,
                _ = terminated.recv() => terminate.as_raw_value() as u8,
            }
        };
        // This fails if the work has just ended, which is no error.
        let _ = first.send(next().await);
        std::process::exit(128 + i32::from(next().await));
    });
    Ok((stop, signals))
}
