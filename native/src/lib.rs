//! The hot path of fieldcrypt: encrypting, decrypting and tagging values whose keys are at hand.
//!
//! Every function here either returns what the Python implementation would, or hands the value over to it. So there is one
//! place that decides what is refused, and with which error: Python.

mod about;
mod arrow;
mod envelope;
mod error;
mod field;
mod keys;
mod panic;
mod plaintext;
mod random;
mod short;
mod system;
mod tally;

use pyo3::prelude::*;

/// The version of the seam between this module and fieldcrypt, which both must have.
const SEAM: u32 = 2;

#[pymodule(gil_used = true)]
mod fieldcrypt_native {
    use super::*;

    #[pymodule_export]
    use super::arrow::Columns;
    #[pymodule_export]
    use super::field::FieldCore;
    #[pymodule_export]
    use super::field::group::GroupCore;
    #[pymodule_export]
    use super::field::prepared::{Reader, Writer};
    #[pymodule_export]
    use super::field::reader::FieldReader;
    #[pymodule_export]
    use super::keys::cipher::{Cipher, Sealer, Subkey};
    #[pymodule_export]
    use super::keys::mac::{Mac, key_id, record_tag};
    #[pymodule_export]
    use super::panic::_panic;
    #[pymodule_export]
    use super::tally::Tally;

    /// Return why keys are not, or not all, in locked pages that no core dump has; None if they are.
    #[pyfunction]
    fn memory_fault() -> PyResult<Option<&'static str>> {
        panic::guarded(|| Ok(keys::memory::fault()))
    }

    /// Lock the pages of keys again, in a forked child.
    #[pyfunction]
    fn lock_memory() -> PyResult<()> {
        panic::guarded(|| {
            keys::memory::lock_again();
            Ok(())
        })
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        #[cfg(feature = "fips")]
        module.add_function(pyo3::wrap_pyfunction!(random::salt, module)?)?;
        panic::silence();
        keys::memory::serve();
        module.add("SEAM", SEAM)?;
        module.add("__version__", about::version())?;
        module.add("CRYPTOGRAPHY", about::CRYPTOGRAPHY)?;
        module.add("CRYPTOGRAPHY_VERSION", about::cryptography_version())?;
        module.add("HAS_AES", about::has_aes())?;
        Ok(())
    }
}
