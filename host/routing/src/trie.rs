//! The tree of route patterns: the most exact pattern that has the method wins. Knows no slices.

use aether_types::{Method, RoutePattern, Segment};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

/// Patterns with what each leads to. A literal segment beats `{param}`, which beats `**`; a named
/// method beats `*`. Parameters are text here: whether `{id}` is a number is for the types to say,
/// so that a wrong one is a bad request and not a route that does not exist.
#[derive(Debug, Clone)]
pub struct RouteTrie<T> {
    root: Node<T>,
}

#[derive(Debug, Clone)]
struct Node<T> {
    literals: HashMap<String, Node<T>>,
    param: Option<Box<Node<T>>>,
    here: Leaf<T>,
    rest: Leaf<T>,
}

/// Routes of one shape, by method.
#[derive(Debug, Clone)]
struct Leaf<T>(Vec<(RoutePattern, T)>);

/// What a method and a path lead to.
#[derive(Debug, PartialEq, Eq)]
pub enum Match<'t, T> {
    /// The target, with the parameters of the path, percent-decoded.
    Found { target: &'t T, params: Vec<(String, String)> },
    /// The path exists, with these methods.
    WrongMethod { allow: Vec<Method> },
    /// No pattern has this path.
    Nothing,
}

impl<T> Default for RouteTrie<T> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { literals: HashMap::new(), param: None, here: Leaf(vec![]), rest: Leaf(vec![]) }
    }
}

impl<T> RouteTrie<T> {
    /// Adds a route; the first of two equal shapes stays (applications are checked against that).
    pub fn insert(&mut self, pattern: RoutePattern, target: T) {
        let mut node = &mut self.root;
        for segment in pattern.segments() {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::Param(_) => node.param.get_or_insert_default(),
                Segment::Rest => {
                    node.rest.add(pattern, target);
                    return;
                }
            };
        }
        node.here.add(pattern, target);
    }

    /// The route of a request; `path` is raw, without the query. HEAD is answered by GET.
    pub fn find(&self, method: Method, path: &str) -> Match<'_, T> {
        let Some(segments) = decode(path) else { return Match::Nothing };
        let found = self.root.first(&segments, &mut |leaf| leaf.route(method));
        if let Some((pattern, target)) = found {
            return Match::Found { target, params: params(pattern, segments) };
        }
        let mut allow = BTreeSet::new();
        self.root.first(&segments, &mut |leaf| {
            allow.extend(leaf.methods());
            None::<()>
        });
        match allow.is_empty() {
            true => Match::Nothing,
            false => Match::WrongMethod { allow: allow.into_iter().collect() },
        }
    }

    /// The target of the pattern's shape and method, whatever it calls its parameters.
    pub fn get(&self, pattern: &RoutePattern) -> Option<&T> {
        let mut node = &self.root;
        for segment in pattern.segments() {
            node = match segment {
                Segment::Literal(text) => node.literals.get(text)?,
                Segment::Param(_) => node.param.as_deref()?,
                Segment::Rest => return node.rest.of(pattern.method),
            };
        }
        node.here.of(pattern.method)
    }

    /// The same tree with other targets.
    pub fn map<U>(&self, mut to: impl FnMut(&T) -> U) -> RouteTrie<U> {
        RouteTrie { root: self.root.map(&mut to) }
    }

    /// Every route, in no particular order.
    pub fn routes(&self) -> Vec<(&RoutePattern, &T)> {
        let mut routes = Vec::new();
        let mut nodes = vec![&self.root];
        while let Some(node) = nodes.pop() {
            routes.extend(node.here.0.iter().chain(&node.rest.0).map(|(p, t)| (p, t)));
            nodes.extend(node.literals.values().chain(node.param.as_deref()));
        }
        routes
    }
}

impl<T> Node<T> {
    /// As deep as patterns are.
    fn map<U>(&self, to: &mut dyn FnMut(&T) -> U) -> Node<U> {
        Node {
            literals: self.literals.iter().map(|(s, n)| (s.clone(), n.map(to))).collect(),
            param: self.param.as_ref().map(|node| Box::new(node.map(to))),
            here: self.here.map(to),
            rest: self.rest.map(to),
        }
    }

