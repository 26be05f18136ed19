//! Prepared writers and readers: what a field needs to encrypt for a tenant, and to decrypt under a data key and a salt.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::envelope;
pub use crate::envelope::{BODY_START, HEAD_SIZE, NONCE_SIZE, PREFIX_SIZE};
use crate::error::wiped;
use crate::keys::cipher::{GcmKey, Refused, Schedules, Sealer, Subkey, TAG_SIZE};
use crate::panic::guarded;
use crate::short::{copied, new_bytes};
use crate::tally::Tally;

/// Something with a moment until which it is at hand, on the monotonic clock: a live key, or a lease.
struct Deadline(Py<PyAny>);

impl Deadline {
    #[inline]
    fn is_over(&self, py: Python<'_>, now: f64) -> PyResult<bool> {
        let until: f64 = self.0.bind(py).getattr(pyo3::intern!(py, "at_hand_until"))?.extract()?;
        Ok(until <= now)
    }
}

/// Encrypts for a tenant.
#[pyclass(frozen, module = "fieldcrypt_native")]
pub struct Writer {
    prefix: [u8; PREFIX_SIZE],
    infix: Vec<u8>,
    aad: Vec<u8>,
    key: Arc<GcmKey>,
    sealer: Py<Sealer>,
    lease: Deadline,
}

impl Writer {
    #[inline]
    pub fn is_over(&self, py: Python<'_>, now: f64) -> PyResult<bool> {
        self.lease.is_over(py, now)
    }

    /// Take so many messages from the salt, or fewer if it has no more, and return how many.
    #[inline]
    pub fn take(&self, wanted: u32) -> u32 {
        self.sealer.get().take(wanted)
    }

    /// Return a value: the plaintext, an encoding byte and the rest, under a nonce and the field's context and another.
    #[inline]
    pub fn seal<'py>(
        &self,
        py: Python<'py>,
        mut nonce: [u8; NONCE_SIZE],
        kind: u8,
        body: &[u8],
        aad: &[u8],
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let start = BODY_START + self.infix.len();
        let mut refused = false;
        let sealed = PyBytes::new_with(py, start + 1 + body.len() + TAG_SIZE, |buffer| {
            let (head, rest) = buffer.split_at_mut(start);
            head[..PREFIX_SIZE].copy_from_slice(&self.prefix);
            head[BODY_START..].copy_from_slice(&self.infix);
            let (text, tag) = rest.split_at_mut(1 + body.len());
            text[0] = kind;
            text[1..].copy_from_slice(body);
            match self.key.seal(&mut nonce, aad, text) {
                Ok(found) => tag.copy_from_slice(&found),
                Err(Refused) => refused = true,
            }
            head[PREFIX_SIZE..BODY_START].copy_from_slice(&nonce);
            Ok(())
        })?;
        Ok((!refused).then_some(sealed))
    }

    /// The first bytes of values, and of their additional data.
    #[inline]
    pub fn head(&self) -> &[u8] {
        &self.prefix[..HEAD_SIZE]
    }

    /// The additional data of the field alone.
    #[inline]
    pub fn aad(&self) -> &[u8] {
        &self.aad
    }

    /// The first bytes of values: version, key id and salt.
    pub fn prefix(&self) -> &[u8; PREFIX_SIZE] {
        &self.prefix
    }

    /// What values have between nonce and ciphertext.
    pub fn infix(&self) -> &[u8] {
        &self.infix
    }

    /// Hold the key for many values, unless it was wiped.
    pub fn share(&self) -> Option<Arc<Schedules>> {
        self.key.share()
    }
}

#[pymethods]
impl Writer {
    /// Args: the first bytes of values, the key record after its length or nothing, the field's context, a sealer, a lease.
    #[new]
    fn new(
        head: [u8; HEAD_SIZE],
        infix: Vec<u8>,
        context: Vec<u8>,
        sealer: Py<Sealer>,
        lease: Py<PyAny>,
    ) -> PyResult<Self> {
        guarded(|| {
            let mut prefix = [0; PREFIX_SIZE];
            prefix[..HEAD_SIZE].copy_from_slice(&head);
            prefix[HEAD_SIZE..].copy_from_slice(&sealer.get().salt);
            let aad = [head.as_slice(), &context].concat();
            let key = sealer.get().key.clone();
            Ok(Self { prefix, infix, aad, key, sealer, lease: Deadline(lease) })
        })
    }

    #[getter]
    fn lease(&self, py: Python<'_>) -> Py<PyAny> {
        self.lease.0.clone_ref(py)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a writer of values holds a key and cannot be pickled"))
    }
}

