//! One protected field: encrypting and decrypting a value whose key is at hand.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyType};
use std::sync::Mutex;

use crate::error::wiped;
use crate::plaintext::Kind;
use crate::prepared::{PREFIX_SIZE, Reader, Writer, seal_many};
use crate::system::System;

/// Bytes of a value and of additional data that need no memory of their own.
const SHORT: usize = 512;

/// The hot path of a field. What it cannot do at once it hands over to Python, which decides and says what is wrong.
#[pyclass(frozen, module = "fieldcrypt_native")]
pub struct FieldCore {
    field: Py<PyAny>,
    kind: Kind,
    rows_are_last: bool,
    row_context: Py<PyType>,
    writers: Py<PyDict>,
    readers: Py<PyDict>,
    system: System,
    last: Mutex<Option<Py<Reader>>>,
}

impl FieldCore {
    #[inline]
    fn sealed<'py>(
        &self,
        py: Python<'py>,
        value: &Bound<'py, PyAny>,
        tenant: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let found = match tenant {
            None => self.writers.bind(py).get_item(py.None())?,
            Some(tenant) => self.writers.bind(py).get_item(tenant)?,
        };
        let Some(found) = found else { return Ok(None) };
        let writer = found.cast::<Writer>()?.get();
        if writer.is_over(py, self.system.monotonic(py)?)? {
            return Ok(None);
        }
        let row = match context {
            None => None,
            Some(context) => match self.encoded_row(py, context)? {
                None => return Ok(None),
                row => row,
            },
        };
        let sealed = self.kind.encoded(value, |kind, body| {
            if writer.take(1) == 0 {
                return Ok(None);
            }
            let mut nonce = [0; 12];
            self.system.fill(py, &mut nonce)?;
            let more = row.as_ref().map_or(&[][..], |row| row.as_bytes());
            with_joined(writer.aad(), more, |aad| writer.seal(py, nonce, kind, body, aad))
        });
        sealed.unwrap_or(Ok(None))
    }

    #[inline]
    fn opened<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        tenant: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Ok(data) = data.cast_exact::<PyBytes>() else {
            return Ok(None);
        };
        let data = data.as_bytes();
        if data.len() < PREFIX_SIZE {
            return Ok(None);
        }
        let Some(reader) = self.reader(py, &data[..PREFIX_SIZE])? else {
            return Ok(None);
        };
        let reader = reader.get();
        if reader.is_over(py, self.system.monotonic(py)?)? || !reader.is_for(py, tenant)? {
            return Ok(None);
        }
        let row = match context {
            None => None,
            Some(context) => match self.encoded_row(py, context)? {
                None => return Ok(None),
                row => row,
            },
        };
        let Some((nonce, body)) = reader.split(data) else {
            return Ok(None);
        };
        let more = row.as_ref().map_or(&[][..], |row| row.as_bytes());
        with_joined(reader.aad(), more, |aad| {
            with_copy(body, |text| match reader.open(nonce, aad, text) {
                Ok(plaintext) => Ok(self.kind.decoded(py, plaintext)),
                Err(_) => Ok(None),
            })
        })
    }

    #[inline]
    fn reader(&self, py: Python<'_>, prefix: &[u8]) -> PyResult<Option<Py<Reader>>> {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(reader) = last.as_ref().filter(|reader| reader.get().prefix == prefix) {
            return Ok(Some(reader.clone_ref(py)));
        }
        let found = self.readers.bind(py).get_item(PyBytes::new(py, prefix))?;
        let Some(found) = found else { return Ok(None) };
        let reader = found.cast::<Reader>()?.clone().unbind();
        *last = Some(reader.clone_ref(py));
        Ok(Some(reader))
    }

    /// Return the canonical encoding of a row's context, if it comes after the field's own. None: Python decides.
    #[inline]
    fn encoded_row<'py>(&self, py: Python<'py>, context: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        if !self.rows_are_last || !context.get_type().is(&self.row_context) {
            return Ok(None);
        }
        let encoded = context.getattr(pyo3::intern!(py, "encoded"))?;
        Ok(encoded.cast_into::<PyBytes>().ok())
    }
}

