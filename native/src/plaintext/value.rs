//! Scalars between Python's objects and their encoding. Exact types only: a subclass is Python's affair.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString, PyType};

use super::Kind;
use super::calendar::Spelling;
use super::item::{Body, Item};
use super::types::Types;

/// Return the kind of a value of a field of any type. None: Python decides.
#[inline]
pub fn kind_of(value: &Bound<'_, PyAny>) -> Option<Kind> {
    if value.is_exact_instance_of::<PyString>() {
        return Some(Kind::Text);
    }
    if value.is_exact_instance_of::<PyInt>() {
        return Some(Kind::Int);
    }
    if value.is_exact_instance_of::<PyFloat>() {
        return Some(Kind::Float);
    }
    if value.is_exact_instance_of::<PyBytes>() {
        return Some(Kind::Bytes);
    }
    if value.is_exact_instance_of::<PyBool>() {
        return Some(Kind::Bool);
    }
    let types = Types::get(value.py())?;
    let known = [
        (&types.date, Kind::Date),
        (&types.datetime, Kind::DateTime),
        (&types.decimal, Kind::Decimal),
        (&types.uuid, Kind::Uuid),
    ];
    known.into_iter().find_map(|(known, kind)| is_of(value, known).then_some(kind))
}

/// Return the encoding of a value of exactly this kind. None: Python decides.
#[inline]
pub fn body(kind: Kind, value: &Bound<'_, PyAny>) -> Option<Body> {
    match kind {
        Kind::Bool => Some(Body::bool(value.cast_exact::<PyBool>().ok()?.is_true())),
        Kind::Int => integer(value.cast_exact::<PyInt>().ok()?),
        Kind::Float => Some(Body::float(value.cast_exact::<PyFloat>().ok()?.value())),
        _ => {
            let types = Types::get(value.py())?;
            match kind {
                Kind::Date => date(types, value),
                Kind::DateTime => datetime(types, value),
                Kind::Decimal if is_of(value, &types.decimal) => {
                    Body::decimal(types.decimal_text(value)?.to_str().ok()?)
                }
                Kind::Uuid => uuid(types, value),
                _ => None,
            }
        }
    }
}

/// Return the value of an item, if it is of this kind. None: Python decides.
#[inline]
pub fn made<'py>(py: Python<'py>, kind: Kind, item: Item<'_>) -> Option<Bound<'py, PyAny>> {
    match (kind, item) {
        (Kind::Bool | Kind::Any, Item::Bool(value)) => Some(PyBool::new(py, value).to_owned().into_any()),
        (Kind::Int | Kind::Any, Item::Int(value)) => made_integer(py, value),
        (Kind::Float | Kind::Any, Item::Float(value)) => Some(PyFloat::new(py, value).into_any()),
        (Kind::Date | Kind::Any, Item::Date(text)) => Types::get(py)?.date(py, text),
        (Kind::DateTime | Kind::Any, Item::DateTime(text) | Item::LocalDateTime(text)) => {
            Types::get(py)?.datetime(py, text)
        }
        (Kind::Decimal | Kind::Any, Item::Decimal(text)) => Types::get(py)?.decimal(py, text),
        (Kind::Uuid | Kind::Any, Item::Uuid(number)) => Types::get(py)?.uuid(py, number),
        _ => None,
    }
}

#[inline]
fn is_of(value: &Bound<'_, PyAny>, exactly: &Py<PyType>) -> bool {
    value.get_type_ptr() == exactly.as_ptr().cast()
}

#[inline]
fn integer(value: &Bound<'_, PyInt>) -> Option<Body> {
    match value.extract::<i64>() {
        Ok(value) => Some(Body::integer(value)),
        Err(_) => Body::wide_integer(value.extract().ok()?),
    }
}

#[inline]
fn made_integer(py: Python<'_>, value: i128) -> Option<Bound<'_, PyAny>> {
    let made = match i64::try_from(value) {
        Ok(value) => value.into_pyobject(py).ok()?,
        Err(_) => value.into_pyobject(py).ok()?,
    };
    Some(made.into_any())
}

#[inline]
fn date(types: &Types, value: &Bound<'_, PyAny>) -> Option<Body> {
    if !is_of(value, &types.date) {
        return None;
    }
    Body::date(&spelled_date(value)?)
}

#[inline]
fn datetime(types: &Types, value: &Bound<'_, PyAny>) -> Option<Body> {
    if !is_of(value, &types.datetime) {
        return None;
    }
    let py = value.py();
    let zone = value.getattr(intern!(py, "tzinfo")).ok()?;
    let spelling = spelled_date(value)?.at(
        part(value, intern!(py, "hour"))?,
        part(value, intern!(py, "minute"))?,
        part(value, intern!(py, "second"))?,
        part(value, intern!(py, "microsecond"))?,
    );
    if zone.is_none() {
        return Body::local_datetime(&spelling);
    }
    zone.is(&types.utc).then(|| Body::datetime(&spelling.in_utc()))?
}

#[inline]
fn spelled_date(value: &Bound<'_, PyAny>) -> Option<Spelling> {
    let py = value.py();
    Some(Spelling::of_date(
        part(value, intern!(py, "year"))?,
        part(value, intern!(py, "month"))?,
        part(value, intern!(py, "day"))?,
    ))
}

#[inline]
fn part(value: &Bound<'_, PyAny>, name: &Bound<'_, PyString>) -> Option<u32> {
    value.getattr(name).ok()?.extract().ok()
}

#[inline]
fn uuid(types: &Types, value: &Bound<'_, PyAny>) -> Option<Body> {
    if !is_of(value, &types.uuid) {
        return None;
    }
    let number = value.getattr(intern!(value.py(), "int")).ok()?;
    Some(Body::uuid(number.cast_exact::<PyInt>().ok()?.extract().ok()?))
}
