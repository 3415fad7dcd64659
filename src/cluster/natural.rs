//! How names are ordered for people: digits count as numbers, so that `rack-2` comes before `rack-10`.

use std::cmp::Ordering;

/// A text that orders naturally; equal only to the same text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(Box<str>);

impl Key {
    /// The key of a text.
    pub fn new(text: &str) -> Self {
        Key(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares two texts naturally; a total order, since texts that differ only in leading zeros fall back to bytes.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    loop {
        match (left.first(), right.first()) {
            (None, None) => return a.cmp(b),
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (m, n) = (digits(left), digits(right));
                let (x, y) = (significant(&left[..m]), significant(&right[..n]));
                match x.len().cmp(&y.len()).then_with(|| x.cmp(y)) {
                    Ordering::Equal => (left, right) = (&left[m..], &right[n..]),
                    different => return different,
                }
            }
            (Some(x), Some(y)) => match x.cmp(y) {
                Ordering::Equal => (left, right) = (&left[1..], &right[1..]),
                different => return different,
            },
        }
    }
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn significant(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&byte| byte == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_inside_names_count_as_numbers() {
        let check = |sorted: &[&str]| {
            let mut names: Vec<&str> = sorted.iter().rev().copied().collect();
            names.sort_by(|a, b| compare(a, b));
            assert_eq!(names, sorted);
        };
        check(&["rack-1", "rack-2", "rack-10", "rack-10-a", "rack-11"]);
        check(&["", "0", "00", "01", "1", "a", "a0", "a00", "b"]);
        check(&["llama-0-405b-0-9", "llama-0-405b-0-10", "llama-0-405b-1-0", "llama-1-405b-0-0"]);
        check(&["n99999999999999999999998", "n99999999999999999999999", "n100000000000000000000000"]);
    }
}
