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
use crate::cipher::{Refused, Schedules};
use crate::prepared::{PREFIX_SIZE, Reader};

/// Readers of the values of a tenant, by the first bytes of a value.
#[derive(Default)]
struct Readers {
    by_prefix: HashMap<[u8; PREFIX_SIZE], u32>,
    readers: Vec<(Py<Reader>, Arc<Schedules>)>,
    last: Option<([u8; PREFIX_SIZE], u32)>,
}

impl Readers {
    /// Return the number of the reader of a value. None: Python decides.
    fn number(
        &mut self,
        data: &[u8],
        tenant: &Bound<'_, PyAny>,
        reader_for: &Bound<'_, PyAny>,
    ) -> PyResult<Option<u32>> {
        let Some(prefix) = data.first_chunk() else { return Ok(None) };
        if let Some((_, number)) = self.last.filter(|(last, _)| last == prefix) {
            return Ok(Some(number));
        }
        let number = match self.by_prefix.get(prefix) {
            Some(number) => *number,
            None => {
                let reader = reader_for.call1((PyBytes::new(tenant.py(), data), tenant))?;
                let reader = reader.cast_into::<Reader>()?;
                let Some(key) = reader.get().share() else { return Ok(None) };
                let number = self.readers.len() as u32;
                self.readers.push((reader.unbind(), key));
                self.by_prefix.insert(*prefix, number);
                number
            }
        };
        self.last = Some((*prefix, number));
        Ok(Some(number))
    }
}

/// Decrypt the cells of a tenant in place, and note where each plaintext is.
///
/// Args:
///     reader_for: returns the reader of a value for a tenant, or raises an error.
pub fn open(
    group: &Group<'_>,
    rows: &Rows,
    present: &[u32],
    slices: &mut Slices,
    reader_for: &Bound<'_, PyAny>,
) -> PyResult<Result<(), Refused>> {
    let py = reader_for.py();
    for cells in group.cells.chunks(PORTION) {
        let mut readers = Readers::default(); // new ones, so that it is looked whether their keys may still be used
        let mut numbers = Vec::with_capacity(cells.len());
        for cell in cells {
            let data = &slices.data[slices.places[present[*cell as usize] as usize].clone()];
            match readers.number(data, &group.tenant, reader_for)? {
                Some(number) => numbers.push(number),
                None => return Ok(Err(Refused)),
            }
        }
        let readers: Vec<_> = readers.readers.iter().map(|(reader, key)| (reader.get(), key)).collect();
        let opened = py.detach(|| {
            let mut aad = Vec::with_capacity(256);
            for (cell, number) in cells.iter().zip(&numbers) {
                let row = present[*cell as usize];
                let (reader, key) = &readers[*number as usize];
                aad.clear();
                aad.extend_from_slice(reader.aad());
                rows.put(row, &mut aad);
                open_cell(reader, key, &aad, &mut slices.places[row as usize], &mut slices.data)?;
            }
            Ok(())
        });
        if let Err(Refused) = opened {
            return Ok(Err(Refused));
        }
    }
    Ok(Ok(()))
}

/// Decrypt a value in place, and make its place that of the plaintext.
fn open_cell(
    reader: &Reader,
    key: &Schedules,
    aad: &[u8],
    place: &mut Range<usize>,
    data: &mut [u8],
) -> Result<(), Refused> {
    let value = &mut data[place.clone()];
    let (nonce, body) = reader.split(value).ok_or(Refused)?;
    let start = value.len() - body.len();
    let size = key.open(nonce, aad, &mut value[start..]).map_err(|_| Refused)?.len();
    *place = place.start + start..place.start + start + size;
    Ok(())
}
