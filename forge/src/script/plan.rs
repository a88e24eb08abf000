//! What a script will do, step by step: pieces in place, names with their values, choices drawn.
//! Knows no cluster; everything that can be wrong with a script is found here.

mod values;

use super::ast::{Block, Condition, Expr, Order, Part, Piece, Place, Program, Setting};
use super::ast::{Script, Statement, StatementKind};
use super::form::{FORMS, Form, Kind, Of, RESERVED};
use super::parse::parse;
use super::value::{Nodes, Value};
use crate::forge::NODES_MAX;
use crate::load::{Draw, Spec};
use crate::model::LoadRequest;
use aether_types::code::Code;
use aether_types::{Problem, Problems, nearest};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// More than anybody wants to look at.
const MOVES_MAX: usize = 10_000;
/// Pieces in pieces.
const DEPTH_MAX: usize = 32;
const REPEAT_MAX: usize = 1_000;
/// Where nobody says how many.
const NODES: usize = 5;

/// Reads other files that a script names.
pub type Files<'a> = &'a dyn Fn(&Path) -> std::io::Result<String>;

/// What is said beside the script.
#[derive(Debug, Clone)]
pub struct Around {
    /// In place of the script's own.
    pub seed: Option<u64>,
    /// Where the script does not say it.
    pub nodes: Option<usize>,
    pub blueprint: Option<PathBuf>,
    /// A load that runs from the beginning: names of its targets.
    pub load: Option<Vec<String>>,
}

/// Everything that a script will do.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The script's file without its folder and ending.
    pub name: String,
    /// Of all choices.
    pub seed: u64,
    pub nodes: usize,
    pub blueprint: Option<PathBuf>,
    /// The script's: other files are looked for from here.
    pub folder: PathBuf,
    pub(super) moves: Vec<Move>,
}

/// One thing after the other.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Move {
    pub(super) at: Place,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// A step begins.
    Enter(String),
    Leave,
    /// Something has to be true from here on, until the end of this number.
    Watch(usize, Condition<Value>),
    Unwatch(usize),
    /// The nodes of a set as they are now, under this number.
    Keep(usize, String, Nodes),
    Do(Order<Value>),
    Load(LoadRequest),
    Aether(Program<Value>),
    Expect {
        within: Option<Value>,
        condition: Condition<Value>,
    },
}

impl Plan {
    /// Reads a script and all that it names. Nothing is started.
    ///
    /// # Errors
    /// All that is wrong, each with line and column.
    pub fn read(
        file: &str,
        text: &str,
        around: &Around,
        files: Files<'_>,
    ) -> Result<Self, Problems> {
        let script = parse(file, text)?;
        let path = Path::new(file);
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut planner = Planner::new(folder, files, around);
        planner.settings(&script.settings);
        let pieces = planner.pieces(&script);
        planner.draw = Draw::new(planner.seed);
        planner.play(&script.body, &pieces);
        let Planner { folder, problems, moves, seed, nodes, blueprint, .. } = planner;
        let plan = Self { name, seed, nodes, blueprint, folder, moves };
        problems.or(plan)
    }
}

fn load_stop() -> &'static Form {
    let found = FORMS.iter().find(|form| form.verb == ["load", "stop"]);
    found.expect("it is one of the forms")
}

struct Planner<'a> {
    folder: PathBuf,
    files: Files<'a>,
    seed: u64,
    nodes: usize,
    blueprint: Option<PathBuf>,
    nodes_said: bool,
    blueprint_said: bool,
    around: &'a Around,
    used: Vec<Script>,
    draw: Draw,
    problems: Problems,
    moves: Vec<Move>,
    names: Vec<BTreeMap<String, Value>>,
    /// Nodes that there are at this point.
    count: usize,
    kept: usize,
    watches: usize,
    depth: usize,
    /// Names of the targets of the last load before this point.
    targets: Option<Vec<String>>,
    /// Whether it runs.
    loading: bool,
}

type Pieces = BTreeMap<String, Piece>;

impl<'a> Planner<'a> {
    fn new(folder: PathBuf, files: Files<'a>, around: &'a Around) -> Self {
        let seed = around.seed.unwrap_or_default();
        Self {
            folder,
            files,
            seed,
            nodes: around.nodes.unwrap_or(NODES),
            blueprint: around.blueprint.clone(),
            nodes_said: around.nodes.is_some(),
            blueprint_said: around.blueprint.is_some(),
            around,
            used: Vec::new(),
            draw: Draw::new(seed),
            problems: Problems::default(),
            moves: Vec::new(),
            names: vec![BTreeMap::new()],
            count: 0,
            kept: 0,
            watches: 0,
            depth: 0,
            targets: around.load.clone(),
            loading: around.load.is_some(),
        }
    }

