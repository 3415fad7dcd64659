//! Texts, amounts and sums against what Go's `resource.Quantity` (apimachinery v0.36.3) answers.

use super::*;
use proptest::prelude::*;

/// Text, milli, value, canonical text. Deviations from Go: where Go's milli overflows, ours saturates; where Go keeps
/// a text because it looks canonical (`007`, `5.`), ours prints the canonical one.
const VECTORS: &[(&str, i64, i64, &str)] = &[
    ("0", 0, 0, "0"),
    ("0n", 0, 0, "0"),
    ("0Ki", 0, 0, "0"),
    ("+0", 0, 0, "0"),
    ("-0", 0, 0, "0"),
    ("00", 0, 0, "0"),
    ("007", 7000, 7, "7"),
    ("1", 1000, 1, "1"),
    ("+1", 1000, 1, "1"),
    ("125", 125000, 125, "125"),
    ("-125", -125000, -125, "-125"),
    ("0.5", 500, 1, "500m"),
    (".5", 500, 1, "500m"),
    ("5.", 5000, 5, "5"),
    ("1.5", 1500, 2, "1500m"),
    ("0.001", 1, 1, "1m"),
    (".0001k", 100, 1, "100m"),
    ("100m", 100, 1, "100m"),
    ("600m", 600, 1, "600m"),
    ("1500m", 1500, 2, "1500m"),
    ("1001u", 2, 1, "1001u"),
    ("1n", 1, 1, "1n"),
    ("999999999n", 1000, 1, "999999999n"),
    ("3.001n", 1, 1, "4n"),
    ("0.9n", 1, 1, "1n"),
    ("0.00000012345", 1, 1, "124n"),
    ("1k", 1000000, 1000, "1k"),
    ("1.2k", 1200000, 1200, "1200"),
    ("2M", 2000000000, 2000000, "2M"),
    ("7.123456M", 7123456000, 7123456, "7123456"),
    ("6G", 6000000000000, 6000000000, "6G"),
    ("5.444T", 5444000000000000, 5444000000000, "5444G"),
    ("2P", 2000000000000000000, 2000000000000000, "2P"),
    ("1E", i64::MAX, 1000000000000000000, "1E"),
    ("9E", i64::MAX, 9000000000000000000, "9E"),
    ("1e0", 1000, 1, "1"),
    ("1e3", 1000000, 1000, "1e3"),
    ("1E3", 1000000, 1000, "1e3"),
    ("1E-3", 1, 1, "1e-3"),
    ("1.3E+6", 1300000000, 1300000, "1300e3"),
    ("0.5e-9", 1, 1, "1e-9"),
    ("1e-100", 1, 1, "1e-9"),
    ("1Ki", 1024000, 1024, "1Ki"),
    ("8Ki", 8192000, 8192, "8Ki"),
    ("1.5Ki", 1536000, 1536, "1536"),
    ("1.1Ki", 1126400, 1127, "1126400m"),
    ("0.1Ki", 102400, 103, "102400m"),
    ("0.05Gi", 53687091200, 53687092, "53687091200m"),
    ("0.000000000001Ki", 1, 1, "2n"),
    ("1000Ki", 1024000000, 1024000, "1000Ki"),
    ("1023", 1023000, 1023, "1023"),
    ("1024Ki", 1048576000, 1048576, "1Mi"),
    ("1536Mi", 1610612736000, 1610612736, "1536Mi"),
    ("800Gi", 858993459200000, 858993459200, "800Gi"),
    ("1600Gi", 1717986918400000, 1717986918400, "1600Gi"),
    ("0.025Ti", 27487790694400, 27487790695, "27487790694400m"),
    ("3Ei", i64::MAX, 3458764513820540928, "3Ei"),
    ("7Ei", i64::MAX, 8070450532247928832, "7Ei"),
    ("250000m", 250000, 250, "250"),
    ("1000", 1000000, 1000, "1k"),
    ("1024", 1024000, 1024, "1024"),
    ("2048k", 2048000000, 2048000, "2048k"),
    ("1000000", 1000000000, 1000000, "1M"),
    ("33Gi", 35433480192000, 35433480192, "33Gi"),
    ("34359738368", 34359738368000, 34359738368, "34359738368"),
    ("123456789012", 123456789012000, 123456789012, "123456789012"),
    ("9223372036854775807", i64::MAX, 9223372036854775807, "9223372036854775807"),
    ("-1.0001", -1001, -2, "-1000100u"),
    ("-1Ki", -1024000, -1024, "-1Ki"),
    ("12345678901234567890m", i64::MAX, 12345678901234568, "12345678901234567890m"),
    ("100.035Ki", 102435840, 102436, "102435840m"),
    ("64e9", 64000000000000, 64000000000, "64e9"),
    ("1.53E12", 1530000000000000, 1530000000000, "1530e9"),
    ("100e6", 100000000000, 100000000, "100e6"),
    ("12e0", 12000, 12, "12"),
    ("1.1E-9", 1, 1, "2e-9"),
    ("0.00000000000000000000000000000001Ei", 1, 1, "1n"),
    ("18446744073709551616m", i64::MAX, 18446744073709552, "18446744073709551616m"),
    ("1000000n", 1, 1, "1m"),
];

