//! Arrays of Arrow, as Python takes them apart, and as it puts them together.

use std::ops::Range;

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PySlice};

/// An array: the name of its layout, its length, its offset, and its buffers, of which the first one says which cells
/// are null: memoryviews of bytes, None for a buffer of no bytes.
#[derive(FromPyObject)]
pub struct Array(pub String, pub usize, usize, Vec<Option<Py<PyAny>>>);

/// Buffers of a new array, and how many nulls it has: validity, and the others.
pub type Buffers<'py> = (usize, Option<Bound<'py, PyBytes>>, Vec<Bound<'py, PyBytes>>);

/// Texts or bytes: where each cell is in the data. Cells that are null have any place.
pub struct Slices {
    pub places: Vec<Range<usize>>,
    pub data: Vec<u8>,
}

impl Array {
    /// Return the rows that have a value, in their order. None: the array is not what it says.
    pub fn present(&self, py: Python<'_>) -> Option<Vec<u32>> {
        let length = u32::try_from(self.1).ok()?;
        if self.buffer(0).is_none() {
            return Some((0..length).collect());
        }
        let bits = self.bits(py, 0)?;
        Some((0..length).filter(|row| bits[*row as usize]).collect())
    }

    /// Return a buffer of bits, one per row.
    pub fn bits(&self, py: Python<'_>, number: usize) -> Option<Vec<bool>> {
        let (first, end) = (self.2, self.2.checked_add(self.1)?);
        let bytes = self.copied(py, number, first / 8..end.div_ceil(8))?;
        Some((first % 8..first % 8 + self.1).map(|bit| bytes[bit / 8] >> (bit % 8) & 1 == 1).collect())
    }

    /// Return a buffer of so many bytes per row.
    pub fn fixed(&self, py: Python<'_>, number: usize, width: usize) -> Option<Vec<u8>> {
        self.copied(py, number, self.2.checked_mul(width)?..self.2.checked_add(self.1)?.checked_mul(width)?)
    }

    /// Return texts or bytes of offsets of so many bytes.
    pub fn slices(&self, py: Python<'_>, width: usize, present: &[u32]) -> Option<Slices> {
        let end = self.2.checked_add(self.1)?.checked_add(1)?;
        let raw = self.copied(py, 1, self.2.checked_mul(width)?..end.checked_mul(width)?)?;
        let offsets: Vec<usize> = match width {
            4 => raw.as_chunks().0.iter().map(|each| u32::from_le_bytes(*each) as usize).collect(),
            _ => {
                raw.as_chunks().0.iter().map(|each| u64::from_le_bytes(*each).try_into().ok()).collect::<Option<_>>()?
            }
        };
        let (first, last) = (*offsets.first()?, *offsets.last()?);
        let data = match self.buffer(2) {
            None => Vec::new(),
            Some(_) => self.copied(py, 2, first..last)?,
        };
        let mut places = vec![0..0; self.1];
        for row in present.iter().map(|row| *row as usize) {
            let place = offsets[row].checked_sub(first)?..offsets[row + 1].checked_sub(first)?;
            data.get(place.clone())?;
            places[row] = place;
        }
        Some(Slices { places, data })
    }

    fn buffer(&self, number: usize) -> Option<&Py<PyAny>> {
        self.3.get(number)?.as_ref()
    }

    /// Return bytes of a buffer, if it has them all.
    fn copied(&self, py: Python<'_>, number: usize, bytes: Range<usize>) -> Option<Vec<u8>> {
        let size = bytes.end.checked_sub(bytes.start)?;
        if size == 0 {
            return Some(Vec::new());
        }
        let part = PySlice::new(py, bytes.start.try_into().ok()?, bytes.end.try_into().ok()?, 1);
        let part = self.buffer(number)?.bind(py).get_item(part).ok()?;
        PyBuffer::<u8>::get(&part).ok()?.to_vec(py).ok().filter(|copy| copy.len() == size)
    }
}

/// Return the validity of a new array, or None if no cell is null.
pub fn validity<'py>(py: Python<'py>, length: usize, present: &[u32]) -> PyResult<Option<Bound<'py, PyBytes>>> {
    if present.len() == length {
        return Ok(None);
    }
    let bits = PyBytes::new_with(py, length.div_ceil(8), |bytes| {
        for row in present {
            bytes[*row as usize / 8] |= 1 << (row % 8);
        }
        Ok(())
    });
    Ok(Some(bits?))
}

/// Return offsets of so many bytes, of cells of these sizes.
pub fn offsets<'py>(
    py: Python<'py>,
    width: usize,
    length: usize,
    present: &[u32],
    size: impl Fn(usize) -> usize,
) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, width * (length + 1), |bytes| {
        let (mut offset, mut cells) = (0, present.iter().enumerate().peekable());
        for (row, each) in bytes.chunks_exact_mut(width).enumerate() {
            each.copy_from_slice(&(offset as u64).to_le_bytes()[..width]);
            if let Some((cell, _)) = cells.next_if(|(_, at)| **at as usize == row) {
                offset += size(cell);
            }
        }
        Ok(())
    })
}
