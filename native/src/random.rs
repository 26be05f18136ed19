//! Salts and nonces.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

/// Fill a buffer with what the C library's getrandom gives.
pub fn fill(buffer: &mut [u8]) -> PyResult<()> {
    getrandom::fill(buffer).map_err(|error| PyOSError::new_err(error.to_string()))
}
