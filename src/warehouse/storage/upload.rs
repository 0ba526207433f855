//! Writes one file to a store. The file can be given up at any time, and then nothing of it is left.
//!
//! What is under way goes on when nobody waits for it any more: whoever gives the file up waits for it, so that no request
//! arrives after the file's removal.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use object_store::{
    Error, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, Result, path::Path,
};
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::errors::ParquetError;
use tokio::sync::Mutex;
use tokio::task::{JoinError, JoinSet};

/// A file up to this size is sent in one request, a larger one in parts of this size.
const PART_BYTES: usize = 10 << 20;
const PARTS_AT_ONCE: usize = 8;

/// A file being written. Clones are the same file.
#[derive(Clone, Debug)]
pub(crate) struct Upload(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// What is not sent yet, in the order of the file, and its bytes.
    pending: Vec<Bytes>,
    pending_bytes: usize,
    /// The multipart upload, once the file is too large for one request.
    parts: Option<Parts>,
}

#[derive(Debug)]
struct Parts {
    upload: Box<dyn MultipartUpload>,
    sending: JoinSet<Result<()>>,
}

impl Upload {
    /// Begins a file. Nothing is sent before there are bytes.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, path: Path) -> Self {
        let (pending, pending_bytes, parts) = (Vec::new(), 0, None);
        Self(Arc::new(Mutex::new(State { store, path, pending, pending_bytes, parts })))
    }

    /// Runs other work on the object to its end, even if the caller is dropped. [`discard`](Self::discard) waits for it.
    pub(crate) async fn hold<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        let held = self.0.clone().lock_owned().await;
        let work = tokio::spawn(async move {
            let done = work.await;
            drop(held);
            done
        });
        work.await.map_err(stopped)
    }

    /// Deletes the file, finished or not.
    pub(crate) async fn discard(self) -> Result<()> {
        self.0.lock().await.discard().await
    }
}

impl AsyncFileWriter for Upload {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, parquet::errors::Result<()>> {
        let state = self.0.clone();
        Box::pin(async move {
            let mut state = state.lock_owned().await;
            to_its_end(async move { state.put(bytes).await }).await
        })
    }

    fn complete(&mut self) -> BoxFuture<'_, parquet::errors::Result<()>> {
        let state = self.0.clone();
        Box::pin(async move {
            let mut state = state.lock_owned().await;
            to_its_end(async move { state.complete().await }).await
        })
    }
}

/// Runs work to its end, even if the caller is dropped. The work holds the lock from its start, so that a discard of the file comes after
/// it.
async fn to_its_end(
    work: impl Future<Output = Result<()>> + Send + 'static,
) -> parquet::errors::Result<()> {
    let done = tokio::spawn(work).await.map_err(stopped).flatten();
    done.map_err(|error| ParquetError::External(Box::new(error)))
}

fn stopped(error: JoinError) -> Error {
    Error::JoinError { source: error }
}

impl State {
    async fn put(&mut self, mut bytes: Bytes) -> Result<()> {
        while self.pending_bytes + bytes.len() >= PART_BYTES {
            let rest = bytes.split_off(PART_BYTES - self.pending_bytes);
            self.pending.push(bytes);
            self.send().await?;
            bytes = rest;
        }
        self.pending_bytes += bytes.len();
        self.pending.push(bytes);
        Ok(())
    }

    /// What is not sent yet, of which nothing is left.
    fn take_pending(&mut self) -> PutPayload {
        self.pending_bytes = 0;
        self.pending.drain(..).collect()
    }

    /// Sends what is pending as a part.
    async fn send(&mut self) -> Result<()> {
        let part = self.take_pending();
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => {
                let upload = self.store.put_multipart(&self.path).await?;
                none.insert(Parts { upload, sending: JoinSet::new() })
            }
        };
        while parts.sending.len() >= PARTS_AT_ONCE {
            parts.next_sent().await?;
        }
        parts.sending.spawn(parts.upload.put_part(part));
        Ok(())
    }

    async fn complete(&mut self) -> Result<()> {
        if self.parts.is_none() {
            let all = self.take_pending();
            self.store.put(&self.path, all).await?;
            return Ok(());
        }
        if self.pending_bytes > 0 {
            self.send().await?;
        }
        if let Some(parts) = &mut self.parts {
            while !parts.sending.is_empty() {
                parts.next_sent().await?;
            }
            parts.upload.complete().await?;
            self.parts = None;
        }
        Ok(())
    }

    async fn discard(&mut self) -> Result<()> {
        self.take_pending();
        if let Some(mut parts) = self.parts.take() {
            while parts.sending.join_next().await.is_some() {}
            unless_gone(parts.upload.abort().await)?;
        }
        unless_gone(self.store.delete(&self.path).await)
    }
}

impl Parts {
    async fn next_sent(&mut self) -> Result<()> {
        match self.sending.join_next().await {
            Some(sent) => sent.map_err(stopped).flatten(),
            None => Ok(()),
        }
    }
}

fn unless_gone(done: Result<()>) -> Result<()> {
    match done {
        Err(Error::NotFound { .. }) => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn a_file_has_the_bytes_that_were_written_however_they_come() {
        let sizes = [
            vec![],
            vec![0, 1, 0],
            vec![PART_BYTES - 1],
            vec![PART_BYTES],
            vec![1, PART_BYTES - 1, 5],
            vec![7, 2 * PART_BYTES + 3, 0, PART_BYTES - 10, 1, 1],
            vec![PART_BYTES / 3; 10],
        ];
        for sizes in sizes {
            let (store, path) = (Arc::new(InMemory::new()), Path::from("file"));
            let mut upload = Upload::new(store.clone(), path.clone());
            let mut expected = Vec::new();
            for (number, size) in sizes.iter().enumerate() {
                let piece: Vec<_> = (0..*size).map(|at| (at / 3 + number * 7) as u8).collect();
                expected.extend_from_slice(&piece);
                upload.write(piece.into()).await.unwrap();
            }
            upload.complete().await.unwrap();
            let stored = store.get(&path).await.unwrap().bytes().await.unwrap();
            assert!(stored == expected, "{sizes:?}: {} of {}", stored.len(), expected.len());
        }
    }
}
