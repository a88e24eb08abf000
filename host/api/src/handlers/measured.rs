//! What was measured, and what is slow: queries within their limits. Knows no clock.

use super::{Answer, Authorized, Result, ok};
use crate::body::{Query, json};
use crate::error::ApiError;
use crate::management::{CallQuery, HistoryQuery, Management, SlowQuery};
use crate::model::SlowSettings;
use aether_types::code::Code;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Minutes of history where the request names none, and that there can be.
const MINUTES: u32 = 15;
const MINUTES_RANGE: RangeInclusive<u32> = 1..=120;
/// Slow calls of an answer where the request names no number, and that there can be.
const SLOW_CALLS: usize = 100;
const SLOW_CALLS_RANGE: RangeInclusive<usize> = 1..=1_000;

pub(super) async fn history(node: &dyn Management, query: &Query) -> Result<Answer> {
    let minutes = within(query, "minutes", MINUTES, MINUTES_RANGE)?;
    ok(&node.metrics_history(HistoryQuery { minutes, node: query.get("node")? }).await?)
}

pub(super) async fn calls(node: &dyn Management, query: &Query) -> Result<Answer> {
    ok(&node.call_metrics(call_query(query)?).await?)
}

pub(super) async fn slow(node: &dyn Management, query: &Query) -> Result<Answer> {
    let limit = within(query, "limit", SLOW_CALLS, SLOW_CALLS_RANGE)?;
    ok(&node.slow_calls(SlowQuery { calls: call_query(query)?, limit }).await?)
}

pub(super) async fn set_slow(node: &dyn Management, req: Authorized) -> Result<Answer> {
    let settings: SlowSettings = json(&req.body)?;
    settings.strategy.validate("strategy")?;
    node.set_slow(settings.strategy.clone(), &req.by).await?;
    ok(&settings)
}

fn call_query(query: &Query) -> Result<CallQuery> {
    Ok(CallQuery {
        app: query.get("app")?,
        slice: query.get("slice")?,
        function: query.get("function")?,
    })
}

fn within<T>(query: &Query, key: &str, default: T, range: RangeInclusive<T>) -> Result<T>
where
    T: FromStr<Err: Display> + PartialOrd + Display,
{
    let n = query.get(key)?.unwrap_or(default);
    if range.contains(&n) {
        return Ok(n);
    }
    let (least, most) = range.into_inner();
    let message = format!("query: `{key}` is {n}; it must be {least} to {most}");
    Err(ApiError::invalid(Code::RequestInvalid, message))
}
