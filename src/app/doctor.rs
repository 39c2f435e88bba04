//! `domfreq doctor`: what was found on this machine, and why what is missing is missing.

use anyhow::Result;
use serde::Serialize;

use super::{print, print_json};
use crate::cli::DoctorArgs;
use crate::threads;

#[derive(Serialize)]
struct Report {
    domfreq: &'static str,
    commit: &'static str,
    #[serde(flatten)]
    torch: Torch,
    cores: usize,
    threads: usize,
    /// What the number of threads comes from.
    threads_by: &'static str,
    simd: Vec<&'static str>,
}

#[derive(Serialize)]
struct Torch {
    /// Version of libtorch, or why there is none.
    libtorch: String,
    libtorch_dir: Option<String>,
    /// Libraries that libtorch was built with.
    libtorch_has: Vec<&'static str>,
    /// Number of CUDA devices, 0 where there are none.
    cuda_devices: i64,
    /// Why there is no CUDA.
    no_cuda: Option<String>,
}

pub fn run(args: &DoctorArgs) -> Result<()> {
    let report = report();
    if args.json {
        return print_json(&report);
    }
    let list = |items: &[&str]| if items.is_empty() { "none".to_owned() } else { items.join(" ") };
    let cuda = match &report.torch.no_cuda {
        None => format!("{} device(s)", report.torch.cuda_devices),
        Some(why) => format!("none: {why}"),
    };
    let text = format!(
        "domfreq   {} (commit {})\nlibtorch  {}{}\n          built with {}\nCUDA      {cuda}\n\
         threads   {} of {} cores (by {})\nSIMD      {}\n",
        report.domfreq,
        report.commit,
        report.torch.libtorch,
        report.torch.libtorch_dir.as_ref().map_or_else(String::new, |d| format!(", {d}")),
        list(&report.torch.libtorch_has),
        report.threads,
        report.cores,
        report.threads_by,
        list(&report.simd),
    );
    print(text.as_bytes())
}

fn report() -> Report {
    let given = threads::given();
    Report {
        domfreq: env!("CARGO_PKG_VERSION"),
        commit: env!("DOMFREQ_COMMIT"),
        torch: torch(),
        cores: threads::cores(),
        threads: given.count,
        threads_by: given.by,
        simd: simd(),
    }
}

#[cfg(feature = "torch")]
fn torch() -> Torch {
    use crate::model::device;
    let cuda = device::cuda();
    let has = [
        ("OpenMP", tch::utils::has_openmp()),
        ("MKL", tch::utils::has_mkl()),
        ("LAPACK", tch::utils::has_lapack()),
        ("oneDNN", tch::utils::has_mkldnn()),
    ];
    Torch {
        libtorch: device::libtorch_version().unwrap_or_else(|| "of unknown version".to_owned()),
        libtorch_dir: device::libtorch_dir().map(|d| d.display().to_string()),
        libtorch_has: has.iter().filter(|(_, yes)| *yes).map(|(name, _)| *name).collect(),
        cuda_devices: *cuda.as_ref().unwrap_or(&0),
        no_cuda: cuda.err(),
    }
}

#[cfg(not(feature = "torch"))]
fn torch() -> Torch {
    Torch {
        libtorch: "none: built without the feature `torch`".to_owned(),
        libtorch_dir: None,
        libtorch_has: Vec::new(),
        cuda_devices: 0,
        no_cuda: Some("built without libtorch".to_owned()),
    }
}

fn simd() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        let found = [
            ("SSE4.2", is_x86_feature_detected!("sse4.2")),
            ("AVX", is_x86_feature_detected!("avx")),
            ("AVX2", is_x86_feature_detected!("avx2")),
            ("FMA", is_x86_feature_detected!("fma")),
            ("AVX-512F", is_x86_feature_detected!("avx512f")),
        ];
        found.iter().filter(|(_, yes)| *yes).map(|(name, _)| *name).collect()
    }
    #[cfg(target_arch = "aarch64")]
    {
        vec!["NEON"]
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        Vec::new()
    }
}
