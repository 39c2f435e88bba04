//! The commit for manifests, and a run path to the libtorch that was linked.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-changed=.git/refs/heads");
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

fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| !s.is_empty());
    Some(if changed { format!("{commit}-modified") } else { commit })
}
