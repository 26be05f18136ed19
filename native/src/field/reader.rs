//! What reads the values of a field one after the other, as rows bring them.

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::{Binding, FieldCore};
use crate::error::unless_refused;
use crate::panic::guarded;

/// Decrypts values of a field that name a tenant, or none.
#[pyclass(frozen, module = "fieldcrypt_native")]
pub struct FieldReader {
    field: Py<FieldCore>,
    tenant: Option<Py<PyAny>>,
    otherwise: Option<Py<PyAny>>,
}

impl FieldReader {
    /// Args:
    ///     otherwise: called with what is not read at once; None: the field's `decrypt_slowly`.
    pub fn new(field: Py<FieldCore>, tenant: Option<Py<PyAny>>, otherwise: Option<Py<PyAny>>) -> Self {
        Self { field, tenant, otherwise }
    }
}

#[pymethods]
impl FieldReader {
    /// Return what `decrypt` returns; None for None.
    #[pyo3(signature = (data, /))]
    fn read<'py>(&self, py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        guarded(|| {
            if data.is_none() {
                return Ok(data.clone());
            }
            let field = self.field.get();
            let tenant = self.tenant.as_ref().map(|tenant| tenant.bind(py));
            if let Some(value) = unless_refused(py, field.opened(py, data, tenant, &Binding::Own, &mut None))? {
                return value;
            }
            match &self.otherwise {
                Some(otherwise) => otherwise.bind(py).call1((data,)),
                None => field.decrypt_slowly(py, data, tenant, None),
            }
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.tenant)?;
        visit.call(&self.otherwise)?;
        visit.call(&self.field)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a reader of values holds a key and cannot be pickled: pickle its field"))
    }
}
