//! The grammar: from words to a script as it was written. Knows what can be said, not what it
//! means.

use super::ast::{
    Block, Condition, Expr, ExprKind, Given, Order, Part, Piece, Place, Program, Request, Script,
    Setting, Side, Sign, Statement, StatementKind,
};
use super::form::{FLAGS, FORMS, Form, Kind, METHODS, METRICS, OTHERS, Of, Slot};
use super::token::{Placed, Token, tokens};
use aether_types::code::Code;
use aether_types::{Problem, nearest};
use std::sync::Arc;
use winnow::Parser;
use winnow::combinator::{alt, opt, repeat, separated};
use winnow::error::EmptyError;
use winnow::stream::{Stateful, Stream, TokenSlice};

type Input<'a> = Stateful<TokenSlice<'a, Placed<'a>>, State<'a>>;
type Result<T> = std::result::Result<T, EmptyError>;

const SETTINGS: [&str; 4] = ["nodes", "blueprint", "seed", "use"];

/// What every parser needs beside the words.
#[derive(Debug, Clone)]
struct State<'a> {
    file: Arc<str>,
    text: &'a str,
    furthest: Furthest,
}

/// The furthest word that nothing took, and all that would have been taken there.
#[derive(Debug, Clone, Default)]
struct Furthest {
    at: usize,
    wanted: Vec<String>,
    help: Option<String>,
}

/// Reads a file.
pub(super) fn parse(file: &str, text: &str) -> std::result::Result<Script, Problem> {
    let file: Arc<str> = file.into();
    let found = tokens(text).map_err(|at| {
        let c = text[at..].chars().next().unwrap_or_default();
        let what = match c {
            '"' | '\'' => format!("the text that begins with {c} does not end"),
            _ => format!("{c:?} belongs to no word: texts stand in quotes"),
        };
        Problem::new(Code::ScriptSyntax, place(&file, text, at), what)
    })?;
    let state = State { file, text, furthest: Furthest::default() };
    let mut input = Input { input: TokenSlice::new(&found), state };
    let parsed = script(&mut input);
    parsed.map_err(|EmptyError| {
        let State { file, text, furthest } = &input.state;
        let found = found.iter().find(|it| it.at == furthest.at).map(|it| it.token);
        let found = match found {
            Some(Token::Word(word)) => format!("`{word}`"),
            Some(Token::Text(_)) => "a text".to_owned(),
            Some(Token::Sign(sign)) => format!("`{sign}`"),
            Some(Token::End) if text.len() == furthest.at => "the end of the file".to_owned(),
            Some(Token::End) | None => "the end of the line".to_owned(),
        };
        let wanted = listed(&furthest.wanted);
        let message = format!("expected {wanted}, found {found}");
        let problem = Problem::new(Code::ScriptSyntax, place(file, text, furthest.at), message);
        match &furthest.help {
            Some(help) => problem.help(help),
            None => problem,
        }
    })
}

fn place(file: &Arc<str>, text: &str, at: usize) -> Place {
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    Place { file: file.clone(), line, column }
}

/// `a`, `a or b`, `a, b or c`.
fn listed(words: &[String]) -> String {
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "something else".to_owned(),
    }
}

/// Takes the next word if `read` does; else it was wanted.
fn take<'a, T>(
    input: &mut Input<'a>,
    wanted: &str,
    read: impl FnOnce(Token<'a>) -> Option<T>,
) -> Result<T> {
    if let Some(value) = input.first().and_then(|next| read(next.token)) {
        input.next_token();
        return Ok(value);
    }
    want(input, wanted, None)
}

fn want<T>(input: &mut Input<'_>, wanted: &str, help: Option<String>) -> Result<T> {
    let at = input.first().map_or(input.state.text.len(), |next| next.at);
    let furthest = &mut input.state.furthest;
    if at > furthest.at {
        *furthest = Furthest { at, ..Furthest::default() };
    }
    if at == furthest.at {
        if !furthest.wanted.iter().any(|it| it == wanted) {
            furthest.wanted.push(wanted.to_owned());
        }
        furthest.help = furthest.help.take().or(help);
    }
    Err(EmptyError)
}

