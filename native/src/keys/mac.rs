//! What is derived from data keys besides ciphers: key ids, tags of records, and tags of blind indexes (SPEC section 1).

use std::sync::{Arc, Mutex, PoisonError, Weak};

use aws_lc_rs::{hkdf, hmac};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zeroize::Zeroizing;

use super::memory::Locked;
use super::secret::Slot;
use super::stack::{lightly_scrubbed, scrubbed};
use crate::error::wiped;
use crate::panic::guarded;

const KEY_ID_LABEL: &[u8] = b"fieldcrypt/v1 key id";
const RECORD_LABEL: &[u8] = b"fieldcrypt/v1 record";
const INDEX_LABEL: &[u8] = b"fieldcrypt/v1 blind index";

struct Size(usize);

impl hkdf::KeyType for Size {
    fn len(&self) -> usize {
        self.0
    }
}

/// Derive bytes from a data key: HKDF-SHA-256 (RFC 5869) without salt, with the label as info. Only in `stack::scrubbed`.
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
    guarded(|| scrubbed(|| Ok(PyBytes::new(py, derived::<16>(secret, KEY_ID_LABEL)?.as_slice()))))
}

/// Return the tag of a record, HMAC-SHA-256 under the record key.
#[pyfunction]
pub fn record_tag<'py>(py: Python<'py>, secret: &[u8], message: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    guarded(|| {
        scrubbed(|| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, derived::<32>(secret, RECORD_LABEL)?.as_slice());
            Ok(PyBytes::new(py, hmac::sign(&key, message).as_ref()))
        })
    })
}

type Fed = Slot<Locked<hmac::Context>>;

/// HMAC-SHA-256 under an index key, fed with the beginning of a message. It never changes, but it can be wiped.
#[pyclass(frozen, module = "fieldcrypt_native")]
pub struct Mac {
    context: Arc<Fed>,
    family: Arc<Family>,
}

/// All HMACs under one key, so that they are wiped together.
#[derive(Default)]
struct Family(Mutex<Vec<Weak<Fed>>>);

impl Family {
    fn add(&self, context: &Arc<Fed>) {
        let mut members = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if members.len() == members.capacity() {
            members.retain(|member| member.strong_count() > 0);
        }
        members.push(Arc::downgrade(context));
    }

    fn wipe(&self) {
        for member in self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if let Some(context) = member.upgrade() {
                context.wipe();
            }
        }
    }
}

impl Mac {
    fn of(context: hmac::Context, family: Arc<Family>) -> Self {
        let context = Arc::new(Slot::new(Locked::new(context)));
        family.add(&context);
        Self { context, family }
    }
}

#[pymethods]
impl Mac {
    /// Take the data key, 32 bytes, of which the index key is derived.
    #[new]
    fn new(secret: &[u8]) -> PyResult<Self> {
        guarded(|| {
            scrubbed(|| {
                let key = hmac::Key::new(hmac::HMAC_SHA256, derived::<32>(secret, INDEX_LABEL)?.as_slice());
                Ok(Self::of(hmac::Context::with_key(&key), Arc::default()))
            })
        })
    }

    /// Return another one, fed with more of a message.
    fn fed(&self, data: &[u8]) -> PyResult<Self> {
        guarded(|| {
            scrubbed(|| {
                let mut context = self.context.with(|context| (**context).clone()).ok_or_else(wiped)?;
                context.update(data);
                Ok(Self::of(context, self.family.clone()))
            })
        })
    }

    /// Return the first bytes of the tag of a message, which ends with this.
    fn tag<'py>(&self, py: Python<'py>, end: &[u8], size: usize) -> PyResult<Bound<'py, PyBytes>> {
        guarded(|| {
            let tag = lightly_scrubbed(|| {
                self.context.with(|context| {
                    let mut context = (**context).clone();
                    context.update(end);
                    context.sign()
                })
            });
            let tag = tag.ok_or_else(wiped)?;
            Ok(PyBytes::new(py, &tag.as_ref()[..size.min(tag.as_ref().len())]))
        })
    }

    #[getter]
    fn is_wiped(&self) -> bool {
        self.context.is_wiped()
    }

    /// Wipe the key, also in all that were fed.
    fn wipe(&self) -> PyResult<()> {
        guarded(|| {
            self.family.wipe();
            Ok(())
        })
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("an HMAC holds a key and cannot be pickled"))
    }
}
