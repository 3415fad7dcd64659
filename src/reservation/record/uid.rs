//! A UUID in 22 characters instead of 36: its 16 bytes in URL-safe base 64 without padding (RFC 4648, section 5).

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Positions of the dashes in a UUID.
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// The short form; `None` for whatever is not a UUID in lower case.
pub(super) fn pack(uid: &str) -> Option<String> {
    if uid.len() != 36 {
        return None;
    }
    let mut value = 0u128;
    for (at, byte) in uid.bytes().enumerate() {
        value = match byte {
            b'-' if DASHES.contains(&at) => continue,
            _ if DASHES.contains(&at) => return None,
            b'0'..=b'9' => value << 4 | u128::from(byte - b'0'),
            b'a'..=b'f' => value << 4 | u128::from(byte - b'a' + 10),
            _ => return None,
        };
    }
    // 21 digits of six bits, and one of the two bits that are left.
    let mut text: String = (0..21).map(|i| digit((value >> (122 - 6 * i)) as usize)).collect();
    text.push(digit((value << 4) as usize));
    Some(text)
}

/// The UUID behind the short form.
pub(super) fn unpack(text: &str) -> Option<String> {
    if text.len() != 22 {
        return None;
    }
    let mut value = 0u128;
    for (at, byte) in text.bytes().enumerate() {
        let bits = DIGITS.iter().position(|&digit| digit == byte)? as u128;
        value = match at {
            21 if bits & 0b1111 != 0 => return None,
            21 => value << 2 | bits >> 4,
            _ => value << 6 | bits,
        };
    }
    let mut uid = format!("{value:032x}");
    for at in DASHES {
        uid.insert(at, '-');
    }
    Some(uid)
}

fn digit(bits: usize) -> char {
    char::from(DIGITS[bits & 63])
}
