//! The CBOR of numbers (SPEC section 5), as far as columns have it.

const NEGATIVE: u8 = 0x20;
const DOUBLE: u8 = 0xfb;
const NAN: [u8; 3] = [0xf9, 0x7e, 0x00];
const INFINITY: [u8; 3] = [0xf9, 0x7c, 0x00];
const NEGATIVE_INFINITY: [u8; 3] = [0xf9, 0xfc, 0x00];

/// Append an integer.
pub fn put_integer(number: i128, out: &mut Vec<u8>) {
    let (major, count) = if number < 0 { (NEGATIVE, -1 - number) } else { (0, number) };
    let count = count as u64;
    let bytes = count.to_be_bytes();
    match count {
        0..24 => out.push(major | count as u8),
        24..0x100 => out.extend_from_slice(&[major | 24, count as u8]),
        0x100..0x1_0000 => out.extend_from_slice(&[major | 25, bytes[6], bytes[7]]),
        0x1_0000..0x1_0000_0000 => {
            out.push(major | 26);
            out.extend_from_slice(&bytes[4..]);
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Return an integer. None: it is not exactly the encoding of one of 64 bits.
pub fn integer(item: &[u8]) -> Option<i128> {
    let (head, rest) = item.split_first()?;
    let (count, least): (u64, u64) = match (head & 0x1f, rest) {
        (count @ 0..24, []) => (count.into(), 0),
        (24, [count]) => ((*count).into(), 24),
        (25, rest) => (u16::from_be_bytes(rest.try_into().ok()?).into(), 0x100),
        (26, rest) => (u32::from_be_bytes(rest.try_into().ok()?).into(), 0x1_0000),
        (27, rest) => (u64::from_be_bytes(rest.try_into().ok()?), 0x1_0000_0000),
        _ => return None,
    };
    match head & 0xe0 {
        _ if count < least => None,
        0 => Some(count.into()),
        NEGATIVE => Some(-1 - i128::from(count)),
        _ => None,
    }
}

/// Append a floating point number.
pub fn put_float(number: f64, out: &mut Vec<u8>) {
    if number.is_finite() {
        out.push(DOUBLE);
        out.extend_from_slice(&number.to_be_bytes());
    } else {
        let special = if number.is_nan() { NAN } else { [INFINITY, NEGATIVE_INFINITY][usize::from(number < 0.0)] };
        out.extend_from_slice(&special);
    }
}

/// Return a floating point number. None: it is not exactly the encoding of one.
pub fn float(item: &[u8]) -> Option<f64> {
    if let [DOUBLE, rest @ ..] = item {
        return Some(f64::from_be_bytes(rest.try_into().ok()?)).filter(|number| number.is_finite());
    }
    [(NAN, f64::NAN), (INFINITY, f64::INFINITY), (NEGATIVE_INFINITY, f64::NEG_INFINITY)]
        .into_iter()
        .find_map(|(special, number)| (item == special).then_some(number))
}
