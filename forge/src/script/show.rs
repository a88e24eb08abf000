//! A plan as its readers see it: in the words of the script, with all values in place.

use super::ast::{Condition, Given, Order, Part, Program, Request, Side};
use super::plan::{Move, Plan, What};
use super::value::Value;
use crate::model::LoadRequest;
use std::fmt;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, seed, moves, .. } = self;
        writeln!(f, "{nodes} nodes, seed {seed}")?;
        let mut depth = 0;
        for Move { at, what } in moves {
            match what {
                What::Leave => depth -= 1,
                What::Unwatch(_) => {}
                what => writeln!(f, "{:>4}  {}{what}", at.line, "  ".repeat(depth))?,
            }
            depth += usize::from(matches!(what, What::Enter(_)));
        }
        Ok(())
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enter(name) => write!(f, "step \"{name}\""),
            Self::Leave => write!(f, "end of the step"),
            Self::Watch(_, condition) => write!(f, "always expect {condition}"),
            Self::Unwatch(_) => write!(f, "no longer always"),
            Self::Keep(_, name, nodes) => write!(f, "let {name} = {nodes}"),
            Self::Do(order) => write!(f, "{order}"),
            Self::Load(LoadRequest { file, .. }) => write!(f, "load of {file}"),
            Self::Aether(program) => write!(f, "{program}"),
            Self::Expect { within: Some(time), condition } => {
                write!(f, "within {time} expect {condition}")
            }
            Self::Expect { within: None, condition } => write!(f, "expect {condition}"),
        }
    }
}

impl fmt::Display for Order<Value> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.form.verb.join(" "))?;
        for (slot, given) in self.form.slots.iter().zip(&self.given) {
            let word = slot.word.map(|word| format!(" {word}")).unwrap_or_default();
            match given {
                Given::Not => {}
                Given::Flag => write!(f, "{word}")?,
                Given::Value(value) => write!(f, "{word} {value}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Condition<Value> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare { metric, part, sign, value } => {
                write!(f, "{}", metric.name)?;
                match part {
                    Part::Whole => {}
                    Part::Over(time) => write!(f, " over {time}")?,
                    Part::Of(name) => write!(f, " of {name}")?,
                }
                write!(f, " {} {value}", sign.text())
            }
            Self::Leader(None) => write!(f, "leader"),
            Self::Leader(Some(Side { inside: true, nodes })) => write!(f, "leader in {nodes}"),
            Self::Leader(Some(Side { inside: false, nodes })) => {
                write!(f, "leader not in {nodes}")
            }
            Self::NoLeader => write!(f, "no leader"),
            Self::Writable(true) => write!(f, "writable"),
            Self::Writable(false) => write!(f, "no writable"),
            Self::Ready(nodes) => write!(f, "ready {nodes}"),
            Self::Answers(request) => write!(f, "{request}"),
            Self::Aether(program) => write!(f, "{program}"),
        }
    }
}

impl fmt::Display for Request<Value> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, body, on, status, with } = self;
        write!(f, "{method} {path}")?;
        for (word, value) in [("body", body), ("on", on), ("answers", &Some(status.clone()))] {
            if let Some(value) = value {
                write!(f, " {word} {value}")?;
            }
        }
        match with {
            Some(text) => write!(f, " with {text}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Program<Value> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "aether")?;
        for word in &self.words {
            match word.text() {
                plain if !plain.contains([' ', '"']) && !plain.is_empty() => write!(f, " {plain}")?,
                _ => write!(f, " {word}")?,
            }
        }
        for (word, value) in [("exits", &self.exits), ("says", &self.says)] {
            if let Some(value) = value {
                write!(f, " {word} {value}")?;
            }
        }
        Ok(())
    }
}
