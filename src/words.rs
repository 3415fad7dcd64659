//! Numbers with their nouns, as every message has them: `1 pod`, `4 pods`.

/// `1 pod`, `4 pods`: a number and the noun that agrees with it, which takes an `s` for more than one.
pub fn counted(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_agree_with_their_numbers() {
        let check = |number: u32, expect: &str| assert_eq!(counted(number, "pod"), expect);
        check(0, "0 pods");
        check(1, "1 pod");
        check(2, "2 pods");
    }
}
