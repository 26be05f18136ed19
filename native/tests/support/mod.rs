//! Writing what was parsed, and the spelling of numbers by the letter of the General Decimal Arithmetic specification.

use crate::calendar::Spelling;
use crate::item::{Body, Item};

/// Return the one encoding of an item.
pub fn encoded(item: Item<'_>) -> Body {
    match item {
        Item::Bool(value) => Body::bool(value),
        Item::Int(value) => Body::wide_integer(value).expect("64 bits and a sign"),
        Item::Float(value) => Body::float(value),
        Item::Uuid(number) => Body::uuid(number),
        Item::Decimal(text) => Body::decimal(text).expect("not long"),
        Item::Date(text) => Body::date(&day(text)).expect("short"),
        Item::LocalDateTime(text) => Body::local_datetime(&moment(text)).expect("short"),
        Item::DateTime(text) => Body::datetime(&moment(text).in_utc()).expect("short"),
    }
}

fn day(text: &str) -> Spelling {
    Spelling::of_date(part(text, 0, 4), part(text, 5, 2), part(text, 8, 2))
}

fn moment(text: &str) -> Spelling {
    let micro = if text[19..].starts_with('.') { part(text, 20, 6) } else { 0 };
    day(text).at(part(text, 11, 2), part(text, 14, 2), part(text, 17, 2), micro)
}

fn part(text: &str, at: usize, size: usize) -> u32 {
    text[at..at + size].parse().expect("digits")
}

/// Return how a number of plain digits is spelled, with an exponent if it takes one; None if it is no number.
pub fn spelled(text: &str) -> Option<String> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() {
        return None;
    }
    let significant = all.trim_start_matches('0');
    let coefficient = if significant.is_empty() { "0" } else { significant };
    let exponent = -(fraction.len() as i64);
    let adjusted = exponent + coefficient.len() as i64 - 1;
    if adjusted < -6 {
        return Some(format!("{sign}{coefficient}E{adjusted}")); // or with a point in it: in any case no plain digits
    }
    let places = fraction.len();
    if places == 0 {
        return Some(format!("{sign}{coefficient}"));
    }
    let padded = format!("{coefficient:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at(padded.len() - places);
    Some(format!("{sign}{whole}.{fraction}"))
}
