//! The stack below a function, on which it may have left parts of keys.

use std::hint::black_box;

use super::memory::clear_registers;

/// Bytes of stack that deriving a key stays within.
const ROOM: usize = 16 * 1024;

/// Do work with keys, and overwrite the part of the stack that it had. What it returns must hold no key.
///
/// Keys that move leave copies, and so do functions that are called with them. So they move only in here, to where they
/// stay.
pub fn scrubbed<R>(work: impl FnOnce() -> R) -> R {
    let done = apart(work);
    overwrite::<{ ROOM / 8 }>();
    done
}

/// As `scrubbed`, for work that is short and frequent, and uses less of the stack.
#[inline]
pub fn lightly_scrubbed<R>(work: impl FnOnce() -> R) -> R {
    let done = apart(work);
    overwrite::<{ ROOM / 16 }>();
    done
}

#[inline(never)]
fn apart<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[inline(never)]
fn overwrite<const WORDS: usize>() {
    black_box(&mut [0u64; WORDS]);
    clear_registers();
}