fn here(input: &Input<'_>) -> Place {
    let at = input.first().map_or(input.state.text.len(), |next| next.at);
    place(&input.state.file, input.state.text, at)
}

fn word<'a>(word: &'static str) -> impl Parser<Input<'a>, (), EmptyError> {
    move |input: &mut Input<'a>| {
        take(input, &format!("`{word}`"), |token| (token == Token::Word(word)).then_some(()))
    }
}

fn sign<'a>(sign: &'static str) -> impl Parser<Input<'a>, (), EmptyError> {
    move |input: &mut Input<'a>| {
        take(input, &format!("`{sign}`"), |token| (token == Token::Sign(sign)).then_some(()))
    }
}

fn end(input: &mut Input<'_>) -> Result<()> {
    take(input, "the end of the line", |token| (token == Token::End).then_some(()))
}

/// Where a line may end, and none has to.
fn ends(input: &mut Input<'_>) -> Result<()> {
    repeat(0.., end).parse_next(input)
}

fn name(input: &mut Input<'_>) -> Result<String> {
    take(input, "a name", |token| match token {
        Token::Word(word) if is_name(word) => Some(word.to_owned()),
        _ => None,
    })
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn script(input: &mut Input<'_>) -> Result<Script> {
    let mut script = Script { settings: Vec::new(), pieces: Vec::new(), body: Vec::new() };
    ends(input)?;
    while !input.is_empty() {
        let at = here(input);
        match input.first().map(|next| next.token) {
            Some(Token::Word("piece")) => script.pieces.push(piece(input)?),
            Some(Token::Word(word)) if SETTINGS.contains(&word) && script.body.is_empty() => {
                script.settings.push((at, setting(input)?));
            }
            _ => script.body.push(statement(input)?),
        }
        line_ends(input)?;
    }
    Ok(script)
}

/// After a statement, where no block ends.
fn line_ends(input: &mut Input<'_>) -> Result<()> {
    end(input)?;
    ends(input)
}

fn setting(input: &mut Input<'_>) -> Result<Setting> {
    alt((
        (word("nodes"), value(Kind::Count)).map(|((), it)| Setting::Nodes(it)),
        (word("blueprint"), value(Kind::Text)).map(|((), it)| Setting::Blueprint(it)),
        (word("seed"), value(Kind::Count)).map(|((), it)| Setting::Seed(it)),
        (word("use"), value(Kind::Text)).map(|((), it)| Setting::Use(it)),
    ))
    .parse_next(input)
}

fn piece(input: &mut Input<'_>) -> Result<Piece> {
    word("piece").parse_next(input)?;
    let at = here(input);
    let name = name(input)?;
    let parameters = listed_in_brackets(self::name).parse_next(input)?;
    Ok(Piece { at, name, parameters, body: block(input)? })
}

fn listed_in_brackets<'a, T>(
    one: impl Parser<Input<'a>, T, EmptyError>,
) -> impl Parser<Input<'a>, Vec<T>, EmptyError> {
    (sign("("), separated(0.., one, sign(",")), sign(")")).map(|((), all, ())| all)
}

fn block(input: &mut Input<'_>) -> Result<Block> {
    sign("{").parse_next(input)?;
    ends(input)?;
    let mut block = Vec::new();
    while opt(sign("}")).parse_next(input)?.is_none() {
        block.push(statement(input)?);
        if opt(sign("}")).parse_next(input)?.is_some() {
            break;
        }
        line_ends(input)?;
    }
    Ok(block)
}

