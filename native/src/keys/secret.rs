//! Key material that can be wiped while others hold on to it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A key that its owner can take away. Taken away, or dropped, its memory is wiped by the last user.
///
/// The lock is held only while the interpreter is attached, so no thread ever holds it while another one forks.
pub struct Slot<K>(Mutex<Option<Arc<K>>>);

impl<K> Slot<K> {
    pub fn new(key: K) -> Self {
        Self(Mutex::new(Some(Arc::new(key))))
    }

    /// Use the key, unless it was wiped.
    pub fn with<R>(&self, work: impl FnOnce(&K) -> R) -> Option<R> {
        self.lock().as_deref().map(work)
    }

    /// Hold the key for work during which the interpreter is detached.
    pub fn share(&self) -> Option<Arc<K>> {
        self.lock().clone()
    }

    /// Return True if the key was taken away.
    pub fn is_wiped(&self) -> bool {
        self.lock().is_none()
    }

    /// Take the key away.
    pub fn wipe(&self) {
        self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<K>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
