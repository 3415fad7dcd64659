//! Names of schedulers that pods ask for (`spec.schedulerName`), and what is said where nobody answers to one.

use crate::words::counted;

/// The scheduler that a pod gets that names none.
pub const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// `4 pods ask for scheduler volcanoo; this scheduler answers to volcano`: numbers of pods by the scheduler that they ask for,
/// and the names that are answered to.
pub fn unanswered<'a>(asked: impl IntoIterator<Item = (&'a str, usize)>, ours: &[impl AsRef<str>]) -> String {
    let mut text = String::new();
    for (index, (scheduler, pods)) in asked.into_iter().enumerate() {
        text.push_str(&match (index, pods) {
            (0, 1) => format!("1 pod asks for scheduler {scheduler}"),
            (0, _) => format!("{} ask for scheduler {scheduler}", counted(pods, "pod")),
            _ => format!(", {pods} for {scheduler}"),
        });
    }
    let ours: Vec<&str> = ours.iter().map(AsRef::as_ref).collect();
    format!("{text}; this scheduler answers to {}", ours.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_counted_by_the_name_that_they_ask_for() {
        let check = |asked: &[(&str, usize)], expect: &str| {
            assert_eq!(unanswered(asked.iter().copied(), &["volcano"]), expect);
        };
        check(&[("volcanoo", 4)], "4 pods ask for scheduler volcanoo; this scheduler answers to volcano");
        check(&[("volcanoo", 1)], "1 pod asks for scheduler volcanoo; this scheduler answers to volcano");
        check(
            &[("default-scheduler", 1), ("vocalno", 2)],
            "1 pod asks for scheduler default-scheduler, 2 for vocalno; this scheduler answers to volcano",
        );
    }
}
