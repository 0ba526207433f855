//! Ends a request to a store when nothing has come for a while. A limit for a whole request, as object_store has it, fails large objects on
//! slow lines.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use object_store::client::{
    HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use tokio::time::{Sleep, sleep, timeout};

/// A connection on which nothing comes for so long has stalled.
const SILENCE: Duration = Duration::from_secs(30);

/// The progress of an upload cannot be observed. It may take as long as it would at this rate.
const SLOWEST_BYTES_PER_SECOND: u64 = 16 << 10;

/// An HTTP client that ends a request on which nothing comes, and no other.
#[derive(Debug)]
pub(crate) struct Patient {
    client: HttpClient,
    silence: Duration,
}

impl Patient {
    /// Wraps an HTTP client.
    pub(crate) fn new(client: HttpClient) -> Self {
        Self { client, silence: SILENCE }
    }
}

fn stalled(silence: Duration) -> HttpError {
    let message = format!("the store sent nothing for {} s", silence.as_secs_f32());
    HttpError::new(HttpErrorKind::Timeout, std::io::Error::other(message))
}

#[async_trait]
impl HttpService for Patient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let sent = request.body().content_length() as u64;
        let sending = Duration::from_secs(sent / SLOWEST_BYTES_PER_SECOND);
        let answer = timeout(self.silence + sending, self.client.execute(request)).await;
        let (parts, body) = answer.map_err(|_| stalled(self.silence + sending))??.into_parts();
        let body = PatientBody { body, silence: self.silence, waiting: None };
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}

/// A body that fails once its reader has waited for too long.
struct PatientBody {
    body: HttpResponseBody,
    silence: Duration,
    /// Set while the reader waits: a reader that pauses is not the store's fault.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Body for PatientBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.waiting = None;
            return Poll::Ready(frame);
        }
        let silence = self.silence;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(silence)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Some(Err(stalled(silence))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use object_store::client::HttpRequestBody;

    use super::*;

    const SHORT: Duration = Duration::from_millis(200);

    /// Answers with so many pieces, each a while after the one before; the last never comes.
    #[derive(Debug)]
    struct Slow {
        pieces: usize,
        pause: Duration,
        complete: bool,
    }

    struct Pieces {
        left: usize,
        complete: bool,
        pause: Duration,
        next: Pin<Box<Sleep>>,
    }

    impl Body for Pieces {
        type Data = Bytes;
        type Error = HttpError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
            if self.left == 0 {
                return if self.complete { Poll::Ready(None) } else { Poll::Pending };
            }
            ready!(self.next.as_mut().poll(context));
            self.left -= 1;
            self.next = Box::pin(sleep(self.pause));
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"piece")))))
        }
    }

    #[async_trait]
    impl HttpService for Slow {
        async fn call(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
            let Self { pieces: left, pause, complete } = *self;
            if left == 0 && !complete {
                std::future::pending::<()>().await;
            }
            let body = Pieces { left, complete, pause, next: Box::pin(sleep(pause)) };
            Ok(HttpResponse::new(HttpResponseBody::new(body)))
        }
    }

    async fn asked(pieces: usize, complete: bool) -> Result<Bytes, HttpError> {
        let slow = Slow { pieces, pause: SHORT / 10, complete };
        let patient = Patient { client: HttpClient::new(slow), silence: SHORT };
        patient.call(HttpRequest::new(HttpRequestBody::empty())).await?.into_body().bytes().await
    }

    #[tokio::test]
    async fn what_moves_is_waited_for() {
        // Three times as long as the silence that ends it.
        assert_eq!(asked(30, true).await.unwrap().len(), 150);
        assert_eq!(asked(0, true).await.unwrap().len(), 0);
    }

    #[tokio::test]
    async fn what_stalls_fails() {
        for pieces in [0, 1, 3] {
            let error = asked(pieces, false).await.unwrap_err();
            assert_eq!(error.kind(), HttpErrorKind::Timeout);
            assert!(error.to_string().contains("sent nothing"), "{error}");
        }
    }
}
