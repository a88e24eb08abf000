//! What the cluster measures of itself. Knows no unit.

use crate::client::{Client, Result};
use aether_api::{
    AspectChange, AspectPoints, CallMetrics, CallQuery, Endpoint, HistoryQuery, Metrics,
    MetricsHistory, SlowCalls, SlowQuery, SlowSettings,
};
use aether_types::AppName;
use serde::de::DeserializeOwned;

/// Keys of a query, with the values that are set.
type Pairs = Vec<(&'static str, Option<String>)>;

impl Client {
    /// How busy all nodes are now.
    pub async fn measured(&self) -> Result<Metrics> {
        self.query("read the metrics", Endpoint::Measured, Vec::new()).await
    }

    /// How busy nodes were, and requests from outside.
    pub async fn metrics_history(&self, query: &HistoryQuery) -> Result<MetricsHistory> {
        let node = query.node.map(|node| node.to_string());
        let pairs = vec![("minutes", Some(query.minutes.to_string())), ("node", node)];
        self.query("read the history of metrics", Endpoint::MetricsHistory, pairs).await
    }

    /// How functions were called.
    pub async fn call_metrics(&self, query: &CallQuery) -> Result<CallMetrics> {
        self.query("read the metrics of calls", Endpoint::CallMetrics, calls(query)).await
    }

    /// The newest slow calls of all nodes.
    pub async fn slow_calls(&self, query: &SlowQuery) -> Result<SlowCalls> {
        let mut pairs = calls(&query.calls);
        pairs.push(("limit", Some(query.limit.to_string())));
        self.query("list the slow calls", Endpoint::SlowCalls, pairs).await
    }

    /// Says what is slow; answers what holds then.
    pub async fn set_slow(&self, settings: &SlowSettings) -> Result<SlowSettings> {
        let (action, endpoint) = ("say what is slow", Endpoint::PutSlowSettings);
        let response = self.send(action, endpoint, self.request(endpoint, &[]).json(settings));
        self.read(action, response.await?).await
    }

    /// What is done with calls, of all functions or those of an application.
    pub async fn aspects(&self, app: Option<&AppName>) -> Result<AspectPoints> {
        let pairs = vec![("app", app.map(ToString::to_string))];
        self.query("list the aspects", Endpoint::ListAspects, pairs).await
    }

    /// Says what is done with calls; answers the functions that it is about.
    pub async fn set_aspect(&self, change: &AspectChange) -> Result<AspectPoints> {
        let (action, endpoint) = ("set the aspect", Endpoint::PutAspect);
        let response = self.send(action, endpoint, self.request(endpoint, &[]).json(change));
        self.read(action, response.await?).await
    }

    async fn query<T: DeserializeOwned>(
        &self,
        action: &str,
        endpoint: Endpoint,
        pairs: Pairs,
    ) -> Result<T> {
        let pairs = pairs.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let request = self.request(endpoint, &[]).query(&pairs.collect::<Vec<_>>());
        let response = self.send(action, endpoint, request).await?;
        self.read(action, response).await
    }
}

fn calls(query: &CallQuery) -> Pairs {
    let CallQuery { app, slice, function } = query;
    vec![
        ("app", app.as_ref().map(ToString::to_string)),
        ("slice", slice.clone()),
        ("function", function.as_ref().map(ToString::to_string)),
    ]
}