#[test]
fn go_vectors() {
    for &(text, milli, value, canonical) in VECTORS {
        let quantity = Quantity::from(text);
        assert_eq!(quantity.milli(), Ok(milli), "milli of {text}");
        assert_eq!(quantity.value(), Ok(value), "value of {text}");
        assert_eq!(
            quantity.amount().expect("checked above").to_string(),
            canonical,
            "canonical text of {text}"
        );
    }
}

#[test]
fn what_go_overflows_saturates() {
    let check = |text: &str, milli: i64, value: i64| {
        assert_eq!(Quantity::from(text).milli(), Ok(milli), "milli of {text}");
        assert_eq!(Quantity::from(text).value(), Ok(value), "value of {text}");
    };
    let exponent = format!("1e{}", "9".repeat(40));
    let small = format!("1e-{}", "9".repeat(40));
    let long = "9".repeat(100_000);
    for text in ["8Ei", "9Ei", "10E", "1000E", "1e19", "1e100", "9223372036854775808", &exponent, &long] {
        check(text, i64::MAX, i64::MAX);
        check(&format!("-{text}"), i64::MIN, if text.ends_with('i') { -i64::MAX } else { i64::MIN });
    }
    check(&small, 1, 1);
    check(&format!("-{small}"), -1, -1);
    check(&format!("0.{}1Gi", "0".repeat(10_000)), 1, 1);
    check(&format!("0e{}", "9".repeat(40)), 0, 0);
}

#[test]
fn white_space_around_is_ignored_as_go_does_in_json() {
    assert_eq!(Quantity::from(" 8Gi ").value(), Ok(8 << 30));
}

#[test]
fn garbage_is_refused_with_a_remedy() {
    let check = |text: &str, remedy: &str| {
        let error = Quantity::from(text).amount().expect_err(text);
        assert!(error.remedy.contains(remedy), "{text}: {error}");
        assert!(error.to_string().len() < 300, "{}", error.to_string().len());
    };
    check("", "it is empty");
    check("  ", "it is empty");
    check("abc", "does not begin with a number");
    check("m", "does not begin with a number"); // Go reads these three as 0
    check(".", "does not begin with a number");
    check("+", "does not begin with a number");
    check("--1", "does not begin with a number");
    check("800GB", "800Gi for powers of 1024 or 800G for powers of 1000");
    check("800 Gi", "write 800Gi");
    check("800gi", "write 800Gi");
    check("800GiB", "write 800Gi");
    check("64K", "64Ki for powers of 1024 or 64k for powers of 1000");
    check("64ki", "write 64Ki");
    check("1,5", "1.5");
    check("1.2.3", "after the number");
    check("1e", "1Ei for powers of 1024 or 1E for powers of 1000");
    check("1e1.5", "after the number");
    check("1Em", "after the number");
    check("8 gpus", "after the number");
    check("0x10", "after the number");
    check("१", "does not begin with a number");
    check(&"x".repeat(100_000), "does not begin with a number");
    check(&format!("{}x", "1".repeat(100_000)), "shorter");
}

#[test]
fn the_error_reads_well() {
    assert_eq!(
        Quantity::from("800GB").value().expect_err("no such unit").to_string(),
        r#""800GB" is not a quantity: write 800Gi for powers of 1024 or 800G for powers of 1000"#
    );
}

#[test]
fn sums_print_as_go_prints_them() {
    for (left, right, sum) in [
        ("125", "125", "250"),
        ("800Gi", "800Gi", "1600Gi"),
        ("100m", "500m", "600m"),
        ("32Gi", "1Gi", "33Gi"),
        ("0", "1Gi", "1Gi"),
        ("1Gi", "0", "1Gi"),
        ("1Gi", "1G", "2073741824"),
        ("1G", "1Gi", "2073741824"),
        ("0.5", "500m", "1"),
        ("1e3", "1k", "2e3"),
        ("500m", "1Gi", "1073741824500m"),
        ("512", "512Mi", "536871424"),
        ("0Mi", "5", "5"),
        ("1Ki", "-1Ki", "0"),
        ("1500m", "2", "3500m"),
        ("1.5Gi", "0.5Gi", "2Gi"),
        ("900Mi", "124Mi", "1Gi"),
        ("600k", "400k", "1M"),
    ] {
        let added = Quantity::from(left).amount().unwrap().plus(Quantity::from(right).amount().unwrap());
        assert_eq!(added.to_string(), sum, "{left} + {right}");
    }
}

