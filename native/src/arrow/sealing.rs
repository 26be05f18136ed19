//! Encrypting the cells of a column.

use pyo3::prelude::*;

use super::groups::Group;
use super::plaintexts::Plaintexts;
use super::rows::Rows;
use crate::field::batch::{MOST_VALUES, of_one_draw};
use crate::field::prepared::{BODY_START, NONCE_SIZE, Writer};
use crate::keys::cipher::{Refused, Schedules, TAG_SIZE};
use crate::keys::memory::clear_registers;
use crate::system::System;

/// Cells after which it is looked whether the key may still be used.
pub const PORTION: usize = 65_536;

/// What is encrypted, and how each cell of it is bound to its row.
pub struct Sealing<'a> {
    pub system: &'a System,
    pub plaintexts: &'a Plaintexts,
    pub rows: &'a Rows,
    /// Where the value of each cell begins in the new column, and where the last one ends.
    pub starts: &'a [usize],
}

impl Sealing<'_> {
    /// Encrypt the cells of a tenant. All plaintexts are in their places, where nobody else can change them.
    ///
    /// Args:
    ///     writer_for: returns a writer for a tenant; another one than before, if it is told so.
    ///     infix: of how many bytes the infixes of values are.
    pub fn seal(
        &self,
        py: Python<'_>,
        group: &Group<'_>,
        writer_for: &Bound<'_, PyAny>,
        infix: usize,
        out: &mut [u8],
    ) -> PyResult<Result<(), Refused>> {
        let draws_natively = self.system.draws_natively(py)?;
        let (mut left, mut again) = (group.cells.as_slice(), false);
        while !left.is_empty() {
            let writer = writer_for.call1((&group.tenant, again))?;
            let writer = writer.cast::<Writer>()?.get();
            let taken = writer.take(left.len().min(PORTION) as u32) as usize;
            again = taken == 0;
            let (cells, rest) = left.split_at(taken);
            left = rest;
            let Some(key) = writer.share() else { return Ok(Err(Refused)) };
            if writer.infix().len() != infix {
                return Ok(Err(Refused));
            }
            let sealed = py.detach(|| {
                let sealed = self.seal_portion(draws_natively, writer, &key, cells, out);
                clear_registers();
                sealed
            });
            if let Err(Refused) = sealed? {
                return Ok(Err(Refused));
            }
        }
        Ok(Ok(()))
    }

    fn seal_portion(
        &self,
        draws_natively: bool,
        writer: &Writer,
        key: &Schedules,
        cells: &[u32],
        out: &mut [u8],
    ) -> PyResult<Result<(), Refused>> {
        let mut aad = writer.aad().to_vec();
        let mut left = cells;
        let mut nonces = [[0; NONCE_SIZE]; MOST_VALUES];
        while !left.is_empty() {
            let (batch, rest) =
                left.split_at(of_one_draw(left.iter().map(|cell| self.plaintexts.size(*cell as usize))));
            left = rest;
            let nonces = &mut nonces[..batch.len()];
            self.system.fill_detached(draws_natively, nonces.as_flattened_mut())?;
            for (cell, nonce) in batch.iter().zip(nonces) {
                let cell = *cell as usize;
                aad.truncate(writer.aad().len());
                self.rows.put(self.plaintexts.present[cell], &mut aad);
                let value = &mut out[self.starts[cell]..self.starts[cell + 1]];
                if seal_cell(writer, key, nonce, &aad, value).is_err() {
                    return Ok(Err(Refused));
                }
            }
        }
        Ok(Ok(()))
    }
}

/// Encrypt the plaintext that is in a value, and write all else of the value.
fn seal_cell(
    writer: &Writer,
    key: &Schedules,
    nonce: &mut [u8; NONCE_SIZE],
    aad: &[u8],
    value: &mut [u8],
) -> Result<(), Refused> {
    let (head, text) = value.split_at_mut(BODY_START + writer.infix().len());
    let (text, tag) = text.split_at_mut(text.len() - TAG_SIZE);
    tag.copy_from_slice(key.seal(nonce, aad, text).map_err(|_| Refused)?.as_ref());
    let (prefix, rest) = head.split_at_mut(writer.prefix().len());
    prefix.copy_from_slice(writer.prefix());
    rest[..NONCE_SIZE].copy_from_slice(nonce);
    rest[NONCE_SIZE..].copy_from_slice(writer.infix());
    Ok(())
}
