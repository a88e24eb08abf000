//! Tells the webhook what happened to alerts: the leader, beside the task that looks. What is told
//! is noted in the replicated state, so that the next leader goes on where this one was.

use super::lead::rewrite;
use super::office::severity;
use crate::control::{Control, ControlError};
use crate::projector::{Picture, Pictures};
use crate::tasks::with_causes;
use crate::{keys, unix_ms};
use aether_alerts::{Notice, Outbox, Target, Time, Tries, WebhookUrl};
use aether_api::{AlertNotice, rfc3339};
use aether_consensus::Term;
use aether_kv::Transaction;
use aether_types::versioned::encode;
use aether_types::{ClusterId, ErrorKind, NodeId};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

/// How often the leader looks whether something waits.
const EVERY: Duration = Duration::from_millis(500);

/// How long a receiver has for one event, its connection included.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Events that are told before it is noted: so many are told twice where the leader is lost.
const BATCH_MAX: usize = 16;

/// What became of events on this node.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    delivered: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
}

/// Tells, while this node leads.
pub(crate) struct Messenger {
    cluster: ClusterId,
    node: NodeId,
    control: Control,
    pictures: Pictures,
    leading: watch::Receiver<Option<Term>>,
    deliveries: Arc<Deliveries>,
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// What is remembered as long as this node leads.
#[derive(Debug, Default)]
struct Course {
    term: Term,
    tries: Tries,
    /// The last one that was told.
    told: u64,
}

/// Why an event was not taken.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("it did not answer within {ANSWER_TIME:?}")]
    Late,
    #[error("it answered {0}")]
    Status(http::StatusCode),
    #[error("no answer")]
    Unreached(#[source] hyper_util::client::legacy::Error),
}

impl Deliveries {
    /// Words for the outcomes, and how often there was each.
    pub(crate) fn counts(&self) -> [(&'static str, u64); 3] {
        let Self { delivered, failed, given_up } = self;
        let counts = [("delivered", delivered), ("failed", failed), ("given-up", given_up)];
        counts.map(|(word, count)| (word, count.load(Relaxed)))
    }

    /// Nobody is told of these any more.
    pub(super) fn on_given_up(&self, notices: &[Notice]) {
        self.given_up.fetch_add(notices.len() as u64, Relaxed);
        for notice in notices {
            let alert = notice.event.to_string();
            tracing::warn!(delivery = notice.id, alert, "the webhook was not told of an alert");
        }
    }
}

impl Messenger {
    pub(crate) fn new(
        (cluster, node): (ClusterId, NodeId),
        (control, pictures): (Control, Pictures),
        leading: watch::Receiver<Option<Term>>,
        deliveries: Arc<Deliveries>,
    ) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        let https = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        // Events are rare: a connection that is kept would be one that has gone stale.
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(https);
        Self { cluster, node, control, pictures, leading, deliveries, http }
    }

    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<(), Infallible> {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut course = Course::default();
        while shutdown.run_until_cancelled(every.tick()).await.is_some() {
            let Some(term) = *self.leading.borrow() else { continue };
            if course.term != term {
                course = Course { term, ..Course::default() };
            }
            let picture = self.pictures.borrow().clone();
            let Some(looked) = shutdown.run_until_cancelled(self.look(&picture, &mut course)).await
            else {
                break;
            };
            if let Err(error) = looked {
                tracing::debug!(%error, "failed to note which alerts were told");
            }
        }
        Ok(())
    }

    /// Tells what is due, and notes what needs no further try.
    async fn look(&self, picture: &Picture, course: &mut Course) -> Result<(), ControlError> {
        let known = &picture.world.outbox;
        let mut outbox = known.value.clone();
        let mut given_up = Vec::new();
        match &picture.world.webhook.value.url {
            Some(url) => {
                outbox.told(course.told);
                given_up = outbox.give_up(Time(unix_ms()));
                self.tell(url, &mut outbox, course).await;
            }
            // Whoever took it away wants nobody to be told.
            None => outbox.waiting.clear(),
        }
        if outbox == known.value {
            return Ok(());
        }
        let (condition, put) = rewrite(keys::outbox(), known.revision, encode(&outbox));
        let transaction = Transaction { conditions: vec![condition], operations: vec![put] };
        match self.control.transact_as_leader(transaction, course.term).await {
            Ok(_) => self.deliveries.on_given_up(&given_up),
            // More has happened meanwhile, or another node leads: the next look sees it.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// In their order, until one fails.
    async fn tell(&self, url: &WebhookUrl, outbox: &mut Outbox, course: &mut Course) {
        for _ in 0..BATCH_MAX {
            let Some(notice) = outbox.waiting.front() else { return };
            if !course.tries.is_due(Time(unix_ms())) {
                return;
            }
            match self.send(&url.target(), notice).await {
                Ok(()) => {
                    self.deliveries.delivered.fetch_add(1, Relaxed);
                    course.tries.on_success();
                    course.told = notice.id;
                    outbox.told(course.told);
                }
                Err(refusal) => {
                    self.deliveries.failed.fetch_add(1, Relaxed);
                    course.tries.on_failure(Time(unix_ms()));
                    let (delivery, error) = (notice.id, with_causes(&refusal));
                    tracing::info!(%url, delivery, error, "the webhook did not take an alert");
                    return;
                }
            }
        }
    }

    async fn send(&self, target: &Target, notice: &Notice) -> Result<(), Refusal> {
        let body = Full::new(Bytes::from(self.notice(notice).json()));
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target.uri.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(basic) = &target.basic {
            let mut value = HeaderValue::from_str(basic).expect("base64 fits into a header");
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let answered = timeout(ANSWER_TIME, self.http.request(request)).await;
        let answer = answered.map_err(|_| Refusal::Late)?.map_err(Refusal::Unreached)?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(Refusal::Status(status)),
        }
    }

    fn notice(&self, notice: &Notice) -> AlertNotice {
        let event = &notice.event;
        AlertNotice {
            delivery: format!("{}-{}", self.cluster, notice.id),
            cluster: self.cluster.to_string(),
            node: self.node.to_string(),
            alert: event.id,
            metric: event.metric.name().to_owned(),
            unit: event.metric.unit().word().to_owned(),
            of: event.of.clone(),
            state: if notice.is_resolved() { "resolved" } else { "raised" }.to_owned(),
            event: event.happened.word().to_owned(),
            severity: severity(event.severity),
            value: event.value,
            threshold: notice.threshold,
            since: rfc3339(notice.since.0),
            at: rfc3339(event.at.0),
        }
    }
}
