//! The one spelling of decimal numbers, where it has no exponent.

/// Zeros between the point and the first other digit; with more of them, the spelling has an exponent.
const MOST_ZEROS: usize = 5;

/// Return True if a text is spelled as Python spells the number it stands for, and has no exponent: -12.50, 0.00001.
#[inline]
pub fn is_plain(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let point = digits.iter().position(|sign| *sign == b'.');
    let (whole, fraction) = match point {
        None => (digits, None),
        Some(at) => (&digits[..at], Some(&digits[at + 1..])),
    };
    let starts_well = match whole {
        [b'0'] => fraction.is_none_or(is_near),
        [first, ..] => *first != b'0',
        [] => false,
    };
    starts_well && all_digits(whole) && fraction.is_none_or(|fraction| !fraction.is_empty() && all_digits(fraction))
}

/// Return True if the digits behind "0." do not begin with so many zeros that an exponent takes their place.
#[inline]
fn is_near(fraction: &[u8]) -> bool {
    match fraction.iter().position(|sign| *sign != b'0') {
        Some(zeros) => zeros <= MOST_ZEROS,
        None => fraction.len() <= MOST_ZEROS + 1,
    }
}

#[inline]
fn all_digits(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_digit)
}
