//! Reads what a component is: its surface, its embedded `slice.toml`. Links and runs nothing.

use aether_types::code::Code;
use aether_types::description::HttpVersion;
use aether_types::slice_toml::SliceToml;
use aether_types::wit::{self, Case, Field, Interface};
use aether_types::{InterfaceName, Problem, Problems};
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};
use wasmtime::Engine;
use wasmtime::component::types::{self, ComponentFunc, ComponentItem, Type};

/// What the bytes tell before they are compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Preview {
    /// The embedded `slice.toml`; defaults where there is none.
    pub(crate) settings: SliceToml,
    /// Uses the component model's async ABI: compiles only on the engine that has it.
    pub(crate) is_async: bool,
}

/// What a compiled component exports and imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Surface {
    /// Interfaces that other slices and typed routes can call.
    pub(crate) exports: Vec<Interface>,
    /// Imports with functions that the host does not provide.
    pub(crate) dependencies: Vec<Interface>,
    /// Imports that the host provides.
    pub(crate) infra: Vec<InterfaceName>,
    pub(crate) handler: Option<HttpVersion>,
    pub(crate) has_lifecycle: bool,
}

/// Parts of all types of a component together, each use counted. wasmparser alone would let one
/// type of a few kilobytes unfold into a million parts.
const TYPE_PARTS_MAX: usize = 100_000;

/// Where problems of the whole file are.
const WHOLE: &str = "component";
const LIFECYCLE: &str = "aether:slice/lifecycle";

/// Checks the structure of `bytes` (not the code of its functions) and reads the embedded settings.
///
/// # Errors
/// `not-a-component`, `component-invalid`, and everything that can be wrong in `slice.toml`.
pub(crate) fn preview(bytes: &[u8]) -> Result<Preview, Problems> {
    if let Some(problem) = not_a_component(bytes) {
        return Err(problem.into());
    }
    let invalid =
        |e: wasmparser::BinaryReaderError| {
            Problems::from(Problem::new(Code::ComponentInvalid, WHOLE, e).help(
                "build the component again; `wasm-tools validate` shows more about damaged ones",
            ))
        };
    let mut all = Validator::new_with_features(WasmFeatures::all());
    let mut sync = Validator::new_with_features(without_async());
    let mut is_async = false;
    let mut sections = Sections::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(invalid)?;
        all.payload(&payload).map_err(invalid)?;
        // After its first error a validator is of no more use, and one error is the answer.
        is_async = is_async || sync.payload(&payload).is_err();
        if let Payload::ComponentImportSection(imports) = &payload {
            // WASI 0.3 is linked on that engine only, also its functions that are not async.
            is_async = is_async || imports.clone().into_iter().flatten().any(|i| is_wasi_03(&i));
        }
        sections.on_payload(&payload)?;
    }
    let section = sections.own.or(sections.of_module);
    Ok(Preview { settings: settings(section)?, is_async })
}

/// The custom sections that carry a `slice.toml`. Those of components inside this one, of which it
/// may be composed, are their own.
#[derive(Default)]
struct Sections<'a> {
    /// What is being read, from outside to inside.
    nesting: Vec<Encoding>,
    own: Option<&'a [u8]>,
    /// Where a compiler puts it: into the module that it makes the component of.
    of_module: Option<&'a [u8]>,
}

