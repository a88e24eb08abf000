//! A JSON pattern against a JSON value. Knows nothing of where either comes from.

use serde_json::Value;

/// Fits any value.
const ANY: &str = "*";
/// Among the keys of a pattern's object: more keys are fine.
const MORE: &str = "...";

/// Says where and why the value does not fit.
pub(super) fn check(pattern: &Value, value: &Value) -> Result<(), String> {
    fits("", pattern, value)
}

fn fits(place: &str, pattern: &Value, value: &Value) -> Result<(), String> {
    let refuse =
        |why: String| Err(format!("{}: {why}", if place.is_empty() { "/" } else { place }));
    match (pattern, value) {
        (Value::String(any), _) if any == ANY => Ok(()),
        (Value::Object(wanted), Value::Object(found)) => {
            if !wanted.contains_key(MORE)
                && let Some(key) = found.keys().find(|key| !wanted.contains_key(*key))
            {
                return refuse(format!("key {key:?} is too much"));
            }
            wanted.iter().filter(|(key, _)| *key != MORE).try_for_each(|(key, pattern)| match found
                .get(key)
            {
                Some(value) => fits(&format!("{place}/{key}"), pattern, value),
                None => refuse(format!("key {key:?} is missing")),
            })
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            wanted.iter().zip(found).enumerate().try_for_each(|(at, (pattern, value))| {
                fits(&format!("{place}/{at}"), pattern, value)
            })
        }
        (Value::Number(wanted), Value::Number(found)) if wanted.as_f64() == found.as_f64() => {
            Ok(())
        }
        _ if pattern == value => Ok(()),
        _ => refuse(format!("{value} instead of {pattern}")),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    fn check(pattern: &str, value: &str, expect: Expect) {
        let parse = |text| serde_json::from_str(text).unwrap();
        let result = super::check(&parse(pattern), &parse(value));
        expect.assert_eq(&result.err().unwrap_or_default());
    }

    #[test]
    fn patterns() {
        check(r#"{"a": "*", "b": [1, 2.0]}"#, r#"{"a": {"c": 1}, "b": [1.0, 2]}"#, expect![""]);
        check(r#"{"a": 1, "...": 0}"#, r#"{"a": 1, "b": 2}"#, expect![""]);
        check(r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#, expect![[r#"/: key "b" is too much"#]]);
        check(r#"{"a": {"b": 1}}"#, r#"{"a": {}}"#, expect![[r#"/a: key "b" is missing"#]]);
        check(r#"{"a": [1, "x"]}"#, r#"{"a": [1, "y"]}"#, expect![[r#"/a/1: "y" instead of "x""#]]);
        check("[1]", "[1, 1]", expect!["/: [1,1] instead of [1]"]);
        check("null", "false", expect!["/: false instead of null"]);
    }
}
