//! `slice.toml` at compile time: it exists, it is TOML, and the functions that it names are
//! exported. The full rules are the host's; this catches what would otherwise be found at
//! deployment.

use std::collections::BTreeSet;
use std::path::Path;

use toml::{Table, Value};

use crate::contract::{self, Contract};

/// Rust source that puts the file into the component as its custom section `aether:slice`.
pub(crate) fn section(path: &Path, contract: &Contract) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let least = "[slice]\nartifact = \"group:name:1.0.0\"";
        format!("{}: {error}. Every slice has this file; at least:\n{least}", path.display())
    })?;
    let problems =
        check(&text, &contract::exported_functions(contract), &contract::exports(contract));
    if !problems.is_empty() {
        return Err(format!("{}:\n{}", path.display(), problems.join("\n")));
    }
    let file = path.display().to_string();
    Ok(format!(
        "const _: () = {{
            const TEXT: &[u8] = include_bytes!({file:?});
            #[cfg(target_family = \"wasm\")]
            #[used]
            #[unsafe(link_section = \"aether:slice\")]
            static SECTION: [u8; TEXT.len()] = *include_bytes!({file:?});
        }};"
    ))
}

/// All problems, not only the first.
fn check(text: &str, functions: &BTreeSet<String>, interfaces: &BTreeSet<String>) -> Vec<String> {
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => return vec![error.to_string()],
    };
    let mut problems = Vec::new();
    let artifact = table.get("slice").and_then(|slice| slice.get("artifact"));
    if artifact.and_then(Value::as_str).is_none() {
        problems.push("[slice] needs artifact = \"group:name:version\"".to_owned());
    }
    let named = table.get("functions").and_then(Value::as_table).into_iter().flat_map(Table::keys);
    for name in named.map(String::as_str).chain(calls(&table)) {
        if !functions.iter().any(|function| is_named(function, name)) {
            let list: Vec<&str> = functions.iter().map(String::as_str).collect();
            let list = if list.is_empty() { "none".to_owned() } else { list.join(", ") };
            problems.push(format!("\"{name}\" is no exported function; exported: {list}"));
        }
    }
    let handles_http = interfaces.iter().any(|name| {
        name.starts_with("wasi:http/incoming-handler") || name.starts_with("wasi:http/handler")
    });
    let wants_http = entries(&table, "routes").any(|route| route.get("handler").is_some());
    if wants_http && !handles_http {
        problems
            .push("a route has a handler, but the world exports no wasi:http handler".to_owned());
    }
    problems
}

fn calls(table: &Table) -> impl Iterator<Item = &str> {
    ["routes", "subscriptions", "schedules"]
        .into_iter()
        .flat_map(|list| entries(table, list))
        .filter_map(|entry| entry.get("call").and_then(Value::as_str))
}

fn entries<'a>(table: &'a Table, list: &str) -> impl Iterator<Item = &'a Value> {
    table.get(list).and_then(Value::as_array).into_iter().flatten()
}

/// The version of the interface may be left out.
fn is_named(function: &str, name: &str) -> bool {
    if function == name {
        return true;
    }
    let Some((interface, last)) = function.split_once('#') else { return false };
    let unversioned = interface.split('@').next().unwrap_or(interface);
    name.split_once('#') == Some((unversioned, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<String> {
        let functions = BTreeSet::from(["shop:orders/place@1.0.0#place".to_owned()]);
        let interfaces = BTreeSet::from(["shop:orders/place@1.0.0".to_owned()]);
        check(toml, &functions, &interfaces)
    }

    #[test]
    fn what_fits_passes() {
        let fits = r#"
            [slice]
            artifact = "shop:place:1.0.0"
            [functions."shop:orders/place#place"]
            timeout = "2s"
            [[routes]]
            route = "POST /orders"
            call = "shop:orders/place@1.0.0#place"
        "#;
        assert_eq!(problems(fits), Vec::<String>::new());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let wrong = r#"
            [functions."shop:orders/place#plcae"]
            [[routes]]
            handler = "wasi:http"
            [[schedules]]
            call = "shop:orders/place@2.0.0#place"
        "#;
        let exported = "is no exported function; exported: shop:orders/place@1.0.0#place";
        assert_eq!(
            problems(wrong),
            [
                "[slice] needs artifact = \"group:name:version\"".to_owned(),
                format!("\"shop:orders/place#plcae\" {exported}"),
                format!("\"shop:orders/place@2.0.0#place\" {exported}"),
                "a route has a handler, but the world exports no wasi:http handler".to_owned(),
            ]
        );
        assert!(problems("[slice")[0].contains("line 1"), "{:?}", problems("[slice"));
    }
}
