//! Decrypting the cells of a column.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::array::Slices;
use super::groups::Group;
use super::rows::Rows;
use super::sealing::PORTION;
use crate::field::prepared::{PREFIX_SIZE, Reader};
use crate::keys::cipher::{Refused, Schedules};
use crate::keys::memory::clear_registers;
use crate::tally::Tally;

/// What is decrypted, and how each cell of it is bound to its row.
pub struct Opening<'a> {
    pub rows: &'a Rows,
    pub present: &'a [u32],
    /// Return True if bytes are a plaintext of the column.
    pub is_plaintext: fn(&[u8]) -> bool,
}

/// The readers of a tenant's values, by the first bytes of a value; and the one that was used last.
#[derive(Default)]
struct Readers {
    all: Vec<(Py<Reader>, Arc<Schedules>)>,
    opened: Vec<i64>,
    by_prefix: HashMap<[u8; PREFIX_SIZE], usize>,
    last: usize,
}

impl Readers {
    /// Find the reader of a value, and make it the last one.
    #[inline]
    fn find(&mut self, value: &[u8]) -> Option<(&Reader, &Schedules)> {
        let prefix = value.first_chunk()?;
        if self.all.get(self.last).is_none_or(|(reader, _)| reader.get().prefix != *prefix) {
            self.last = *self.by_prefix.get(prefix)?;
        }
        let (reader, key) = &self.all[self.last];
        Some((reader.get(), key))
    }

    fn add(&mut self, reader: Bound<'_, Reader>) -> Result<(), Refused> {
        let key = reader.get().share().ok_or(Refused)?;
        self.by_prefix.insert(reader.get().prefix, self.all.len());
        self.all.push((reader.unbind(), key));
        self.opened.push(0);
        Ok(())
    }

    /// Return how many values were decrypted with the readers that count them.
    fn counts(&self, py: Python<'_>) -> Vec<(Py<Tally>, i64)> {
        let each = self.all.iter().zip(&self.opened);
        each.filter_map(|((reader, _), opened)| Some((reader.get().tally.as_ref()?.clone_ref(py), *opened))).collect()
    }
}

impl Opening<'_> {
    /// Decrypt the cells of a tenant in place, and note where each plaintext is.
    ///
    /// Args:
    ///     reader_for: returns the reader of a value, for a tenant, in a row; or raises an error.
    ///     counts: of values, to count once the whole column is decrypted.
    pub fn open(
        &self,
        group: &Group<'_>,
        slices: &mut Slices,
        reader_for: &Bound<'_, PyAny>,
        counts: &mut Vec<(Py<Tally>, i64)>,
    ) -> PyResult<Result<(), Refused>> {
        let py = reader_for.py();
        for mut cells in group.cells.chunks(PORTION) {
            py.check_signals()?; // encrypting, `writer_for` lets Python look at them
            let mut readers = Readers::default(); // new ones, so that it is looked whether their keys may still be used
            loop {
                let opened = py.detach(|| {
                    let opened = self.open_known(&mut readers, cells, slices);
                    clear_registers();
                    opened
                });
                let Ok(done) = opened else { return Ok(Err(Refused)) };
                cells = &cells[done..];
                let Some(cell) = cells.first() else {
                    counts.extend(readers.counts(py));
                    break;
                };
                let row = self.row(*cell);
                let value = &slices.data[slices.places[row].clone()];
                let reader = reader_for.call1((PyBytes::new(py, value), &group.tenant, row))?.cast_into::<Reader>()?;
                if value.first_chunk() != Some(&reader.get().prefix) || readers.add(reader).is_err() {
                    return Ok(Err(Refused));
                }
            }
        }
        Ok(Ok(()))
    }

    /// Decrypt cells until there is one whose reader is not known, and return how many were decrypted.
    fn open_known(&self, readers: &mut Readers, cells: &[u32], slices: &mut Slices) -> Result<usize, Refused> {
        let mut aad = Vec::with_capacity(256);
        for (done, cell) in cells.iter().enumerate() {
            let row = self.row(*cell);
            let place = &mut slices.places[row];
            let value = &mut slices.data[place.clone()];
            let Some((reader, key)) = readers.find(value) else { return Ok(done) };
            aad.clear();
            aad.extend_from_slice(reader.aad());
            self.rows.put(row as u32, &mut aad);
            let found = open_cell(reader, key, &aad, value)?;
            if !(self.is_plaintext)(&value[found.clone()]) {
                return Err(Refused);
            }
            *place = place.start + found.start..place.start + found.end;
            readers.opened[readers.last] += 1;
        }
        Ok(cells.len())
    }

    fn row(&self, cell: u32) -> usize {
        self.present[cell as usize] as usize
    }
}

/// Decrypt a value in place, and return where in it the plaintext is.
fn open_cell(reader: &Reader, key: &Schedules, aad: &[u8], value: &mut [u8]) -> Result<Range<usize>, Refused> {
    let (nonce, body) = reader.split(value).ok_or(Refused)?;
    let start = value.len() - body.len();
    let size = key.open(nonce, aad, &mut value[start..]).map_err(|_| Refused)?.len();
    Ok(start..start + size)
}
