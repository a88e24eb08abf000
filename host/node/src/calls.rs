//! One call from JSON to JSON: for typed routes and for calls from the management API.

use crate::callee::{Callee, Wish};
use crate::projector::{Picture, Pictures};
use crate::routing::{Patience, Routing};
use aether_api::{ApiError, Call, CallAnswer, FailedCall, Outcome};
use aether_engine::json::{self, Answer, JsonError};
use aether_engine::{CallContext, Offer, Origin, Slice, Urgency};
use aether_routing::Pin;
use aether_types::binding::{Binding, Source};
use aether_types::checked::Checked;
use aether_types::code::Code;
use aether_types::description::Description;
use aether_types::slice_toml::TIMEOUT_MAX;
use aether_types::{CallError, FunctionName, Revision};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The longest time that a call from the management API may take; functions usually have less.
const CALL_TIMEOUT: Duration = TIMEOUT_MAX.duration();

/// Why there is no answer.
pub(crate) enum InvokeError {
    /// The request does not fit the types.
    Input(JsonError),
    Call(CallError),
    /// Whoever could have taken it is not there any more; the next table of this node may know
    /// others.
    Outdated(CallError),
}

/// Who is called.
pub(crate) struct Invoked<'a> {
    pub(crate) callee: &'a Callee,
    /// The instance of this node that can take it, without looking at the others.
    pub(crate) here: Option<&'a Arc<Slice>>,
    pub(crate) wish: Wish,
}

/// Decodes the request by the function's types, calls it, encodes what it returned.
pub(crate) async fn invoke(
    invoked: Invoked<'_>,
    description: &Description,
    name: &FunctionName,
    binding: &Binding,
    request: json::Request<'_>,
    ctx: CallContext,
) -> Result<Answer, InvokeError> {
    let gone = || InvokeError::Call(CallError::Unavailable(format!("{name} is gone")));
    let (interface, function) = description.export(name).ok_or_else(gone)?;
    let args = json::decode_params(function, binding, request).map_err(InvokeError::Input)?;
    let Invoked { callee, here, wish } = invoked;
    let place = here.and_then(|slice| Some((slice, slice.find(name)?)));
    let mut offer = Some(Offer { args: args.into(), ctx });
    let called = match place {
        Some((slice, place)) => match slice.offer(place, &mut offer).await {
            // It was not begun: whoever else serves it may take it.
            Err(error) if error.is_temporary() && offer.is_some() => None,
            called => Some(called.map_err(InvokeError::Call)),
        },
        None => None,
    };
    let called = match called {
        Some(called) => called,
        None => {
            let name = FunctionName { interface: interface.name.clone(), ..name.clone() };
            let called = callee.invoke(&name, &mut offer, wish).await;
            called.map_err(|ended| match ended.outdated {
                true => InvokeError::Outdated(ended.error),
                false => InvokeError::Call(ended.error),
            })
        }
    };
    match json::answer(function, &called?) {
        Ok(Answer::Failed(error)) => Err(InvokeError::Call(error)),
        Ok(answer) => Ok(answer),
        Err(error) => Err(InvokeError::Call(CallError::Other(error.to_string()))),
    }
}

/// `aether call`: any exported function of an application, with its parameters as JSON.
pub(crate) async fn call(
    mut pictures: Pictures,
    routing: &Routing,
    call: Call,
) -> Result<CallAnswer, ApiError> {
    let trace_parent = aether_ingress::begin_trace();
    let mut asked = Asked { call, started: Instant::now(), trace_parent, variant: None };
    let mut patience = None;
    loop {
        let picture = pictures.borrow_and_update().clone();
        let error = match call_by(&picture, routing, &mut asked).await {
            Ok(Done::Answered(answer)) => return Ok(answer),
            Ok(Done::Outdated(error)) => {
                let deadline = asked.started + CALL_TIMEOUT;
                let patience = patience.get_or_insert_with(|| Patience::until(deadline));
                match patience.changed(&mut pictures).await {
                    Some(()) => continue,
                    None => error.into(),
                }
            }
            Err(error) => error,
        };
        return Err(asked.failed(error));
    }
}

/// A call of the management API.
struct Asked {
    call: Call,
    started: Instant,
    trace_parent: String,
    /// The version that it got last.
    variant: Option<Revision>,
}