    fn wrong(&mut self, at: &Place, message: impl std::fmt::Display) {
        self.problem(Problem::new(Code::ScriptValue, at, message));
    }

    /// A body that is repeated has its problem once.
    fn problem(&mut self, problem: Problem) {
        if !self.problems.0.contains(&problem) {
            self.problems.0.push(problem);
        }
    }

    fn settings(&mut self, settings: &[(Place, Setting)]) {
        for (at, setting) in settings {
            match setting {
                Setting::Nodes(expr) => {
                    if std::mem::replace(&mut self.nodes_said, true) {
                        self.wrong(at, "the number of nodes is said already");
                    }
                    let count = self.value(expr, Kind::Count).map_or(NODES, |it| it.count());
                    if !(1..=NODES_MAX).contains(&count) {
                        self.wrong(&expr.at, format_args!("a Forge has 1 to {NODES_MAX} nodes"));
                    }
                    self.nodes = count;
                }
                Setting::Blueprint(expr) => {
                    if std::mem::replace(&mut self.blueprint_said, true) {
                        self.wrong(at, "the blueprint is said already");
                    }
                    let path = self.value(expr, Kind::Text);
                    self.blueprint = path.map(|path| self.folder.join(path.text()));
                }
                Setting::Seed(expr) => {
                    let seed = self.value(expr, Kind::Count).map_or(0, |it| it.count());
                    self.seed = self.around.seed.unwrap_or(seed as u64);
                }
                Setting::Use(expr) => self.use_file(expr),
            }
        }
        self.count = self.nodes;
    }

    fn use_file(&mut self, expr: &Expr) {
        let Some(path) = self.value(expr, Kind::Text) else { return };
        let path = self.folder.join(path.text());
        let shown = path.display().to_string();
        let text = match (self.files)(&path) {
            Ok(text) => text,
            Err(error) => return self.wrong(&expr.at, format_args!("{shown}: {error}")),
        };
        match parse(&shown, &text) {
            Ok(script) => {
                if let Some((at, _)) = script.settings.first() {
                    self.wrong(at, "a file that is used holds pieces alone");
                }
                if let Some(statement) = script.body.first() {
                    self.wrong(&statement.at, "a file that is used holds pieces alone");
                }
                self.used.push(script);
            }
            Err(problem) => self.problem(problem),
        }
    }

    fn pieces(&mut self, script: &Script) -> Pieces {
        let mut pieces = Pieces::new();
        let used = std::mem::take(&mut self.used);
        for piece in used.iter().chain([script]).flat_map(|script| &script.pieces) {
            for name in piece.parameters.iter().chain([&piece.name]) {
                if RESERVED.contains(&name.as_str()) {
                    self.wrong(&piece.at, format_args!("`{name}` means something else already"));
                }
            }
            if pieces.insert(piece.name.clone(), piece.clone()).is_some() {
                self.wrong(&piece.at, format_args!("there are two pieces `{}`", piece.name));
            }
        }
        pieces
    }

    /// The whole of it. What a load sent has been answered before the last look at it.
    fn play(&mut self, body: &Block, pieces: &Pieces) {
        let watches = self.statements(body, pieces);
        if let (true, Some(Move { at, .. })) = (self.loading, self.moves.last()) {
            let at = at.clone();
            self.push(&at, What::Do(Order { form: load_stop(), given: Vec::new() }));
        }
        self.unwatch(watches);
    }

    /// Names and watches of a block end with it.
    fn block(&mut self, block: &Block, pieces: &Pieces) {
        self.names.push(BTreeMap::new());
        let watches = self.statements(block, pieces);
        self.unwatch(watches);
        self.names.pop();
    }

    /// What is watched from then on.
    fn statements(&mut self, block: &Block, pieces: &Pieces) -> Vec<(Place, usize)> {
        let mut watches = Vec::new();
        for statement in block {
            let before = self.watches;
            self.statement(statement, pieces);
            if matches!(statement.kind, StatementKind::Always(_)) && self.watches > before {
                watches.push((statement.at.clone(), self.watches));
            }
        }
        watches
    }

