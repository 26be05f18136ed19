//! The values of an array as plaintexts (SPEC section 5).

use std::ops::Range;

use pyo3::prelude::*;

use super::array::{Array, Slices};
use super::dates::{put_date, put_time};
use super::decimals::{decimal_named, put_decimal};
use super::numbers::{put_float, put_integer};

pub const BYTES: u8 = 0x01;
pub const TEXT: u8 = 0x02;
pub const CBOR: u8 = 0x03;

/// The first bytes of CBOR items: tags, and the lengths of what is under them.
pub const DATE: [u8; 4] = [0xd9, 0x03, 0xec, 0x6a];
pub const UTC: u8 = 0xc0;
pub const CLOCK: [u8; 3] = [0xd9, 0xfc, 0x02];
pub const DECIMAL: [u8; 3] = [0xd9, 0xfc, 0x01];
pub const DURATION: [u8; 3] = [0xd9, 0xfc, 0x04];
pub const UUID: [u8; 3] = [0xd8, 0x25, 0x50];
pub const BOOLS: [u8; 2] = [0xf4, 0xf5];
pub const OFFSET: &[u8] = b"+00:00";

const MAX_INLINE: usize = 23;

/// Plaintexts, one per cell that has a value, in memory that nobody else knows.
pub struct Plaintexts {
    pub length: usize,
    pub present: Vec<u32>,
    mark: Option<u8>,
    places: Vec<Range<usize>>,
    bytes: Vec<u8>,
}

impl Plaintexts {
    /// Return the plaintexts of an array. None: Python decides.
    pub fn read(py: Python<'_>, array: &Array) -> Option<Self> {
        let present = array.present(py)?;
        let (length, layout) = (array.1, array.0.as_str());
        match layout {
            "text4" | "text8" | "bytes4" | "bytes8" => {
                let width = if layout.ends_with('4') { 4 } else { 8 };
                let slices = array.slices(py, width, &present)?;
                let mark = Some(if layout.starts_with('t') { TEXT } else { BYTES });
                if mark == Some(TEXT) && !py.detach(|| are_texts(&slices, &present)) {
                    return None;
                }
                let Slices { mut places, data: bytes } = slices;
                if present.len() < length {
                    places = present.iter().map(|row| places[*row as usize].clone()).collect();
                }
                Some(Self { length, present, mark, places, bytes })
            }
            "bool" => {
                let bits = array.bits(py, 1)?;
                py.detach(|| Self::encoded(length, present, |row, out| put_bool(bits[row], out)))
            }
            _ => {
                let put = Put::named(layout)?;
                let width = put.width();
                let cells = array.fixed(py, 1, width)?;
                py.detach(|| Self::encoded(length, present, |row, out| put.put(&cells[row * width..][..width], out)))
            }
        }
    }

    fn encoded(length: usize, present: Vec<u32>, put: impl Fn(usize, &mut Vec<u8>) -> Option<()>) -> Option<Self> {
        let mut bytes = Vec::with_capacity(16 * present.len());
        let mut places = Vec::with_capacity(present.len());
        for row in &present {
            let start = bytes.len();
            bytes.push(CBOR);
            put(*row as usize, &mut bytes)?;
            places.push(start..bytes.len());
        }
        Some(Self { length, present, mark: None, places, bytes })
    }

    /// Return the size of a cell's plaintext.
    pub fn size(&self, cell: usize) -> usize {
        self.places[cell].len() + usize::from(self.mark.is_some())
    }

    /// Write a cell's plaintext.
    pub fn write(&self, cell: usize, out: &mut [u8]) {
        let body = &self.bytes[self.places[cell].clone()];
        match self.mark {
            None => out.copy_from_slice(body),
            Some(mark) => {
                out[0] = mark;
                out[1..].copy_from_slice(body);
            }
        }
    }
}

/// Return True if all cells with a value are UTF-8.
pub fn are_texts(slices: &Slices, present: &[u32]) -> bool {
    let is_text = |row: &u32| std::str::from_utf8(&slices.data[slices.places[*row as usize].clone()]).is_ok();
    slices.data.is_ascii() || present.iter().all(is_text)
}

