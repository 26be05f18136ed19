//! The columns of a field: what Python calls.

use std::mem;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::array::{Array, Buffers, offsets, validity};
use super::groups::{Group, groups, one_group};
use super::opening::Opening;
use super::plaintexts::Plaintexts;
use super::rows::Rows;
use super::sealing::Sealing;
use super::values::{Layout, array};
use crate::field::prepared::{BODY_START, Writer};
use crate::keys::cipher::{Refused, TAG_SIZE};
use crate::panic::guarded;
use crate::system::System;
use crate::tally::{Tally, tally_of};

/// Encrypts and decrypts columns of a field. None stands for what it leaves to Python.
///
/// Each method raises what `writer_for`, `reader_for` and the handlers of signals raise, and no other error.
#[pyclass(frozen, module = "fieldcrypt_native")]
pub struct Columns {
    writer_for: Py<PyAny>,
    reader_for: Py<PyAny>,
    system: System,
    encrypted: Option<Py<PyAny>>,
    counts: Mutex<Vec<(Py<Tally>, i64)>>,
}

#[pymethods]
impl Columns {
    /// Args:
    ///     writer_for: returns a writer for a tenant; another one than before, if the second argument is True.
    ///     reader_for: returns the reader of a value, for a tenant, in a row.
    ///     system: names and values of `fieldcrypt._system`, and the two that were there at first.
    ///     encrypted: the tallies of values that were encrypted, by tenant; None if nobody counts them.
    #[new]
    #[pyo3(signature = (writer_for, reader_for, system, encrypted=None))]
    fn new(
        writer_for: Py<PyAny>,
        reader_for: Py<PyAny>,
        system: (Py<PyDict>, Py<PyAny>, Py<PyAny>),
        encrypted: Option<Py<PyAny>>,
    ) -> Self {
        let system = System::new(system.0, system.1, system.2);
        Self { writer_for, reader_for, system, encrypted, counts: Mutex::default() }
    }

    /// Count all that was encrypted or decrypted, if values are counted: once it is clear that Python does not do it again.
    fn count(&self) {
        for (tally, number) in mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner)) {
            tally.get().count(number);
        }
    }

    /// Encrypt a column, and return the buffers of a binary one.
    ///
    /// Args:
    ///     values: an array.
    ///     rows: the parts of the rows' primary keys, each an array.
    ///     tenants: an array of tenants, or None for one tenant of all values.
    ///     tenant: that one.
    fn encrypt<'py>(
        &self,
        py: Python<'py>,
        values: Array,
        rows: Vec<Array>,
        tenants: Option<Array>,
        tenant: Bound<'py, PyAny>,
    ) -> PyResult<Option<Buffers<'py>>> {
        guarded(|| self.sealed(py, &values, &rows, tenants, tenant))
    }

    /// Decrypt a binary column, and return whether it has points in time, and the buffers of one of a layout.
    fn decrypt<'py>(
        &self,
        py: Python<'py>,
        values: Array,
        rows: Vec<Array>,
        tenants: Option<Array>,
        tenant: Bound<'py, PyAny>,
        layout: &str,
    ) -> PyResult<Option<(bool, Buffers<'py>)>> {
        guarded(|| self.opened(py, &values, &rows, tenants, tenant, layout))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.writer_for)?;
        visit.call(&self.reader_for)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("what encrypts columns holds keys and cannot be pickled: pickle its field"))
    }
}

