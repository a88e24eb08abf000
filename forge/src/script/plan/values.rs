//! Values of what is written, as a planner knows them: names, choices, sets of nodes. Knows no
//! statement.

use super::Planner;
use crate::script::ast::{Expr, ExprKind, Place, Program};
use crate::script::form::Kind;
use crate::script::value::{Nodes, Value, pick};
use aether_types::code::Code;
use aether_types::{Problem, nearest};
use std::collections::BTreeMap;

impl Planner<'_> {
    /// A word that is a name stands for its value.
    pub(super) fn program(&mut self, program: &Program<Expr>) -> Option<Program<Value>> {
        program.map(&mut |expr, kind| match (&expr.kind, kind) {
            (ExprKind::Name(name), Kind::Word) if self.find(name).is_none() => {
                Some(Value::Text(name.clone()))
            }
            (ExprKind::Literal(word), Kind::Word) => Some(Value::Text(word.clone())),
            _ => self.value(expr, kind),
        })
    }

    pub(super) fn find(&self, name: &str) -> Option<Value> {
        self.names.iter().rev().find_map(|names| names.get(name)).cloned()
    }

    /// The value if it is of this kind; else a problem.
    pub(super) fn value(&mut self, expr: &Expr, kind: Kind) -> Option<Value> {
        let value = self.any_value(expr)?;
        let Some(found) = value.to_kind(kind) else {
            let found = match &expr.kind {
                ExprKind::Name(name) if self.find(name).is_some() => format!("`{name}` is {value}"),
                _ => format!("found {value}"),
            };
            self.wrong(&expr.at, format_args!("expected {}, {found}", kind.wanted()));
            return None;
        };
        if let Value::Nodes(Nodes::These(nodes)) = &found
            && let Some(node) = nodes.iter().find(|node| !(1..=self.count).contains(*node))
        {
            let count = self.count;
            self.wrong(&expr.at, format_args!("there is no node {node}: there are {count} here"));
            return None;
        }
        Some(found)
    }

    pub(super) fn any_value(&mut self, expr: &Expr) -> Option<Value> {
        let nodes = match &expr.kind {
            ExprKind::Literal(text) => {
                let value = Value::parse(text, &mut self.draw);
                if value.is_none() {
                    let message = format!(
                        "`{text}` is no value: there are 3, 1.5, 99.9%, 5s, 256MiB and 1s..5s"
                    );
                    self.wrong(&expr.at, message);
                }
                return value;
            }
            ExprKind::Text(text) => return Some(Value::Text(text.clone())),
            ExprKind::Name(name) => match name.as_str() {
                "leader" => Nodes::Leader,
                "followers" => Nodes::Followers,
                "all" => Nodes::These((1..=self.count).collect()),
                name => {
                    let value = self.find(name);
                    if value.is_none() {
                        self.unknown(&expr.at, name);
                    }
                    return value;
                }
            },
            ExprKind::Any(count, of) => {
                let count = match count {
                    Some(count) => self.value(count, Kind::Count)?.count(),
                    None => 1,
                };
                let of = self.nodes(of)?;
                let draw = self.draw.next();
                match of.known() {
                    Some(known) if known.len() < count => {
                        let message = format!("{of} are not {count} nodes");
                        self.wrong(&expr.at, message);
                        return None;
                    }
                    Some(known) => Nodes::These(pick(known.iter().copied().collect(), count, draw)),
                    None => Nodes::Any { draw, count, of: Box::new(of) },
                }
            }
            ExprKind::And(one, other) => {
                let (one, other) = (self.nodes(one)?, self.nodes(other)?);
                match (one.known(), other.known()) {
                    (Some(one), Some(other)) => Nodes::These(one | other),
                    _ => Nodes::And(Box::new(one), Box::new(other)),
                }
            }
            ExprKind::But(one, other) => {
                let (one, other) = (self.nodes(one)?, self.nodes(other)?);
                match (one.known(), other.known()) {
                    (Some(one), Some(other)) => Nodes::These(one - other),
                    _ => Nodes::But(Box::new(one), Box::new(other)),
                }
            }
        };
        Some(Value::Nodes(nodes))
    }

    pub(super) fn nodes(&mut self, expr: &Expr) -> Option<Nodes> {
        match self.value(expr, Kind::Nodes)? {
            Value::Nodes(nodes) => Some(nodes),
            _ => None,
        }
    }

    pub(super) fn unknown(&mut self, at: &Place, name: &str) {
        let known: Vec<String> = self.names.iter().flat_map(BTreeMap::keys).cloned().collect();
        let known = known.iter().map(String::as_str).chain(["leader", "followers", "all"]);
        let near = nearest(name, known);
        let problem =
            Problem::new(Code::ScriptValue, at, format_args!("there is no `{name}` here"));
        self.problem(match near {
            Some(near) => problem.help(format_args!("did you mean `{near}`?")),
            None => problem,
        });
    }
}