#[inline]
fn with_joined<R>(first: &[u8], second: &[u8], work: impl FnOnce(&[u8]) -> R) -> R {
    let length = first.len() + second.len();
    if second.is_empty() {
        return work(first);
    }
    if length > SHORT {
        return work(&[first, second].concat());
    }
    let mut joined = [0; SHORT];
    joined[..first.len()].copy_from_slice(first);
    joined[first.len()..length].copy_from_slice(second);
    work(&joined[..length])
}

#[inline]
fn with_copy<R>(bytes: &[u8], work: impl FnOnce(&mut [u8]) -> R) -> R {
    if bytes.len() > SHORT {
        return work(&mut bytes.to_vec());
    }
    let mut copy = [0; SHORT];
    copy[..bytes.len()].copy_from_slice(bytes);
    work(&mut copy[..bytes.len()])
}

#[pymethods]
impl FieldCore {
    /// Args:
    ///     field: with `encrypt_slowly` and `decrypt_slowly`, of the same arguments.
    ///     type_name: of its values; a name that is not known here leaves their plaintext to Python.
    ///     rows_are_last: whether a row's context comes after the field's own.
    ///     row_context: the class of such contexts.
    ///     writers, readers: those that are prepared: by tenant; by a value's first bytes.
    ///     system: names and values of `fieldcrypt._system`, and the two that were there at first.
    #[new]
    #[allow(clippy::too_many_arguments)]
    fn new(
        field: Py<PyAny>,
        type_name: &str,
        rows_are_last: bool,
        row_context: Py<PyType>,
        writers: Py<PyDict>,
        readers: Py<PyDict>,
        system: (Py<PyDict>, Py<PyAny>, Py<PyAny>),
    ) -> Self {
        let system = System::new(system.0, system.1, system.2);
        let kind = Kind::named(type_name);
        Self { field, kind, rows_are_last, row_context, writers, readers, system, last: Mutex::new(None) }
    }

    #[pyo3(signature = (value, *, tenant=None, context=None))]
    fn encrypt<'py>(
        &self,
        py: Python<'py>,
        value: &Bound<'py, PyAny>,
        tenant: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(Some(sealed)) = self.sealed(py, value, tenant, context) {
            return Ok(sealed.into_any());
        }
        self.field.bind(py).call_method1(pyo3::intern!(py, "encrypt_slowly"), (value, tenant, context))
    }

    #[pyo3(signature = (data, *, tenant=None, context=None))]
    fn decrypt<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        tenant: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(Some(value)) = self.opened(py, data, tenant, context) {
            return Ok(value);
        }
        self.field.bind(py).call_method1(pyo3::intern!(py, "decrypt_slowly"), (data, tenant, context))
    }

    /// Return values of plaintexts, each under the context with it, or None if the key was wiped meanwhile.
    fn seal<'py>(
        &self,
        py: Python<'py>,
        writer: &Writer,
        plaintexts: Vec<Bound<'py, PyBytes>>,
        contexts: Vec<Bound<'py, PyBytes>>,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        seal_many(py, &self.system, writer, &plaintexts, &contexts)
    }

    /// Return the plaintext of a value of a reader; None if it is not authentic.
    fn open<'py>(
        &self,
        py: Python<'py>,
        reader: &Reader,
        data: &[u8],
        aad: &[u8],
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let Some((nonce, body)) = reader.split(data) else { return Ok(None) };
        let mut text = body.to_vec();
        match reader.open(nonce, aad, &mut text) {
            Ok(plaintext) => Ok(Some(PyBytes::new(py, plaintext))),
            Err(_) if reader.is_wiped() => Err(wiped()),
            Err(_) => Ok(None),
        }
    }

    /// Forget the reader that was used last.
    fn forget(&self) {
        self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    }

    /// A pickle of a method is one of the field and the method's name, as it is without a native core.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field.bind(py).call_method0(pyo3::intern!(py, "__reduce__"))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.field)
    }
}