fn statement(input: &mut Input<'_>) -> Result<Statement> {
    let at = here(input);
    let verb = input.first().map(|next| next.token);
    let kind = match verb {
        Some(Token::Word("step")) => (word("step"), value(Kind::Text), block)
            .map(|((), name, body)| StatementKind::Step(name, body))
            .parse_next(input)?,
        Some(Token::Word("let")) => (word("let"), name, sign("="), expr)
            .map(|((), name, (), value)| StatementKind::Let(name, value))
            .parse_next(input)?,
        Some(Token::Word("repeat")) => (word("repeat"), value(Kind::Count), block)
            .map(|((), times, body)| StatementKind::Repeat(times, body))
            .parse_next(input)?,
        Some(Token::Word("each")) => (word("each"), name, word("of"), expr, block)
            .map(|((), name, (), nodes, body)| StatementKind::Each(name, nodes, body))
            .parse_next(input)?,
        Some(Token::Word("either")) => {
            let first = (word("either"), block).map(|((), block)| block).parse_next(input)?;
            let others = (word("or"), block).map(|((), block)| block);
            let others: Vec<Block> = repeat(1.., others).parse_next(input)?;
            StatementKind::Either([vec![first], others].concat())
        }
        Some(Token::Word("shuffle")) => (word("shuffle"), block)
            .map(|((), block)| StatementKind::Shuffle(block))
            .parse_next(input)?,
        Some(Token::Word("always")) => (word("always"), word("expect"), condition)
            .map(|((), (), condition)| StatementKind::Always(condition))
            .parse_next(input)?,
        Some(Token::Word("within")) => {
            (word("within"), value(Kind::Time), word("expect"), condition)
                .map(|((), time, (), condition)| StatementKind::Expect(Some(time), condition))
                .parse_next(input)?
        }
        Some(Token::Word("expect")) => (word("expect"), condition)
            .map(|((), condition)| StatementKind::Expect(None, condition))
            .parse_next(input)?,
        Some(Token::Word("aether")) => program.map(StatementKind::Aether).parse_next(input)?,
        Some(Token::Word(verb)) if FORMS.iter().any(|form| form.verb[0] == verb) => {
            StatementKind::Do(order(input)?)
        }
        _ => call(input)?,
    };
    Ok(Statement { at, kind })
}

/// The use of a piece, or what is no statement at all.
fn call(input: &mut Input<'_>) -> Result<StatementKind> {
    let before = input.checkpoint();
    if let Ok(called) = name(input) {
        if input.first().is_some_and(|next| next.token == Token::Sign("(")) {
            let values = listed_in_brackets(expr).parse_next(input)?;
            return Ok(StatementKind::Call(called, values));
        }
        input.reset(&before);
        input.state.furthest = Furthest::default();
        let verbs = FORMS.iter().map(|form| form.verb[0]).chain(OTHERS.iter().copied());
        let others = SETTINGS.iter().copied().chain(["piece"]);
        let help = match nearest(&called, verbs.chain(others)) {
            Some("piece") if called == "piece" => {
                Some("pieces do not stand in one another".to_owned())
            }
            Some(setting) if called == setting => {
                Some("settings stand before the first statement".to_owned())
            }
            Some(near) => Some(format!("did you mean `{near}`?")),
            None => None,
        };
        return want(input, "a statement, such as `kill leader`", help);
    }
    input.reset(&before);
    input.state.furthest = Furthest::default();
    want(input, "a statement, such as `kill leader`", None)
}

fn order(input: &mut Input<'_>) -> Result<Order<Expr>> {
    let before = input.checkpoint();
    for form in FORMS {
        if verb(input, form).is_ok() {
            let given = form.slots.iter().map(|slot| given(input, slot));
            return Ok(Order { form, given: given.collect::<Result<_>>()? });
        }
        input.reset(&before);
    }
    Err(EmptyError)
}

fn verb(input: &mut Input<'_>, form: &'static Form) -> Result<()> {
    form.verb.iter().try_for_each(|verb| word(verb).parse_next(input))
}

