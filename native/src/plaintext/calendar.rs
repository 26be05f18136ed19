//! The one spelling of dates and times. Whether there is such a day, whoever makes the date has to see.

const DATE_SIZE: usize = 10;
const TIME_SIZE: usize = 8;
const UTC: &[u8] = b"+00:00";
const LONGEST: usize = "1970-01-01T00:00:00.000001+00:00".len();

/// The spelling of a date or a time.
pub struct Spelling {
    text: [u8; LONGEST],
    size: usize,
}

impl Spelling {
    #[inline]
    pub fn of_date(year: u32, month: u32, day: u32) -> Self {
        let mut spelling = Self { text: [0; LONGEST], size: 0 };
        spelling.digits(4, year);
        spelling.sign(b'-');
        spelling.digits(2, month);
        spelling.sign(b'-');
        spelling.digits(2, day);
        spelling
    }

    /// Add the time of the day.
    #[inline]
    pub fn at(mut self, hour: u32, minute: u32, second: u32, microsecond: u32) -> Self {
        for (sign, number) in [(b'T', hour), (b':', minute), (b':', second)] {
            self.sign(sign);
            self.digits(2, number);
        }
        if microsecond != 0 {
            self.sign(b'.');
            self.digits(6, microsecond);
        }
        self
    }

    /// Add that it is in UTC.
    #[inline]
    pub fn in_utc(mut self) -> Self {
        UTC.iter().for_each(|sign| self.sign(*sign));
        self
    }

    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..self.size]
    }

    #[inline]
    fn sign(&mut self, sign: u8) {
        self.text[self.size] = sign;
        self.size += 1;
    }

    #[inline]
    fn digits(&mut self, count: usize, mut number: u32) {
        for place in self.text[self.size..self.size + count].iter_mut().rev() {
            *place = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.size += count;
    }
}

/// Return True if a text is spelled as 1970-01-01.
#[inline]
pub fn is_date(text: &[u8]) -> bool {
    fits(text, b"0000-00-00")
}

/// Return True if a text is spelled as 1970-01-01T00:00:00, or with microseconds other than .000000 behind.
#[inline]
pub fn is_local(text: &[u8]) -> bool {
    let Some((seconds, fraction)) = text.split_at_checked(DATE_SIZE + 1 + TIME_SIZE) else {
        return false;
    };
    // Python 3.14 takes 24:00:00 for the next day's 00:00:00.
    fits(seconds, b"0000-00-00T00:00:00")
        && &seconds[DATE_SIZE + 1..] < b"24".as_slice()
        && (fraction.is_empty() || (fits(fraction, b".000000") && fraction != b".000000"))
}

/// Return True if a text is spelled as a local time with +00:00 behind.
#[inline]
pub fn is_utc(text: &[u8]) -> bool {
    text.strip_suffix(UTC).is_some_and(is_local)
}

/// Return True if a text has a digit wherever the pattern has a zero, and else the pattern's signs.
#[inline]
fn fits(text: &[u8], pattern: &[u8]) -> bool {
    text.len() == pattern.len()
        && text.iter().zip(pattern).all(|(sign, wanted)| match wanted {
            b'0' => sign.is_ascii_digit(),
            _ => sign == wanted,
        })
}
