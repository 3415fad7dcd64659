//! The known name that was probably meant: for messages about misspelt fields, keys and settings.

/// The known name that is closest to a misspelt one, if one is close: at most a third of the letters differ.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&written.to_lowercase(), &name.to_lowercase()), name))
        .filter(|&(edits, name)| edits <= (name.chars().count().max(3)) / 3)
        .min()
        .map(|(_, name)| name)
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
