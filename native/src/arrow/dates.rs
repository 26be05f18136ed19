//! Days since 1970 <-> dates of Python's calendar, and their texts (ISO 8601).

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

const FIRST_DAY: i64 = -719_162; // 0001-01-01
const LAST_DAY: i64 = 2_932_896; // 9999-12-31

/// Append the text of a day. None: Python has no such date.
pub fn put_date(day: i64, text: &mut Vec<u8>) -> Option<()> {
    if !(FIRST_DAY..=LAST_DAY).contains(&day) {
        return None;
    }
    // Howard Hinnant's civil_from_days: years begin in March, so that leap days come last.
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    put_digits(year, 4, text);
    text.push(b'-');
    put_digits(month, 2, text);
    text.push(b'-');
    put_digits(of_year - (153 * from_march + 2) / 5 + 1, 2, text);
    Some(())
}

/// Append the text of a moment, in microseconds since 1970.
pub fn put_time(micros: i64, text: &mut Vec<u8>) -> Option<()> {
    put_date(micros.div_euclid(DAY), text)?;
    let (seconds, fraction) = (micros.rem_euclid(DAY) / 1_000_000, micros.rem_euclid(1_000_000));
    for (mark, number) in [(b'T', seconds / 3600), (b':', seconds / 60 % 60), (b':', seconds % 60)] {
        text.push(mark);
        put_digits(number, 2, text);
    }
    if fraction != 0 {
        text.push(b'.');
        put_digits(fraction, 6, text);
    }
    Some(())
}

/// Return the day of a text. None: it is not exactly the text of one.
pub fn date(text: &[u8]) -> Option<i64> {
    let &[a, b, c, d, b'-', e, f, b'-', g, h] = text else { return None };
    let (year, month, day) = (digits(&[a, b, c, d])?, digits(&[e, f])?, digits(&[g, h])?);
    if year < 1 || !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let from_march = (month + 9) % 12;
    let year = year - i64::from(month <= 2);
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    Some(365 * year + year / 4 - year / 100 + year / 400 + of_year - 719_468)
}

/// Return the moment of a text without an offset, in microseconds since 1970. None: it is not exactly the text of one.
pub fn time(text: &[u8]) -> Option<i64> {
    let (day, text) = text.split_at_checked(10)?;
    let (clock, fraction) = text.split_at_checked(9)?;
    let &[b'T', a, b, b':', c, d, b':', e, f] = clock else { return None };
    let (hour, minute, second) = (digits(&[a, b])?, digits(&[c, d])?, digits(&[e, f])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = match fraction {
        [] => 0,
        [b'.', rest @ ..] if rest.len() == 6 => digits(rest).filter(|micros| *micros != 0)?,
        _ => return None,
    };
    Some(date(day)? * DAY + ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn put_digits(number: i64, count: u32, text: &mut Vec<u8>) {
    text.extend((0..count).rev().map(|place| b'0' + (number / 10i64.pow(place) % 10) as u8));
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}
