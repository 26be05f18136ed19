//! Plaintexts (SPEC section 5) as the buffers of a new array.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::array::{Buffers, Slices, offsets, validity};
use super::dates::{date, time};
use super::decimals::{decimal, decimal_named};
use super::numbers::{float, integer};
use super::plaintexts::{BOOLS, BYTES, CBOR, CLOCK, DATE, DECIMAL, DURATION, OFFSET, TEXT, UTC, UUID};

/// The layout of a new array.
pub enum Layout {
    /// Encoding byte, and bytes of an offset.
    Slices(u8, usize),
    Fixed(Fixed),
}

impl Layout {
    /// Return what says whether bytes are a plaintext of the column, as far as that is told without looking closely.
    pub fn is_plaintext(&self) -> fn(&[u8]) -> bool {
        match self {
            Self::Slices(TEXT, _) => {
                |bytes| matches!(bytes, [TEXT, text @ ..] if text.is_ascii() || std::str::from_utf8(text).is_ok())
            }
            Self::Slices(..) => |bytes| bytes.first() == Some(&BYTES),
            Self::Fixed(_) => |bytes| bytes.first() == Some(&CBOR),
        }
    }
}

/// What cells of fixed width have.
pub enum Fixed {
    Signed(usize),
    Unsigned(usize),
    Float,
    Bool,
    Date,
    Time(Zone),
    Duration,
    /// Precision and scale.
    Decimal(usize, usize),
    Uuid,
}

/// Which moments a column has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// Those of the first cell.
    Any,
    Clock,
    Utc,
    /// Points in time, but for years in which an offset may lead out of the calendar.
    Inner,
}

/// 0002-01-01 and 9999-01-01 in microseconds since 1970.
const INNER: std::ops::Range<i64> = -62_104_060_800_000_000..253_370_764_800_000_000;

impl Layout {
    pub fn named(name: &str) -> Option<Self> {
        let number = |prefix: &str| name.strip_prefix(prefix)?.parse().ok();
        Some(match name {
            "text4" | "text8" => Self::Slices(TEXT, number("text")?),
            "bytes4" | "bytes8" => Self::Slices(BYTES, number("bytes")?),
            "float8" => Self::Fixed(Fixed::Float),
            "bool" => Self::Fixed(Fixed::Bool),
            "date" => Self::Fixed(Fixed::Date),
            "moment" => Self::Fixed(Fixed::Time(Zone::Any)),
            "clock" => Self::Fixed(Fixed::Time(Zone::Clock)),
            "utc" => Self::Fixed(Fixed::Time(Zone::Utc)),
            "zone" => Self::Fixed(Fixed::Time(Zone::Inner)),
            "duration" => Self::Fixed(Fixed::Duration),
            "uuid" => Self::Fixed(Fixed::Uuid),
            _ => Self::Fixed(
                number("int")
                    .map(Fixed::Signed)
                    .or_else(|| number("uint").map(Fixed::Unsigned))
                    .or_else(|| decimal_named(name).map(|(precision, scale)| Fixed::Decimal(precision, scale)))?,
            ),
        })
    }
}

/// Return the buffers of a new array of plaintexts that have the encoding byte of its layout, and whether its moments are points in time. None: Python decides.
pub fn array<'py>(
    py: Python<'py>,
    layout: &Layout,
    length: usize,
    present: &[u32],
    slices: &Slices,
) -> PyResult<Option<(bool, Buffers<'py>)>> {
    let made = match layout {
        Layout::Slices(_, width) => sliced(py, *width, length, present, slices)?.map(|made| (false, made)),
        Layout::Fixed(Fixed::Bool) => bits(py, length, present, slices)?.map(|made| (false, vec![made])),
        Layout::Fixed(fixed) => {
            let (cells, in_time) = match py.detach(|| fixed.cells(length, present, slices)) {
                Some(made) => made,
                None => return Ok(None),
            };
            Some((in_time, vec![PyBytes::new(py, &cells)]))
        }
    };
    let Some((in_time, buffers)) = made else { return Ok(None) };
    Ok(Some((in_time, (length - present.len(), validity(py, length, present)?, buffers))))
}

