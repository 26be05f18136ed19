//! The cells of each tenant.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::PyString;

use super::array::Array;
use super::plaintexts::are_texts;

/// The cells of a tenant: their numbers among those with a value.
pub struct Group<'py> {
    pub tenant: Bound<'py, PyAny>,
    pub cells: Vec<u32>,
}

/// Return all cells as those of one tenant.
pub fn one_group<'py>(tenant: Bound<'py, PyAny>, cells: usize) -> Vec<Group<'py>> {
    vec![Group { tenant, cells: (0..cells as u32).collect() }]
}

/// Return the cells by their tenants, in the order of their first cells. None: Python decides.
pub fn groups<'py>(py: Python<'py>, tenants: &Array, length: usize, present: &[u32]) -> Option<Vec<Group<'py>>> {
    let width = match tenants.0.as_str() {
        "text4" => 4,
        "text8" => 8,
        _ => return None,
    };
    let named = tenants.present(py)?;
    if tenants.1 != length || named.len() < length && !present.iter().all(|row| named.binary_search(row).is_ok()) {
        return None; // a value without a tenant is refused
    }
    let slices = tenants.slices(py, width, present)?;
    if !are_texts(&slices, present) {
        return None;
    }
    let mut groups: Vec<Group<'py>> = Vec::new();
    let mut numbers: HashMap<&[u8], usize> = HashMap::new();
    let mut last: (&[u8], usize) = (&[], usize::MAX);
    for (cell, row) in present.iter().enumerate() {
        let name = &slices.data[slices.places[*row as usize].clone()];
        if last.1 == usize::MAX || last.0 != name {
            let number = *numbers.entry(name).or_insert(groups.len());
            if number == groups.len() {
                let tenant = PyString::new(py, std::str::from_utf8(name).ok()?).into_any();
                groups.push(Group { tenant, cells: Vec::new() });
            }
            last = (name, number);
        }
        groups[last.1].cells.push(cell as u32);
    }
    Some(groups)
}
