//! An application whose routes do what their names say. Knows no sockets.

use aether_ingress::{
    Answer, Answering, Application, BoxError, Call, Failure, Found, Limits, RequestBody,
    ResponseBody, RouteRef, TakesBody, TypedRequest,
};
use aether_types::{CallError, Method};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Sleep, timeout};

#[derive(Default)]
pub(crate) struct App {
    /// Lets one request to `/http/wait` go on.
    pub(crate) go_on: Notify,
    /// Told when a request to `/http/wait` or `/http/hang` has arrived.
    pub(crate) arrived: Notify,
    /// Told when one of them was abandoned.
    pub(crate) abandoned: Arc<Notify>,
    pub(crate) calls: AtomicUsize,
}

struct Abandoned(Arc<Notify>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

fn typed(route: &str, params: &[(&str, &str)], body: TakesBody) -> Found {
    let params = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Found::Typed { route: Arc::new(route.to_owned()), params, body }
}

fn name(route: &RouteRef) -> String {
    route.downcast_ref::<String>().cloned().expect("a route of this application")
}

impl Application for App {
    fn find(&self, method: Method, path: &str, _: &http::HeaderMap) -> Found {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match (method, segments.as_slice()) {
            (Method::Post, ["typed"]) => typed("echo", &[], TakesBody::Json),
            (Method::Get, ["typed", id]) => typed("show", &[("id", id)], TakesBody::No),
            (Method::Get, ["fails", how]) => typed(how, &[], TakesBody::No),
            (_, ["typed"]) => Found::WrongMethod { allow: vec![Method::Post] },
            (_, ["typed" | "fails", _]) => Found::WrongMethod { allow: vec![Method::Get] },
            (_, ["http", what]) => Found::Http { route: Arc::new((*what).to_owned()) },
            _ => Found::Nothing,
        }
    }

    fn typed(&self, route: RouteRef, req: TypedRequest) -> Answering<'_, Result<Answer, Failure>> {
        self.calls.fetch_add(1, SeqCst);
        Box::pin(async move {
            let good = |json: String| {
                Ok(Answer::Good { status: StatusCode::OK, json: Some(json.into_bytes()) })
            };
            let fail = |error| Err(Failure::Call(error));
            match name(&route).as_str() {
                "echo" if req.body.is_empty() => Err(Failure::Input {
                    place: "$".to_owned(),
                    message: "wanted a record, found nothing".to_owned(),
                }),
                "echo" => good(String::from_utf8_lossy(&req.body).into_owned()),
                "show" => good(format!("{:?}", format!("{:?} {:?}", req.path, req.query))),
                "nothing" => Ok(Answer::Good { status: StatusCode::NO_CONTENT, json: None }),
                "business" => Ok(Answer::Refused {
                    status: StatusCode::CONFLICT,
                    case: "insufficient".to_owned(),
                    payload: Some(br#"{"left":2}"#.to_vec()),
                }),
                "unavailable" => fail(CallError::Unavailable("secret cause".to_owned())),
                "overloaded" => fail(CallError::Overloaded(Some(2_500))),
                "trap" => fail(CallError::CalleeFailed("secret cause".to_owned())),
                "denied" => fail(CallError::Denied("secret cause".to_owned())),
                "deadline" => fail(CallError::DeadlineExceeded),
                "hang" => std::future::pending().await,
                other => panic!("no route {other}"),
            }
        })
    }

    fn http(
        &self,
        route: RouteRef,
        req: Request<RequestBody>,
        call: Call,
    ) -> Answering<'_, Result<Response<ResponseBody>, CallError>> {
        self.calls.fetch_add(1, SeqCst);
        Box::pin(async move {
            let text = |text: String| Ok(Response::new(ResponseBody::full(text)));
            match name(&route).as_str() {
                "hello" => text("hello\n".to_owned()),
                "echo" => Ok(Response::new(ResponseBody::stream(Echo(req.into_body())))),
                "count" => match req.into_body().collect().await {
                    Ok(whole) => text(format!("{} bytes", whole.to_bytes().len())),
                    Err(error) => text(format!("body failed: {error}")),
                },
                "count-for-60s" => {
                    let read = timeout(Duration::from_secs(60), req.into_body().collect()).await;
                    Err(read.map_or(CallError::DeadlineExceeded, |_| unreachable!("it drips")))
                }
                "late" => {
                    tokio::time::sleep(Duration::from_secs(3_600)).await;
                    text("late".to_owned())
                }
                "seen" => {
                    let names = req.headers().keys().map(|k| k.as_str()).collect::<Vec<_>>();
                    let seen = format!("{} {} {names:?}", req.method(), req.uri());
                    let trace = call.trace_parent.len();
                    text(format!("{seen} id={} trace={trace}", call.request_id))
                }
                "hop" => {
                    let mut res = Response::new(ResponseBody::full("x"));
                    let headers = res.headers_mut();
                    headers.insert("connection", HeaderValue::from_static("x-private"));
                    headers.insert("x-private", HeaderValue::from_static("1"));
                    headers.insert("x-request-id", HeaderValue::from_static("forged"));
                    Ok(res)
                }
                "wait" => {
                    self.arrived.notify_one();
                    self.go_on.notified().await;
                    text("waited".to_owned())
                }
                "hang" => {
                    let _abandoned = Abandoned(self.abandoned.clone());
                    self.arrived.notify_one();
                    std::future::pending().await
                }
                "endless" => Ok(Response::new(ResponseBody::stream(Endless))),
                "slow" => Ok(Response::new(ResponseBody::stream(Slow::default()))),
                "broken" => Ok(Response::new(ResponseBody::stream(Broken(0)))),
                "interim" => {
                    let mut res = Response::new(ResponseBody::empty());
                    *res.status_mut() = StatusCode::EARLY_HINTS;
                    Ok(res)
                }
                other => panic!("no route {other}"),
            }
        })
    }
}

/// Sends back what comes, as it comes.
struct Echo(RequestBody);

impl http_body::Body for Echo {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(cx).map_err(Into::into)
    }
}

struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 4_096])))))
    }
}

struct Broken(u8);

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0 += 1;
        match self.0 {
            1 => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"half"))))),
            2 => {
                // Only what was handed over in an earlier turn is sure to be written.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            _ => Poll::Ready(Some(Err("the slice trapped".into()))),
        }
    }
}

/// Two words with much more time between them than a client may take.
#[derive(Default)]
struct Slow {
    pause: Option<Pin<Box<Sleep>>>,
    is_over: bool,
}

impl http_body::Body for Slow {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let data = |text: &'static str| Some(Ok(Frame::data(Bytes::from_static(text.as_bytes()))));
        if self.is_over {
            return Poll::Ready(None);
        }
        let Some(pause) = &mut self.pause else {
            self.pause = Some(Box::pin(tokio::time::sleep(Limits::STANDARD.write_stall_max * 5)));
            return Poll::Ready(data("first "));
        };
        std::task::ready!(pause.as_mut().poll(cx));
        self.is_over = true;
        Poll::Ready(data("second"))
    }
}
