//! Origins: what a grant names and what a request goes to. Knows no network.

use http::Uri;
use http::uri::Scheme;
use std::fmt;

/// Scheme, host and port; two origins are the same when all three are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    is_tls: bool,
    /// Lower case, without brackets and without a final dot.
    host: String,
    port: u16,
}

/// A text or an address that names no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an origin such as \"https://api.example.com\" or \"http://localhost:9000\"")]
pub struct NotAnOrigin;

impl Origin {
    /// Reads a grant: nothing but scheme, host and port.
    pub fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        let uri: Uri = text.parse().map_err(|_| NotAnOrigin)?;
        match uri.path_and_query().map(|p| p.as_str()) {
            None | Some("/") if !text.ends_with('/') => Self::of(&uri),
            _ => Err(NotAnOrigin),
        }
    }

    /// Where a request goes. Names, passwords and unusual schemes go nowhere.
    pub fn of(uri: &Uri) -> Result<Self, NotAnOrigin> {
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(NotAnOrigin),
        };
        let authority = uri.authority().ok_or(NotAnOrigin)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        // A port that is written and no number would otherwise count as none.
        let has_port = authority.as_str().rsplit_once(':').is_some_and(|(_, p)| !p.ends_with(']'));
        let port = match (has_port, authority.port_u16()) {
            (true, Some(port)) => port,
            (false, None) => {
                if is_tls {
                    443
                } else {
                    80
                }
            }
            _ => return Err(NotAnOrigin),
        };
        match host.is_empty() || authority.as_str().contains('@') || port == 0 {
            true => Err(NotAnOrigin),
            false => Ok(Self { is_tls, host, port }),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = if self.is_tls { ("https", 443) } else { ("http", 80) };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]", self.host)?,
            false => write!(f, "{scheme}://{}", self.host)?,
        }
        if self.port == usual { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_origins_and_nothing_more() {
        let shown = |text: &str| Origin::parse(text).map(|o| o.to_string());
        for (text, same) in [
            ("https://api.example.com", "https://api.example.com"),
            ("https://API.example.com:443", "https://api.example.com"),
            ("http://localhost:9000", "http://localhost:9000"),
            ("http://[::1]:80", "http://[::1]"),
            ("http://a.example.", "http://a.example"),
        ] {
            assert_eq!(shown(text), Ok(same.to_owned()), "{text}");
        }
        for bad in [
            "",
            "example.com",
            "ftp://example.com",
            "https://example.com/",
            "https://example.com/path",
            "https://user@example.com",
            "https://example.com:0",
            "https://example.com:99999",
            "https://example.com:",
            "https://",
            "https://*.example.com:x",
        ] {
            assert!(shown(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn scheme_host_and_port_all_count() {
        let granted = Origin::parse("https://api.example.com").expect("an origin");
        let goes = |uri: &str| Origin::of(&uri.parse().expect("a URI")).as_ref() == Ok(&granted);
        assert!(goes("https://api.example.com/v1?x=1") && goes("https://API.EXAMPLE.com:443/"));
        for other in [
            "http://api.example.com/",
            "https://api.example.com:8443/",
            "https://example.com/",
            "https://api.example.com.evil.example/",
            "https://api.example.com@evil.example/",
        ] {
            assert!(!goes(other), "{other}");
        }
    }
}
