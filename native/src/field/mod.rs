//! One protected field: encrypting and decrypting values whose key is at hand.

pub mod batch;
pub mod group;
mod opening;
pub mod prepared;
pub mod reader;
mod sealing;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyType};
use std::sync::Mutex;

use crate::error::unless_refused;
use crate::panic::guarded;
use crate::plaintext::Kind;
use crate::system::System;
use crate::tally::tally_of;
use prepared::{Reader, Writer};
use reader::FieldReader;

/// The hot path of a field. What it cannot do at once it hands over to Python, which decides and says what is wrong.
#[pyclass(frozen, module = "fieldcrypt_native")]
pub struct FieldCore {
    pub field: Py<PyAny>,
    pub kind: Kind,
    pub own: Vec<u8>,
    pub system: System,
    pub writers: Py<PyDict>,
    pub readers: Py<PyDict>,
    pub last: Mutex<Option<Py<Reader>>>,
    rows_are_last: bool,
    row_context: Py<PyType>,
    encrypted: Option<Py<PyAny>>,
}

/// What binds a value besides its data key: the field's own context, that and a row's, or another one as a whole.
pub enum Binding<'py> {
    Own,
    Row(Bound<'py, PyBytes>),
    Whole(Bound<'py, PyBytes>),
}

impl Binding<'_> {
    /// Return the canonical encoding, in two parts.
    pub fn parts<'a>(&'a self, own: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        match self {
            Self::Own => (own, &[]),
            Self::Row(row) => (own, row.as_bytes()),
            Self::Whole(whole) => (whole.as_bytes(), &[]),
        }
    }
}

impl FieldCore {
    /// Return what the context of a call binds to. An error: Python decides.
    #[inline]
    pub fn binding<'py>(&self, py: Python<'py>, context: Option<&Bound<'py, PyAny>>) -> PyResult<Binding<'py>> {
        let Some(context) = context else { return Ok(Binding::Own) };
        if self.is_row(context) {
            return Ok(Binding::Row(encoded_row(context)?));
        }
        let whole = self.field.bind(py).call_method1(pyo3::intern!(py, "_bound"), (context,))?;
        Ok(Binding::Whole(whole.cast_into_exact()?))
    }

    /// Count values that were encrypted for a tenant, if values are counted.
    #[inline]
    pub fn count(&self, py: Python<'_>, tenant: Option<&Bound<'_, PyAny>>, number: usize) -> PyResult<()> {
        let Some(encrypted) = &self.encrypted else { return Ok(()) };
        tally_of(encrypted.bind(py), tenant)?.get().count(number as i64);
        Ok(())
    }

    /// Return True if this is the context of a row, and comes after the field's own.
    #[inline]
    pub fn is_row(&self, context: &Bound<'_, PyAny>) -> bool {
        self.rows_are_last && context.get_type().is(&self.row_context)
    }
}

/// Return the canonical encoding of a row's context.
#[inline]
pub fn encoded_row<'py>(context: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let encoded = context.getattr(pyo3::intern!(context.py(), "encoded"))?;
    Ok(encoded.cast_into_exact()?)
}

#[pymethods]
impl FieldCore {
    /// Args:
    ///     field: with `encrypt_slowly` and `decrypt_slowly`, of the same arguments.
    ///     type_name: of its values; a name that is not known here leaves their plaintext to Python.
    ///     own: the canonical encoding of the field's own context.
    ///     rows_are_last: whether a row's context comes after the field's own.
    ///     row_context: the class of such contexts.
    ///     writers, readers: those that are prepared: by tenant; by a value's first bytes.
    ///     system: names and values of `fieldcrypt._system`, and the two that were there at first.
    ///     encrypted: the tallies of values that were encrypted, by tenant; None if nobody counts them.
    #[new]
    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (field, type_name, own, rows_are_last, row_context, writers, readers, system, encrypted=None))]
    fn new(
        field: Py<PyAny>,
        type_name: &str,
        own: Vec<u8>,
        rows_are_last: bool,
        row_context: Py<PyType>,
        writers: Py<PyDict>,
        readers: Py<PyDict>,
        system: (Py<PyDict>, Py<PyAny>, Py<PyAny>),
        encrypted: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        guarded(|| {
            let system = System::new(system.0, system.1, system.2);
            let (kind, last) = (Kind::named(type_name), Mutex::new(None));
            Ok(Self { field, kind, own, system, writers, readers, last, rows_are_last, row_context, encrypted })
        })
    }

    #[pyo3(signature = (value, *, tenant=None, context=None))]
    fn encrypt<'py>(
        &self,
        py: Python<'py>,
        value: &Bound<'py, PyAny>,
        tenant: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        guarded(|| {
            if let Some(sealed) = unless_refused(py, self.sealed(py, value, tenant, context))? {
                return Ok(sealed.into_any());
            }
            self.field.bind(py).call_method1(pyo3::intern!(py, "encrypt_slowly"), (value, tenant, context))
        })
    }

    #[pyo3(signature = (data, *, tenant=None, context=None))]
    fn decrypt<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        tenant: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        guarded(|| {
            if let Some(binding) = unless_refused(py, self.binding(py, context).map(Some))?
                && let Some(plaintext) = unless_refused(py, self.opened(py, data, tenant, &binding, &mut None))?
            {
                return plaintext;
            }
            self.decrypt_slowly(py, data, tenant, context)
        })
    }

    /// Return the values of plaintexts of one tenant and context; None stays None. Return None if Python has to do it.
    fn encrypt_many<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyList>,
        tenant: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        guarded(|| unless_refused(py, self.all_sealed(py, values, tenant, context))?.transpose())
    }

    /// Append to a list what values decrypt to, all of one tenant and context; None stays None.
    fn decrypt_many<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyList>,
        opened: &Bound<'py, PyList>,
        tenant: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        guarded(|| {
            let binding = unless_refused(py, self.binding(py, context).map(Some))?;
            let mut now = None;
            for (number, each) in data.iter().enumerate() {
                if number % 4096 == 0 {
                    py.check_signals()?; // so that Ctrl-C ends a long list
                    now = None; // the key's deadline is looked at again
                }
                opened.append(self.open_one(py, &each, tenant, binding.as_ref(), context, &mut now)?)?;
            }
            Ok(())
        })
    }

    /// Return what reads values of this tenant, and calls `otherwise`, if given, with what it does not read at once.
    fn reader(this: &Bound<'_, Self>, tenant: Option<Py<PyAny>>, otherwise: Option<Py<PyAny>>) -> FieldReader {
        FieldReader::new(this.clone().unbind(), tenant, otherwise)
    }

    /// Return values of plaintexts, each under the context with it, as many as the salt has messages for; some were taken
    /// before. Return None if the key was wiped meanwhile.
    fn seal<'py>(
        &self,
        py: Python<'py>,
        writer: &Writer,
        taken: u32,
        plaintexts: Vec<Bound<'py, PyAny>>,
        contexts: Vec<Bound<'py, PyBytes>>,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        guarded(|| self.sealed_plaintexts(py, writer, taken, &plaintexts, &contexts))
    }

    /// Forget the reader that was used last.
    pub fn forget(&self) {
        self.set_last(None);
    }

    /// A pickle of a method is one of the field and the method's name, as it is without a native core.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field.bind(py).call_method0(pyo3::intern!(py, "__reduce__"))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.field)
    }
}
