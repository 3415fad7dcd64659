//! Names and the ordinals in them. A name is an identity: it cannot be edited, as labels can.
//! Source: kthena `pkg/model-serving-controller/utils`.

/// `<ms>-<i>`: a ServingGroup and its PodGroup.
pub fn group(model_serving: &str, group: u32) -> String {
    format!("{model_serving}-{group}")
}

/// `<role>-<j>`: a role replica, unique within its ServingGroup.
pub fn role_id(role: &str, replica: u32) -> String {
    format!("{role}-{replica}")
}

/// `<ms>-<i>-<role>-<j>-<k>`: a pod; `k` is 0 for the entry pod. The headless Service of a role replica has the name of
/// its entry pod.
pub fn pod(model_serving: &str, group: u32, role: &str, replica: u32, index: u32) -> String {
    format!("{model_serving}-{group}-{role}-{replica}-{index}")
}

/// `<ms>-<revision>`: a ControllerRevision.
pub fn revision(model_serving: &str, revision: &str) -> String {
    format!("{model_serving}-{revision}")
}

/// What a pod's name says: which ServingGroup, role, role replica, and place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodKey<'a> {
    /// Ordinal of the ServingGroup.
    pub group: u32,
    /// Role name.
    pub role: &'a str,
    /// Ordinal of the role replica.
    pub replica: u32,
    /// 0 for the entry pod, 1.. for workers.
    pub index: u32,
}

/// Reads a pod name back. Role names may hold dashes and digits; the ordinals around them may not, so it is unambiguous.
pub fn parse_pod<'a>(model_serving: &str, name: &'a str) -> Option<PodKey<'a>> {
    let rest = name.strip_prefix(model_serving)?.strip_prefix('-')?;
    let (group, rest) = rest.split_once('-')?;
    let (rest, index) = rest.rsplit_once('-')?;
    let (role, replica) = rest.rsplit_once('-')?;
    if role.is_empty() {
        return None;
    }
    Some(PodKey { group: ordinal(group)?, role, replica: ordinal(replica)?, index: ordinal(index)? })
}

/// Reads a ServingGroup's name back.
pub fn parse_group(model_serving: &str, name: &str) -> Option<u32> {
    ordinal(name.strip_prefix(model_serving)?.strip_prefix('-')?)
}

/// An ordinal as it is printed: no sign, no leading zero.
fn ordinal(text: &str) -> Option<u32> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    if canonical { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expect: Option<(u32, &str, u32, u32)>) {
        let key = parse_pod("ms-1", name).map(|key| (key.group, key.role, key.replica, key.index));
        assert_eq!(key, expect, "{name}");
        if let Some((g, role, replica, index)) = expect {
            assert_eq!(pod("ms-1", g, role, replica, index), name);
        }
    }

    #[test]
    fn pod_names_are_read_back() {
        check("ms-1-0-405b-1-0", Some((0, "405b", 1, 0)));
        check("ms-1-12-a-1-b-3-44", Some((12, "a-1-b", 3, 44)));
        check("ms-1-0-7-1-0", Some((0, "7", 1, 0)));
        for bad in
            ["ms-0-a-0-0", "ms-1-0-a-0", "ms-1-x-a-0-0", "ms-1-00-a-0-0", "ms-1-0-a-+1-0", "ms-1-0--0-0", ""]
        {
            check(bad, None);
        }
        assert_eq!(parse_group("ms", "ms-3"), Some(3));
        assert_eq!(parse_group("ms", "ms-3-a"), None);
    }
}
