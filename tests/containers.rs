//! Recipes of containers: no engine is needed to see that what they copy is there and that they
//! copy all that is built.

use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn recipe(name: &str) -> String {
    std::fs::read_to_string(root().join("assets/container").join(name)).unwrap()
}

#[test]
fn recipes_copy_what_is_there_and_all_that_cargo_needs() {
    let container: Vec<String> = recipe("Containerfile")
        .lines()
        .filter(|line| line.starts_with("COPY ") && !line.contains("--from"))
        .flat_map(|line| {
            let words: Vec<&str> = line.split_whitespace().skip(1).collect();
            words[..words.len() - 1].iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
        })
        .collect();
    let definition = recipe("domfreq.def");
    let files = definition.split("%files\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let apptainer: Vec<String> =
        files.lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert_eq!(container, apptainer);
    for path in &container {
        assert!(root().join(path).exists(), "{path}");
    }
    // Every path in Cargo.toml, and the build script, is in what is copied.
    let manifest: toml::Table =
        toml::from_str(&std::fs::read_to_string(root().join("Cargo.toml")).unwrap()).unwrap();
    let targets = ["bin", "bench", "example", "test"].iter().filter_map(|kind| manifest.get(*kind));
    let paths = targets.flat_map(|list| list.as_array().unwrap()).filter_map(|target| target.get("path"));
    for path in paths.map(|path| path.as_str().unwrap()) {
        assert!(container.iter().any(|copied| path.starts_with(copied.as_str())), "{path}");
    }
}

#[test]
fn recipes_build_the_same() {
    let (container, definition) = (recipe("Containerfile"), recipe("domfreq.def"));
    for line in [
        "find .libtorch -name '*.so*' -path '*/lib/*' -exec cp -P {} /opt/libtorch/lib/ \\;",
        "apt-get install -y --no-install-recommends g++ make python3 python3-pip",
        "/domfreq/target/release/domfreq /usr/local/bin/domfreq",
    ] {
        assert!(container.contains(line) && definition.contains(line), "{line}");
    }
}