/// Decrypts under a data key and a salt.
#[pyclass(frozen, module = "fieldcrypt_native")]
pub struct Reader {
    pub prefix: [u8; PREFIX_SIZE],
    infix: Vec<u8>,
    aad: Vec<u8>,
    key: Arc<GcmKey>,
    live_key: Deadline,
    tenant: Py<PyAny>,
    anyone: bool,
    /// Counts the values that were decrypted; None if nobody counts them.
    pub tally: Option<Py<Tally>>,
}

impl Reader {
    #[inline]
    pub fn is_over(&self, py: Python<'_>, now: f64) -> PyResult<bool> {
        self.live_key.is_over(py, now)
    }

    /// Return True if a caller who names this tenant may read.
    #[inline]
    pub fn is_for(&self, py: Python<'_>, tenant: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        match tenant {
            None => Ok(self.anyone),
            Some(named) => {
                let mine = self.tenant.bind(py);
                Ok(!mine.is_none() && (named.is(mine) || !named.ne(mine)?)) // `!=`, as Python asks
            }
        }
    }

    /// The first bytes of values, and of their additional data.
    #[inline]
    pub fn head(&self) -> &[u8] {
        &self.prefix[..HEAD_SIZE]
    }

    /// The additional data of the field alone.
    #[inline]
    pub fn aad(&self) -> &[u8] {
        &self.aad
    }

    /// Return a value's nonce and body, if it has the key record that was opened.
    #[inline]
    pub fn split<'a>(&self, data: &'a [u8]) -> Option<([u8; NONCE_SIZE], &'a [u8])> {
        envelope::split(&self.infix, data)
    }

    /// Decrypt a body in place and return the plaintext.
    #[inline]
    pub fn open<'a>(&self, nonce: [u8; NONCE_SIZE], aad: &[u8], body: &'a mut [u8]) -> Result<&'a mut [u8], Refused> {
        self.key.open(nonce, aad, body)
    }

    /// Hold the key for many values, unless it was wiped.
    pub fn share(&self) -> Option<Arc<Schedules>> {
        self.key.share()
    }

    /// Count a value that was decrypted.
    #[inline]
    pub fn count(&self) {
        if let Some(tally) = &self.tally {
            tally.get().count(1);
        }
    }
}

#[pymethods]
impl Reader {
    /// Args: a value's first bytes, its key record after its length or nothing, the field's context, the cipher of the
    /// salt, the live key, whose it is, whether a caller may name no tenant, and what counts values.
    #[new]
    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (prefix, infix, context, subkey, live_key, tenant, anyone, tally=None))]
    fn new(
        prefix: [u8; PREFIX_SIZE],
        infix: Vec<u8>,
        context: Vec<u8>,
        subkey: &Subkey,
        live_key: Py<PyAny>,
        tenant: Py<PyAny>,
        anyone: bool,
        tally: Option<Py<Tally>>,
    ) -> PyResult<Self> {
        guarded(|| {
            let aad = [&prefix[..HEAD_SIZE], &context].concat();
            let live_key = Deadline(live_key);
            Ok(Self { prefix, infix, aad, key: subkey.0.clone(), live_key, tenant, anyone, tally })
        })
    }

    #[getter]
    fn live_key(&self, py: Python<'_>) -> Py<PyAny> {
        self.live_key.0.clone_ref(py)
    }

    /// Return True if this is the reader of a live key, and of values with this infix.
    fn is_of(&self, live_key: &Bound<'_, PyAny>, infix: &[u8]) -> bool {
        live_key.is(&self.live_key.0) && infix == self.infix
    }

    /// Return True if a caller who names this tenant, or nobody, may read.
    #[pyo3(name = "is_for")]
    fn is_for_tenant(&self, py: Python<'_>, tenant: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        guarded(|| self.is_for(py, tenant))
    }

    /// Count a value that was decrypted after `open`, if values are counted.
    #[pyo3(name = "count")]
    fn count_one(&self) {
        self.count();
    }

    /// Return the plaintext of a value; None if it is not authentic.
    #[pyo3(name = "open")]
    fn open_value<'py>(&self, py: Python<'py>, data: &[u8], aad: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
        guarded(|| {
            let Some((nonce, body)) = self.split(data) else { return Ok(None) };
            let mut text = copied(body)?;
            match self.open(nonce, aad, &mut text) {
                Ok(plaintext) => new_bytes(py, plaintext).map(Some),
                Err(_) if self.key.is_wiped() => Err(wiped()), // then nothing can be said of the value
                Err(_) => Ok(None),
            }
        })
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a reader of values holds a key and cannot be pickled"))
    }
}
