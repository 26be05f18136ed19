//! Counts of values, for Encryptors that count them.

use std::sync::atomic::{AtomicI64, Ordering};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// How many values of a field and a tenant were encrypted, or decrypted.
#[pyclass(frozen, module = "fieldcrypt_native")]
#[derive(Default)]
pub struct Tally(AtomicI64);

impl Tally {
    #[inline]
    pub fn count(&self, number: i64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }
}

#[pymethods]
impl Tally {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Count one.
    fn one(&self) {
        self.count(1);
    }

    /// Count so many.
    fn add(&self, number: i64) {
        self.count(number);
    }

    /// Return how many there were.
    fn total(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a count of this process cannot be pickled"))
    }
}

/// Find the tally of a tenant in a mapping that makes what it does not have.
#[inline]
pub fn tally_of<'py>(tallies: &Bound<'py, PyAny>, tenant: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, Tally>> {
    let found = match tenant {
        None => tallies.get_item(tallies.py().None())?,
        Some(tenant) => tallies.get_item(tenant)?,
    };
    Ok(found.cast_into::<Tally>()?)
}
