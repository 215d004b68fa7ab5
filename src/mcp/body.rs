//! A body that keeps its request inside the door until it is out.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

use super::door::Inside;
use super::reply::Body;

struct Held {
    body: Body,
    _inside: Inside,
}

/// Holds `inside` until the body has been read to its end or dropped.
pub(super) fn holding(body: Body, inside: Inside) -> Body {
    Held { body, _inside: inside }.boxed()
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
