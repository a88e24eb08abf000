//! The codec against components in text: what goes in comes out, and nothing hostile gets through.

mod guest;
mod hostile;

use super::*;
use crate::arbitrary;
use aether_types::wit::{Field, Function, Type};
use proptest::prelude::*;
use std::sync::Arc;
use wasmtime::component::{Linker, Val};
use wasmtime::{Config, Engine, Store};

/// An engine of each kind.
struct Engines {
    sync: Engine,
    concurrent: Engine,
}

impl Engines {
    fn new() -> Self {
        let engine = |concurrency| {
            let mut config = Config::new();
            config.concurrency_support(concurrency);
            Engine::new(&config).unwrap()
        };
        Self { sync: engine(false), concurrent: engine(true) }
    }

    fn get(&self, concurrency: Concurrency) -> &Engine {
        match concurrency {
            Concurrency::Off => &self.sync,
            Concurrency::On => &self.concurrent,
        }
    }
}

fn function(ty: &Type) -> Function {
    Function {
        name: "f".to_owned(),
        params: vec![Field { name: "a".to_owned(), ty: ty.clone() }],
        result: Some(ty.clone()),
        is_async: false,
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn compile(engine: &Engine, text: &str) -> Component {
    let bytes = wat::parse_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    Component::new(engine, bytes).unwrap_or_else(|e| panic!("{e:?}\n{text}"))
}

fn name(text: &str) -> InterfaceName {
    text.parse().unwrap()
}

/// A slice ready to be called: store, function.
async fn instantiate(
    linker: &Linker<()>,
    component: &Component,
    interface: &str,
    function: &Function,
    concurrency: Concurrency,
) -> (Store<()>, Export) {
    let mut store = Store::new(component.engine(), ());
    let instance = linker.instantiate_async(&mut store, component).await.unwrap();
    let index = export_index(component, &name(interface), &function.name).unwrap();
    let export = Export::resolve(&mut store, &instance, &index, function, concurrency).unwrap();
    (store, export)
}

/// Sends `wire` through caller → host → echo → host → caller.
async fn through_two_slices(
    engine: &Engine,
    concurrency: Concurrency,
    ty: &Type,
    encoding: &str,
    wire: &[u8],
) -> Result<Vec<u8>> {
    let [echo, caller] = [guest::echo(ty, encoding), guest::caller(ty, encoding)];
    through(engine, concurrency, [&echo, &caller], function(ty), wire).await
}

async fn through(
    engine: &Engine,
    concurrency: Concurrency,
    [echo, caller]: [&str; 2],
    function: Function,
    wire: &[u8],
) -> Result<Vec<u8>> {
    let mut linker = Linker::new(engine);
    let mut api = linker.instance(guest::INTERFACE)?;
    let (callee, callee_type) = (Arc::new(compile(engine, echo)), Arc::new(function.clone()));
    define_import(&mut api, &function, move |(), args| {
        let (callee, function) = (callee.clone(), callee_type.clone());
        async move {
            let linker = Linker::new(callee.engine());
            let (mut store, export) =
                instantiate(&linker, &callee, guest::INTERFACE, &function, concurrency).await;
            export.call(&mut store, args).await
        }
    })?;
    let caller = compile(engine, caller);
    let (mut store, export) =
        instantiate(&linker, &caller, "test:caller/api@1.0.0", &function, concurrency).await;
    export.call(&mut store, wire.to_vec().into()).await.map(Vec::from)
}

/// The same through wasmtime's `Val`, one component only.
async fn through_val(engine: &Engine, ty: &Type, wire: &[u8]) -> Vec<u8> {
    let component = compile(engine, &guest::echo(ty, "utf8"));
    let mut store = Store::new(engine, ());
    let instance = Linker::new(engine).instantiate_async(&mut store, &component).await.unwrap();
    let index = export_index(&component, &name(guest::INTERFACE), "f").unwrap();
    let func = instance.get_func(&mut store, index).unwrap();
    let export = val::Export::new(func, &function(ty));
    let values = val::read_all(std::slice::from_ref(ty), wire).unwrap();
    assert_eq!(values.len(), 1, "{values:?}");
    assert!(!matches!(values[0], Val::Resource(_)));
    export.call(&mut store, wire).await.unwrap().into()
}

fn check(engines: &Engines, ty: &Type, wire: &[u8]) {
    block_on(async {
        assert_eq!(through_val(&engines.sync, ty, wire).await, wire, "Val, {ty}");
        for concurrency in [Concurrency::Off, Concurrency::On] {
            let engine = engines.get(concurrency);
            let answer = through_two_slices(engine, concurrency, ty, "utf8", wire).await;
            assert_eq!(answer.unwrap(), wire, "{concurrency:?}, {ty}");
        }
    });
}

/// Each case compiles components, so there are few.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..Default::default() }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn every_value_comes_back_as_it_went(
        (ty, choices) in (arbitrary::types(), arbitrary::choices())
    ) {
        check(&Engines::new(), &ty, &arbitrary::value(&ty, &choices));
    }
}

