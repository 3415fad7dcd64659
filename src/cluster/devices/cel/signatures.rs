//! Which functions there are, for which types: CEL's own and those that Kubernetes adds for expressions about devices.
//!
//! Sources: cel-spec, cel-go's extensions for strings (version 2), sets and optionals, and `k8s.io/apiserver/pkg/cel/library`.
//! What is missing on purpose stands in [`UNSUPPORTED`]: nobody selects devices by URL, address or time of day.

use super::types::{Overload, Type, split};
use rustc_hash::FxHashMap;
use std::sync::LazyLock;

/// One a line: name, types of arguments, type of the result. A dot in front: called on its first argument.
const TEXT: &str = "
_==_(A, A) bool
_!=_(A, A) bool
_+_(int, int) int
_+_(uint, uint) uint
_+_(double, double) double
_+_(string, string) string
_+_(bytes, bytes) bytes
_+_(list(A), list(A)) list(A)
_-_(int, int) int
_-_(uint, uint) uint
_-_(double, double) double
_*_(int, int) int
_*_(uint, uint) uint
_*_(double, double) double
_/_(int, int) int
_/_(uint, uint) uint
_/_(double, double) double
_%_(int, int) int
_%_(uint, uint) uint
-_(int) int
-_(double) double
@in(A, list(A)) bool
@in(A, map(A, B)) bool
_[_](list(A), int) A
_[_](map(A, B), A) B
_[_](optional(list(A)), int) optional(A)
_[_](optional(map(A, B)), A) optional(B)
_[?_](list(A), int) optional(A)
_[?_](map(A, B), A) optional(B)
_[?_](optional(list(A)), int) optional(A)
_[?_](optional(map(A, B)), A) optional(B)
size(string) int
size(bytes) int
size(list(A)) int
size(map(A, B)) int
.size(string) int
.size(bytes) int
.size(list(A)) int
.size(map(A, B)) int
int(int) int
int(uint) int
int(double) int
int(string) int
uint(int) uint
uint(uint) uint
uint(double) uint
uint(string) uint
double(int) double
double(uint) double
double(double) double
double(string) double
string(int) string
string(uint) string
string(double) string
string(bool) string
string(string) string
string(bytes) string
bool(bool) bool
bool(string) bool
bytes(bytes) bytes
bytes(string) bytes
dyn(A) dyn
type(A) type
.contains(string, string) bool
.startsWith(string, string) bool
.endsWith(string, string) bool
.matches(string, string) bool
matches(string, string) bool
.charAt(string, int) string
.indexOf(string, string) int
.indexOf(string, string, int) int
.lastIndexOf(string, string) int
.lastIndexOf(string, string, int) int
.join(list(string)) string
.join(list(string), string) string
.lowerAscii(string) string
.upperAscii(string) string
.replace(string, string, string) string
.replace(string, string, string, int) string
.split(string, string) list(string)
.split(string, string, int) list(string)
.substring(string, int) string
.substring(string, int, int) string
.trim(string) string
strings.quote(string) string
.find(string, string) string
.findAll(string, string) list(string)
.findAll(string, string, int) list(string)
.isSorted(list(int)) bool
.isSorted(list(uint)) bool
.isSorted(list(double)) bool
.isSorted(list(bool)) bool
.isSorted(list(string)) bool
.isSorted(list(bytes)) bool
.sum(list(int)) int
.sum(list(uint)) uint
.sum(list(double)) double
.min(list(int)) int
.min(list(uint)) uint
.min(list(double)) double
.min(list(bool)) bool
.min(list(string)) string
.min(list(bytes)) bytes
.max(list(int)) int
.max(list(uint)) uint
.max(list(double)) double
.max(list(bool)) bool
.max(list(string)) string
.max(list(bytes)) bytes
.indexOf(list(A), A) int
.lastIndexOf(list(A), A) int
.includes(dyn, dyn) bool
sets.contains(list(A), list(A)) bool
sets.equivalent(list(A), list(A)) bool
sets.intersects(list(A), list(A)) bool
optional.of(A) optional(A)
optional.ofNonZeroValue(A) optional(A)
optional.none() optional(A)
.hasValue(optional(A)) bool
.value(optional(A)) A
.or(optional(A), optional(A)) optional(A)
.orValue(optional(A), A) A
quantity(string) quantity
isQuantity(string) bool
.sign(quantity) int
.isInteger(quantity) bool
.asInteger(quantity) int
.asApproximateFloat(quantity) double
.add(quantity, quantity) quantity
.add(quantity, int) quantity
.sub(quantity, quantity) quantity
.sub(quantity, int) quantity
.isGreaterThan(quantity, quantity) bool
.isLessThan(quantity, quantity) bool
.compareTo(quantity, quantity) int
semver(string) semver
semver(string, bool) semver
isSemver(string) bool
isSemver(string, bool) bool
.major(semver) int
.minor(semver) int
.patch(semver) int
.isGreaterThan(semver, semver) bool
.isLessThan(semver, semver) bool
.compareTo(semver, semver) int
";

/// Functions of the environment that this version does not evaluate.
pub(super) const UNSUPPORTED: [&str; 48] = [
    "url",
    "isURL",
    "getScheme",
    "getHost",
    "getHostname",
    "getPort",
    "getEscapedPath",
    "getQuery",
    "ip",
    "isIP",
    "ip.isCanonical",
    "cidr",
    "isCIDR",
    "containsIP",
    "containsCIDR",
    "prefixLength",
    "masked",
    "family",
    "isUnspecified",
    "isLoopback",
    "isLinkLocalMulticast",
    "isLinkLocalUnicast",
    "isGlobalUnicast",
    "timestamp",
    "duration",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "format",
    "format.named",
    "validate",
    "transformMap",
    "transformMapEntry",
    "flatten",
    "slice",
    "sort",
    "sortBy",
    "distinct",
    "reverse",
    "range",
    "authorizer",
];

/// Overloads by name; members under their name with a dot in front.
pub(super) static SIGNATURES: LazyLock<FxHashMap<String, Vec<Overload>>> = LazyLock::new(|| {
    let mut all: FxHashMap<String, Vec<Overload>> = FxHashMap::default();
    for line in TEXT.lines() {
        let Some((name, rest)) = line.split_once('(') else { continue };
        let Some((arguments, result)) = rest.rsplit_once(") ").or_else(|| rest.rsplit_once(')')) else {
            continue;
        };
        let arguments: Option<Vec<Type>> = split(arguments).into_iter().map(Type::read).collect();
        if let (Some(arguments), Some(result)) = (arguments, Type::read(result)) {
            all.entry(name.to_owned()).or_default().push(Overload { arguments, result });
        }
    }
    let numbers = [Type::Int, Type::Uint, Type::Double];
    let alike = [Type::Bool, Type::String, Type::Bytes];
    for name in ["_<_", "_<=_", "_>_", "_>=_"] {
        let pairs = numbers.iter().flat_map(|a| numbers.iter().map(move |b| [a, b]));
        let pairs = pairs.chain(alike.iter().map(|a| [a, a]));
        let overload =
            |pair: [&Type; 2]| Overload { arguments: pair.map(Clone::clone).into(), result: Type::Bool };
        all.insert(name.to_owned(), pairs.map(overload).collect());
    }
    all
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let lines = TEXT.lines().filter(|line| !line.is_empty()).count();
        let read: usize = SIGNATURES
            .iter()
            .filter(|(name, _)| !["_<_", "_<=_", "_>_", "_>=_"].contains(&name.as_str()))
            .map(|(_, all)| all.len())
            .sum();
        assert_eq!(read, lines);
    }
}
