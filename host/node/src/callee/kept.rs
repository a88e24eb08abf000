//! An HTTP request that may be sent more than once. Knows no instance.

use aether_types::CallError;
use bytes::Bytes;
use http::Request;
use http_body::Body;
use http_body_util::{BodyExt, Either, Full};

/// Bodies up to this length are kept until the answer begins, so that a request can be repeated.
const BYTES_MAX: u64 = 64 << 10;

/// A request's body: read to its end, or as it comes.
pub(crate) type Sent<B> = Either<Full<Bytes>, B>;

/// A request with a short body, which can be sent as often as one likes, or one that goes through.
pub(crate) enum Kept<B> {
    Short(Request<Bytes>),
    Fresh(Request<B>),
    /// It is being sent, or was.
    Sent {
        is_idempotent: bool,
    },
}

impl<B> Kept<B>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    /// Reads a short body; a longer one, or one of unknown length, goes through.
    pub(crate) async fn of(request: Request<B>) -> Result<Self, CallError> {
        if request.body().size_hint().upper().is_none_or(|bytes| bytes > BYTES_MAX) {
            return Ok(Self::Fresh(request));
        }
        let (parts, body) = request.into_parts();
        let body = body.collect().await;
        let body =
            body.map_err(|error| CallError::Other(format!("the request broke off: {error}")))?;
        Ok(Self::Short(Request::from_parts(parts, body.to_bytes())))
    }

    /// Whether its method may be repeated (RFC 9110, 9.2.2).
    pub(crate) fn is_idempotent(&self) -> bool {
        match self {
            Self::Short(request) => request.method().is_idempotent(),
            Self::Fresh(request) => request.method().is_idempotent(),
            Self::Sent { is_idempotent } => *is_idempotent,
        }
    }

    /// The request, to be sent; none if its body is gone.
    pub(crate) fn take(&mut self) -> Option<Request<Sent<B>>> {
        if let Self::Short(request) = self {
            return Some(request.clone().map(|body| Either::Left(Full::new(body))));
        }
        let is_idempotent = self.is_idempotent();
        match std::mem::replace(self, Self::Sent { is_idempotent }) {
            Self::Fresh(request) => Some(request.map(Either::Right)),
            Self::Short(_) | Self::Sent { .. } => None,
        }
    }

    /// Takes back what nobody has begun to read. Whether the request can be sent again.
    pub(crate) fn give_back(&mut self, request: Option<Request<Sent<B>>>) -> bool {
        let (parts, body) = match (&self, request) {
            (Self::Short(_), _) => return true,
            (_, None) => return false,
            (_, Some(request)) => request.into_parts(),
        };
        if let Either::Right(body) = body {
            *self = Self::Fresh(Request::from_parts(parts, body));
        }
        matches!(self, Self::Fresh(_))
    }
}