    /// Visits the leaves whose patterns have the path, most exact first, until one answers.
    /// As deep as the path, which stops where no pattern goes on: 16 segments at most.
    fn first<'t, R>(
        &'t self,
        segments: &[Cow<'_, str>],
        visit: &mut impl FnMut(&'t Leaf<T>) -> Option<R>,
    ) -> Option<R> {
        let Some((segment, tail)) = segments.split_first() else {
            return visit(&self.here).or_else(|| visit(&self.rest));
        };
        if let Some(answer) = self.literals.get(&**segment).and_then(|n| n.first(tail, visit)) {
            return Some(answer);
        }
        let param = self.param.as_ref().filter(|_| !segment.is_empty());
        param.and_then(|n| n.first(tail, visit)).or_else(|| visit(&self.rest))
    }
}

impl<T> Leaf<T> {
    fn map<U>(&self, to: &mut dyn FnMut(&T) -> U) -> Leaf<U> {
        Leaf(self.0.iter().map(|(pattern, target)| (pattern.clone(), to(target))).collect())
    }

    fn add(&mut self, pattern: RoutePattern, target: T) {
        if self.0.iter().all(|(known, _)| known.method != pattern.method) {
            self.0.push((pattern, target));
        }
    }

    fn route(&self, method: Method) -> Option<(&RoutePattern, &T)> {
        let of = |wanted| self.0.iter().find(|(pattern, _)| pattern.method == wanted);
        let head = || of(Method::Get).filter(|_| method == Method::Head);
        of(method).or_else(head).or_else(|| of(Method::Any)).map(|(p, t)| (p, t))
    }

    fn of(&self, method: Method) -> Option<&T> {
        self.0.iter().find(|(pattern, _)| pattern.method == method).map(|(_, target)| target)
    }

    fn methods(&self) -> impl Iterator<Item = Method> {
        let get = self.0.iter().any(|(pattern, _)| pattern.method == Method::Get);
        self.0.iter().map(|(pattern, _)| pattern.method).chain(get.then_some(Method::Head))
    }
}

/// The segments, percent-decoded; none if one of them is not UTF-8.
fn decode(path: &str) -> Option<Vec<Cow<'_, str>>> {
    let segments = RoutePattern::split_path(path);
    segments.map(|s| percent_encoding::percent_decode_str(s).decode_utf8().ok()).collect()
}

