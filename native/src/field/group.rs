//! Fields whose values are encrypted and decrypted together, such as those of a record.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use super::batch::Batch;
use super::{Binding, FieldCore, encoded_row};
use crate::error::unless_refused;
use crate::panic::guarded;

/// The hot path of a group. What it cannot do at once it hands over to Python.
#[pyclass(frozen, module = "fieldcrypt_native")]
pub struct GroupCore {
    group: Py<PyAny>,
    fields: Vec<Py<FieldCore>>,
}

impl GroupCore {
    fn sealed<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyAny>,
        tenant: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<PyResult<Bound<'py, PyList>>>> {
        let (Some(values), Some(first)) = (items(values), self.fields.first()) else { return Ok(None) };
        if values.len() != self.fields.len() {
            return Ok(None);
        }
        let Some(row) = self.row(context)? else { return Ok(None) };
        let mut batch = Batch::new(values.len(), row.as_ref().map_or(&[], |row| row.as_bytes()));
        for (field, value) in self.fields.iter().zip(&values) {
            if !value.is_none() && !field.get().add(&mut batch, value, &field.get().own)? {
                return Ok(None);
            }
        }
        let sealed = first.get().seal_batch(py, tenant, &batch, &values)?;
        if matches!(sealed, Some(Ok(_))) {
            for (field, _) in self.fields.iter().zip(&values).filter(|(_, value)| !value.is_none()) {
                field.get().count(py, tenant, 1)?;
            }
        }
        Ok(sealed)
    }

    /// Return the encoding of a row's context, or none for no context, if it comes after that of each field.
    fn row<'py>(&self, context: Option<&Bound<'py, PyAny>>) -> PyResult<Option<Option<Bound<'py, PyBytes>>>> {
        let Some(context) = context else { return Ok(Some(None)) };
        for field in &self.fields {
            if !field.get().is_row(context) {
                return Ok(None);
            }
        }
        encoded_row(context).map(|row| Some(Some(row)))
    }
}

/// Return the members of a list or tuple, each held fast.
fn items<'py>(values: &Bound<'py, PyAny>) -> Option<Vec<Bound<'py, PyAny>>> {
    if let Ok(list) = values.cast_exact::<PyList>() {
        return Some(list.iter().collect());
    }
    Some(values.cast_exact::<PyTuple>().ok()?.iter().collect())
}

#[pymethods]
impl GroupCore {
    /// Args:
    ///     group: with `encrypt_slowly` and `decrypt_slowly`, of the same arguments.
    ///     fields: the hot paths of its fields.
    #[new]
    fn new(group: Py<PyAny>, fields: Vec<Py<FieldCore>>) -> Self {
        Self { group, fields }
    }

    #[pyo3(signature = (values, *, tenant=None, context=None))]
    fn encrypt<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyAny>,
        tenant: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        guarded(|| {
            if let Some(sealed) = unless_refused(py, self.sealed(py, values, tenant, context))? {
                return Ok(sealed?.into_any());
            }
            self.group.bind(py).call_method1(pyo3::intern!(py, "encrypt_slowly"), (values, tenant, context))
        })
    }

    #[pyo3(signature = (values, *, tenant=None, context=None))]
    fn decrypt<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyAny>,
        tenant: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        guarded(|| {
            let given = items(values).filter(|given| given.len() == self.fields.len());
            let (Some(given), Some(row)) = (given, unless_refused(py, self.row(context))?) else {
                return self
                    .group
                    .bind(py)
                    .call_method1(pyo3::intern!(py, "decrypt_slowly"), (values, tenant, context));
            };
            let binding = row.map_or(Binding::Own, Binding::Row);
            let opened = PyList::empty(py);
            let mut now = None;
            for (field, data) in self.fields.iter().zip(&given) {
                opened.append(field.get().open_one(py, data, tenant, Some(&binding), context, &mut now)?)?;
            }
            Ok(opened.into_any())
        })
    }

    /// A pickle of a method is one of the group and the method's name, as it is without a native core.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.group.bind(py).call_method0(pyo3::intern!(py, "__reduce__"))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for field in &self.fields {
            visit.call(field)?;
        }
        visit.call(&self.group)
    }
}
