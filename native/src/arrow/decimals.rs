//! Decimals of Arrow, an integer and a scale, <-> the text of Python's Decimal.

/// Python writes smaller numbers with an exponent.
const LEAST_EXPONENT: i32 = -6;

/// Return the precision and the scale in the name of a layout.
pub fn decimal_named(name: &str) -> Option<(usize, usize)> {
    let (precision, scale) = name.strip_prefix("decimal")?.split_once('.')?;
    Some((precision.parse().ok().filter(|precision| *precision <= 38)?, scale.parse().ok()?))
}

/// Append the text of an integer with so many digits after the point.
///
/// None: Python writes it with an exponent, or it has more digits than its column may have.
pub fn put_decimal(number: i128, precision: usize, scale: usize, text: &mut Vec<u8>) -> Option<()> {
    let digits = number.unsigned_abs().to_string();
    if digits.len() > precision || !is_plain(digits.len(), scale) {
        return None;
    }
    if number < 0 {
        text.push(b'-');
    }
    let point = digits.len().saturating_sub(scale);
    text.extend_from_slice(if point == 0 { b"0" } else { &digits.as_bytes()[..point] });
    if scale > 0 {
        text.push(b'.');
        text.extend(std::iter::repeat_n(b'0', scale.saturating_sub(digits.len())));
        text.extend_from_slice(&digits.as_bytes()[point..]);
    }
    Some(())
}

/// Return the integer that a text is with so many digits after the point.
///
/// None: it is not exactly what Python writes for a number without an exponent, or it has more digits than these, or is
/// the zero that has a sign, which no column has.
pub fn decimal(text: &[u8], precision: usize, scale: usize) -> Option<i128> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let point = text.iter().position(|each| *each == b'.').unwrap_or(text.len());
    let (whole, after) = (&text[..point], text.get(point + 1..).unwrap_or_default());
    if whole.is_empty() || (whole[0] == b'0' && whole.len() > 1) || (point < text.len() && after.is_empty()) {
        return None;
    }
    let mut number: i128 = 0;
    for digit in whole.iter().chain(after) {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    if !is_plain(number.unsigned_abs().to_string().len(), after.len()) || after.len() > scale {
        return None;
    }
    let number = number.checked_mul(10i128.checked_pow((scale - after.len()) as u32)?)?;
    if (negative && number == 0) || number >= 10i128.checked_pow(precision as u32)? {
        return None;
    }
    Some(if negative { -number } else { number })
}

fn is_plain(digits: usize, scale: usize) -> bool {
    digits as i32 - scale as i32 > LEAST_EXPONENT
}