impl<'a> Sections<'a> {
    fn on_payload(&mut self, payload: &Payload<'a>) -> Result<(), Problem> {
        match payload {
            Payload::Version { encoding, .. } => self.nesting.push(*encoding),
            Payload::End(_) => drop(self.nesting.pop()),
            Payload::CustomSection(custom) if custom.name() == SliceToml::SECTION => {
                let place = match self.nesting[..] {
                    [Encoding::Component] => &mut self.own,
                    [Encoding::Component, Encoding::Module] => &mut self.of_module,
                    _ => return Ok(()),
                };
                if place.replace(custom.data()).is_some_and(|first| first != custom.data()) {
                    let message = format!("two different custom sections {:?}", SliceToml::SECTION);
                    let problem = Problem::new(Code::ComponentInvalid, WHOLE, message);
                    return Err(problem.help("a component is one slice with one slice.toml"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn settings(section: Option<&[u8]>) -> Result<SliceToml, Problems> {
    let Some(bytes) = section else { return Ok(SliceToml::default()) };
    let text = std::str::from_utf8(bytes).map_err(|e| {
        Problem::new(Code::TomlSyntax, "slice.toml", e).help("slice.toml is a UTF-8 text")
    })?;
    SliceToml::parse("slice.toml", text)
}

/// What stands in `bytes` when they do not begin like a component.
fn not_a_component(bytes: &[u8]) -> Option<Problem> {
    let message = match Parser::new(0).parse_all(bytes).next() {
        Some(Ok(Payload::Version { encoding: Encoding::Component, .. })) => return None,
        Some(Ok(_)) => "this is a core WebAssembly module, not a component",
        _ if bytes.is_empty() => "the file is empty",
        _ => "this is not WebAssembly",
    };
    let help = "build for wasm32-wasip2, or make a component with `wasm-tools component new`";
    Some(Problem::new(Code::NotAComponent, WHOLE, message).help(help))
}

fn is_wasi_03(import: &wasmparser::ComponentImport<'_>) -> bool {
    import.name.name.starts_with("wasi:") && import.name.name.contains("@0.3.")
}

fn without_async() -> WasmFeatures {
    WasmFeatures::all()
        - WasmFeatures::CM_ASYNC
        - WasmFeatures::CM_ASYNC_STACKFUL
        - WasmFeatures::CM_MORE_ASYNC_BUILTINS
        - WasmFeatures::CM_THREADING
}

/// Reads the surface of a compiled component; `is_host` says which imports the host provides.
///
/// # Errors
/// `handle-in-interface`, `unknown-import`, `nothing-exported`; all of them, not only the first.
pub(crate) fn surface(
    engine: &Engine,
    component: &types::Component,
    is_host: &dyn Fn(&InterfaceName) -> bool,
) -> Result<Surface, Problems> {
    let mut reader = Reader { engine, parts_left: TYPE_PARTS_MAX, problems: Vec::new() };
    let mut surface = Surface {
        exports: Vec::new(),
        dependencies: Vec::new(),
        infra: Vec::new(),
        handler: None,
        has_lifecycle: false,
    };
    for (name, item) in component.imports(engine) {
        reader.import(name, &item.ty, is_host, &mut surface);
    }
    let mut ignored = Vec::new();
    for (name, item) in component.exports(engine) {
        if !reader.export(name, &item.ty, &mut surface) {
            ignored.push(name);
        }
    }
    if surface.exports.is_empty() && surface.handler.is_none() && reader.problems.is_empty() {
        reader.problems.push(nothing_exported(&ignored));
    }
    Problems(reader.problems).or(surface)
}

fn nothing_exported(ignored: &[&str]) -> Problem {
    let message = match ignored {
        [] => "the component exports nothing".to_owned(),
        names => format!("the component exports nothing to call, only {}", names.join(", ")),
    };
    Problem::new(Code::NothingExported, WHOLE, message)
        .help("export an interface with functions, or wasi:http/incoming-handler")
}

struct Reader<'a> {
    engine: &'a Engine,
    /// What is left of `TYPE_PARTS_MAX`.
    parts_left: usize,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn import(
        &mut self,
        text: &str,
        item: &ComponentItem,
        is_host: &dyn Fn(&InterfaceName) -> bool,
        surface: &mut Surface,
    ) {
        let name = text.parse::<InterfaceName>().ok();
        let (Some(name), ComponentItem::ComponentInstance(instance)) = (name, item) else {
            if !matches!(item, ComponentItem::Type(_)) {
                let message = "only interfaces of a package can be imported";
                let problem = Problem::new(Code::UnknownImport, text, message);
                self.problems.push(problem.help("move it into an interface with a package name"));
            }
            return;
        };
        if is_host(&name) {
            surface.infra.push(name);
        } else if is_reserved(&name) {
            let message = "this version of Aether does not provide this interface";
            let help = "remove what needs it from the slice";
            self.problems.push(Problem::new(Code::UnknownImport, &name, message).help(help));
        } else if let Some(interface) = self.interface(&name, instance) {
            surface.dependencies.push(interface);
        }
    }

    /// False where the export is of no use to anybody.
    fn export(&mut self, text: &str, item: &ComponentItem, surface: &mut Surface) -> bool {
        let ComponentItem::ComponentInstance(instance) = item else { return false };
        let Ok(name) = text.parse::<InterfaceName>() else { return false };
        if let Some(version) = handler(&name) {
            // A component with both is served through the older one, on the engine it needs.
            surface.handler = Some(match (surface.handler, version) {
                (Some(HttpVersion::V02), _) | (_, HttpVersion::V02) => HttpVersion::V02,
                _ => HttpVersion::V03,
            });
            return true;
        }
        if name.path() == LIFECYCLE {
            surface.has_lifecycle = true;
            return false;
        }
        if is_reserved(&name) {
            return false;
        }
        match self.interface(&name, instance) {
            Some(interface) => surface.exports.push(interface),
            None => return false,
        }
        true
    }

    /// The functions of an interface; None where it has only types, which need no link.
    fn interface(
        &mut self,
        name: &InterfaceName,
        instance: &types::ComponentInstance,
    ) -> Option<Interface> {
        let mut functions = Vec::new();
        let mut resource = None;
        for (item_name, item) in instance.exports(self.engine) {
            match &item.ty {
                ComponentItem::ComponentFunc(ty) => functions.push(self.function(item_name, ty)),
                ComponentItem::Resource(_) => resource = Some(item_name),
                _ => {}
            }
        }
        let bad = functions.iter().find_map(|f| Some((format!("{name}#{}", f.name), f.handle()?)));
        // Every function of a resource carries a handle, so this names one only without functions.
        let bad = bad.or_else(|| resource.map(|r| (format!("{name}#{r}"), "resource")));
        if let Some((place, what)) = bad {
            let message = format!("{what} cannot cross slices, only values can");
            let help = "pass records, lists, strings or numbers; name things by an id instead";
            self.problems.push(Problem::new(Code::HandleInInterface, place, message).help(help));
            return None;
        }
        functions.sort_by(|a, b| a.name.cmp(&b.name));
        (!functions.is_empty()).then(|| Interface { name: name.clone(), functions })
    }

    fn function(&mut self, name: &str, ty: &ComponentFunc) -> wit::Function {
        let params = ty.params();
        wit::Function {
            name: name.to_owned(),
            params: params
                .map(|(name, ty)| Field { name: name.to_owned(), ty: self.ty(&ty) })
                .collect(),
            result: ty.results().next().map(|ty| self.ty(&ty)),
            is_async: ty.async_(),
        }
    }

    fn ty(&mut self, ty: &Type) -> wit::Type {
        use wit::Type as W;
        let Some(left) = self.parts_left.checked_sub(1) else {
            return W::Handle(format!("a type of more than {TYPE_PARTS_MAX} parts"));
        };
        self.parts_left = left;
        let names = |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect();
        match ty {
            Type::Bool => W::Bool,
            Type::S8 => W::S8,
            Type::U8 => W::U8,
            Type::S16 => W::S16,
            Type::U16 => W::U16,
            Type::S32 => W::S32,
            Type::U32 => W::U32,
            Type::S64 => W::S64,
            Type::U64 => W::U64,
            Type::Float32 => W::F32,
            Type::Float64 => W::F64,
            Type::Char => W::Char,
            Type::String => W::String,
            Type::List(list) => W::List(Box::new(self.ty(&list.ty()))),
            Type::Option(option) => W::Option(Box::new(self.ty(&option.ty()))),
            Type::Result(result) => W::Result(wit::ResultType {
                ok: result.ok().map(|ty| Box::new(self.ty(&ty))),
                err: result.err().map(|ty| Box::new(self.ty(&ty))),
            }),
            Type::Tuple(tuple) => W::Tuple(tuple.types().map(|ty| self.ty(&ty)).collect()),
            Type::Record(record) => W::Record(
                record
                    .fields()
                    .map(|f| Field { name: f.name.to_owned(), ty: self.ty(&f.ty) })
                    .collect(),
            ),
            Type::Variant(variant) => W::Variant(
                variant
                    .cases()
                    .map(|c| Case { name: c.name.to_owned(), ty: c.ty.map(|ty| self.ty(&ty)) })
                    .collect(),
            ),
            Type::Enum(ty) => W::Enum(names(&mut ty.names())),
            Type::Flags(ty) => W::Flags(names(&mut ty.names())),
            Type::Own(_) | Type::Borrow(_) => W::Handle("resource".to_owned()),
            Type::Future(_) => W::Handle("future".to_owned()),
            Type::Stream(_) => W::Handle("stream".to_owned()),
            Type::ErrorContext => W::Handle("error-context".to_owned()),
            Type::Map(_) => W::Handle("map".to_owned()),
            Type::FixedLengthList(_) => W::Handle("fixed-length list".to_owned()),
        }
    }
}

/// Packages that only the host can provide, and that slices do not call in each other.
fn is_reserved(name: &InterfaceName) -> bool {
    ["wasi:", "aether:"].iter().any(|namespace| name.path().starts_with(namespace))
}

fn handler(name: &InterfaceName) -> Option<HttpVersion> {
    let version = name.version()?;
    match (name.path(), version.major, version.minor) {
        ("wasi:http/incoming-handler", 0, 2) => Some(HttpVersion::V02),
        ("wasi:http/handler", 0, 3) => Some(HttpVersion::V03),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
