//! XAES-256-GCM (<https://c2sp.org/XAES-256-GCM>, SPEC section 3).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

#[cfg(feature = "fips")]
use aws_lc_rs::aead::RandomizedNonceKey;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey};
use aws_lc_rs::cmac;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zeroize::Zeroizing;

use super::mac::derived;
use super::memory::clear_registers;
use super::secret::Slot;
use super::stack::scrubbed;
pub use crate::envelope::SALT_SIZE;
use crate::error::wiped;
use crate::panic::guarded;
use crate::short::{copied, new_bytes};

pub const TAG_SIZE: usize = 16;

const LABEL: &[u8] = b"fieldcrypt/v1 encryption";

/// Something that a wiped key, or a value that is not authentic, makes impossible.
#[derive(Debug)]
pub struct Refused;

/// The AES-256-GCM of a salt, shared by all fields that use it.
pub struct GcmKey(Slot<Schedules>);

/// The key schedules of AES-256-GCM, held for many values at once.
pub struct Schedules {
    open: LessSafeKey,
    #[cfg(feature = "fips")]
    seal: RandomizedNonceKey,
}

impl Schedules {
    fn new(key: &[u8; 32]) -> Result<Self, aws_lc_rs::error::Unspecified> {
        Ok(Self {
            open: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?),
            #[cfg(feature = "fips")]
            seal: RandomizedNonceKey::new(&AES_256_GCM, key)?,
        })
    }

    /// Encrypt in place under a nonce that was drawn.
    #[cfg(not(feature = "fips"))]
    #[inline]
    pub fn seal(
        &self,
        nonce: &mut [u8; NONCE_LEN],
        aad: &[u8],
        text: &mut [u8],
    ) -> Result<Tag, aws_lc_rs::error::Unspecified> {
        self.open.seal_in_place_separate_tag(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), text)
    }

    /// Encrypt in place under a nonce that the module draws.
    #[cfg(feature = "fips")]
    #[inline]
    pub fn seal(
        &self,
        nonce: &mut [u8; NONCE_LEN],
        aad: &[u8],
        text: &mut [u8],
    ) -> Result<Tag, aws_lc_rs::error::Unspecified> {
        let (drawn, tag) = self.seal.seal_in_place_separate_tag(Aad::from(aad), text)?;
        nonce.copy_from_slice(drawn.as_ref());
        Ok(tag)
    }

    /// Decrypt ciphertext and tag in place, and return the plaintext.
    #[inline]
    pub fn open<'a>(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        text: &'a mut [u8],
    ) -> Result<&'a mut [u8], aws_lc_rs::error::Unspecified> {
        self.open.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), text)
    }
}

impl GcmKey {
    fn new(key: &[u8; 32]) -> Result<Self, Refused> {
        Ok(Self(Slot::new(Schedules::new(key).map_err(|_| Refused)?)))
    }

    /// Encrypt in place, and return the tag. In the FIPS build the nonce is written, and what it was does not count.
    #[inline]
    pub fn seal(&self, nonce: &mut [u8; NONCE_LEN], aad: &[u8], text: &mut [u8]) -> Result<[u8; TAG_SIZE], Refused> {
        let sealed = self.0.with(|key| key.seal(nonce, aad, text));
        clear_registers();
        let tag = sealed.ok_or(Refused)?.map_err(|_| Refused)?;
        tag.as_ref().try_into().map_err(|_| Refused)
    }

    /// Decrypt ciphertext and tag in place, and return the plaintext.
    #[inline]
    pub fn open<'a>(&self, nonce: [u8; NONCE_LEN], aad: &[u8], text: &'a mut [u8]) -> Result<&'a mut [u8], Refused> {
        let opened = self.0.with(move |key| key.open(nonce, aad, text));
        clear_registers();
        opened.ok_or(Refused)?.map_err(|_| Refused)
    }

    /// Hold the key for work during which the interpreter is detached, unless it was wiped.
    pub fn share(&self) -> Option<Arc<Schedules>> {
        self.0.share()
    }

    pub fn wipe(&self) {
        self.0.wipe();
    }

    pub fn is_wiped(&self) -> bool {
        self.0.is_wiped()
    }
}

/// The cipher of a data key, from which salts select the keys of AES-256-GCM.
#[pyclass(frozen, module = "fieldcrypt_native")]
pub struct Cipher {
    key: Slot<cmac::Key>,
    subkeys: Mutex<HashMap<[u8; SALT_SIZE], Weak<GcmKey>>>,
}

