//! Whatever a plaintext holds: parsing it never panics, and what is parsed is written as the same bytes again.
//!
//! In native/: `cargo +nightly fuzz run plaintext`

#![no_main]

#[path = "../../src/plaintext/calendar.rs"]
mod calendar;
#[path = "../../src/plaintext/item.rs"]
mod item;
#[path = "../../src/plaintext/number.rs"]
mod number;
#[path = "../../tests/support/mod.rs"]
mod support;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Some(item) = item::Item::parse(body) {
        assert_eq!(support::encoded(item).as_bytes(), body, "{item:?}");
    }
    if let Ok(text) = std::str::from_utf8(body) {
        let is_number =
            text.strip_prefix('-').unwrap_or(text).bytes().all(|sign| sign == b'.' || sign.is_ascii_digit());
        if is_number && text.matches('.').count() < 2 {
            assert_eq!(number::is_plain(body), support::spelled(text).as_deref() == Some(text), "{text}");
        }
    }
});