fn params(pattern: &RoutePattern, segments: Vec<Cow<'_, str>>) -> Vec<(String, String)> {
    let pairs = pattern.segments().iter().zip(segments);
    let params = pairs.filter_map(|(segment, value)| match segment {
        Segment::Param(name) => Some((name.clone(), value.into_owned())),
        _ => None,
    });
    params.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn trie(patterns: &[&str]) -> RouteTrie<String> {
        let mut trie = RouteTrie::default();
        for pattern in patterns {
            trie.insert(pattern.parse().unwrap(), (*pattern).to_owned());
        }
        trie
    }

    fn check(patterns: &[&str], requests: &[&str], expect: Expect) {
        let trie = trie(patterns);
        let lines: Vec<String> =
            requests.iter().map(|r| format!("{r} => {}", show(&trie, r))).collect();
        expect.assert_eq(&lines.join("\n"));
    }

    fn show(trie: &RouteTrie<String>, request: &str) -> String {
        let (method, path) = request.split_once(' ').unwrap();
        match trie.find(Method::of_request(method), path) {
            Match::Found { target, params } if params.is_empty() => target.clone(),
            Match::Found { target, params } => format!("{target} {params:?}"),
            Match::WrongMethod { allow } => {
                format!("only {}", allow.iter().map(|m| m.as_str()).collect::<Vec<_>>().join(" "))
            }
            Match::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn the_most_exact_route_wins() {
        check(
            &["GET /a/{x}", "POST /a/b", "GET /a/b/c", "* /a/**", "PUT /z/{x}/y"],
            &[
                "GET /a/b",
                "POST /a/b",
                "GET /a/b/",
                "GET /a/b/c",
                "GET /a/b/d",
                "GET /a",
                "HEAD /a/q",
                "DELETE /a/b/c/d/e",
                "PURGE /a/1",
            ],
            expect![[r#"
                GET /a/b => GET /a/{x} [("x", "b")]
                POST /a/b => POST /a/b
                GET /a/b/ => GET /a/{x} [("x", "b")]
                GET /a/b/c => GET /a/b/c
                GET /a/b/d => * /a/**
                GET /a => * /a/**
                HEAD /a/q => GET /a/{x} [("x", "q")]
                DELETE /a/b/c/d/e => * /a/**
                PURGE /a/1 => * /a/**"#]],
        );
    }

    #[test]
    fn what_is_not_there_is_told_from_what_takes_other_methods() {
        check(
            &["GET /a/{x}", "PUT /a/{id}", "POST /a/b", "GET /"],
            &["GET /", "POST /", "DELETE /a/b", "GET /b", "GET /a//", "GET /a/b/c", "POST /a/x"],
            expect![[r#"
                GET / => GET /
                POST / => only GET HEAD
                DELETE /a/b => only GET HEAD POST PUT
                GET /b => nothing
                GET /a// => nothing
                GET /a/b/c => nothing
                POST /a/x => only GET HEAD PUT"#]],
        );
    }

    #[test]
    fn a_pattern_finds_its_shape() {
        let trie = trie(&["GET /orders/{id}", "PUT /orders/{id}", "* /files/**", "GET /"]);
        let get = |pattern: &str| trie.get(&pattern.parse().unwrap()).map(String::as_str);
        assert_eq!(get("GET /orders/{order}"), Some("GET /orders/{id}"));
        assert_eq!(get("PUT /orders/{id}"), Some("PUT /orders/{id}"));
        assert_eq!(get("* /files/**"), Some("* /files/**"));
        assert_eq!(get("GET /"), Some("GET /"));
        for unknown in ["* /orders/{id}", "GET /orders/7", "GET /files/**", "* /files", "PUT /"] {
            assert_eq!(get(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn segments_are_decoded_one_by_one() {
        check(
            &["GET /a/{x}/{y}"],
            &["GET /a/b%2Fc/d%20e", "GET /a/%FF/x", "GET /%61/1/2", "GET /a/%/x"],
            expect![[r#"
                GET /a/b%2Fc/d%20e => GET /a/{x}/{y} [("x", "b/c"), ("y", "d e")]
                GET /a/%FF/x => nothing
                GET /%61/1/2 => GET /a/{x}/{y} [("x", "1"), ("y", "2")]
                GET /a/%/x => GET /a/{x}/{y} [("x", "%"), ("y", "x")]"#]],
        );
    }

    /// The slow and obvious way: all patterns that match, the most exact by segment, then method.
    fn naive<'a>(
        patterns: &'a [RoutePattern],
        method: Method,
        path: &str,
    ) -> Option<&'a RoutePattern> {
        let segments = decode(path)?;
        let rank = |pattern: &RoutePattern| -> Option<(Vec<u8>, u8)> {
            let mut ranks = Vec::new();
            for (i, segment) in pattern.segments().iter().enumerate() {
                match (segment, segments.get(i)) {
                    (Segment::Literal(text), Some(s)) if *text == **s => ranks.push(0),
                    (Segment::Param(_), Some(s)) if !s.is_empty() => ranks.push(1),
                    (Segment::Rest, _) => ranks.push(2),
                    _ => return None,
                }
            }
            let rest = pattern.segments().last() == Some(&Segment::Rest);
            if !rest && pattern.segments().len() != segments.len() {
                return None;
            }
            let by_method = match pattern.method {
                m if m == method => 0,
                Method::Get if method == Method::Head => 1,
                Method::Any => 2,
                _ => return None,
            };
            Some((ranks, by_method))
        };
        patterns
            .iter()
            .filter_map(|p| Some((rank(p)?, p)))
            .min_by_key(|(rank, _)| rank.clone())
            .map(|(_, p)| p)
    }

    fn pattern() -> impl Strategy<Value = RoutePattern> {
        let segment = prop_oneof![Just("a"), Just("b"), Just("{x}"), Just("{y}")];
        let segments = proptest::collection::vec(segment, 0..4);
        let method = prop_oneof![Just("GET"), Just("HEAD"), Just("POST"), Just("*")];
        (method, segments, any::<bool>()).prop_filter_map("valid", |(method, segments, rest)| {
            let tail = if rest { "/**" } else { "" };
            format!("{method} /{}{tail}", segments.join("/")).replace("//", "/").parse().ok()
        })
    }

    proptest! {
        #[test]
        fn the_tree_agrees_with_the_naive_way(
            patterns in proptest::collection::vec(pattern(), 0..12),
            method in prop_oneof![
                Just(Method::Get), Just(Method::Head), Just(Method::Post), Just(Method::Put),
            ],
            path in "(/[abc]){0,4}/?",
        ) {
            let shape = |p: &RoutePattern| (p.method, p.segments().iter().map(|s| match s {
                Segment::Param(_) => Segment::Param(String::new()),
                other => other.clone(),
            }).collect::<Vec<_>>());
            let mut shapes = BTreeSet::new();
            let patterns = patterns.into_iter().filter(|p| shapes.insert(shape(p)));
            let patterns: Vec<_> = patterns.collect();
            let mut trie = RouteTrie::default();
            for pattern in &patterns {
                trie.insert(pattern.clone(), pattern.clone());
            }
            let found = match trie.find(method, &path) {
                Match::Found { target, .. } => Some(target),
                _ => None,
            };
            prop_assert_eq!(found, naive(&patterns, method, &path));
        }
    }
}
