//! Answers with the dashboard's pages: to anybody, since nothing of the cluster is in them. Knows
//! no endpoint.

use aether_dashboard::{Asset, HEADERS, asset};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use warp::reply::Response;

/// The answer, if this is a request for a page or a part of one.
pub(crate) fn page(method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
    let asset = asset(path).filter(|_| matches!(*method, Method::GET | Method::HEAD))?;
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut known = known.filter_map(|tags| tags.to_str().ok()).flat_map(|tags| tags.split(','));
    let mut response = match known.any(|tag| tag.trim() == asset.tag) {
        true => empty(StatusCode::NOT_MODIFIED),
        false => whole(asset, *method == Method::HEAD),
    };
    let own = response.headers_mut();
    own.insert(header::ETAG, HeaderValue::from_str(&asset.tag).expect("digits in quotes"));
    // Browsers keep it, and ask each time whether it is still the same.
    own.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    for (name, value) in HEADERS {
        own.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Some(response)
}

fn whole(asset: &'static Asset, head: bool) -> Response {
    let mut response = match head {
        true => empty(StatusCode::OK),
        false => Response::new(asset.bytes.into()),
    };
    let own = response.headers_mut();
    own.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.media));
    own.insert(header::CONTENT_LENGTH, asset.bytes.len().into());
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}
