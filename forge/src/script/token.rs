//! The words of a script, each with its place. Knows no grammar.

use winnow::Parser;
use winnow::combinator::{alt, delimited};
use winnow::error::EmptyError;
use winnow::stream::{LocatingSlice, Location, Stream};
use winnow::token::{one_of, take_till, take_until, take_while};

/// The smallest part of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `kill`, `5s`, `99.9%`, `--no-wait`.
    Word(&'a str),
    /// What stands between quotes, as it is.
    Text(&'a str),
    Sign(&'static str),
    /// Of a statement: of a line, or `;`.
    End,
}

/// A token and its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed<'a> {
    pub(super) at: usize,
    pub(super) token: Token<'a>,
}

const SIGNS: [&str; 12] = ["==", "!=", "<=", ">=", "<", ">", "=", "{", "}", "(", ")", ","];
const LONG: &str = "\"\"\"";

type Source<'a> = LocatingSlice<&'a str>;
type Result<T, E = EmptyError> = std::result::Result<T, E>;

/// All of them, with an end of a statement after the last one.
///
/// # Errors
/// The byte where something begins that is no token.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed<'_>>, usize> {
    let mut source = LocatingSlice::new(text);
    let mut tokens = Vec::new();
    loop {
        while blank(&mut source).is_ok() {}
        let at = source.current_token_start();
        if source.eof_offset() == 0 {
            tokens.push(Placed { at, token: Token::End });
            return Ok(tokens);
        }
        let token = token(&mut source).map_err(|EmptyError| at)?;
        tokens.push(Placed { at, token });
    }
}

/// Space, or a comment up to the end of its line.
fn blank<'a>(source: &mut Source<'a>) -> Result<&'a str> {
    let space = take_while(1.., [' ', '\t', '\r']);
    alt((space, ('#', take_till(0.., '\n')).take())).parse_next(source)
}

fn token<'a>(source: &mut Source<'a>) -> Result<Token<'a>> {
    let sign = |source: &mut Source<'a>| {
        let found = SIGNS.into_iter().find(|sign| source.starts_with(sign)).ok_or(EmptyError)?;
        source.next_slice(found.len());
        Ok(Token::Sign(found))
    };
    alt((
        delimited(LONG, take_until(0.., LONG), LONG).map(Token::Text),
        delimited('"', take_till(0.., ['"', '\n']), '"').map(Token::Text),
        delimited('\'', take_till(0.., ['\'', '\n']), '\'').map(Token::Text),
        sign,
        one_of(['\n', ';']).value(Token::End),
        take_while(1.., |c: char| c.is_ascii_alphanumeric() || "-_.%/:".contains(c))
            .map(Token::Word),
    ))
    .parse_next(source)
}

#[cfg(test)]
mod tests {
    use super::tokens;
    use expect_test::expect;

    #[test]
    fn scripts_are_made_of_words_texts_and_signs() {
        let check = |text: &str| match tokens(text) {
            Ok(tokens) => tokens
                .iter()
                .map(|it| format!("{} {:?}", it.at, it.token))
                .collect::<Vec<_>>()
                .join(", "),
            Err(at) => format!("nothing at {at}"),
        };
        expect![[r#"0 Word("kill"), 5 Word("leader"), 23 End, 26 End, 27 End"#]]
            .assert_eq(&check("kill leader # it's \"it\"\n  \n"));
        expect![[r#"0 Word("success"), 7 Sign(">="), 9 Word("99.9%"), 14 End, 15 End"#]]
            .assert_eq(&check("success>=99.9%;"));
        expect![[r#"0 Text("a 'b' # c"), 12 Text("{\"d\": 1}"), 22 End"#]]
            .assert_eq(&check("\"a 'b' # c\" '{\"d\": 1}'"));
        expect![[r#"0 Text("\n\"x\"\n"), 11 End"#]].assert_eq(&check("\"\"\"\n\"x\"\n\"\"\""));
        expect!["nothing at 5"].assert_eq(&check("load \"no end\nkill 1"));
        expect!["nothing at 5"].assert_eq(&check("kill $1"));
    }
}
