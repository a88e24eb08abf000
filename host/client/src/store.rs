//! The store of operators and tools. Knows no command.

use crate::client::{Client, Result};
use aether_api::{Endpoint, Entries, EntryQuery, EntryWritten, Expected, StoreEntry, StoreKey};
use aether_types::Revision;
use bytes::Bytes;
use reqwest::{RequestBuilder, header};

impl Client {
    /// Writes an entry; answers its revision.
    pub async fn put_entry(
        &self,
        key: &StoreKey,
        value: Bytes,
        expected: Expected,
    ) -> Result<Revision> {
        let action = format!("put {key}");
        let endpoint = Endpoint::PutEntry;
        let request = expecting(self.request(endpoint, &[key.as_str()]), expected).body(value);
        let response = self.send(&action, endpoint, request).await?;
        let EntryWritten { revision } = self.read(&action, response).await?;
        Ok(Revision(revision))
    }

    /// An entry as it is now; `stale`: as the node that answers has it.
    pub async fn entry(&self, key: &StoreKey, stale: bool) -> Result<StoreEntry> {
        let action = format!("get {key}");
        let endpoint = Endpoint::GetEntry;
        let mut request = self.request(endpoint, &[key.as_str()]);
        if stale {
            request = request.query(&[("stale", "true")]);
        }
        let response = self.send(&action, endpoint, request).await?;
        let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
        let revision = tag.and_then(|tag| tag.trim_matches('"').parse().ok()).map(Revision);
        let revision =
            revision.ok_or_else(|| self.bad_answer(&action, "the answer names no revision"))?;
        let value = response.bytes().await.map_err(|error| self.transport(&action, &error))?;
        Ok(StoreEntry { value, revision })
    }

    pub async fn delete_entry(&self, key: &StoreKey, expected: Expected) -> Result<()> {
        let endpoint = Endpoint::DeleteEntry;
        let request = expecting(self.request(endpoint, &[key.as_str()]), expected);
        self.send(&format!("delete {key}"), endpoint, request).await.map(drop)
    }

    /// Entries in the order of their keys, a page of them.
    pub async fn entries(&self, query: &EntryQuery) -> Result<Entries> {
        let action = "list the entries";
        let EntryQuery { prefix, after, limit, stale } = query;
        let (limit, stale) = (limit.to_string(), stale.to_string());
        let mut pairs = vec![("prefix", prefix), ("limit", &limit), ("stale", &stale)];
        pairs.extend(after.as_ref().map(|after| ("after", after)));
        let request = self.request(Endpoint::ListEntries, &[]).query(&pairs);
        let response = self.send(action, Endpoint::ListEntries, request).await?;
        self.read(action, response).await
    }
}

fn expecting(request: RequestBuilder, expected: Expected) -> RequestBuilder {
    match expected {
        Expected::Anything => request,
        Expected::Absent => request.header(header::IF_NONE_MATCH, "*"),
        Expected::Present => request.header(header::IF_MATCH, "*"),
        Expected::At(revision) => request.header(header::IF_MATCH, format!("\"{revision}\"")),
    }
}