#[test]
fn texts_of_integers() {
    assert_eq!(Quantity::from_milli(250_000).0, "250");
    assert_eq!(Quantity::from_milli(600).0, "600m");
    assert_eq!(Quantity::from_milli(i64::MIN).0, "-9223372036854775808m");
    assert_eq!(Quantity::from_value(8).0, "8");
    assert_eq!(Quantity::from_value(0).0, "0");
    assert_eq!(Quantity::from_bytes(1600 << 30).0, "1600Gi");
    assert_eq!(Quantity::from_bytes(1000).0, "1k");
    assert_eq!(Quantity::from_bytes(1025).0, "1025");
    assert_eq!(Quantity::from_bytes(1 << 62).0, "4Ei");
}

fn list(entries: &[(&str, &str)]) -> ResourceList {
    entries.iter().map(|(name, text)| ((*name).to_owned(), Quantity::from(*text))).collect()
}

#[test]
fn totals() {
    let pod = list(&[("cpu", "62500m"), ("ephemeral-storage", "400Gi"), ("nvidia.com/gpu", "8")]);
    let mut total = ResourceTotal::default();
    total.add(&pod, 3).unwrap();
    total.add(&pod, 1).unwrap();
    let expect = list(&[("cpu", "250"), ("ephemeral-storage", "1600Gi"), ("nvidia.com/gpu", "32")]);
    assert_eq!(total.to_list(), expect);
    assert!(same_resources(
        &total.to_list(),
        &list(&[("cpu", "250000m"), ("ephemeral-storage", "1717986918400"), ("nvidia.com/gpu", "32"),])
    ));

    let error = total.add(&list(&[("cpu", "1"), ("memory", "1GB")]), 1).expect_err("memory is malformed");
    assert_eq!(error.resource, "memory");
    assert_eq!(total.to_list(), expect, "an error adds nothing");
}

#[test]
fn same_resources_compares_amounts() {
    let check = |left: &[(&str, &str)], right: &[(&str, &str)], expect: bool| {
        assert_eq!(same_resources(&list(left), &list(right)), expect, "{left:?} {right:?}");
        assert_eq!(same_resources(&list(right), &list(left)), expect, "{right:?} {left:?}");
    };
    check(&[], &[], true);
    check(&[("cpu", "1")], &[("cpu", "1000m")], true);
    check(&[("cpu", "1")], &[("cpu", "1001m")], false);
    check(&[("cpu", "1")], &[], false);
    check(&[("cpu", "1")], &[("memory", "1")], false);
    check(&[("cpu", "x")], &[("cpu", "x")], true);
    check(&[("cpu", "x")], &[("cpu", "y")], false);
    check(&[("cpu", "0")], &[("cpu", "x")], false);
}

#[test]
fn json_forms() {
    let check = |json: &str, text: &str| {
        assert_eq!(serde_json::from_str::<Quantity>(json).unwrap().0, text, "{json}");
    };
    check("8", "8");
    check("-1", "-1");
    check("0.5", "0.5");
    check("\"800Gi\"", "800Gi");
    check("null", "0");
    assert!(serde_json::from_str::<Quantity>("true").is_err());
    assert!(serde_json::from_str::<Quantity>("{}").is_err());
}

proptest! {
    #[test]
    fn never_panics(text in "\\PC{0,40}") {
        let _ = Quantity(text).value();
    }

    #[test]
    fn canonical_text_means_the_same_and_is_stable(
        text in "[+-]?[0-9]{0,22}(\\.[0-9]{0,14})?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|e[+-]?[0-9]{1,2})?"
    ) {
        if let Ok(amount) = Quantity(text).amount() {
            let printed = amount.to_quantity();
            let again = printed.amount().unwrap();
            if amount.format() != Format::Binary || amount.value().abs() < i64::MAX {
                prop_assert_eq!(again, amount);
            }
            prop_assert_eq!(again.to_string(), printed.0);
        }
    }

    #[test]
    fn integers_survive(milli in any::<i64>()) {
        prop_assert_eq!(Quantity::from_milli(milli).milli(), Ok(milli));
        prop_assert_eq!(Quantity::from_value(milli).value(), Ok(milli));
        if milli > i64::MIN { // a binary text is capped at 2^63-1 on either side
            prop_assert_eq!(Quantity::from_bytes(milli).value(), Ok(milli));
        }
    }

    #[test]
    fn rounding_is_up_in_magnitude_and_never_by_a_whole_unit(nano in -10_000_000_000_000i64..10_000_000_000_000) {
        let quantity = Quantity(format!("{nano}n"));
        let (milli, value) = (quantity.milli().unwrap(), quantity.value().unwrap());
        prop_assert!(milli.abs() * 1_000_000 >= nano.abs() && (milli.abs() - 1) * 1_000_000 < nano.abs());
        prop_assert!(value.abs() * 1_000_000_000 >= nano.abs() && (value.abs() - 1) * 1_000_000_000 < nano.abs());
        prop_assert_eq!(milli.signum(), nano.signum());
    }

    #[test]
    fn addition_is_commutative_in_amount(left in any::<i64>(), right in any::<i64>()) {
        let (left, right) = (Amount::from_milli(left, Format::Decimal), Amount::from_value(right, Format::Binary));
        prop_assert_eq!(left.plus(right), right.plus(left));
        prop_assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
    }
}
