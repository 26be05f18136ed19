//! Scalars in the CBOR of SPEC section 5, as bytes: no Python here.
//!
//! What is parsed is what one encoding of a value is, and nothing else. None stands for all that is unusual, which may
//! still be a value (a bignum, a list, a long text) or be refused: Python decides.

use super::calendar::{self, Spelling};
use super::number;

const INTEGER: u8 = 0x00;
const NEGATIVE: u8 = 0x20;
const BYTES: u8 = 0x40;
const TEXT: u8 = 0x60;

const DATETIME: &[u8] = &[0xc0];
const UUID: &[u8] = &[0xd8, 37];
const DATE: &[u8] = &[0xd9, 0x03, 0xec]; // 1004
const DECIMAL: &[u8] = &[0xd9, 0xfc, 0x01]; // 64513
const LOCAL_DATETIME: &[u8] = &[0xd9, 0xfc, 0x02]; // 64514

const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const HALF: u8 = 0xf9;
const DOUBLE: u8 = 0xfb;
const INFINITY: [u8; 3] = [HALF, 0x7c, 0x00];
const MINUS_INFINITY: [u8; 3] = [HALF, 0xfc, 0x00];
const NAN: [u8; 3] = [HALF, 0x7e, 0x00];

const INLINE: u8 = 24; // smaller arguments are in the first byte, all others follow it
const LONGEST_TEXT: usize = 64;
const UUID_SIZE: usize = 16;

