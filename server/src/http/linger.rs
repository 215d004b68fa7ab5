//! Reading on after an answer that did not wait for the whole request.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Error;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

/// How long, and how many bytes, what nobody wanted is read on for.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 8 << 20;

/// A request's body. Dropped before its end, the rest is read and thrown away for a moment: a connection that is closed
/// with something unread is reset, and the client might never see why it was refused.
pub(super) struct Lingering(Option<Incoming>);

impl Lingering {
    pub(super) fn new(body: Incoming) -> Self {
        Self(Some(body))
    }
}

impl Body for Lingering {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let Some(body) = self.0.take().filter(|body| !body.is_end_stream())
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            drop(runtime.spawn(tokio::time::timeout(LINGER, read_on(body))));
        }
    }
}

async fn read_on(mut body: Incoming) {
    let mut left = LINGER_BYTES;
    while let Some(Ok(frame)) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let read = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(read) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
