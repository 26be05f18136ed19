//! How a field encrypts.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use super::FieldCore;
use super::batch::Batch;
use super::prepared::Writer;
use crate::plaintext::Kind;
use crate::short::{extend, with_joined};

// Everywhere here a value and its context are fixed before a writer is looked up. So a codec of somebody's own that forks
// does so before, and the child, which forgets its writers, takes another salt.
impl FieldCore {
    /// Return a value encrypted. None, or an error: Python decides.
    #[inline]
    pub fn sealed<'py>(
        &self,
        py: Python<'py>,
        value: &Bound<'py, PyAny>,
        tenant: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let binding = self.binding(py, context)?;
        let (first, second) = binding.parts(&self.own);
        let sealed = self.with_plaintext(py, value, |kind, body| {
            let Some(writer) = self.writer(py, tenant)? else { return Ok(None) };
            let writer = writer.get();
            if writer.take(1) == 0 {
                return Ok(None);
            }
            let mut nonce = [0; 12];
            self.system.fill(py, &mut nonce)?;
            with_joined([writer.head(), first, second], |aad| writer.seal(py, nonce, kind, body, aad))
        })?;
        let sealed = sealed.unwrap_or(Ok(None))?;
        if sealed.is_some() {
            self.count(py, tenant, 1)?;
        }
        Ok(sealed)
    }

    /// Return many values of a tenant and a context encrypted, or what a signal raised; None stays None. None, or an error
    /// of the first kind: Python decides.
    pub fn all_sealed<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyList>,
        tenant: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<PyResult<Bound<'py, PyList>>>> {
        let binding = self.binding(py, context)?;
        let (first, second) = binding.parts(&self.own);
        let values: Vec<_> = values.iter().collect();
        let mut batch = Batch::new(values.len(), second);
        for (position, value) in values.iter().enumerate().filter(|(_, value)| !value.is_none()) {
            if !self.add(&mut batch, value, first).inspect_err(|error| note_position(py, error, position))? {
                return Ok(None);
            }
        }
        let sealed = self.seal_batch(py, tenant, &batch, &values)?;
        if matches!(sealed, Some(Ok(_))) {
            self.count(py, tenant, batch.len())?;
        }
        Ok(sealed)
    }

    /// Add a value of the field's to a batch, with its context. Return False, or an error, if Python decides.
    #[inline]
    pub fn add<'a>(&self, batch: &mut Batch<'a>, value: &'a Bound<'_, PyAny>, context: &'a [u8]) -> PyResult<bool> {
        let added = self.with_plaintext(value.py(), value, |kind, body| batch.add(value, kind, body, context))?;
        added.transpose().map(|added| added.is_some())
    }

    /// Return a batch sealed for a tenant, and None for each value that is None; or what a signal raised. None, or an error
    /// of the first kind: Python decides.
    pub fn seal_batch<'py>(
        &self,
        py: Python<'py>,
        tenant: Option<&Bound<'py, PyAny>>,
        batch: &Batch<'_>,
        values: &[Bound<'py, PyAny>],
    ) -> PyResult<Option<PyResult<Bound<'py, PyList>>>> {
        let mut sealed = Vec::with_capacity(batch.len());
        if batch.len() > 0 {
            let Some(writer) = self.writer(py, tenant)? else { return Ok(None) };
            let writer = writer.get();
            let Ok(number) = u32::try_from(batch.len()) else { return Ok(None) };
            // If the salt has fewer left, what was taken is dropped.
            if writer.take(number) < number {
                return Ok(None);
            }
            let put = |value| {
                sealed.push(value);
                Ok(())
            };
            match batch.seal(py, &self.system, writer, put)? {
                Some(Ok(())) => {}
                Some(Err(raised)) => return Ok(Some(Err(raised))),
                None => return Ok(None),
            }
        }
        Ok(Some(Ok(with_nones(py, values, sealed)?)))
    }

    /// Return values of plaintexts, each under the context with it, as many as the salt has messages for.
    /// Of these, `taken` were taken before.
    pub fn sealed_plaintexts<'py>(
        &self,
        py: Python<'py>,
        writer: &Writer,
        taken: u32,
        plaintexts: &[Bound<'py, PyAny>],
        contexts: &[Bound<'py, PyBytes>],
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        let wanted = u32::try_from(plaintexts.len()).unwrap_or(u32::MAX);
        let number = taken + writer.take(wanted.saturating_sub(taken));
        let parts: Vec<_> = plaintexts.iter().take(number as usize).map(pieces).collect::<PyResult<_>>()?;
        let mut batch = Batch::new(parts.len(), &[]);
        for ((kind, body), context) in parts.iter().zip(contexts) {
            batch.share(*kind, body.as_slice(), context.as_bytes());
        }
        let sealed = PyList::empty(py);
        let done = batch.seal(py, &self.system, writer, |value| sealed.append(value))?.transpose()?;
        Ok(done.map(|()| sealed))
    }

    /// Return the writer of a tenant if its lease is at hand.
    #[inline]
    fn writer<'py>(&self, py: Python<'py>, tenant: Option<&Bound<'py, PyAny>>) -> PyResult<Option<Bound<'py, Writer>>> {
        let writers = self.writers.bind(py);
        let found = match tenant {
            None => writers.get_item(py.None())?,
            Some(tenant) => writers.get_item(tenant)?,
        };
        let Some(found) = found else { return Ok(None) };
        let writer = found.cast_into::<Writer>()?;
        let over = writer.get().is_over(py, self.system.monotonic(py)?)?;
        Ok((!over).then_some(writer))
    }

    /// Pass the plaintext of a value to `work`: what Python encodes too, for types that are not known here.
    #[inline]
    fn with_plaintext<R>(
        &self,
        py: Python<'_>,
        value: &Bound<'_, PyAny>,
        work: impl FnOnce(u8, &[u8]) -> R,
    ) -> PyResult<Option<R>> {
        if self.kind != Kind::Other {
            return Ok(self.kind.encoded(value, work));
        }
        let plaintext = self.field.bind(py).call_method1(pyo3::intern!(py, "_encode"), (value,))?;
        let Ok(plaintext) = plaintext.cast_exact::<PyBytes>() else { return Ok(None) };
        Ok(plaintext.as_bytes().split_first().map(|(kind, body)| work(*kind, body)))
    }
}

