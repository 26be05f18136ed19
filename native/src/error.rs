//! Errors of fieldcrypt, whose classes are in Python.

use pyo3::prelude::*;

/// Return the error for a key that was wiped: Python asks for the key again.
#[cold]
pub fn wiped() -> PyErr {
    Python::attach(|py| made(py, "KeyWipedError", None)).unwrap_or_else(|error| error)
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
