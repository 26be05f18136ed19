//! How a field decrypts.

use std::mem;
use std::sync::PoisonError;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::prepared::{PREFIX_SIZE, Reader};
use super::{Binding, FieldCore};
use crate::error::unless_refused;
use crate::short::{new_bytes, with_copy, with_joined};

impl FieldCore {
    /// Return what a value decrypts to, or why it has no value. None, or an error of the first kind: Python decides.
    ///
    /// Args:
    ///     now: the time, if it was asked for already.
    #[inline]
    pub fn opened<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        tenant: Option<&Bound<'py, PyAny>>,
        binding: &Binding<'_>,
        now: &mut Option<f64>,
    ) -> PyResult<Option<PyResult<Bound<'py, PyAny>>>> {
        let Ok(whole) = data.cast_exact::<PyBytes>() else { return Ok(None) };
        let data = whole.as_bytes();
        let Some((prefix, _)) = data.split_first_chunk::<PREFIX_SIZE>() else { return Ok(None) };
        let Some(reader) = self.reader_of(py, prefix)? else { return Ok(None) };
        let reader = reader.get();
        let moment = match *now {
            Some(now) => now,
            None => *now.insert(self.system.monotonic(py)?),
        };
        if reader.is_over(py, moment)? {
            self.forget(); // there may be another one of a later live key
            return Ok(None);
        }
        if !reader.is_for(py, tenant)? {
            return Ok(None);
        }
        let Some((nonce, body)) = reader.split(data) else { return Ok(None) };
        let (first, second) = binding.parts(&self.own);
        with_joined([reader.head(), first, second], |aad| {
            with_copy(body, |text| match reader.open(nonce, aad, text) {
                Ok(plaintext) => {
                    let value = self.value(plaintext, whole, tenant, now);
                    if value.is_ok() {
                        reader.count();
                    }
                    Ok(Some(value))
                }
                Err(_) => Ok(None),
            })
        })
    }

    /// Return a value decrypted, by Python if need be; None for None. No binding: Python decides on the context.
    #[inline]
    pub fn open_one<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        tenant: Option<&Bound<'py, PyAny>>,
        binding: Option<&Binding<'_>>,
        context: Option<&Bound<'py, PyAny>>,
        now: &mut Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if data.is_none() {
            return Ok(data.clone());
        }
        if let Some(binding) = binding
            && let Some(value) = unless_refused(py, self.opened(py, data, tenant, binding, now))?
        {
            return value;
        }
        *now = None; // Python may take its time
        self.decrypt_slowly(py, data, tenant, context)
    }

    #[cold]
    pub fn decrypt_slowly<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        tenant: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.field.bind(py).call_method1(pyo3::intern!(py, "decrypt_slowly"), (data, tenant, context))
    }

    /// Return the value of a plaintext, by Python if it is not one of those that are known here.
    #[inline]
    fn value<'py>(
        &self,
        plaintext: &[u8],
        data: &Bound<'py, PyBytes>,
        tenant: Option<&Bound<'py, PyAny>>,
        now: &mut Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = data.py();
        if let Some(value) = self.kind.decoded(py, plaintext)? {
            return Ok(value);
        }
        *now = None; // Python may take its time
        let plaintext = new_bytes(py, plaintext)?;
        self.field.bind(py).call_method1(pyo3::intern!(py, "decode_slowly"), (plaintext, data, tenant))
    }

    #[inline]
    fn reader_of(&self, py: Python<'_>, prefix: &[u8; PREFIX_SIZE]) -> PyResult<Option<Py<Reader>>> {
        if let Some(reader) = self.last_if(py, prefix) {
            return Ok(Some(reader));
        }
        let found = self.readers.bind(py).get_item(PyBytes::new(py, prefix))?;
        let Some(found) = found else { return Ok(None) };
        let reader = found.cast_into::<Reader>()?.unbind();
        self.set_last(Some(reader.clone_ref(py)));
        Ok(Some(reader))
    }

    /// Return the reader that was used last, if it has this prefix.
    #[inline]
    fn last_if(&self, py: Python<'_>, prefix: &[u8; PREFIX_SIZE]) -> Option<Py<Reader>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|reader| reader.get().prefix == *prefix).map(|reader| reader.clone_ref(py))
    }

    /// Note the reader that was used last, or none.
    pub fn set_last(&self, reader: Option<Py<Reader>>) {
        let before = mem::replace(&mut *self.last.lock().unwrap_or_else(PoisonError::into_inner), reader);
        drop(before); // after the lock, because Python code may run when a key is dropped
    }
}