fn sliced<'py>(
    py: Python<'py>,
    width: usize,
    length: usize,
    present: &[u32],
    slices: &Slices,
) -> PyResult<Option<Vec<Bound<'py, PyBytes>>>> {
    let body = |row: &u32| &slices.data[slices.places[*row as usize].clone()][1..];
    let total: usize = py.detach(|| present.iter().map(|row| body(row).len()).sum());
    if width == 4 && total > i32::MAX as usize {
        return Ok(None);
    }
    let data = PyBytes::new_with(py, total, |data| {
        py.detach(|| {
            let mut left = data;
            for body in present.iter().map(body) {
                let (here, rest) = left.split_at_mut(body.len());
                here.copy_from_slice(body);
                left = rest;
            }
        });
        Ok(())
    })?;
    let size = |cell: usize| slices.places[present[cell] as usize].len() - 1;
    Ok(Some(vec![offsets(py, width, length, present, size)?, data]))
}

fn bits<'py>(
    py: Python<'py>,
    length: usize,
    present: &[u32],
    slices: &Slices,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let mut bits = vec![0u8; length.div_ceil(8)];
    for row in present {
        let row = *row as usize;
        match slices.data[slices.places[row].clone()] {
            [CBOR, item] if BOOLS.contains(&item) => bits[row / 8] |= u8::from(item == BOOLS[1]) << (row % 8),
            _ => return Ok(None),
        }
    }
    Ok(Some(PyBytes::new(py, &bits)))
}

impl Fixed {
    fn width(&self) -> usize {
        match self {
            Self::Signed(width) | Self::Unsigned(width) => *width,
            Self::Bool => 1,
            Self::Date => 4,
            Self::Float | Self::Time(_) | Self::Duration => 8,
            Self::Decimal(..) | Self::Uuid => 16,
        }
    }

    /// Return the cells, and whether they are points in time.
    fn cells(&self, length: usize, present: &[u32], slices: &Slices) -> Option<(Vec<u8>, bool)> {
        let width = self.width();
        let mut cells = vec![0; length.checked_mul(width)?];
        let mut zone = if let Self::Time(zone) = self { *zone } else { Zone::Clock };
        for row in present {
            let row = *row as usize;
            let (mark, item) = slices.data[slices.places[row].clone()].split_first()?;
            let bytes = if let Self::Time(_) = self { moment(item, &mut zone)? } else { self.bytes(item)? };
            if *mark != CBOR {
                return None;
            }
            cells[row * width..][..width].copy_from_slice(&bytes[..width]);
        }
        Some((cells, matches!(zone, Zone::Utc | Zone::Inner)))
    }

    fn bytes(&self, item: &[u8]) -> Option<[u8; 16]> {
        Some(match self {
            Self::Signed(width) => {
                let (number, bits) = (integer(item)?, 8 * width - 1);
                (-(1 << bits)..1 << bits).contains(&number).then_some(number)?.to_le_bytes()
            }
            Self::Unsigned(width) => {
                let number = integer(item)?;
                (0..1 << (8 * width)).contains(&number).then_some(number)?.to_le_bytes()
            }
            Self::Float => wide(i64::from_le_bytes(float(item)?.to_le_bytes())),
            Self::Date => wide(date(item.strip_prefix(&DATE)?)?),
            Self::Duration => wide(integer(item.strip_prefix(&DURATION)?)?.try_into().ok()?),
            Self::Decimal(precision, scale) => {
                decimal(short(item.strip_prefix(&DECIMAL)?)?, *precision, *scale)?.to_le_bytes()
            }
            Self::Uuid => item.strip_prefix(&UUID)?.try_into().ok()?,
            Self::Bool | Self::Time(_) => return None,
        })
    }
}

/// Return the moment of an item, which is in a zone as all others are.
fn moment(item: &[u8], zone: &mut Zone) -> Option<[u8; 16]> {
    let (found, text) = match item.strip_prefix(&CLOCK) {
        Some(rest) => (Zone::Clock, short(rest)?),
        None => (Zone::Utc, short(item.strip_prefix(&[UTC])?)?.strip_suffix(OFFSET)?),
    };
    if *zone == Zone::Any {
        *zone = found;
    }
    let micros = time(text)?;
    let fits = match *zone {
        Zone::Inner => found == Zone::Utc && INNER.contains(&micros),
        zone => found == zone,
    };
    fits.then(|| wide(micros))
}

/// Return a text of fewer than 256 bytes, whose length is before it in its shortest form.
fn short(item: &[u8]) -> Option<&[u8]> {
    match item {
        [0x78, size @ 24..=255, text @ ..] if text.len() == usize::from(*size) => Some(text),
        [head @ 0x60..0x78, text @ ..] if text.len() == usize::from(head & 0x1f) => Some(text),
        _ => None,
    }
}

fn wide(number: i64) -> [u8; 16] {
    i128::from(number).to_le_bytes()
}
