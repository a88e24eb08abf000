//! What the management API says of errors of this crate. Pure.

use crate::control::ControlError;
use crate::depot::DepotError;
use crate::tasks::with_causes;
use aether_api::ApiError;
use aether_types::ErrorKind;
use aether_types::code::Code;
use std::fmt;

pub(crate) fn control_error(error: &ControlError) -> ApiError {
    if matches!(error, ControlError::DiskFull) {
        return disk_full(error);
    }
    let code = match error.kind() {
        ErrorKind::Conflict => Code::RevisionConflict,
        ErrorKind::Unavailable | ErrorKind::Exhausted => Code::Unavailable,
        _ => Code::Internal,
    };
    ApiError::new(error.kind(), code, error)
}

pub(super) fn depot_error(error: &DepotError) -> ApiError {
    let code = match error.kind() {
        ErrorKind::Exhausted => return disk_full(with_causes(error)),
        ErrorKind::Internal => Code::Internal,
        _ => Code::Unavailable,
    };
    ApiError::new(error.kind(), code, with_causes(error))
}

fn disk_full(said: impl fmt::Display) -> ApiError {
    ApiError::new(ErrorKind::Exhausted, Code::DiskFull, said)
        .help("free space on the disk of its data folder; other nodes take the write now")
}
