//! The commit for manifests, and a run path to the libtorch that was linked.

use std::path::Path;
use std::process::Command;

fn main() {
    // Also the sources: whether they are those of the commit is part of the answer.
    for path in ["build.rs", "src", "bin", "Cargo.toml"] {
        println!("cargo:rerun-if-changed={path}");
    }
    for name in ["HEAD", "index"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|p| Path::new(p).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    println!("cargo:rustc-env=DOMFREQ_COMMIT={}", commit().unwrap_or_else(|| "unknown".to_owned()));

    // RUNPATH and not RPATH: LD_LIBRARY_PATH can still name another machine's PyTorch.
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        let target = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
        if target == "linux" {
            println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags");
        }
        if target != "windows" {
            println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
        }
    }
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn commit() -> Option<String> {
    // An unpacked archive inside some other repository has not that one's commit.
    let top = Path::new(&git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()?;
    if top != Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().ok()? {
        return None;
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| !s.is_empty());
    Some(if changed { format!("{commit}-modified") } else { commit })
}