impl Cipher {
    pub fn gcm_key(&self, salt: [u8; SALT_SIZE]) -> PyResult<Arc<GcmKey>> {
        let mut subkeys = self.subkeys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = subkeys.get(&salt).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let made = scrubbed(|| self.key.with(|key| subkey(key, &salt)));
        let Some(Ok(made)) = made else {
            drop(subkeys); // before the error is made, which runs Python code
            return Err(wiped());
        };
        let made = Arc::new(made);
        if subkeys.len() >= 64 {
            subkeys.retain(|_, each| each.strong_count() > 0);
        }
        subkeys.insert(salt, Arc::downgrade(&made));
        Ok(made)
    }
}

fn subkey(key: &cmac::Key, salt: &[u8; SALT_SIZE]) -> Result<GcmKey, Refused> {
    let mut derived = Zeroizing::new([0; 32]);
    for (counter, half) in (1..).zip(derived.chunks_exact_mut(16)) {
        let mut block = [0, counter, b'X', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        block[4..].copy_from_slice(salt);
        cmac::sign_to_buffer(key, &block, half).map_err(|_| Refused)?;
    }
    GcmKey::new(&derived)
}

#[pymethods]
impl Cipher {
    /// Take the data key, 32 bytes, of which the cipher's key is derived.
    #[new]
    fn new(secret: &[u8]) -> PyResult<Self> {
        guarded(|| {
            scrubbed(|| {
                let key = derived::<32>(secret, LABEL)?;
                let key = cmac::Key::new(cmac::AES_256, key.as_slice()).map_err(|_| wiped())?;
                Ok(Self { key: Slot::new(key), subkeys: Mutex::default() })
            })
        })
    }

    /// Return the AES-256-GCM of a 12-byte salt.
    fn cipher(&self, salt: [u8; SALT_SIZE]) -> PyResult<Subkey> {
        guarded(|| Ok(Subkey(self.gcm_key(salt)?)))
    }

    /// Return what encrypts under a salt that serves so many messages.
    fn sealer(&self, salt: [u8; SALT_SIZE], messages: u32) -> PyResult<Sealer> {
        guarded(|| Ok(Sealer { salt, key: self.gcm_key(salt)?, left: AtomicU32::new(messages) }))
    }

    /// Return ciphertext and tag under a 24-byte nonce that is used this once. The FIPS build takes no nonces.
    #[cfg(not(feature = "fips"))]
    fn encrypt<'py>(
        &self,
        py: Python<'py>,
        nonce: [u8; SALT_SIZE + NONCE_LEN],
        plaintext: &[u8],
        aad: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        guarded(|| {
            let (salt, nonce) = split(nonce);
            Subkey(self.gcm_key(salt)?).encrypt(py, nonce, plaintext, aad)
        })
    }

    /// Return the plaintext; None if the value is not authentic.
    fn decrypt<'py>(
        &self,
        py: Python<'py>,
        nonce: [u8; SALT_SIZE + NONCE_LEN],
        ciphertext: &[u8],
        aad: &[u8],
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        guarded(|| {
            let (salt, nonce) = split(nonce);
            Subkey(self.gcm_key(salt)?).decrypt(py, nonce, ciphertext, aad)
        })
    }

    #[getter]
    fn is_wiped(&self) -> bool {
        self.key.is_wiped()
    }

    /// Wipe the key, and all keys that salts have selected.
    fn wipe(&self) -> PyResult<()> {
        guarded(|| {
            let mut subkeys = self.subkeys.lock().unwrap_or_else(PoisonError::into_inner); // so that none is made now
            self.key.wipe();
            for (_, subkey) in subkeys.drain() {
                if let Some(subkey) = subkey.upgrade() {
                    subkey.wipe();
                }
            }
            Ok(())
        })
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a cipher holds a key and cannot be pickled"))
    }
}

fn split(nonce: [u8; SALT_SIZE + NONCE_LEN]) -> ([u8; SALT_SIZE], [u8; NONCE_LEN]) {
    let (mut salt, mut rest) = ([0; SALT_SIZE], [0; NONCE_LEN]);
    salt.copy_from_slice(&nonce[..SALT_SIZE]);
    rest.copy_from_slice(&nonce[SALT_SIZE..]);
    (salt, rest)
}

/// AES-256-GCM under the key of a salt.
#[pyclass(frozen, module = "fieldcrypt_native")]
pub struct Subkey(pub Arc<GcmKey>);

