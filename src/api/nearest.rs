//! The known name that was probably meant: for messages about misspelt fields, keys and settings.

/// The known name that is closest to a misspelt one, if one is close: at most a third of the letters differ.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (edits(&written.to_lowercase(), &name.to_lowercase()), name))
        .filter(|&(edits, name)| edits <= (name.chars().count().max(3)) / 3)
        .min()
        .map(|(_, name)| name)
}

/// Letters to insert, remove, replace or swap with their neighbour.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (last[j - 1] + same).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                let two_back: &Vec<usize> = &before;
                least = least.min(two_back[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name() {
        let check = |written, expect| {
            let known = ["nodePools", "timeline", "seed", "gangs", "until", "count"];
            assert_eq!(nearest(written, known), expect, "{written}");
        };
        check("nodepools", Some("nodePools"));
        check("nodePool", Some("nodePools"));
        check("tiemline", Some("timeline"));
        check("sede", Some("seed"));
        check("gang", Some("gangs"));
        check("coutn", Some("count"));
        check("replicas", None);
        check("", None);
    }
}
