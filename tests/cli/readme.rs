//! What the READMEs show is what the command prints.

use crate::binary::phalanx;
use crate::simulations::read;

/// Blocks of a page that begin with `$ phalanx simulate ..`, as the command's arguments and the output that is shown.
fn shown(page: &str) -> Vec<(Vec<&str>, &str)> {
    let blocks = page
        .split("```console\n")
        .skip(1)
        .filter_map(|block| block.split_once("```").map(|(block, _)| block));
    blocks
        .filter_map(|block| {
            let (command, output) = block.strip_prefix("$ phalanx ")?.split_once('\n')?;
            Some((command.split_whitespace().collect(), output))
        })
        .collect()
}

#[test]
fn the_readme_shows_what_is_printed() {
    let page = read("README.md");
    let shown = shown(&page);
    assert!(shown.len() >= 2, "the main job, and one that waits");
    for (arguments, output) in shown {
        let answer = phalanx(&arguments, "");
        assert_eq!(
            (answer.code, answer.out.as_str()),
            (0, output),
            "README.md: {arguments:?}; paste what is printed"
        );
    }
}

#[test]
fn the_list_of_simulations_names_each_with_a_command_that_works() {
    let page = read("simulations/README.md");
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/simulations")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".yaml") {
            let row = page.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
            let row = row.unwrap_or_else(|| panic!("simulations/README.md does not list {name}"));
            assert!(row.contains(&format!("`phalanx simulate simulations/{name}")), "{row}");
        }
    }
    let example = page.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0;
    let answer = phalanx(&["simulate", "-"], example);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
}