#[pymethods]
impl Subkey {
    #[cfg(not(feature = "fips"))]
    fn encrypt<'py>(
        &self,
        py: Python<'py>,
        mut nonce: [u8; NONCE_LEN],
        plaintext: &[u8],
        aad: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        guarded(|| {
            PyBytes::new_with(py, plaintext.len() + TAG_SIZE, |buffer| {
                let (text, tag) = buffer.split_at_mut(plaintext.len());
                text.copy_from_slice(plaintext);
                tag.copy_from_slice(&self.0.seal(&mut nonce, aad, text).map_err(|_| wiped())?);
                Ok(())
            })
        })
    }

    fn decrypt<'py>(
        &self,
        py: Python<'py>,
        nonce: [u8; NONCE_LEN],
        ciphertext: &[u8],
        aad: &[u8],
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        guarded(|| {
            let mut text = copied(ciphertext)?;
            match self.0.open(nonce, aad, &mut text) {
                Ok(plaintext) => new_bytes(py, plaintext).map(Some),
                Err(_) if self.0.is_wiped() => Err(wiped()),
                Err(_) => Ok(None),
            }
        })
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a cipher holds a key and cannot be pickled"))
    }
}

/// AES-256-GCM under one random salt, shared by all fields that encrypt under a live key.
#[pyclass(frozen, module = "fieldcrypt_native")]
pub struct Sealer {
    pub salt: [u8; SALT_SIZE],
    pub key: Arc<GcmKey>,
    left: AtomicU32,
}

impl Sealer {
    /// Take up to so many messages of those that the salt may still serve, in one step, and return how many.
    #[inline]
    pub fn take(&self, wanted: u32) -> u32 {
        let taken = |left: u32| left.checked_sub(wanted.min(left));
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken) {
            Ok(left) => wanted.min(left),
            Err(_) => 0,
        }
    }
}

#[pymethods]
impl Sealer {
    #[getter]
    fn salt<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.salt)
    }

    /// Itself: an iterator that yields once for every message that the salt may still serve.
    #[getter]
    fn messages(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__(&self) -> Option<bool> {
        (self.take(1) == 1).then_some(true)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a cipher holds a key and cannot be pickled"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &[u8; SALT_SIZE + NONCE_LEN] = b"ABCDEFGHIJKLMNOPQRSTUVWX";
    const PLAINTEXT: &[u8] = b"XAES-256-GCM";

    /// Key, additional data and ciphertext, as https://c2sp.org/XAES-256-GCM has them, with this nonce and plaintext.
    const VECTORS: [(u8, &[u8], &str); 2] = [
        (1, b"", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        (3, b"c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
    ];

    #[test]
    fn the_published_vectors_hold() {
        for (byte, aad, expected) in VECTORS {
            let (salt, nonce) = split(*NONCE);
            let gcm = subkey(&cmac::Key::new(cmac::AES_256, &[byte; 32]).unwrap(), &salt).unwrap();
            let mut value: Vec<u8> = (0..expected.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&expected[at..at + 2], 16).unwrap())
                .collect();
            #[cfg(not(feature = "fips"))]
            {
                let mut sealed = PLAINTEXT.to_vec();
                let tag = gcm.seal(&mut nonce.clone(), aad, &mut sealed).unwrap();
                assert_eq!([sealed.as_slice(), &tag].concat(), value);
            }
            assert_eq!(gcm.open(nonce, aad, &mut value.clone()).unwrap(), PLAINTEXT);
            value[0] ^= 1;
            assert!(gcm.open(nonce, aad, &mut value).is_err());
        }
    }

    #[test]
    fn no_message_of_a_salt_is_taken_twice() {
        const MESSAGES: u32 = 100_000;
        let key = cmac::Key::new(cmac::AES_256, &[1; 32]).unwrap();
        let key = Arc::new(subkey(&key, &[0; SALT_SIZE]).unwrap());
        let sealer = Sealer { salt: [0; SALT_SIZE], key, left: AtomicU32::new(MESSAGES) };
        let taken: Vec<u32> = std::thread::scope(|scope| {
            let take =
                |wanted: u32| std::iter::repeat_with(|| sealer.take(wanted)).take_while(|taken| *taken > 0).sum();
            let threads: Vec<_> = (1..=8).map(|wanted| scope.spawn(move || take(wanted))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(taken.iter().sum::<u32>(), MESSAGES);
        assert_eq!(sealer.take(u32::MAX), 0);
    }
}
