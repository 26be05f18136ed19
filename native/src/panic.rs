//! Panics, which must not get into Python as what no `except Exception` catches.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};

use pyo3::prelude::*;

use crate::error::failed;

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keep panics from being printed, because their messages may hold plaintext; note only where they were.
pub fn silence() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
        let _ = PLACE.try_with(|noted| noted.replace(place)); // a thread that is ending notes nothing
    }));
}

/// Do work, and turn a panic into an error of ours.
#[inline]
pub fn guarded<R>(work: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(failed(&place())))
}

#[cold]
fn place() -> String {
    PLACE.with(|noted| noted.take()).unwrap_or_else(|| "a place unknown".into())
}

/// Panic, so that a test can see what becomes of it.
#[pyfunction]
pub fn _panic() -> PyResult<()> {
    guarded(|| panic!("a secret"))
}