    fn unwatch(&mut self, watches: Vec<(Place, usize)>) {
        for (at, number) in watches.into_iter().rev() {
            self.push(&at, What::Unwatch(number));
        }
    }

    fn push(&mut self, at: &Place, what: What) {
        if self.moves.len() < MOVES_MAX {
            self.moves.push(Move { at: at.clone(), what });
        } else {
            let message = format!("this makes more than {MOVES_MAX} actions");
            if !self.problems.0.iter().any(|it| it.message == message) {
                self.wrong(at, message);
            }
        }
    }

    fn statement(&mut self, statement: &Statement, pieces: &Pieces) {
        let at = &statement.at;
        match &statement.kind {
            StatementKind::Step(name, body) => {
                let Some(name) = self.value(name, Kind::Text) else { return };
                self.push(at, What::Enter(name.text().to_owned()));
                // Later steps know what an earlier one has named.
                let watches = self.statements(body, pieces);
                self.unwatch(watches);
                self.push(at, What::Leave);
            }
            StatementKind::Let(name, expr) => {
                if RESERVED.contains(&name.as_str()) {
                    self.wrong(at, format_args!("`{name}` means something else already"));
                }
                let value = self.any_value(expr).map(|value| self.keep(at, name, value));
                self.names
                    .last_mut()
                    .expect("there is one")
                    .extend(value.map(|it| (name.clone(), it)));
            }
            StatementKind::Repeat(times, body) => {
                let count = self.value(times, Kind::Count).map_or(1, |it| it.count());
                if count > REPEAT_MAX {
                    return self.wrong(&times.at, format_args!("at most {REPEAT_MAX} times"));
                }
                (0..count).for_each(|_| self.block(body, pieces));
            }
            StatementKind::Each(name, nodes, body) => self.each(name, nodes, body, pieces),
            StatementKind::Either(blocks) => {
                let drawn = self.draw.index(blocks.len());
                // All are checked; what is not drawn is not done.
                for (i, block) in blocks.iter().enumerate() {
                    if i == drawn { self.block(block, pieces) } else { self.check(block, pieces) }
                }
            }
            StatementKind::Shuffle(body) => {
                let mut left: Vec<&Statement> = body.iter().collect();
                let mut order = Vec::new();
                while !left.is_empty() {
                    order.push(left.remove(self.draw.index(left.len())).clone());
                }
                self.block(&order, pieces);
            }
            StatementKind::Call(name, values) => self.call(at, name, values, pieces),
            StatementKind::Always(condition) => {
                if matches!(condition, Condition::Aether(_)) {
                    return self.wrong(at, "a program is run once: `expect` it, with `within`");
                }
                let Some(condition) = self.condition(condition) else { return };
                self.watches += 1;
                self.push(at, What::Watch(self.watches, condition));
            }
            StatementKind::Expect(within, condition) => {
                let within = within.as_ref().map(|time| self.value(time, Kind::Time));
                let condition = self.condition(condition);
                if let (Some(condition), Some(within)) =
                    (condition, within.map_or(Some(None), |it| it.map(Some)))
                {
                    self.push(at, What::Expect { within, condition });
                }
            }
            StatementKind::Do(order) => self.order(at, order),
            StatementKind::Aether(program) => {
                if let Some(program) = self.program(program) {
                    self.push(at, What::Aether(program));
                }
            }
        }
    }

    /// Nodes of a role are those that have it now.
    fn keep(&mut self, at: &Place, name: &str, value: Value) -> Value {
        match value {
            Value::Nodes(Nodes::Kept(..)) => value,
            Value::Nodes(nodes) if nodes.known().is_none() => {
                self.kept += 1;
                self.push(at, What::Keep(self.kept, name.to_owned(), nodes));
                Value::Nodes(Nodes::Kept(self.kept, name.to_owned()))
            }
            value => value,
        }
    }

    fn each(&mut self, name: &str, nodes: &Expr, body: &Block, pieces: &Pieces) {
        let Some(Value::Nodes(set)) = self.value(nodes, Kind::Nodes) else { return };
        let Some(known) = set.known().cloned() else {
            let message = format!("`each` takes nodes by number or `all`, not {set}");
            return self.wrong(&nodes.at, message);
        };
        for node in known {
            let value = Value::Nodes(Nodes::These([node].into()));
            self.names.push([(name.to_owned(), value)].into());
            self.block(body, pieces);
            self.names.pop();
        }
    }