fn given(input: &mut Input<'_>, slot: &'static Slot) -> Result<Given<Expr>> {
    if let Some(before) = slot.word {
        match slot.needed {
            true => word(before).parse_next(input)?,
            false if opt(word(before)).parse_next(input)?.is_none() => return Ok(Given::Not),
            false => {}
        }
    }
    match slot.kind {
        Some(kind) => value(kind).parse_next(input).map(Given::Value),
        None => Ok(Given::Flag),
    }
}

fn condition(input: &mut Input<'_>) -> Result<Condition<Expr>> {
    let Some(Token::Word(first)) = input.first().map(|next| next.token) else {
        return want(input, "a condition, such as `success >= 99.9%`", None);
    };
    if METRICS.iter().any(|metric| metric.name == first) {
        return comparison(input);
    }
    if METHODS.contains(&first) {
        return request.map(Condition::Answers).parse_next(input);
    }
    match first {
        "leader" => leader(input),
        "writable" => word("writable").map(|()| Condition::Writable(true)).parse_next(input),
        "no" => {
            let leader = word("leader").map(|()| Condition::NoLeader);
            let writable = word("writable").map(|()| Condition::Writable(false));
            (word("no"), alt((leader, writable))).map(|((), it)| it).parse_next(input)
        }
        "ready" => (word("ready"), expr).map(|((), it)| Condition::Ready(it)).parse_next(input),
        "aether" => program.map(Condition::Aether).parse_next(input),
        other => {
            let known = METRICS.iter().map(|metric| metric.name);
            let known = known.chain(FLAGS.iter().copied()).chain(METHODS.iter().copied());
            let help = nearest(other, known).map(|near| format!("did you mean `{near}`?"));
            want(input, "a condition, such as `success >= 99.9%`", help)
        }
    }
}

fn leader(input: &mut Input<'_>) -> Result<Condition<Expr>> {
    word("leader").parse_next(input)?;
    let inside = (word("in"), expr).map(|((), nodes)| Side { inside: true, nodes });
    let outside =
        (word("not"), word("in"), expr).map(|((), (), nodes)| Side { inside: false, nodes });
    opt(alt((inside, outside))).map(Condition::Leader).parse_next(input)
}

fn comparison(input: &mut Input<'_>) -> Result<Condition<Expr>> {
    let metric = take(input, "a metric", |token| match token {
        Token::Word(word) => METRICS.iter().find(|metric| metric.name == word),
        _ => None,
    })?;
    let over = (word("over"), value(Kind::Time)).map(|((), time)| Part::Over(time));
    let of = |input: &mut Input<'_>| {
        (word("of"), value(Kind::Text)).map(|((), name)| Part::Of(name)).parse_next(input)
    };
    let part = match metric.of {
        Of::Counts => opt(alt((over, of))).parse_next(input)?,
        Of::Load | Of::Instances => opt(of).parse_next(input)?,
        Of::Cluster => None,
    };
    let sign = take(input, "a comparison such as `>=`", |token| match token {
        Token::Sign(sign) => Sign::ALL.into_iter().find(|(text, _)| *text == sign),
        _ => None,
    });
    let (_, sign) = sign?;
    let value = value(metric.kind).parse_next(input)?;
    Ok(Condition::Compare { metric, part: part.unwrap_or(Part::Whole), sign, value })
}

fn request(input: &mut Input<'_>) -> Result<Request<Expr>> {
    let method = take(input, "a method", |token| match token {
        Token::Word(word) => Some(word.to_owned()),
        _ => None,
    })?;
    let path = value(Kind::Text).parse_next(input)?;
    let body = opt((word("body"), value(Kind::Text)).map(|((), it)| it)).parse_next(input)?;
    let on = opt((word("on"), expr).map(|((), it)| it)).parse_next(input)?;
    word("answers").parse_next(input)?;
    let status = value(Kind::Count).parse_next(input)?;
    let with = opt((word("with"), value(Kind::Text)).map(|((), it)| it)).parse_next(input)?;
    Ok(Request { method, path, body, on, status, with })
}

