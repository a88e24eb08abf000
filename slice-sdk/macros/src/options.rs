//! The options of `slice!`. Only their syntax; what they name is looked up elsewhere.

use std::iter::Peekable;

use proc_macro2::token_stream::IntoIter;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Where the parts of a slice are, relative to its `Cargo.toml`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) path: String,
    pub(crate) world: Option<String>,
    pub(crate) deps: Vec<String>,
    pub(crate) slice_toml: String,
}

const FORM: &str = "expected name = \"…\", with a name of: path, world, deps, slice_toml; \
                    deps takes [\"…\", \"…\"]";

impl Options {
    /// Reads `name = value, …`.
    pub(crate) fn parse(input: TokenStream) -> Result<Self, String> {
        let mut options = Self {
            path: "wit".to_owned(),
            world: None,
            deps: Vec::new(),
            slice_toml: "slice.toml".to_owned(),
        };
        let mut tokens = input.into_iter().peekable();
        while tokens.peek().is_some() {
            let name = tokens.next().map(|token| token.to_string()).unwrap_or_default();
            punctuation(&mut tokens, '=')?;
            match name.as_str() {
                "path" => options.path = text(tokens.next())?,
                "world" => options.world = Some(text(tokens.next())?),
                "slice_toml" => options.slice_toml = text(tokens.next())?,
                "deps" => options.deps = list(tokens.next())?,
                _ => return Err(FORM.to_owned()),
            }
            if tokens.peek().is_some() {
                punctuation(&mut tokens, ',')?;
            }
        }
        Ok(options)
    }
}

fn punctuation(tokens: &mut Peekable<IntoIter>, expected: char) -> Result<(), String> {
    match tokens.next() {
        Some(TokenTree::Punct(found)) if found.as_char() == expected => Ok(()),
        _ => Err(FORM.to_owned()),
    }
}

/// A string literal without escapes, which paths and names do not need.
fn text(token: Option<TokenTree>) -> Result<String, String> {
    let Some(TokenTree::Literal(literal)) = token else { return Err(FORM.to_owned()) };
    let literal = literal.to_string();
    let inner = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.filter(|it| !it.contains('\\')).map(str::to_owned).ok_or_else(|| FORM.to_owned())
}

fn list(token: Option<TokenTree>) -> Result<Vec<String>, String> {
    let Some(TokenTree::Group(group)) = token else { return Err(FORM.to_owned()) };
    if group.delimiter() != Delimiter::Bracket {
        return Err(FORM.to_owned());
    }
    let mut tokens = group.stream().into_iter().peekable();
    let mut found = Vec::new();
    while tokens.peek().is_some() {
        found.push(text(tokens.next())?);
        if tokens.peek().is_some() {
            punctuation(&mut tokens, ',')?;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, String> {
        Options::parse(text.parse().unwrap())
    }

    #[test]
    fn every_option_is_read() {
        let all = r#"path = "w", world = "x", deps = ["a", "b"], slice_toml = "s.toml","#;
        let expected = Options {
            path: "w".into(),
            world: Some("x".into()),
            deps: vec!["a".into(), "b".into()],
            slice_toml: "s.toml".into(),
        };
        assert_eq!(parse(all), Ok(expected));
        let none = parse("").unwrap();
        assert_eq!((none.path.as_str(), none.slice_toml.as_str()), ("wit", "slice.toml"));
    }

    #[test]
    fn anything_else_is_answered_with_the_form() {
        for wrong in [
            r#"wrold = "x""#,
            "path",
            "path = x",
            r#"path: "x""#,
            r#"deps = "x""#,
            r#"path = "\n""#,
        ] {
            assert_eq!(parse(wrong), Err(FORM.to_owned()), "{wrong}");
        }
    }
}
