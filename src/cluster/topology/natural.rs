//! Natural order of names: numbers count as numbers, so that `rack-2` comes before `rack-10`.

/// Sorts by name in natural order; names that differ only in leading zeros are ordered as text.
pub(super) fn sort<'n, T>(items: &mut [T], name: impl Fn(&T) -> &'n str) {
    items.sort_by_cached_key(|item| (key(name(item)), name(item)));
}

/// A text whose byte order is the natural order: each number becomes `0`, its count of digits (leading zeros
/// aside), and its digits. Numbers of more than 255 digits are ordered as text.
fn key(name: &str) -> Vec<u8> {
    let bytes = name.as_bytes();
    let mut key = Vec::with_capacity(bytes.len() + 4);
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if run == 0 {
            key.push(bytes[at]);
            at += 1;
            continue;
        }
        let digits = &bytes[at..at + run];
        let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
        key.push(b'0');
        key.push((run - zeros).min(255) as u8);
        key.extend_from_slice(&digits[zeros..]);
        at += run;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(sorted: &[&str]) {
        let mut names: Vec<&str> = sorted.iter().rev().copied().collect();
        sort(&mut names, |name| name);
        assert_eq!(names, sorted);
    }

    #[test]
    fn numbers_count_as_numbers() {
        check(&["rack-2", "rack-10", "rack-10a", "rack-11"]);
        check(&["b1-r9", "b1-r10", "b2-r1", "b10-r1"]);
        check(&["", "001", "1", "2", "10", "a"]);
        check(&["n", "n0", "n00", "n1", "na"]);
        check(&["node-18446744073709551615", "node-18446744073709551616"]);
    }

    proptest! {
        #[test]
        fn integers_sort_by_value(values in prop::collection::btree_set(any::<u64>(), 0..20)) {
            let expected: Vec<String> = values.iter().map(|value| format!("node-{value}-x")).collect();
            let mut names: Vec<&str> = expected.iter().map(String::as_str).collect();
            names.sort();
            sort(&mut names, |name| name);
            prop_assert!(names.iter().eq(&expected));
        }
    }
}
