//! Values that are sealed together: fixed first, then given nonces of one draw (SPEC section 3).

use std::ops::Range;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::prepared::{NONCE_SIZE, Writer};
use crate::short::extend;
use crate::system::System;

/// At most so many values, or bytes of them, have nonces of one draw.
pub const MOST_VALUES: usize = 4096;
const MOST_BYTES: usize = 16 << 20;

/// Return how many of the next values, of these sizes, have nonces of one draw: at least one.
pub fn of_one_draw(sizes: impl Iterator<Item = usize>) -> usize {
    let mut bytes = 0;
    let fits = |size: &usize| {
        bytes += size;
        bytes <= MOST_BYTES
    };
    sizes.take(MOST_VALUES).take_while(fits).count().max(1)
}

/// Longer bodies are shared and not copied where they are bytes, which nobody can change.
const LONG: usize = 4096;

/// Plaintexts, each with the context that it is bound to. All is immutable or owned here, so that nobody can change it.
pub struct Batch<'a> {
    copied: Vec<u8>,
    parts: Vec<Part<'a>>,
    row: &'a [u8],
}

struct Part<'a> {
    kind: u8,
    body: Body<'a>,
    context: &'a [u8],
}

enum Body<'a> {
    Copied(Range<usize>),
    Shared(&'a [u8]),
}

impl<'a> Batch<'a> {
    /// Return an empty one. The row's context comes after that of each value.
    pub fn new(number: usize, row: &'a [u8]) -> Self {
        Self { copied: Vec::with_capacity(number.saturating_mul(64)), parts: Vec::with_capacity(number), row }
    }

    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Add the plaintext of a value, which is copied unless the value itself is it.
    pub fn add(&mut self, value: &'a Bound<'_, PyAny>, kind: u8, body: &[u8], context: &'a [u8]) -> PyResult<()> {
        if body.len() > LONG
            && let Ok(bytes) = value.cast_exact::<PyBytes>()
            && bytes.as_bytes().as_ptr() == body.as_ptr()
            && bytes.as_bytes().len() == body.len()
        {
            self.share(kind, bytes.as_bytes(), context);
            return Ok(());
        }
        let start = self.copied.len();
        extend(&mut self.copied, body)?;
        self.parts.push(Part { kind, body: Body::Copied(start..self.copied.len()), context });
        Ok(())
    }

    /// Add a plaintext that is immutable.
    pub fn share(&mut self, kind: u8, body: &'a [u8], context: &'a [u8]) {
        self.parts.push(Part { kind, body: Body::Shared(body), context });
    }

    /// Seal all and pass each to `put`. The messages were taken from the salt before. None: the key was wiped. An error of
    /// the second kind is what a signal raised, and goes out.
    ///
    /// Between the draw of nonces and the last use of them no Python code runs but `put`, which only stores. Signals are
    /// looked at before a draw: their handlers may encrypt or fork, and what goes on then has nonces of its own.
    pub fn seal<'py>(
        &self,
        py: Python<'py>,
        system: &System,
        writer: &Writer,
        mut put: impl FnMut(Bound<'py, PyBytes>) -> PyResult<()>,
    ) -> PyResult<Option<PyResult<()>>> {
        let mut aad = writer.head().to_vec();
        let head = aad.len();
        let mut rest = self.parts.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(of_one_draw(rest.iter().map(|part| self.body(part).len())));
            let mut nonces = vec![[0; NONCE_SIZE]; now.len()];
            system.fill(py, nonces.as_flattened_mut())?;
            for (nonce, part) in nonces.into_iter().zip(now) {
                aad.truncate(head);
                aad.extend_from_slice(part.context);
                aad.extend_from_slice(self.row);
                match writer.seal(py, nonce, part.kind, self.body(part), &aad)? {
                    Some(value) => put(value)?,
                    None => return Ok(None),
                }
            }
            rest = later;
            if !rest.is_empty()
                && let Err(raised) = py.check_signals()
            {
                return Ok(Some(Err(raised)));
            }
        }
        Ok(Some(Ok(())))
    }

    fn body<'b>(&'b self, part: &Part<'b>) -> &'b [u8] {
        match &part.body {
            Body::Copied(range) => &self.copied[range.clone()],
            Body::Shared(bytes) => bytes,
        }
    }
}
