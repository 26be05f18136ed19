//! What is derived from data keys beside ciphers: key ids, tags of records, and tags of blind indexes (SPEC section 1).

use std::sync::{Mutex, PoisonError};

use aws_lc_rs::{hkdf, hmac};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zeroize::Zeroizing;

const KEY_ID_LABEL: &[u8] = b"fieldcrypt/v1 key id";
const RECORD_LABEL: &[u8] = b"fieldcrypt/v1 record";
const INDEX_LABEL: &[u8] = b"fieldcrypt/v1 blind index";

struct Size(usize);

impl hkdf::KeyType for Size {
    fn len(&self) -> usize {
        self.0
    }
}

/// Derive bytes from a data key: HKDF-SHA-256 (RFC 5869) without salt, with the label as info.
pub fn derived<const N: usize>(secret: &[u8], label: &[u8]) -> PyResult<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(secret)
        .expand(&[label], Size(N))
        .and_then(|okm| okm.fill(bytes.as_mut_slice()))
        .map_err(|_| PyValueError::new_err("no key can be derived"))?;
    Ok(bytes)
}

/// Return the id of a data key, 16 bytes.
#[pyfunction]
pub fn key_id<'py>(py: Python<'py>, secret: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, derived::<16>(secret, KEY_ID_LABEL)?.as_slice()))
}

/// Return the tag of a record, HMAC-SHA-256 under the record key.
#[pyfunction]
pub fn record_tag<'py>(py: Python<'py>, secret: &[u8], message: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, derived::<32>(secret, RECORD_LABEL)?.as_slice());
    Ok(PyBytes::new(py, hmac::sign(&key, message).as_ref()))
}

/// HMAC-SHA-256 under an index key, fed with the beginning of a message.
#[pyclass(frozen, module = "fieldcrypt_native")]
pub struct Mac(Mutex<hmac::Context>);

#[pymethods]
impl Mac {
    /// Take the data key, 32 bytes, of which the index key is derived.
    #[new]
    fn new(secret: &[u8]) -> PyResult<Self> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, derived::<32>(secret, INDEX_LABEL)?.as_slice());
        Ok(Self(Mutex::new(hmac::Context::with_key(&key))))
    }

    fn copy(&self) -> Self {
        Self(Mutex::new(self.context()))
    }

    fn update(&self, data: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).update(data);
    }

    fn finalize<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.context().sign().as_ref())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("an HMAC holds a key and cannot be pickled"))
    }
}

impl Mac {
    fn context(&self) -> hmac::Context {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
