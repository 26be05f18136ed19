//! Whatever a value and its infix hold: taking it apart never panics, and loses and invents no byte.
//!
//! In native/: `cargo +nightly fuzz run envelope`

#![no_main]

#[path = "../../src/envelope.rs"]
mod envelope;

use envelope::{PREFIX_SIZE, split};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|given: (&[u8], &[u8])| {
    let (infix, data) = given;
    if let Some((nonce, body)) = split(infix, data) {
        assert_eq!([&data[..PREFIX_SIZE], &nonce, infix, body].concat(), data);
    }
});