    /// What is said in vain is still checked: nothing of it is left but its problems.
    fn check(&mut self, block: &Block, pieces: &Pieces) {
        let (moves, draw) = (self.moves.len(), self.draw.clone());
        let (count, loading) = (self.count, self.loading);
        let targets = self.targets.clone();
        self.block(block, pieces);
        self.moves.truncate(moves);
        (self.draw, self.count, self.loading) = (draw, count, loading);
        self.targets = targets;
    }

    fn call(&mut self, at: &Place, name: &str, values: &[Expr], pieces: &Pieces) {
        let Some(piece) = pieces.get(name) else {
            let problem =
                Problem::new(Code::ScriptValue, at, format_args!("there is no piece `{name}`"));
            return self.problem(match nearest(name, pieces.keys().map(String::as_str)) {
                Some(near) => problem.help(format_args!("did you mean `{near}`?")),
                None => problem,
            });
        };
        if piece.parameters.len() != values.len() {
            let wanted = piece.parameters.join(", ");
            let count = values.len();
            return self.wrong(at, format_args!("`{name}({wanted})` is used with {count} values"));
        }
        if self.depth == DEPTH_MAX {
            return self.wrong(at, format_args!("`{name}` uses itself"));
        }
        let mut given = BTreeMap::new();
        for (parameter, expr) in piece.parameters.iter().zip(values) {
            let Some(value) = self.any_value(expr) else { return };
            given.insert(parameter.clone(), self.keep(at, parameter, value));
        }
        // A piece knows its parameters, and nothing of where it is used.
        let names = std::mem::replace(&mut self.names, vec![given]);
        self.depth += 1;
        self.block(&piece.body, pieces);
        self.depth -= 1;
        self.names = names;
    }

    fn order(&mut self, at: &Place, order: &Order<Expr>) {
        let Some(order) = order.map(|expr, kind| self.value(expr, kind)) else { return };
        match order.form.verb {
            ["add", ..] if self.count == NODES_MAX => {
                return self.wrong(at, format_args!("a Forge has at most {NODES_MAX} nodes"));
            }
            ["add", ..] => self.count += 1,
            ["load"] => return self.load(at, order.value("load").map_or("", Value::text)),
            ["load", ..] if !self.loading => return self.wrong(at, "no load runs here"),
            ["load", "stop"] => self.loading = false,
            _ => {}
        }
        self.push(at, What::Do(order));
    }

    /// A file, or its text as it stands in the script.
    fn load(&mut self, at: &Place, said: &str) {
        let (file, text) = if said.contains('\n') {
            // So that what is wrong with it is where it stands.
            (at.file.to_string(), "\n".repeat(at.line - 1) + said)
        } else {
            let path = self.folder.join(said);
            match (self.files)(&path) {
                Ok(text) => (path.display().to_string(), text),
                Err(error) => {
                    return self.wrong(at, format_args!("{}: {error}", path.display()));
                }
            }
        };
        match Spec::parse(&file, &text) {
            Ok(spec) => {
                self.loading = true;
                self.targets = Some(spec.targets.into_iter().map(|target| target.name).collect());
                self.push(at, What::Load(LoadRequest { file, text }));
            }
            Err(problems) => problems.0.into_iter().for_each(|problem| self.problem(problem)),
        }
    }

    fn condition(&mut self, condition: &Condition<Expr>) -> Option<Condition<Value>> {
        if let Condition::Aether(program) = condition {
            return self.program(program).map(Condition::Aether);
        }
        let planned = condition.map(&mut |expr, kind| self.value(expr, kind))?;
        if let (
            Condition::Compare { metric, part, .. },
            Condition::Compare { value, part: said, .. },
        ) = (&planned, condition)
        {
            let of_load = matches!(metric.of, Of::Counts | Of::Load);
            let Some(targets) = &self.targets else {
                if of_load {
                    let message =
                        format!("there is no `{}`: no load was started before", metric.name);
                    self.wrong(&value.at, message);
                }
                return (!of_load).then_some(planned);
            };
            if let (true, Part::Of(name), Part::Of(said)) = (of_load, part, said)
                && !targets.iter().any(|target| target == name.text())
            {
                let known = targets.join("`, `");
                let message = format!("the load has no target {name}: it has `{known}`");
                self.wrong(&said.at, message);
            }
        }
        Some(planned)
    }
}
