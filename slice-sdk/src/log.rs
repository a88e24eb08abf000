//! Messages for the node's log. The host adds slice, instance and request id. Outside a component,
//! in native tests, messages go nowhere.

use std::fmt;

pub use crate::wit::wasi::logging::logging::Level;

/// Emits one message; `context` groups messages of one kind and may be empty. The macros
/// [`trace!`](crate::trace), [`debug!`](crate::debug), [`info!`](crate::info),
/// [`warn!`](crate::warn), [`error!`](crate::error) use the module's path.
pub fn emit(level: Level, context: &str, message: fmt::Arguments<'_>) {
    #[cfg(target_family = "wasm")]
    crate::wit::wasi::logging::logging::log(level, context, &message.to_string());
    #[cfg(not(target_family = "wasm"))]
    let _ = (level, context, message);
}

/// Logs values of variables and the flow of control.
#[macro_export]
macro_rules! trace {
    ($($message:tt)+) => {
        $crate::log::emit($crate::log::Level::Trace, module_path!(), format_args!($($message)+))
    };
}

/// Logs for somebody who debugs the slice.
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => {
        $crate::log::emit($crate::log::Level::Debug, module_path!(), format_args!($($message)+))
    };
}

/// Logs for somebody who watches the slice.
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => {
        $crate::log::emit($crate::log::Level::Info, module_path!(), format_args!($($message)+))
    };
}

/// Logs something unexpected that was handled.
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => {
        $crate::log::emit($crate::log::Level::Warn, module_path!(), format_args!($($message)+))
    };
}

/// Logs something that a person should look at.
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => {
        $crate::log::emit($crate::log::Level::Error, module_path!(), format_args!($($message)+))
    };
}