impl Columns {
    fn note(&self, counts: impl IntoIterator<Item = (Py<Tally>, i64)>) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).extend(counts);
    }

    fn sealed<'py>(
        &self,
        py: Python<'py>,
        values: &Array,
        rows: &[Array],
        tenants: Option<Array>,
        tenant: Bound<'py, PyAny>,
    ) -> PyResult<Option<Buffers<'py>>> {
        let Some(plaintexts) = Plaintexts::read(py, values) else { return Ok(None) };
        let (length, present) = (plaintexts.length, plaintexts.present.as_slice());
        let Some(rows) = Rows::read(py, rows, length, present) else { return Ok(None) };
        let Some(groups) = grouped(py, tenants, tenant, length, present) else { return Ok(None) };
        let writer_for = self.writer_for.bind(py);
        let mut infixes = Vec::with_capacity(groups.len());
        for group in &groups {
            infixes.push(writer_for.call1((&group.tenant, false))?.cast::<Writer>()?.get().infix().len());
        }
        let starts = starts(&plaintexts, &groups, &infixes);
        let Some(starts) = starts else { return Ok(None) };
        let mut refused = false;
        let data = PyBytes::new_with(py, starts[present.len()], |out| {
            for (group, infix) in groups.iter().zip(&infixes) {
                write_all(&plaintexts, &group.cells, &starts, *infix, out);
            }
            let sealing = Sealing { system: &self.system, plaintexts: &plaintexts, rows: &rows, starts: &starts };
            for (group, infix) in groups.iter().zip(&infixes) {
                refused |= sealing.seal(py, group, writer_for, *infix, out)?.is_err();
            }
            Ok(())
        })?;
        if refused {
            return Ok(None);
        }
        if let Some(encrypted) = &self.encrypted {
            for group in &groups {
                let tally = tally_of(encrypted.bind(py), Some(&group.tenant))?.unbind();
                self.note([(tally, group.cells.len() as i64)]);
            }
        }
        let offsets = offsets(py, 4, length, present, |cell| starts[cell + 1] - starts[cell])?;
        Ok(Some((length - present.len(), validity(py, length, present)?, vec![offsets, data])))
    }

    fn opened<'py>(
        &self,
        py: Python<'py>,
        values: &Array,
        rows: &[Array],
        tenants: Option<Array>,
        tenant: Bound<'py, PyAny>,
        layout: &str,
    ) -> PyResult<Option<(bool, Buffers<'py>)>> {
        let width = match values.0.as_str() {
            "bytes4" => 4,
            "bytes8" => 8,
            _ => return Ok(None),
        };
        let Some(layout) = Layout::named(layout) else { return Ok(None) };
        let Some(present) = values.present(py) else { return Ok(None) };
        let Some(mut slices) = values.slices(py, width, &present) else { return Ok(None) };
        let Some(rows) = Rows::read(py, rows, values.1, &present) else { return Ok(None) };
        let Some(groups) = grouped(py, tenants, tenant, values.1, &present) else { return Ok(None) };
        let opening = Opening { rows: &rows, present: &present, is_plaintext: layout.is_plaintext() };
        let mut counts = Vec::new();
        for group in &groups {
            if let Err(Refused) = opening.open(group, &mut slices, self.reader_for.bind(py), &mut counts)? {
                return Ok(None);
            }
        }
        self.note(counts);
        array(py, &layout, values.1, &present, &slices)
    }
}

fn grouped<'py>(
    py: Python<'py>,
    tenants: Option<Array>,
    tenant: Bound<'py, PyAny>,
    length: usize,
    present: &[u32],
) -> Option<Vec<Group<'py>>> {
    match tenants {
        None => Some(one_group(tenant, present.len())),
        Some(tenants) => groups(py, &tenants, length, present),
    }
}

/// Return where the values of cells begin, and where the last one ends. None: offsets of 32 bits do not reach so far.
fn starts(plaintexts: &Plaintexts, groups: &[Group<'_>], infixes: &[usize]) -> Option<Vec<usize>> {
    let mut starts = vec![0; plaintexts.present.len() + 1];
    for (group, infix) in groups.iter().zip(infixes) {
        for cell in group.cells.iter().map(|cell| *cell as usize) {
            starts[cell + 1] = BODY_START + infix + plaintexts.size(cell) + TAG_SIZE;
        }
    }
    let mut end = 0usize;
    for start in &mut starts {
        end = end.checked_add(*start).filter(|end| *end <= i32::MAX as usize)?;
        *start = end;
    }
    Some(starts)
}

/// Write the plaintexts of cells where they are to be encrypted.
fn write_all(plaintexts: &Plaintexts, cells: &[u32], starts: &[usize], infix: usize, out: &mut [u8]) {
    for cell in cells.iter().map(|cell| *cell as usize) {
        let start = starts[cell] + BODY_START + infix;
        plaintexts.write(cell, &mut out[start..starts[cell + 1] - TAG_SIZE]);
    }
}