fn put_bool(value: bool, out: &mut Vec<u8>) -> Option<()> {
    out.push(BOOLS[usize::from(value)]);
    Some(())
}

/// How a cell of fixed width becomes a CBOR item.
enum Put {
    Signed(usize),
    Unsigned(usize),
    Float(usize),
    Date,
    Clock,
    Utc,
    Duration,
    /// Precision and scale.
    Decimal(usize, usize),
    Uuid,
}

impl Put {
    fn named(layout: &str) -> Option<Self> {
        let number = |name: &str| layout.strip_prefix(name)?.parse().ok();
        match layout {
            "date" => Some(Self::Date),
            "clock" => Some(Self::Clock),
            "utc" => Some(Self::Utc),
            "duration" => Some(Self::Duration),
            "uuid" => Some(Self::Uuid),
            _ => number("int")
                .map(Self::Signed)
                .or_else(|| number("uint").map(Self::Unsigned))
                .or_else(|| number("float").map(Self::Float))
                .or_else(|| decimal_named(layout).map(|(precision, scale)| Self::Decimal(precision, scale))),
        }
    }

    fn width(&self) -> usize {
        match self {
            Self::Signed(width) | Self::Unsigned(width) | Self::Float(width) => *width,
            Self::Date => 4,
            Self::Clock | Self::Utc | Self::Duration => 8,
            Self::Decimal(..) | Self::Uuid => 16,
        }
    }

    fn put(&self, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Signed(_) => put_integer(signed(cell), out),
            Self::Unsigned(_) => put_integer(unsigned(cell), out),
            Self::Float(4) => put_float(f32::from_le_bytes(cell.try_into().ok()?).into(), out),
            Self::Float(_) => put_float(f64::from_le_bytes(cell.try_into().ok()?), out),
            Self::Date => {
                out.extend_from_slice(&DATE);
                put_date(signed(cell) as i64, out)?;
            }
            Self::Clock => put_moment(&CLOCK, signed(cell) as i64, b"", out)?,
            Self::Utc => put_moment(&[UTC], signed(cell) as i64, OFFSET, out)?,
            Self::Duration => {
                out.extend_from_slice(&DURATION);
                put_integer(signed(cell), out);
            }
            Self::Decimal(precision, scale) => {
                out.extend_from_slice(&DECIMAL);
                put_short(|text| put_decimal(signed(cell), *precision, *scale, text), out)?;
            }
            Self::Uuid => {
                out.extend_from_slice(&UUID);
                out.extend_from_slice(cell);
            }
        }
        Some(())
    }
}

fn put_moment(tag: &[u8], micros: i64, offset: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(tag);
    put_short(
        |text| {
            put_time(micros, text)?;
            text.extend_from_slice(offset);
            Some(())
        },
        out,
    )
}

/// Append a text of fewer than 256 bytes after its length.
fn put_short(put: impl FnOnce(&mut Vec<u8>) -> Option<()>, out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    put(out)?;
    let size = u8::try_from(out.len() - start).ok()?;
    if usize::from(size) <= MAX_INLINE {
        out.insert(start, 0x60 | size);
    } else {
        out.splice(start..start, [0x78, size]);
    }
    Some(())
}

/// Return a little-endian integer of 1, 2, 4, 8 or 16 bytes.
pub fn signed(cell: &[u8]) -> i128 {
    let sign = if cell.last().is_some_and(|last| *last >= 0x80) { 0xff } else { 0 };
    let mut bytes = [sign; 16];
    bytes[..cell.len()].copy_from_slice(cell);
    i128::from_le_bytes(bytes)
}

/// Return the same without a sign, of up to 8 bytes.
pub fn unsigned(cell: &[u8]) -> i128 {
    let mut bytes = [0; 16];
    bytes[..cell.len()].copy_from_slice(cell);
    i128::from_le_bytes(bytes)
}