#[test]
fn types_that_chance_does_not_hit() {
    let engines = Engines::new();
    let choices: Vec<u8> = (0..=255).collect();
    let wide = |ty: Type, count: usize| Type::Tuple(vec![ty; count]);
    let joined = arbitrary::variant(vec![
        Some(Type::F32),
        Some(Type::F64),
        Some(Type::S64),
        Some(Type::S8),
        None,
        Some(Type::String),
        Some(wide(Type::F32, 3)),
    ]);
    for ty in [
        // The boundaries of what is passed in core values.
        wide(Type::S16, 16),
        wide(Type::S16, 17),
        wide(Type::String, 8),
        wide(Type::String, 9),
        // Discriminants of two bytes; flags of each size.
        Type::Enum(arbitrary::names("e", 256)),
        Type::Enum(arbitrary::names("e", 257)),
        Type::Tuple(vec![Type::U8, Type::Enum(arbitrary::names("e", 257))]),
        Type::Flags(arbitrary::names("b", 8)),
        Type::Flags(arbitrary::names("b", 9)),
        Type::Flags(arbitrary::names("b", 16)),
        Type::Flags(arbitrary::names("b", 17)),
        Type::Flags(arbitrary::names("b", 32)),
        // Cases that share a core value in different kinds.
        joined.clone(),
        Type::List(Box::new(joined)),
    ] {
        for start in [0, 1, 2, 3, 4, 5, 6, 130, 201] {
            check(&engines, &ty, &arbitrary::value(&ty, &choices[start..]));
        }
    }
}

#[test]
fn strings_of_every_encoding_are_utf8_on_the_wire() {
    let engine = Engines::new().sync;
    let ty = Type::Tuple(vec![Type::String; 3]);
    for texts in [["", "plain", "naïve"], ["漢字", "\u{1f600}!", "é"]] {
        let mut wire = Vec::new();
        texts.iter().for_each(|text| wire::put_str(&mut wire, text).unwrap());
        for encoding in ["utf8", "utf16", "latin1+utf16"] {
            let call = through_two_slices(&engine, Concurrency::Off, &ty, encoding, &wire);
            assert_eq!(block_on(call).unwrap(), wire, "{encoding}");
        }
    }
}

#[test]
fn large_values_grow_the_memory_of_both_sides() {
    let engine = Engines::new().sync;
    let bytes = Type::List(Box::new(Type::U8));
    let ty = Type::List(Box::new(arbitrary::record(vec![bytes, Type::String, Type::U64])));
    let mut wire = 300_u32.to_le_bytes().to_vec();
    for i in 0..300_u64 {
        wire.extend(1000_u32.to_le_bytes());
        wire.extend([i as u8; 1000]);
        wire::put_str(&mut wire, &"x".repeat(i as usize)).unwrap();
        wire.extend(i.to_le_bytes());
    }
    let call = through_two_slices(&engine, Concurrency::Off, &ty, "utf8", &wire);
    assert_eq!(block_on(call).unwrap(), wire);
}

#[test]
fn async_functions_are_forwarded_too() {
    let engine = Engines::new().concurrent;
    let fields = vec![Type::String, Type::Option(Box::new(Type::U64)), Type::F32];
    for ty in [Type::U32, arbitrary::record(fields), Type::Tuple(vec![Type::String; 9])] {
        let wire = arbitrary::value(&ty, &[3, 65, 66, 67, 1, 9, 9, 9, 9, 9, 9, 9, 9, 2]);
        let texts = [guest::echo(&ty, "utf8"), guest::caller(&ty, "utf8")];
        let [echo, caller] = texts.map(|text| guest::make_async(&text));
        let function = Function { is_async: true, ..function(&ty) };
        let call = through(&engine, Concurrency::On, [&echo, &caller], function, &wire);
        assert_eq!(block_on(call).unwrap(), wire, "{ty}");
    }
}
