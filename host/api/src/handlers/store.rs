//! The endpoints of the store: keys from paths, expectations from heads. Knows no store.

use super::{Answer, Authorized, Result, answer, done};
use crate::body::Query;
use crate::error::ApiError;
use crate::management::Management;
use crate::model::{EntryQuery, EntryWritten, Expected, StoreKey};
use aether_types::Revision;
use aether_types::code::Code;
use http::{HeaderMap, HeaderName, StatusCode, header};
use percent_encoding::percent_decode_str;

/// Entries of a list, at most and where the request names no number.
const ENTRIES_MAX: usize = 1_000;
const BYTES: &str = "application/octet-stream";

pub(super) async fn put(node: &dyn Management, req: Authorized) -> Result<Answer> {
    let (key, expected) = (key(&req)?, expected(&req.headers)?);
    let revision = node.put_entry(&key, req.body, expected).await?;
    let answer = answer(StatusCode::OK, &EntryWritten { revision: revision.0 })?;
    Ok(Answer { revision: Some(revision), ..answer })
}

pub(super) async fn get(node: &dyn Management, req: &Authorized) -> Result<Answer> {
    let entry = node.entry(&key(req)?, stale(&req.query)?).await?;
    let body = Some((BYTES, entry.value));
    Ok(Answer { status: StatusCode::OK, body, revision: Some(entry.revision) })
}

pub(super) async fn delete(node: &dyn Management, req: &Authorized) -> Result<Answer> {
    node.delete_entry(&key(req)?, expected(&req.headers)?).await?;
    done()
}

pub(super) fn query(query: &Query) -> Result<EntryQuery> {
    let limit = query.get("limit")?.unwrap_or(ENTRIES_MAX);
    if !(1..=ENTRIES_MAX).contains(&limit) {
        let message = format!("query: `limit` is {limit}; it must be 1 to {ENTRIES_MAX}");
        return Err(ApiError::invalid(Code::RequestInvalid, message));
    }
    let prefix = query.get("prefix")?.unwrap_or_default();
    Ok(EntryQuery { prefix, after: query.get("after")?, limit, stale: stale(query)? })
}

fn stale(query: &Query) -> Result<bool> {
    Ok(query.get("stale")?.unwrap_or(false))
}

fn key(req: &Authorized) -> Result<StoreKey> {
    let path = req.params.get("key").map(String::as_str).unwrap_or_default();
    let text = percent_decode_str(path).decode_utf8();
    let text = text.map_err(|_| ApiError::invalid(Code::RequestInvalid, "the key is no UTF-8"))?;
    text.parse().map_err(|error| ApiError::invalid(Code::RequestInvalid, error))
}

fn expected(headers: &HeaderMap) -> Result<Expected> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let invalid = |message| {
        let error = ApiError::invalid(Code::RequestInvalid, message);
        Err(error.help("`If-Match: \"REVISION\"`, `If-Match: *` or `If-None-Match: *`"))
    };
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => Ok(Expected::Anything),
        (None, Some("*")) => Ok(Expected::Absent),
        (Some("*"), None) => Ok(Expected::Present),
        (Some(tag), None) => {
            let bare = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag);
            match bare.parse() {
                Ok(revision) => Ok(Expected::At(Revision(revision))),
                Err(_) => invalid(format!("If-Match: {tag:?} is no revision")),
            }
        }
        (None, Some(tag)) => invalid(format!("If-None-Match: {tag:?} is not `*`")),
        (Some(_), Some(_)) => invalid("If-Match and If-None-Match exclude each other".to_owned()),
    }
}
