//! Short bytes without memory of their own, and long ones, for which there may be no memory.

use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Longer ones have it.
const SHORT: usize = 256;
/// For these it is well possible that there is no memory.
const LONG: usize = 1 << 16;

/// Pass three slices, joined, to `work`.
#[inline]
pub fn with_joined<R>(parts: [&[u8]; 3], work: impl FnOnce(&[u8]) -> R) -> R {
    let [first, second, third] = parts;
    let (middle, length) = (first.len() + second.len(), first.len() + second.len() + third.len());
    if length > SHORT {
        return work(&parts.concat());
    }
    let mut joined = [0; SHORT];
    joined[..first.len()].copy_from_slice(first);
    joined[first.len()..middle].copy_from_slice(second);
    joined[middle..length].copy_from_slice(third);
    work(&joined[..length])
}

/// Pass a copy to `work`, which may change it.
#[inline]
pub fn with_copy<R>(bytes: &[u8], work: impl FnOnce(&mut [u8]) -> PyResult<R>) -> PyResult<R> {
    if bytes.len() > SHORT {
        return work(&mut copied(bytes)?);
    }
    let mut copy = [0; SHORT];
    copy[..bytes.len()].copy_from_slice(bytes);
    work(&mut copy[..bytes.len()])
}

/// Return a copy.
pub fn copied(bytes: &[u8]) -> PyResult<Vec<u8>> {
    let mut copy = Vec::new();
    extend(&mut copy, bytes)?;
    Ok(copy)
}

/// Append bytes. Without memory for them that is an error as in Python, where Rust itself would end the process.
#[inline]
pub fn extend(bytes: &mut Vec<u8>, more: &[u8]) -> PyResult<()> {
    bytes.try_reserve(more.len()).map_err(|_| PyMemoryError::new_err(()))?;
    bytes.extend_from_slice(more);
    Ok(())
}

/// Return bytes of Python. `PyBytes::new` would panic without memory for them, so it is asked for long ones first.
#[inline]
pub fn new_bytes<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    if bytes.len() > LONG {
        let mut room = Vec::<u8>::new();
        room.try_reserve_exact(bytes.len()).map_err(|_| PyMemoryError::new_err(()))?;
        std::hint::black_box(&room);
    }
    Ok(PyBytes::new(py, bytes))
}
