//! What the management API says of errors of this crate. Pure.

use crate::control::ControlError;
use crate::depot::DepotError;
use aether_api::ApiError;
use aether_types::ErrorKind;
use aether_types::code::Code;

pub(crate) fn control_error(error: &ControlError) -> ApiError {
    if matches!(error, ControlError::DiskFull) {
        return ApiError::new(error.kind(), Code::DiskFull, error)
            .help("free space on the disk of its data folder; other nodes take the write now");
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
        ErrorKind::Internal => Code::Internal,
        _ => Code::Unavailable,
    };
    ApiError::new(error.kind(), code, error)
}