impl Asked {
    fn origin(&self) -> Origin {
        Origin {
            principal: Some(self.call.by.name.clone()),
            roles: vec![self.call.by.role.to_string()],
            trace_parent: Some(self.trace_parent.clone()),
            variant: self.variant,
            urgency: Urgency::Operator,
            ..Origin::anonymous(self.call.request_id.clone())
        }
    }

    fn failed(&self, error: ApiError) -> ApiError {
        let origin = self.origin();
        let trace_id = origin.trace_id().map(str::to_owned);
        let Origin { variant, principal, .. } = origin;
        error.of_call(&self.call.request_id, FailedCall { trace_id, variant, principal })
    }
}

/// What came of a call by one picture.
enum Done {
    Answered(CallAnswer),
    /// The next picture may have others who take it.
    Outdated(CallError),
}

async fn call_by(
    picture: &Picture,
    routing: &Routing,
    asked: &mut Asked,
) -> Result<Done, ApiError> {
    let call = &asked.call;
    let (_, current) = picture.applications.current(&call.app).ok_or_else(|| {
        let message = format!("there is no application {}", call.app);
        ApiError::not_found(Code::UnknownApplication, message)
    })?;
    let name: FunctionName =
        call.function.parse().map_err(|e| ApiError::invalid(Code::RequestInvalid, e))?;
    let callee = routing.export(&call.app, &name.interface);
    // It is read by the types of the version that it goes to.
    let version = callee.version(None).ok();
    let checked = version.and_then(|version| picture.applications.get(&call.app, version));
    let checked = checked.unwrap_or(current);
    let exporter = checked.exporter(&name.interface);
    let (exporter, called) = exporter.ok_or_else(|| unknown(picture, checked, &name))?;
    let name = FunctionName { interface: called.clone(), function: name.function };
    let description = picture.world.artifacts.get(&exporter.digest);
    let description = description.ok_or_else(|| unknown(picture, checked, &name))?;
    let (_, function) =
        description.export(&name).ok_or_else(|| unknown(picture, checked, &name))?;
    let names: Vec<&str> = function.params.iter().map(|p| p.name.as_str()).collect();
    let body = call.object(&names)?;
    let binding = Binding { params: vec![Source::BodyKey; names.len()] };
    let pin = version.map(|version| Pin { version, only: true });
    let wish = Wish { pin, ..Wish::default() };
    let invoked = Invoked { callee: &callee, here: callee.at_hand(), wish };
    asked.variant = version;
    let ctx = CallContext::edge(Arc::new(asked.origin()), asked.started + CALL_TIMEOUT);
    let request = json::Request { path: &[], query: &[], body: &body };
    let (outcome, value) = match invoke(invoked, description, &name, &binding, request, ctx).await {
        Ok(Answer::Value(json)) => (Outcome::Ok, json),
        Ok(Answer::Error { case, payload }) => (Outcome::Err, Some(error_json(&case, payload))),
        Ok(Answer::Failed(error)) | Err(InvokeError::Call(error)) => return Err(error.into()),
        Err(InvokeError::Input(error)) => {
            return Err(ApiError::invalid(Code::RequestInvalid, error));
        }
        Err(InvokeError::Outdated(error)) => return Ok(Done::Outdated(error)),
    };
    let (request_id, took) = (&asked.call.request_id, asked.started.elapsed());
    let answer = CallAnswer::of(outcome, value.as_deref(), request_id, took);
    Ok(Done::Answered(answer))
}

/// A variant in JSON: `"case"`, or `{"case": payload}`. Names of cases need no escapes.
fn error_json(case: &str, payload: Option<Vec<u8>>) -> Vec<u8> {
    match payload {
        None => format!("\"{case}\"").into_bytes(),
        Some(payload) => [format!("{{\"{case}\":").as_bytes(), &payload, b"}"].concat(),
    }
}

fn unknown(picture: &Picture, checked: &Checked, name: &FunctionName) -> ApiError {
    let descriptions = checked.slices.iter().filter_map(|s| picture.world.artifacts.get(&s.digest));
    let functions = descriptions.flat_map(|d| &d.exports).flat_map(|interface| {
        interface.functions.iter().map(move |f| format!("{}#{}", interface.name, f.name))
    });
    let functions: Vec<String> = functions.collect();
    let message = format!("no slice of {} exports {name}", checked.app);
    ApiError::not_found(Code::UnknownFunction, message)
        .help(format!("it has: {}", functions.join(", ")))
}
