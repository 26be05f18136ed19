//! What parses scalars, without Python: it never panics, and takes exactly one encoding of each value.
//!
//! `cargo test --test plaintext`, and with `cargo +nightly miri test --test plaintext` under Miri.

#[path = "../src/plaintext/calendar.rs"]
mod calendar;
#[path = "../src/plaintext/item.rs"]
mod item;
#[path = "../src/plaintext/number.rs"]
mod number;
mod support;

use item::{Body, Item};
use proptest::collection::vec;
use proptest::prelude::*;
use support::{encoded, spelled};

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 24 } else { 20_000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The beginnings of all items that are parsed, and of some that are not.
const HEADS: [&[u8]; 16] = [
    &[],
    &[0x18],
    &[0x19],
    &[0x1a],
    &[0x1b],
    &[0x3b],
    &[0xf4],
    &[0xf9, 0x7e],
    &[0xfb],
    &[0xd8, 37, 0x50],
    &[0xd9, 0x03, 0xec],
    &[0xd9, 0x03, 0xec, 0x6a],
    &[0xd9, 0xfc, 0x01],
    &[0xd9, 0xfc, 0x02, 0x73],
    &[0xc0, 0x78, 0x19],
    &[0xd9, 0xfc, 0x01, 0x78, 0x20],
];

/// Of dates, numbers, and times without and with an offset.
const TAGS: [&[u8]; 4] = [&[0xd9, 0x03, 0xec], &[0xd9, 0xfc, 0x01], &[0xd9, 0xfc, 0x02], &[0xc0]];

fn check(body: &[u8]) {
    if let Some(item) = Item::parse(body) {
        assert_eq!(encoded(item).as_bytes(), body, "{item:?}");
    }
}

proptest! {
    #![proptest_config(config())]

    /// Whatever is parsed is written as the same bytes again.
    #[test]
    fn any_bytes(head in prop::sample::select(&HEADS[..]), rest in vec(any::<u8>(), 0..80)) {
        check(&[head, &rest].concat());
    }

    /// Likewise texts of the signs that dates and numbers are made of.
    #[test]
    fn any_text(tag in prop::sample::select(&TAGS[..]), text in "[0-9]{0,4}[-.]?[0-9:T.+eE-]{0,30}") {
        let size = text.len() as u8;
        let head = if size < 24 { vec![0x60 + size] } else { vec![0x78, size] };
        check(&[tag, &head, text.as_bytes()].concat());
    }

    /// Whatever is written is parsed as the same value again, and nothing that is one byte away as the same value.
    #[test]
    fn integers(value: i64, unsigned: u64, shift in 0..64u32, at: prop::sample::Index, byte: u8) {
        for value in [value, value >> shift] {
            assert_eq!(Item::parse(Body::integer(value).as_bytes()), Some(Item::Int(value.into())));
        }
        let wide = i128::from(unsigned >> shift);
        let body = Body::wide_integer(-1 - wide).expect("64 bits and a sign");
        assert_eq!(Item::parse(body.as_bytes()), Some(Item::Int(-1 - wide)));
        let body = Body::wide_integer(wide).expect("64 bits and a sign");
        assert_eq!(Item::parse(body.as_bytes()), Some(Item::Int(wide)));
        let mut changed = body.as_bytes().to_vec();
        let at = at.index(changed.len());
        changed[at] = byte;
        check(&changed);
        check(&changed[..at]);
    }

    #[test]
    fn floats(bits: u64) {
        let value = f64::from_bits(bits);
        match Item::parse(Body::float(value).as_bytes()) {
            Some(Item::Float(read)) if value.is_nan() => assert!(read.is_nan()),
            Some(Item::Float(read)) => assert_eq!(read.to_bits(), bits),
            other => panic!("{other:?}"),
        }
        check(&[&[0xfb][..], &bits.to_be_bytes()].concat());
    }

    #[test]
    fn uuids_and_booleans(number: u128, truth: bool) {
        assert_eq!(Item::parse(Body::uuid(number).as_bytes()), Some(Item::Uuid(number)));
        assert_eq!(Item::parse(Body::bool(truth).as_bytes()), Some(Item::Bool(truth)));
    }

    #[test]
    fn dates_and_times(date in (1..10_000u32, 1..13u32, 1..32u32), time in (0..24u32, 0..60u32, 0..60u32), micro in prop_oneof![Just(0), 0..1_000_000u32]) {
        let day = calendar::Spelling::of_date(date.0, date.1, date.2);
        let body = Body::date(&day).expect("short");
        let text = format!("{:04}-{:02}-{:02}", date.0, date.1, date.2);
        assert_eq!(Item::parse(body.as_bytes()), Some(Item::Date(&text)));
        let fraction = if micro == 0 { String::new() } else { format!(".{micro:06}") };
        let text = format!("{text}T{:02}:{:02}:{:02}{fraction}", time.0, time.1, time.2);
        let local = day.at(time.0, time.1, time.2, micro);
        let body = Body::local_datetime(&local).expect("short");
        assert_eq!(Item::parse(body.as_bytes()), Some(Item::LocalDateTime(&text)));
        let body = Body::datetime(&local.in_utc()).expect("short");
        assert_eq!(Item::parse(body.as_bytes()), Some(Item::DateTime(&format!("{text}+00:00"))));
    }

    /// A number is plain if and only if that is how the specification of decimal arithmetic spells it.
    #[test]
    fn numbers(text in "-?[0-9]{0,3}0{0,8}[0-9]{0,3}\\.?0{0,8}[0-9]{0,4}") {
        assert_eq!(number::is_plain(text.as_bytes()), spelled(&text).as_deref() == Some(&text), "{}", text);
    }
}
