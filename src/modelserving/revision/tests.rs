//! Hashes and data that Kthena's own packages computed, for templates of every kind.

use super::*;

#[derive(serde::Deserialize)]
struct Template {
    name: String,
    roles: Vec<Role>,
}

fn hash_of(text: &str) -> String {
    let mut hash = Fnv::default();
    hash.add(text);
    hash.encode()
}

#[test]
fn hashes_and_data_are_kthenas() {
    let templates = include_str!("golden/templates.jsonl").lines();
    let expected = include_str!("golden/hashes.txt").lines().filter(|line| !line.starts_with('#'));
    let mut count = 0;
    for (template, expect) in templates.zip(expected) {
        let Template { name, roles } = serde_json::from_str(template).unwrap();
        let data = revision_data(&roles).unwrap();
        let each: Vec<String> = roles.iter().map(role_hash).collect();
        let actual = format!("{name} {} {} {}", roles_hash(&roles), hash_of(&data), each.join(" "));
        assert_eq!(actual, expect, "{data}");
        count += 1;
    }
    assert!(count > 120, "{count}");
}
