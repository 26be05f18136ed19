//! What takes values apart, without Python: it never panics, and loses and invents no byte.
//!
//! `cargo test --test envelope`, and with `cargo +nightly miri test --test envelope` under Miri.

#[path = "../src/envelope.rs"]
mod envelope;

use envelope::{BODY_START, PREFIX_SIZE, split};
use proptest::collection::vec;
use proptest::prelude::*;

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 24 } else { 20_000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Bytes are a value if they are long enough for a nonce, and have the infix after it.
    #[test]
    fn any_bytes(infix in vec(0..2u8, 0..4), data in vec(0..2u8, 0..60)) {
        let is_value = data.len() >= BODY_START && data[BODY_START..].starts_with(&infix);
        let found = split(&infix, &data);
        prop_assert_eq!(found.is_some(), is_value);
        if let Some((nonce, body)) = found {
            prop_assert_eq!([&data[..PREFIX_SIZE], &nonce, &infix, body].concat(), data);
        }
    }

    /// What was put together is taken apart, and not with an infix that is cut or changed.
    #[test]
    fn what_was_put_together(
        prefix in any::<[u8; PREFIX_SIZE]>(),
        nonce in any::<[u8; BODY_START - PREFIX_SIZE]>(),
        infix in vec(any::<u8>(), 0..400),
        body in vec(any::<u8>(), 0..100),
        at in any::<prop::sample::Index>(),
    ) {
        let data = [prefix.as_slice(), &nonce, &infix, &body].concat();
        prop_assert_eq!(split(&infix, &data), Some((nonce, body.as_slice())));
        prop_assert_eq!(split(&infix, &data[..at.index(BODY_START + infix.len()).min(data.len())]), None);
        if !infix.is_empty() {
            let mut other = infix.clone();
            other[at.index(infix.len())] ^= 1;
            prop_assert_eq!(split(&other, &data), None);
        }
    }
}
