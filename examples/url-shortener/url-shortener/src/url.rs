//! Which URLs can be shortened. Pure.

const BYTES_MAX: usize = 2048;

/// Why a URL is refused.
pub(crate) fn check(url: &str) -> Result<(), &'static str> {
    if url.len() > BYTES_MAX {
        return Err("it is longer than 2048 bytes");
    }
    let lower = url.get(..8.min(url.len())).unwrap_or_default().to_ascii_lowercase();
    let rest = if lower.starts_with("http://") {
        &url[7..]
    } else if lower.starts_with("https://") {
        &url[8..]
    } else {
        return Err("it does not begin with http:// or https://");
    };
    if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("it has blanks or control characters");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if host.is_empty() || host.starts_with(':') {
        return Err("it has no host");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_and_what_does_not() {
        for url in [
            "https://example.com",
            "http://example.com/a?b=c#d",
            "HTTPS://EXAMPLE.COM/",
            "http://localhost:8080",
            "https://user@example.com/ü",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
        let long = format!("https://example.com/{}", "x".repeat(BYTES_MAX));
        for (url, why) in [
            ("", "it does not begin with http:// or https://"),
            ("ftp://example.com", "it does not begin with http:// or https://"),
            ("https:/example.com", "it does not begin with http:// or https://"),
            ("javascript:alert(1)", "it does not begin with http:// or https://"),
            ("httpsé//x", "it does not begin with http:// or https://"),
            ("https://", "it has no host"),
            ("http:///path", "it has no host"),
            ("http://:80/", "it has no host"),
            ("https://a b", "it has blanks or control characters"),
            ("https://a\n", "it has blanks or control characters"),
            (&long, "it is longer than 2048 bytes"),
        ] {
            assert_eq!(check(url), Err(why), "{url}");
        }
    }
}