/// A scalar. Texts have the one spelling of their type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item<'a> {
    Bool(bool),
    /// From -2^64 to 2^64 - 1.
    Int(i128),
    Float(f64),
    Date(&'a str),
    /// In UTC.
    DateTime(&'a str),
    LocalDateTime(&'a str),
    /// Of plain digits: no exponent, no special value.
    Decimal(&'a str),
    Uuid(u128),
}

impl<'a> Item<'a> {
    /// Return the scalar that these bytes are the encoding of.
    #[inline]
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        match *body.first()? {
            FALSE if body.len() == 1 => Some(Self::Bool(false)),
            TRUE if body.len() == 1 => Some(Self::Bool(true)),
            first if first < BYTES => {
                let count = i128::from(argument(body)?);
                Some(Self::Int(if first < NEGATIVE { count } else { -1 - count }))
            }
            HALF => special(body).map(Self::Float),
            DOUBLE => {
                let number = f64::from_be_bytes(body[1..].try_into().ok()?);
                number.is_finite().then_some(Self::Float(number))
            }
            _ => Self::tagged(body),
        }
    }

    #[inline]
    fn tagged(body: &'a [u8]) -> Option<Self> {
        if let Some(content) = body.strip_prefix(DATE) {
            return text(content).filter(|text| calendar::is_date(text.as_bytes())).map(Self::Date);
        }
        if let Some(content) = body.strip_prefix(DATETIME) {
            return text(content).filter(|text| calendar::is_utc(text.as_bytes())).map(Self::DateTime);
        }
        if let Some(content) = body.strip_prefix(DECIMAL) {
            return text(content).filter(|text| number::is_plain(text.as_bytes())).map(Self::Decimal);
        }
        if let Some(content) = body.strip_prefix(LOCAL_DATETIME) {
            return text(content).filter(|text| calendar::is_local(text.as_bytes())).map(Self::LocalDateTime);
        }
        let bytes = body.strip_prefix(UUID)?.strip_prefix(&[BYTES | UUID_SIZE as u8])?;
        Some(Self::Uuid(u128::from_be_bytes(bytes.try_into().ok()?)))
    }
}

/// Return the argument of an integer that is all there is, and has the shortest encoding.
#[inline]
fn argument(body: &[u8]) -> Option<u64> {
    let (first, rest) = body.split_first()?;
    let (count, least) = match (first & 0x1f, rest.len()) {
        (inline, 0) if inline < INLINE => return Some(u64::from(inline)),
        (24, 1) => (u64::from(rest[0]), u64::from(INLINE)),
        (25, 2) => (u64::from(u16::from_be_bytes(rest.try_into().ok()?)), 1 << 8),
        (26, 4) => (u64::from(u32::from_be_bytes(rest.try_into().ok()?)), 1 << 16),
        (27, 8) => (u64::from_be_bytes(rest.try_into().ok()?), 1 << 32),
        _ => return None,
    };
    (count >= least).then_some(count)
}

#[inline]
fn special(body: &[u8]) -> Option<f64> {
    match body.try_into().ok()? {
        INFINITY => Some(f64::INFINITY),
        MINUS_INFINITY => Some(f64::NEG_INFINITY),
        NAN => Some(f64::NAN),
        _ => None,
    }
}

/// Return a text that is all there is, and not long.
#[inline]
fn text(content: &[u8]) -> Option<&str> {
    let (first, rest) = content.split_first()?;
    let (size, text) = match first.checked_sub(TEXT)? {
        inline if inline < INLINE => (inline, rest),
        INLINE => rest.split_first().map(|(size, text)| (*size, text)).filter(|(size, _)| *size >= INLINE)?,
        _ => return None,
    };
    if text.len() != usize::from(size) || text.len() > LONGEST_TEXT {
        return None;
    }
    std::str::from_utf8(text).ok()
}

/// The encoding of a scalar.
pub struct Body {
    bytes: [u8; 8 + LONGEST_TEXT],
    size: usize,
}

impl Body {
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.size]
    }

    #[inline]
    fn of(pieces: &[&[u8]]) -> Self {
        let mut body = Self { bytes: [0; 8 + LONGEST_TEXT], size: 0 };
        for piece in pieces {
            let end = body.size + piece.len();
            body.bytes[body.size..end].copy_from_slice(piece);
            body.size = end;
        }
        body
    }

    #[inline]
    pub fn bool(value: bool) -> Self {
        Self::of(&[&[if value { TRUE } else { FALSE }]])
    }

    #[inline]
    pub fn integer(value: i64) -> Self {
        let (major, count) = if value < 0 { (NEGATIVE, !value) } else { (INTEGER, value) };
        Self::counted(major, count.cast_unsigned())
    }

    /// Return that of a number of more than 64 bits with its sign, if SPEC section 5 does not call it a big one.
    #[inline]
    pub fn wide_integer(value: i128) -> Option<Self> {
        let (major, count) = if value < 0 { (NEGATIVE, !value) } else { (INTEGER, value) };
        u64::try_from(count).ok().map(|count| Self::counted(major, count))
    }

    #[inline]
    fn counted(major: u8, count: u64) -> Self {
        let bytes = count.to_be_bytes();
        match count {
            0..24 => Self::of(&[&[major | bytes[7]]]),
            24..0x100 => Self::of(&[&[major | 24, bytes[7]]]),
            0x100..0x1_0000 => Self::of(&[&[major | 25], &bytes[6..]]),
            0x1_0000..0x1_0000_0000 => Self::of(&[&[major | 26], &bytes[4..]]),
            _ => Self::of(&[&[major | 27], &bytes]),
        }
    }

    #[inline]
    pub fn float(value: f64) -> Self {
        if value.is_finite() {
            return Self::of(&[&[DOUBLE], &value.to_be_bytes()]);
        }
        Self::of(&[match value {
            f64::INFINITY => &INFINITY,
            f64::NEG_INFINITY => &MINUS_INFINITY,
            _ => &NAN,
        }])
    }

    #[inline]
    pub fn date(spelling: &Spelling) -> Option<Self> {
        Self::tagged(DATE, spelling.as_bytes())
    }

    #[inline]
    pub fn local_datetime(spelling: &Spelling) -> Option<Self> {
        Self::tagged(LOCAL_DATETIME, spelling.as_bytes())
    }

    /// Args: the spelling of a time in UTC.
    #[inline]
    pub fn datetime(spelling: &Spelling) -> Option<Self> {
        Self::tagged(DATETIME, spelling.as_bytes())
    }

    #[inline]
    pub fn decimal(text: &str) -> Option<Self> {
        Self::tagged(DECIMAL, text.as_bytes())
    }

    #[inline]
    pub fn uuid(value: u128) -> Self {
        Self::of(&[UUID, &[BYTES | UUID_SIZE as u8], &value.to_be_bytes()])
    }

    #[inline]
    fn tagged(tag: &[u8], text: &[u8]) -> Option<Self> {
        let size = u8::try_from(text.len()).ok().filter(|size| usize::from(*size) <= LONGEST_TEXT)?;
        let head = [TEXT | INLINE, size];
        let head = if size < INLINE { &[TEXT | size][..] } else { &head };
        Some(Self::of(&[tag, head, text]))
    }
}
