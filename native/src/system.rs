//! fieldcrypt's seam to the operating system, `fieldcrypt._system`, as seen from here.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::random;

/// What a test replaces in `fieldcrypt._system` counts here too; what it has not replaced is done without Python.
pub struct System {
    names: Py<PyDict>,
    monotonic: Py<PyAny>,
    random_bytes: Py<PyAny>,
}

impl System {
    /// Args: the module's dict, and the functions that were in it at first.
    pub fn new(names: Py<PyDict>, monotonic: Py<PyAny>, random_bytes: Py<PyAny>) -> Self {
        Self { names, monotonic, random_bytes }
    }

    /// Return the monotonic clock, in seconds, as `time.monotonic` does.
    #[inline]
    pub fn monotonic(&self, py: Python<'_>) -> PyResult<f64> {
        let now = self.current(py, pyo3::intern!(py, "monotonic"))?;
        if cfg!(target_os = "linux") && now.is(&self.monotonic) {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            return Ok(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9);
        }
        now.call0()?.extract()
    }

    /// Draw nonces.
    #[inline]
    pub fn fill(&self, py: Python<'_>, buffer: &mut [u8]) -> PyResult<()> {
        let draw = self.current(py, pyo3::intern!(py, "random_bytes"))?;
        if draw.is(&self.random_bytes) {
            return random::fill(buffer);
        }
        let drawn = draw.call1((buffer.len(),))?;
        let drawn = drawn.cast::<PyBytes>()?.as_bytes();
        if drawn.len() != buffer.len() {
            return Err(PyValueError::new_err("too few or too many random bytes"));
        }
        buffer.copy_from_slice(drawn);
        Ok(())
    }

    /// Return True if nonces come from the C library, and not from what was put in its place.
    pub fn draws_natively(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.current(py, pyo3::intern!(py, "random_bytes"))?.is(&self.random_bytes))
    }

    /// Draw nonces while the interpreter is detached, natively if that was found out before.
    pub fn fill_detached(&self, natively: bool, buffer: &mut [u8]) -> PyResult<()> {
        if natively { random::fill(buffer) } else { Python::attach(|py| self.fill(py, buffer)) }
    }

    #[inline]
    fn current<'py>(&self, py: Python<'py>, name: &Bound<'py, pyo3::types::PyString>) -> PyResult<Bound<'py, PyAny>> {
        self.names.bind(py).get_item(name)?.ok_or_else(|| pyo3::exceptions::PyAttributeError::new_err("_system"))
    }
}
