//! Every `domfreq` command of the README runs as it stands there, in a folder
//! with the files it speaks of; every `make` target it names exists (CI runs them).

use std::fs;
use std::path::Path;

use crate::support::{npz, photos};

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README.md")
}

/// Lines of the ```sh blocks that call `program`, comments taken off.
fn commands(program: &str) -> Vec<String> {
    let text = readme();
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).map(|line| line.split(" #").next().unwrap_or_default().trim());
    lines.filter(|l| l.split_whitespace().next() == Some(program)).map(str::to_owned).collect()
}

#[test]
fn domfreq_commands_run() {
    let tmp = tempfile::tempdir().unwrap();
    photos(tmp.path());
    npz(&tmp.path().join("mine.npz"), 40, |i, p| ((i * 5 + p * (1 + i % 2)) % 7) as f32, |i| (i % 2) as i64);
    let sweep = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sweeps/speed.toml");
    fs::copy(sweep, tmp.path().join("speed.toml")).unwrap();
    let all = commands("domfreq");
    assert!(all.len() >= 6, "{all:?}");
    let bin = Path::new(env!("CARGO_BIN_EXE_domfreq")).parent().expect("a folder");
    let path = std::env::join_paths(
        std::iter::once(bin.to_path_buf())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    for command in all {
        // Without libtorch there is no training, and no run to draw.
        if cfg!(not(feature = "torch"))
            && [
                " train ",
                " figure ",
                " evaluate ",
                " audit ",
                " gpu-check ",
                " sweep run ",
                " sweep status ",
                " sweep collect ",
            ]
            .iter()
            .any(|c| command.contains(c))
        {
            continue;
        }
        let output = std::process::Command::new("bash")
            .args(["-ec", &command])
            .env("PATH", path.as_ref().expect("a path"))
            .current_dir(tmp.path())
            .output()
            .expect("bash runs");
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn make_targets_exist() {
    let makefile =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Makefile")).expect("Makefile");
    let text = readme();
    let inline =
        text.split('`').skip(1).step_by(2).filter(|code| code.starts_with("make ")).map(str::to_owned);
    let all: Vec<_> = inline.chain(commands("make")).collect();
    assert!(all.len() >= 5, "{all:?}");
    for command in all {
        // Variables (DATA=…) are no targets.
        let target = command.split_whitespace().skip(1).find(|w| !w.contains('=')).expect("a target");
        assert!(makefile.contains(&format!("\n{target}:")), "{command}");
    }
}
