//! The contexts of rows (SPEC section 2), of columns with the parts of their primary keys.

use pyo3::prelude::*;

use super::array::{Array, Slices};
use super::dates::put_date;
use super::plaintexts::{are_texts, signed, unsigned};

const MAX_PARTS: usize = 9; // beyond, "row.10" would come before "row.2"
const MAX_SIZE: usize = 0xffff;

/// The primary keys of a column's rows, in memory that nobody else knows.
pub struct Rows(Vec<Key>);

struct Key {
    name: Vec<u8>,
    values: Values,
}

enum Values {
    Texts(Slices),
    Signed(Vec<u8>, usize),
    Unsigned(Vec<u8>, usize),
    Dates(Vec<u8>),
    Uuids(Vec<u8>),
}

impl Rows {
    /// Return the keys of the rows that have a value. None: Python decides.
    pub fn read(py: Python<'_>, arrays: &[Array], length: usize, present: &[u32]) -> Option<Self> {
        if arrays.len() > MAX_PARTS || arrays.iter().any(|array| array.1 != length) {
            return None;
        }
        let keys = arrays.iter().enumerate().map(|(number, array)| {
            let name = if arrays.len() == 1 { "row".to_owned() } else { format!("row.{}", number + 1) };
            Some(Key { name: name.into_bytes(), values: Values::read(py, array, present)? })
        });
        keys.collect::<Option<_>>().map(Self)
    }

    /// Append the canonical encoding of a row's context, nothing if rows have no keys.
    pub fn put(&self, row: u32, out: &mut Vec<u8>) {
        for key in &self.0 {
            put_size(key.name.len(), out);
            out.extend_from_slice(&key.name);
            let start = out.len();
            out.extend_from_slice(&[0, 0]);
            key.values.put(row as usize, out);
            let size = (out.len() - start - 2) as u16;
            out[start..start + 2].copy_from_slice(&size.to_be_bytes());
        }
    }
}

fn put_size(size: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(size as u16).to_be_bytes());
}

impl Values {
    fn read(py: Python<'_>, array: &Array, present: &[u32]) -> Option<Self> {
        let known = array.present(py)?;
        if known.len() < array.1 && !are_among(present, &known) {
            return None;
        }
        match array.0.as_str() {
            layout @ ("text4" | "text8") => {
                let slices = array.slices(py, if layout == "text4" { 4 } else { 8 }, present)?;
                let are_short = present.iter().all(|row| slices.places[*row as usize].len() <= MAX_SIZE);
                (are_short && are_texts(&slices, present)).then_some(Self::Texts(slices))
            }
            "date" => {
                let days = array.fixed(py, 1, 4)?;
                let mut text = Vec::new();
                let mut has_text = |row: &u32| put_date(day(&days, *row as usize), &mut text).is_some();
                present.iter().all(&mut has_text).then_some(Self::Dates(days))
            }
            "uuid" => Some(Self::Uuids(array.fixed(py, 1, 16)?)),
            layout => match (layout.strip_prefix("uint"), layout.strip_prefix("int")) {
                (Some(width), _) => {
                    let width = width.parse().ok()?;
                    Some(Self::Unsigned(array.fixed(py, 1, width)?, width))
                }
                (_, Some(width)) => {
                    let width = width.parse().ok()?;
                    Some(Self::Signed(array.fixed(py, 1, width)?, width))
                }
                _ => None,
            },
        }
    }

    fn put(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Texts(slices) => out.extend_from_slice(&slices.data[slices.places[row].clone()]),
            Self::Signed(cells, width) => {
                let number = signed(&cells[row * width..][..*width]);
                if number < 0 {
                    out.push(b'-');
                }
                put_number(number.unsigned_abs() as u64, out);
            }
            Self::Unsigned(cells, width) => put_number(unsigned(&cells[row * width..][..*width]) as u64, out),
            Self::Dates(days) => {
                let written = put_date(day(days, row), out);
                debug_assert!(written.is_some());
            }
            Self::Uuids(cells) => put_uuid(&cells[row * 16..][..16], out),
        }
    }
}

fn day(days: &[u8], row: usize) -> i64 {
    signed(&days[row * 4..][..4]) as i64
}

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

fn put_uuid(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (number, byte) in bytes.iter().enumerate() {
        if matches!(number, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// Return True if rows, in their order, are all among others.
fn are_among(rows: &[u32], others: &[u32]) -> bool {
    let mut others = others.iter();
    rows.iter().all(|row| others.any(|other| other == row))
}
