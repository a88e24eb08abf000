//! Shortens URLs and resolves codes. Owns the bucket `urls`: code to URL.

mod code;
mod url;

aether_slice::slice!(deps = ["../wit/urls", "../wit/analytics"]);

use aether_slice::cache::{self, Bucket};
use exports::shortener::urls::urls::{Guest, Link, UrlError};
use shortener::analytics::analytics;

struct UrlShortener;

impl Guest for UrlShortener {
    fn shorten(url: String) -> Result<Link, UrlError> {
        url::check(&url).map_err(|why| UrlError::InvalidUrl(why.to_owned()))?;
        let bucket = Bucket::open("urls")?;
        for code in code::candidates(&url) {
            // Either this call writes the code, or it belongs to whoever wrote it first.
            if bucket.add(&code, &url)? || bucket.get_text(&code)?.as_ref() == Some(&url) {
                return Ok(Link { code, url });
            }
            aether_slice::warn!("{code} stands for another URL already, trying the next code");
        }
        Err(UrlError::Exhausted)
    }

    fn resolve(code: String) -> Result<Link, UrlError> {
        if !code::is_valid(&code) {
            return Err(UrlError::InvalidCode(code));
        }
        let Some(url) = Bucket::open("urls")?.get_text(&code)? else {
            return Err(UrlError::UnknownCode(code));
        };
        // Somebody waits for the URL: a click that is not counted must not keep it from them.
        if let Err(error) = analytics::record_click(&code) {
            aether_slice::warn!("a click on {code} was not counted: {error}");
        }
        Ok(Link { code, url })
    }
}

impl From<cache::Error> for UrlError {
    fn from(error: cache::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

export!(UrlShortener);
