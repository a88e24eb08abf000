//! The dashboard's pages, as bytes in the program, and the answers that carry them. Knows no
//! server, no API and no bundler.
#![forbid(unsafe_code)]

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

/// Who serves the pages: it says which of them there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    Node,
    /// With the pages that break things and send load.
    Forge,
}

/// A file that browsers ask for.
#[derive(Debug)]
struct Asset {
    /// None: everybody has it.
    site: Option<Site>,
    /// Path of the request.
    path: &'static str,
    /// Media type.
    media: &'static str,
    bytes: &'static [u8],
    /// Its `ETag`, in quotes: another one for other bytes.
    tag: String,
}

/// Headers of every answer with a page or a part of one: it loads nothing from elsewhere, runs no
/// script but its own, and is framed by nobody.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

/// The answer, if this is a request for a page or a part of one. It is for everybody: nothing of a
/// cluster is in them.
pub fn answer(
    site: Site,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Option<Response<&'static [u8]>> {
    let asset = asset(site, path).filter(|_| matches!(*method, Method::GET | Method::HEAD))?;
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

fn whole(asset: &'static Asset, head: bool) -> Response<&'static [u8]> {
    let mut response = match head {
        true => empty(StatusCode::OK),
        false => Response::new(asset.bytes),
    };
    let own = response.headers_mut();
    own.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.media));
    own.insert(header::CONTENT_LENGTH, asset.bytes.len().into());
    response
}

fn empty(status: StatusCode) -> Response<&'static [u8]> {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

fn asset(site: Site, path: &str) -> Option<&'static Asset> {
    let mine = |asset: &&Asset| asset.site.is_none_or(|only| only == site);
    ASSETS.iter().filter(mine).find(|asset| asset.path == path)
}

macro_rules! asset {
    ($site:expr, $path:literal, $media:literal, $file:literal) => {{
        let bytes = include_bytes!(concat!("../dist/", $file)).as_slice();
        let digest = Sha256::digest(bytes);
        let tag: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Asset { site: $site, path: $path, media: $media, bytes, tag: format!("\"{tag}\"") }
    }};
}

static ASSETS: LazyLock<[Asset; 5]> = LazyLock::new(|| {
    [
        asset!(Some(Site::Node), "/", "text/html; charset=utf-8", "index.html"),
        asset!(Some(Site::Forge), "/", "text/html; charset=utf-8", "forge.html"),
        asset!(None, "/dashboard/app.js", "text/javascript; charset=utf-8", "app.js"),
        asset!(None, "/dashboard/app.css", "text/css; charset=utf-8", "app.css"),
        asset!(None, "/dashboard/icon.svg", "image/svg+xml", "icon.svg"),
    ]
});

#[cfg(test)]
mod tests {
    use super::*;

    /// What a browser loads before it shows anything, at most.
    const BYTES_MAX: usize = 200 << 10;

    #[test]
    fn all_of_it_is_small_and_comes_from_here() {
        let all: usize = ASSETS.iter().map(|asset| asset.bytes.len()).sum();
        assert!(all < BYTES_MAX, "{all} bytes");
        for site in [Site::Node, Site::Forge] {
            let page = asset(site, "/").expect("the page");
            let page = std::str::from_utf8(page.bytes).expect("HTML is text");
            let named = page.split(['"', '\'']).filter(|word| word.starts_with('/'));
            let named: Vec<_> = named.collect();
            assert!(named.len() >= 3, "{named:?}");
            for path in named {
                assert!(asset(site, path).is_some(), "{path}");
            }
            assert!(!page.contains("http://") && !page.contains("https://"), "from elsewhere");
            assert!(!page.contains("style="), "the policy allows no style inside the page");
            assert_eq!(page.contains("data-forge"), site == Site::Forge);
        }
    }

    #[test]
    fn tags_differ() {
        let tags: std::collections::BTreeSet<_> = ASSETS.iter().map(|asset| &asset.tag).collect();
        assert_eq!(tags.len(), ASSETS.len());
        assert!(asset(Site::Forge, "/app.js").is_none());
    }
}