/// Note which of many values an error is about, as `note_position` of `fieldcrypt.prepared.columns` does.
#[cold]
fn note_position(py: Python<'_>, error: &PyErr, position: usize) {
    if error.is_instance_of::<PyException>(py) {
        let note = format!("at position {position} of the column, counted from 0");
        let _ = error.value(py).call_method1(pyo3::intern!(py, "add_note"), (note,));
    }
}

/// The body of a plaintext.
enum Piece<'a> {
    Rest(&'a [u8]),
    Joined(Vec<u8>),
}

impl Piece<'_> {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Rest(bytes) => bytes,
            Self::Joined(bytes) => bytes,
        }
    }
}

/// Return the encoding byte and the body of a plaintext, which may be in pieces, of which none is copied if it is alone.
fn pieces<'a>(plaintext: &'a Bound<'_, PyAny>) -> PyResult<(u8, Piece<'a>)> {
    let nothing = || pyo3::exceptions::PyValueError::new_err("a plaintext has a first byte");
    if let Ok(bytes) = plaintext.cast::<PyBytes>() {
        let (kind, body) = bytes.as_bytes().split_first().ok_or_else(nothing)?;
        return Ok((*kind, Piece::Rest(body)));
    }
    let mut whole = Vec::new();
    for piece in plaintext.cast::<PyTuple>()?.iter() {
        extend(&mut whole, piece.cast::<PyBytes>()?.as_bytes())?;
    }
    if whole.is_empty() {
        return Err(nothing());
    }
    let kind = whole.remove(0);
    Ok((kind, Piece::Joined(whole)))
}

/// Return what was sealed, in a list with None for each value that is None.
fn with_nones<'py>(
    py: Python<'py>,
    values: &[Bound<'py, PyAny>],
    sealed: Vec<Bound<'py, PyBytes>>,
) -> PyResult<Bound<'py, PyList>> {
    if values.len() == sealed.len() {
        return PyList::new(py, sealed);
    }
    let mut sealed = sealed.into_iter();
    let all = values.iter().map(|value| if value.is_none() { None } else { sealed.next() });
    PyList::new(py, all.collect::<Vec<_>>())
}
