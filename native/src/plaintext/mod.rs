//! Values <-> plaintexts (SPEC section 5): the common types. All else is Python's.

mod calendar;
mod item;
mod number;
mod types;
mod value;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::short::new_bytes;
use item::Item;

const BYTES: u8 = 0x01;
const TEXT: u8 = 0x02;
const CBOR: u8 = 0x03;

/// The type of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Bytes,
    Bool,
    Int,
    Float,
    Date,
    DateTime,
    Decimal,
    Uuid,
    /// Any of these, and more.
    Any,
    /// A type that this module leaves to Python.
    Other,
}

impl Kind {
    pub fn named(name: &str) -> Self {
        match name {
            "str" => Self::Text,
            "bytes" => Self::Bytes,
            "bool" => Self::Bool,
            "int" => Self::Int,
            "float" => Self::Float,
            "date" => Self::Date,
            "datetime" => Self::DateTime,
            "Decimal" => Self::Decimal,
            "UUID" => Self::Uuid,
            "object" => Self::Any,
            _ => Self::Other,
        }
    }

    /// Pass the plaintext of a value, the encoding byte and the rest, to `work`. None: Python decides.
    #[inline]
    pub fn encoded<R>(self, value: &Bound<'_, PyAny>, work: impl FnOnce(u8, &[u8]) -> R) -> Option<R> {
        match self {
            Self::Text => {
                let text = value.cast_exact::<PyString>().ok()?.to_str().ok()?;
                Some(work(TEXT, text.as_bytes()))
            }
            Self::Bytes => Some(work(BYTES, value.cast_exact::<PyBytes>().ok()?.as_bytes())),
            Self::Any => value::kind_of(value)?.encoded(value, work),
            Self::Other => None,
            _ => Some(work(CBOR, value::body(self, value)?.as_bytes())),
        }
    }

    /// Return the value of a plaintext. None: Python decides.
    #[inline]
    pub fn decoded<'py>(self, py: Python<'py>, plaintext: &[u8]) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some((mark, body)) = plaintext.split_first() else { return Ok(None) };
        Ok(match (self, *mark) {
            // If it is no UTF-8, or there is no memory, Python says so.
            (Self::Text | Self::Any, TEXT) => PyString::from_bytes(py, body).ok().map(Bound::into_any),
            (Self::Bytes | Self::Any, BYTES) => Some(new_bytes(py, body)?.into_any()),
            (Self::Text | Self::Bytes | Self::Other, _) => None,
            (_, CBOR) => Item::parse(body).and_then(|item| value::made(py, self, item)),
            _ => None,
        })
    }
}
