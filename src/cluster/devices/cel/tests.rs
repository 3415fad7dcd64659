//! What expressions give, on one device.

use super::{CelError, Program, describe};
use crate::api::device::Device;

/// `yes`, `no`, or the kind of error.
fn answer(expression: &str) -> &'static str {
    let device: Device = serde_json::from_value(serde_json::json!({
        "name": "d", "attributes": { "model": { "string": "H100" }, "numa": { "int": 1 }, "fw": { "version": "1.2.3" },
            "roots": { "strings": ["a", "b"] }, "other.example.com/flag": { "bool": true } },
        "capacity": { "memory": { "value": "80Gi" } },
    }))
    .unwrap();
    let device = describe("gpu.example.com", &device).unwrap();
    match Program::compile(expression).and_then(|program| program.matches(&device)) {
        Ok(true) => "yes",
        Ok(false) => "no",
        Err(CelError::Compile(_)) => "compile",
        Err(CelError::Runtime(_)) => "runtime",
        Err(CelError::Unsupported(_)) => "unsupported",
    }
}

#[test]
fn expressions_give_what_the_api_server_would() {
    let check = |expression: &str, expect: &str| assert_eq!(answer(expression), expect, "{expression}");
    for expression in [
        "device.driver == 'gpu.example.com'",
        "device.attributes['other.example.com'].flag",
        "device.attributes['gpu.example.com'].numa in [1, 2]",
        "cel.bind(a, device.attributes['gpu.example.com'], a.model == 'H100' && a.numa < 2)",
        "device.attributes['gpu.example.com'].?gone.orValue('x') == 'x'",
        "!has(device.attributes['gpu.example.com'].gone)",
        "device.attributes['gpu.example.com'].all(k, v, k != 'gone')",
        "device.attributes['gpu.example.com'].exists(k, v, k == 'numa' && v == 1)",
        "[1, 2].transformList(i, v, v + i) == [1, 3]",
        "['a', 'b'].join('-') == 'a-b' && 'a-b'.split('-') == ['a', 'b']",
        "'abc'.substring(1) == 'bc' && 'abc'.indexOf('c') == 2 && 'aba'.lastIndexOf('a') == 2",
        "'GPU-7'.find('[0-9]+') == '7' && 'a1b2'.findAll('[0-9]') == ['1', '2']",
        "device.capacity['gpu.example.com'].memory.add(1).isGreaterThan(quantity('80Gi'))",
        "quantity('1.5Gi').isInteger() == false && quantity('2k').asInteger() == 2000",
        "quantity('1').compareTo(quantity('1000m')) == 0 && isQuantity('1x') == false",
        "device.attributes['gpu.example.com'].fw.minor() == 2",
        "semver('1.0.0-rc.2').isLessThan(semver('1.0.0-rc.10'))",
        "sets.equivalent([1, 2], [2, 1, 1]) && sets.intersects([1], [1, 2])",
        "optional.of(2).optMap(x, x + 1).value() == 3",
        "device.attributes['gpu.example.com'].roots.exists(r, r == 'b')",
        "device.attributes['gpu.example.com'].gone == 1 || true",
        "dyn(1) == 1.0 && 1 < 1.5 && 2u > 1",
        "type(device.driver) == string && int('7') == 7 && string(7) == '7'",
        "[3, 1, 2].max() == 3 && [1, 2].sum() == 3 && !([2, 1].isSorted())",
    ] {
        check(expression, "yes");
    }
    for expression in ["device.driver.startsWith('nic')", "'b' in device.attributes", "false ? true : 1 > 2"]
    {
        check(expression, "no");
    }
    for expression in [
        "device.attributes['gpu.example.com'].gone == 1",
        "device.attributes['none.example.com'].x > 0",
        "device.attributes['gpu.example.com'].model > 1",
        "device.attributes['gpu.example.com'].numa",
        "[1][3] == 1",
        "1 / 0 == 1",
        "9223372036854775807 + 1 > 0",
        "semver('1.2') == semver('1.2.0')",
        "quantity('1.5').asInteger() == 1",
        "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, \
         [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, f > 0))))))",
    ] {
        check(expression, "runtime");
    }
    for expression in [
        "device.driver",
        "1",
        "",
        "device.",
        "nosuch == 1",
        "device.nosuch == 1",
        "device.driver == 1",
        "device.driver.nosuch()",
        "device.driver + 1 == 'x'",
        "[1, 'a'] == []",
        "device.capacity['gpu.example.com'].memory > 5",
        "'a'.matches('(')",
        "device.driver && true",
        "math.greatest(1, 2) == 2",
        "device.driver.all(x, x > 1)",
        "[1].map(x, x).exists(x, x == 'a')",
    ] {
        check(expression, "compile");
    }
    check("isURL('http://a')", "unsupported");
    check("device.attributes['gpu.example.com'].model == timestamp('2026-01-01T00:00:00Z')", "unsupported");
}
