//! The binary as a user meets it. Index: `audit` (reports), `inspect` (numbers, JSON, pictures), `images` (what is read of image sets as people have them), `shortcuts` (cues of a data set), `sweep`,
//! `slurm` and `export` (many runs, here, on a cluster, and by others' means), `containers`, `predict` (forecasts), `bad_input` (one clear error each), `train` (run
//! directories of linear networks), `resnet` (those of deep ones) and `figures`
//! (these need feature `torch`), `gpu` (the CPU's half of `gpu-check`), `readme` (its commands
//! run), `golden_flow` (the gradient flow is SciPy's), `golden_architectures`,
//! `golden_resnet`, `golden_descent`, `golden_heatmap` and `golden_stimuli` (networks,
//! training and what audits measure are PyTorch's), `golden_weights` and `weights`
//! (files of weights are read as PyTorch reads them), `golden_images` (what is read of image sets), `golden_programs` (programs of TorchScript answer
//! as in PyTorch), `attacks` (pickles that harm are refused), `cifar` (numbers on the real
//! images; skipped where they are not).

mod attacks;
mod audit;
mod bad_input;
mod cifar;
mod containers;
#[cfg(feature = "torch")]
mod export;
#[cfg(feature = "torch")]
mod figures;
#[cfg(feature = "torch")]
#[path = "golden/formula.rs"]
mod formula;
#[path = "golden/architectures/test.rs"]
mod golden_architectures;
#[cfg(feature = "torch")]
#[path = "golden/descent/test.rs"]
mod golden_descent;
#[path = "golden/flow/test.rs"]
mod golden_flow;
#[cfg(feature = "torch")]
#[path = "golden/heatmap/test.rs"]
mod golden_heatmap;
#[path = "golden/images/test.rs"]
mod golden_images;
#[cfg(feature = "torch")]
#[path = "golden/programs/test.rs"]
mod golden_programs;
#[cfg(feature = "torch")]
#[path = "golden/resnet/test.rs"]
mod golden_resnet;
#[cfg(feature = "torch")]
#[path = "golden/stimuli/test.rs"]
mod golden_stimuli;
#[path = "golden/weights/test.rs"]
mod golden_weights;
#[cfg(feature = "torch")]
mod gpu;
mod images;
mod inspect;
#[cfg(feature = "torch")]
mod kill;
mod predict;
mod readme;
#[cfg(feature = "torch")]
mod resnet;
mod shortcuts;
#[cfg(feature = "torch")]
mod slurm;
mod support;
#[cfg(feature = "torch")]
mod sweep;
#[cfg(feature = "torch")]
mod train;
mod weights;

// A file that no line above names is compiled by nobody, and its tests pass for ever.
#[test]
fn every_file_of_tests_is_compiled() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    // Each binary's modules.
    let mains = [include_str!("main.rs"), include_str!("fuzz/main.rs")];
    let manifest = include_str!("../Cargo.toml");
    let mut folders = vec![root.join("tests")];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|end| end != "rs") {
                continue;
            }
            let stem = path.file_stem().expect("a name").to_string_lossy();
            let name = path.strip_prefix(root.join("tests")).expect("inside").display().to_string();
            let lines = [format!("\nmod {stem};\n"), format!("#[path = \"{name}\"]\n")];
            let main = mains[usize::from(name.starts_with("fuzz/"))];
            let is_named = lines.iter().any(|line| main.contains(line.as_str()))
                || manifest.contains(&format!("path = \"tests/{name}\""));
            assert!(is_named, "tests/{name} is in no test binary");
            count += 1;
        }
    }
    assert!(count > 20, "{count} files");
}
