//! Errors of fieldcrypt, whose classes are in Python.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

/// Return the error for a key that was wiped: Python asks for the key again.
#[cold]
pub fn wiped() -> PyErr {
    Python::attach(|py| made(py, "KeyWipedError", None)).unwrap_or_else(|error| error)
}

/// Return what was done, or None if Python has to do it: also what was refused, because Python says where.
///
/// Any other error goes out, an interrupt or a timeout of a signal for example: done again, the work would go on without it.
#[inline]
pub fn unless_refused<T>(py: Python<'_>, done: PyResult<Option<T>>) -> PyResult<Option<T>> {
    match done {
        Err(error) if is_refusal(py, &error)? => Ok(None),
        done => done,
    }
}

#[cold]
fn is_refusal(py: Python<'_>, error: &PyErr) -> PyResult<bool> {
    let ours = py.import("fieldcrypt.errors")?.getattr("FieldcryptError")?;
    Ok(error.is_instance_of::<PyTypeError>(py)
        || error.is_instance_of::<PyValueError>(py)
        || error.is_instance(py, &ours))
}

/// Return the error for a panic.
#[cold]
pub fn failed(place: &str) -> PyErr {
    let message = format!("the native core failed at {place}: please report this");
    Python::attach(|py| made(py, "NativeError", Some(message))).unwrap_or_else(|error| error)
}

fn made(py: Python<'_>, name: &str, message: Option<String>) -> PyResult<PyErr> {
    let class = py.import("fieldcrypt.errors")?.getattr(name)?;
    let error = match message {
        None => class.call0()?,
        Some(message) => class.call1((message,))?,
    };
    Ok(PyErr::from_value(error))
}
