//! Salts and nonces.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

/// Fill a buffer with what the C library's getrandom gives.
#[cfg(not(feature = "fips"))]
pub fn fill(buffer: &mut [u8]) -> PyResult<()> {
    getrandom::fill(buffer).map_err(|error| PyOSError::new_err(error.to_string()))
}

/// Fill a buffer with what the FIPS module draws.
#[cfg(feature = "fips")]
pub fn fill(buffer: &mut [u8]) -> PyResult<()> {
    aws_lc_rs::rand::fill(buffer).map_err(|_| PyOSError::new_err("the FIPS module draws nothing"))
}

/// Return a salt that the FIPS module draws: what takes the place of `fieldcrypt._system.random_bytes` does not count.
#[cfg(feature = "fips")]
#[pyfunction]
pub fn salt(py: Python<'_>) -> PyResult<Bound<'_, pyo3::types::PyBytes>> {
    crate::panic::guarded(|| {
        let mut drawn = [0; crate::envelope::SALT_SIZE];
        fill(&mut drawn)?;
        Ok(pyo3::types::PyBytes::new(py, &drawn))
    })
}
