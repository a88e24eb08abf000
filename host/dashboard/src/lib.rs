//! The dashboard's pages, as bytes in the program. Knows no server, no API and no bundler.
#![forbid(unsafe_code)]

use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

/// A file that browsers ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Path of the request.
    pub path: &'static str,
    /// Media type.
    pub media: &'static str,
    pub bytes: &'static [u8],
    /// Its `ETag`, in quotes: another one for other bytes.
    pub tag: String,
}

/// Headers of every answer with a page or a part of one: it loads nothing from elsewhere, runs no
/// script but its own, and is framed by nobody.
pub const HEADERS: &[(&str, &str)] = &[
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

/// The file at a path; `None`: the dashboard has none there.
pub fn asset(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

macro_rules! asset {
    ($path:literal, $media:literal, $file:literal) => {{
        let bytes = include_bytes!(concat!("../dist/", $file)).as_slice();
        let digest = Sha256::digest(bytes);
        let tag: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Asset { path: $path, media: $media, bytes, tag: format!("\"{tag}\"") }
    }};
}

static ASSETS: LazyLock<[Asset; 4]> = LazyLock::new(|| {
    [
        asset!("/", "text/html; charset=utf-8", "index.html"),
        asset!("/dashboard/app.js", "text/javascript; charset=utf-8", "app.js"),
        asset!("/dashboard/app.css", "text/css; charset=utf-8", "app.css"),
        asset!("/dashboard/icon.svg", "image/svg+xml", "icon.svg"),
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
        let page = asset("/").expect("the page");
        let page = std::str::from_utf8(page.bytes).expect("HTML is text");
        let named = page.split(['"', '\'']).filter(|word| word.starts_with('/'));
        let named: Vec<_> = named.collect();
        assert!(named.len() >= 3, "{named:?}");
        for path in named {
            assert!(asset(path).is_some(), "{path}");
        }
        assert!(!page.contains("http://") && !page.contains("https://"), "nothing from elsewhere");
        assert!(!page.contains("style="), "the policy allows no style inside the page");
    }

    #[test]
    fn tags_differ() {
        let tags: std::collections::BTreeSet<_> = ASSETS.iter().map(|asset| &asset.tag).collect();
        assert_eq!(tags.len(), ASSETS.len());
        assert_eq!(asset("/app.js"), None);
    }
}
