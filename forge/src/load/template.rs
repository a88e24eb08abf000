//! Texts with values that are drawn anew for each request. Knows no clock and no request.

use super::draw::Draw;
use serde::Deserialize;
use std::io::Write;

/// A text such as `/users/${range:1-100}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A random UUID.
    Uuid,
    /// One of the numbers, both ends included.
    Range(u64, u64),
    Choice(Vec<String>),
    /// The number of the target's request, from 1.
    Seq,
    Random(Vec<Slot>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Digit,
    Letter,
    Itself(char),
}

/// A text that is no template.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

const KNOWN: &str = "${uuid}, ${range:1-100}, ${choice:a,b}, ${seq} and ${random:###-???}; \
                     $${ is ${ itself";

impl Template {
    /// # Errors
    /// What is wrong between `${` and `}`.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                push(&mut parts, &rest[..at - 1]);
                push(&mut parts, "${");
                rest = &rest[at + 2..];
                continue;
            }
            push(&mut parts, &rest[..at]);
            let end = rest[at..].find('}');
            let end = end.ok_or_else(|| TemplateError(format!("`${{` has no `}}` in {text:?}")))?;
            parts.push(part(&rest[at + 2..at + end])?);
            rest = &rest[at + end + 1..];
        }
        push(&mut parts, rest);
        Ok(Self(parts))
    }

    /// Whether it is the same for every request.
    pub(crate) fn is_constant(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Every character that can come out of it.
    pub(crate) fn all_chars(&self, holds: impl Fn(char) -> bool) -> bool {
        self.0.iter().all(|part| match part {
            Part::Text(text) => text.chars().all(&holds),
            Part::Choice(words) => words.iter().flat_map(|word| word.chars()).all(&holds),
            Part::Random(slots) => slots.iter().all(|slot| match slot {
                Slot::Itself(c) => holds(*c),
                Slot::Digit | Slot::Letter => true,
            }),
            Part::Uuid | Part::Range(..) | Part::Seq => true,
        })
    }

    pub(crate) fn starts_with(&self, prefix: &str) -> bool {
        matches!(self.0.first(), Some(Part::Text(text)) if text.starts_with(prefix))
    }

    /// Writes it out for the request of this number.
    pub(crate) fn render(&self, number: u64, draw: &mut Draw, to: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                Part::Text(text) => to.extend_from_slice(text.as_bytes()),
                Part::Uuid => {
                    let bytes = (u128::from(draw.next()) << 64) | u128::from(draw.next());
                    let uuid = uuid::Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid();
                    write!(to, "{uuid}").expect("memory takes it");
                }
                Part::Range(from, up_to) => {
                    let number = match (up_to - from).checked_add(1) {
                        Some(count) => from + draw.below(count),
                        None => draw.next(),
                    };
                    write!(to, "{number}").expect("memory takes it");
                }
                Part::Choice(words) => {
                    to.extend_from_slice(words[draw.index(words.len())].as_bytes());
                }
                Part::Seq => write!(to, "{number}").expect("memory takes it"),
                Part::Random(slots) => slots.iter().for_each(|slot| slot.draw(draw, to)),
            }
        }
    }
}

impl Slot {
    fn draw(self, draw: &mut Draw, to: &mut Vec<u8>) {
        const DIGITS: &[u8] = b"0123456789";
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
        match self {
            Self::Digit => to.push(DIGITS[draw.index(DIGITS.len())]),
            Self::Letter => to.push(LETTERS[draw.index(LETTERS.len())]),
            Self::Itself(c) => to.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, TemplateError> {
        Self::parse(&text)
    }
}

fn push(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Text(last)) => last.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

fn part(inside: &str) -> Result<Part, TemplateError> {
    let error = |why: &str| TemplateError(format!("${{{inside}}}: {why}"));
    let (name, argument) = match inside.split_once(':') {
        Some((name, argument)) => (name, Some(argument)),
        None => (inside, None),
    };
    match (name, argument) {
        ("uuid", None) => Ok(Part::Uuid),
        ("seq", None) => Ok(Part::Seq),
        ("range", Some(range)) => {
            let ends = range.split_once('-');
            let number = |text: &str| text.trim().parse::<u64>().ok();
            match ends.and_then(|(from, up_to)| number(from).zip(number(up_to))) {
                Some((from, up_to)) if from <= up_to => Ok(Part::Range(from, up_to)),
                Some(_) => Err(error("the range ends before it begins")),
                None => Err(error("a range is written like ${range:1-100}")),
            }
        }
        ("choice", Some(words)) if !words.is_empty() => {
            Ok(Part::Choice(words.split(',').map(|word| word.trim().to_owned()).collect()))
        }
        ("random", Some(pattern)) if !pattern.is_empty() => {
            let slot = |c| match c {
                '#' => Slot::Digit,
                '?' => Slot::Letter,
                c => Slot::Itself(c),
            };
            Ok(Part::Random(pattern.chars().map(slot).collect()))
        }
        _ => Err(error(&format!("there are {KNOWN}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::Template;
    use crate::load::draw::Draw;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn rendered(text: &str, seed: u64) -> Result<String, String> {
        let template = Template::parse(text).map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        template.render(7, &mut Draw::new(seed), &mut bytes);
        Ok(String::from_utf8(bytes).unwrap())
    }

    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&rendered(text, 1).unwrap_or_else(|error| error));
    }

    #[test]
    fn values_are_drawn() {
        check("/users/${range:1-100}", expect!["/users/57"]);
        check("${uuid}", expect!["910a2dec-8902-4cc1-beeb-8da1658eec67"]);
        check("${choice:red, green,blue}/${seq}", expect!["green/7"]);
        check("${random:###-???.x}", expect!["579-llt.x"]);
        check("a$${uuid} costs 5$", expect!["a${uuid} costs 5$"]);
        check("${range:0-18446744073709551615}", expect!["10451216379200822465"]);
    }

    #[test]
    fn what_is_no_template_is_refused() {
        check("${range:9-1}", expect!["${range:9-1}: the range ends before it begins"]);
        check("${range:a-b}", expect!["${range:a-b}: a range is written like ${range:1-100}"]);
        check(
            "${choice:}",
            expect![
                "${choice:}: there are ${uuid}, ${range:1-100}, ${choice:a,b}, ${seq} and ${random:###-???}; $${ is ${ itself"
            ],
        );
        check(
            "${user}",
            expect![
                "${user}: there are ${uuid}, ${range:1-100}, ${choice:a,b}, ${seq} and ${random:###-???}; $${ is ${ itself"
            ],
        );
        check("{\"a\": \"${uuid\"", expect![[r#"`${` has no `}` in "{\"a\": \"${uuid\"""#]]);
    }

    proptest! {
        #[test]
        fn draws_stay_within_their_bounds(from in 0_u64..1_000, more in 0_u64..1_000, seed: u64) {
            let drawn = rendered(&format!("${{range:{from}-{}}}", from + more), seed).unwrap();
            prop_assert!((from..=from + more).contains(&drawn.parse().unwrap()));
            let chosen = rendered("${choice:a,b,c}", seed).unwrap();
            prop_assert!(["a", "b", "c"].contains(&chosen.as_str()));
        }

        #[test]
        fn other_text_stays_as_it_is(text in "[^$]*") {
            prop_assert_eq!(rendered(&text, 0).unwrap(), text);
        }

        #[test]
        fn nothing_panics(text in ".{0,40}", inside in "[a-z:#?,0-9-]{0,12}") {
            let _ = rendered(&text, 0);
            let _ = rendered(&format!("{text}${{{inside}}}"), 0);
        }
    }
}