fn program(input: &mut Input<'_>) -> Result<Program<Expr>> {
    word("aether").parse_next(input)?;
    let argument = |input: &mut Input<'_>| {
        let at = here(input);
        let kind = take(input, "an argument", |token| match token {
            Token::Word("exits" | "says") => None,
            Token::Word(word) if is_name(word) => Some(ExprKind::Name(word.to_owned())),
            Token::Word(word) => Some(ExprKind::Literal(word.to_owned())),
            Token::Text(text) => Some(ExprKind::Text(text.to_owned())),
            Token::Sign(_) | Token::End => None,
        })?;
        Ok(Expr { at, kind })
    };
    let words = repeat(1.., argument).parse_next(input)?;
    let exits = opt((word("exits"), value(Kind::Count)).map(|((), it)| it)).parse_next(input)?;
    let says = opt((word("says"), value(Kind::Text)).map(|((), it)| it)).parse_next(input)?;
    Ok(Program { words, exits, says })
}

/// Something that may be of this kind; what it is of is known when all names have values.
fn value<'a>(kind: Kind) -> impl Parser<Input<'a>, Expr, EmptyError> {
    move |input: &mut Input<'a>| match kind {
        Kind::Nodes => expr(input),
        _ => {
            let at = here(input);
            let kind = take(input, kind.wanted(), |token| match token {
                Token::Text(text) if kind == Kind::Text => Some(ExprKind::Text(text.to_owned())),
                Token::Word(word) if is_name(word) => Some(ExprKind::Name(word.to_owned())),
                Token::Word(word) if kind != Kind::Text => literal(word),
                _ => None,
            })?;
            Ok(Expr { at, kind })
        }
    }
}

fn literal(word: &str) -> Option<ExprKind> {
    word.starts_with(|c: char| c.is_ascii_digit()).then(|| ExprKind::Literal(word.to_owned()))
}

/// Values, and nodes that are put together.
fn expr(input: &mut Input<'_>) -> Result<Expr> {
    let mut left = term(input)?;
    loop {
        let join: fn(Box<Expr>, Box<Expr>) -> ExprKind =
            match opt(alt((word("and").map(|()| true), word("but").map(|()| false))))
                .parse_next(input)?
            {
                Some(true) => ExprKind::And,
                Some(false) => ExprKind::But,
                None => return Ok(left),
            };
        let right = term(input)?;
        let at = left.at.clone();
        left = Expr { at, kind: join(Box::new(left), Box::new(right)) };
    }
}

fn term(input: &mut Input<'_>) -> Result<Expr> {
    let at = here(input);
    if input.first().is_some_and(|next| next.token == Token::Word("any")) {
        word("any").parse_next(input)?;
        let counted = |input: &mut Input<'_>| match input.first().map(|next| next.token) {
            Some(Token::Word("of")) => Err(EmptyError),
            _ => value(Kind::Count).parse_next(input),
        };
        let count = opt(counted).parse_next(input)?;
        word("of").parse_next(input)?;
        let of = term(input)?;
        return Ok(Expr { at, kind: ExprKind::Any(count.map(Box::new), Box::new(of)) });
    }
    if opt(sign("(")).parse_next(input)?.is_some() {
        let inner = expr(input)?;
        sign(")").parse_next(input)?;
        return Ok(inner);
    }
    let kind = take(input, "a value", |token| match token {
        Token::Text(text) => Some(ExprKind::Text(text.to_owned())),
        Token::Word(word) if is_name(word) => Some(ExprKind::Name(word.to_owned())),
        Token::Word(word) => literal(word),
        Token::Sign(_) | Token::End => None,
    })?;
    Ok(Expr { at, kind })
}
