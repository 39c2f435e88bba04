//! Which device a run computes on, and why CUDA is not there when it is not.
//!
//! The binary links libtorch's CPU half only, so that one build serves login
//! nodes and GPU nodes; the CUDA half is loaded here, by name, when the NVIDIA
//! driver is present, and registers itself. (Linked as usual, `--as-needed`
//! drops it and CUDA is missing without a word.)

use std::path::PathBuf;
use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use tch::{Cuda, Device, Kind};

use crate::error::{Error, Result};
use crate::run::config::Dtype;

/// What weights of a network of this precision are kept in.
pub fn kind(dtype: Dtype) -> Kind {
    if dtype == Dtype::F64 { Kind::Double } else { Kind::Float }
}

/// Says whether CUDA may multiply in TF32 (10 bits of mantissa). To be called
/// before [`select`]: libtorch reads these variables when it is first used.
pub fn allow_tf32(allowed: bool) {
    let (name, value) =
        if allowed { ("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "1") } else { ("NVIDIA_TF32_OVERRIDE", "0") };
    if std::env::var_os(name).is_none() {
        // SAFETY: called once, at the start of a run, before threads that read the
        // environment are doing anything.
        unsafe { std::env::set_var(name, value) };
    }
}

/// Loads libtorch's CUDA backend, once; the number of devices, or the reason
/// why there is none.
pub fn cuda() -> std::result::Result<i64, String> {
    static LOADED: OnceLock<std::result::Result<i64, String>> = OnceLock::new();
    LOADED.get_or_init(load_cuda).clone()
}

fn load_cuda() -> std::result::Result<i64, String> {
    let open = |name: &std::ffi::OsStr| {
        // SAFETY: both are the vendor's libraries, whose initialisers are made to
        // be run at load time; neither is ever unloaded.
        unsafe { Library::open(Some(name), RTLD_NOW | RTLD_GLOBAL) }
            .map(std::mem::forget)
            .map_err(|e| format!("{:#}", anyhow::Error::from(e)))
    };
    open("libcuda.so.1".as_ref()).map_err(|e| format!("the NVIDIA driver library does not load: {e}"))?;
    let beside = libtorch_dir().map(|dir| dir.join("libtorch_cuda.so"));
    let name = beside.filter(|p| p.exists()).unwrap_or_else(|| "libtorch_cuda.so".into());
    open(name.as_os_str()).map_err(|e| {
        format!("libtorch's CUDA half does not load: {e} (was libtorch installed by `make setup CUDA=1`?)")
    })?;
    match Cuda::device_count() {
        0 => Err("the driver and libtorch's CUDA half load, but no device is visible \
                  (CUDA_VISIBLE_DEVICES, or a driver older than libtorch's CUDA?)"
            .to_owned()),
        n => Ok(n),
    }
}

/// The device named `auto`, `cpu`, `cuda` or `cuda:N`, and a line that says what was chosen.
///
/// # Errors
/// [`Error::Device`] with the loader's reason when CUDA is asked for and not to
/// be had; [`Error::Input`] for another name.
pub fn select(name: &str) -> Result<(Device, String)> {
    let describe = |index: usize, n: i64| format!("CUDA device {index} of {n}");
    match name {
        "cpu" => Ok((Device::Cpu, "CPU".to_owned())),
        "auto" => Ok(match cuda() {
            Ok(n) => (Device::Cuda(0), describe(0, n)),
            Err(why) => (Device::Cpu, format!("CPU (auto: no CUDA, {why})")),
        }),
        _ => {
            let index = match name.strip_prefix("cuda") {
                Some("") => Some(0),
                Some(rest) => rest.strip_prefix(':').and_then(|i| i.parse::<usize>().ok()),
                None => None,
            };
            let index = index.ok_or_else(|| {
                Error::input("device", "auto, cpu, cuda or cuda:N", format_args!("`{name}`"))
            })?;
            let n = cuda().map_err(|why| Error::Device(format!("device `{name}`: no CUDA: {why}")))?;
            if index as i64 >= n {
                return Err(Error::Device(format!(
                    "device `{name}`: there are {n} devices, numbered from 0"
                )));
            }
            Ok((Device::Cuda(index), describe(index, n)))
        }
    }
}

/// Directory of the libtorch that this process has loaded.
pub fn libtorch_dir() -> Option<PathBuf> {
    // Make sure that it is loaded, then ask the system where from.
    tch::get_num_threads();
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|l| l.ends_with("/libtorch_cpu.so"))?;
    PathBuf::from(line.get(line.find('/')?..)?).parent().map(PathBuf::from)
}

/// Version of the loaded libtorch, read from the files it came with.
pub fn libtorch_version() -> Option<String> {
    let root = libtorch_dir()?.parent()?.to_path_buf();
    if let Ok(text) = std::fs::read_to_string(root.join("build-version")) {
        return Some(text.trim().to_owned());
    }
    let text = std::fs::read_to_string(root.join("version.py")).ok()?;
    let line = text.lines().find(|l| l.starts_with("__version__"))?;
    Some(line.split('\'').nth(1)?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_missing_cuda_is_explained() {
        assert_eq!(select("cpu").unwrap().0, Device::Cpu);
        assert!(select("gpu").unwrap_err().to_string().contains("auto, cpu, cuda"));
        assert!(select("cuda:x").is_err());
        match cuda() {
            Ok(n) => assert!(select(&format!("cuda:{n}")).is_err()),
            Err(why) => {
                let message = select("cuda").unwrap_err().to_string();
                assert!(message.contains(&why) && why.len() > 20, "{message}");
                assert!(select("auto").unwrap().1.contains("no CUDA"));
            }
        }
    }

    #[test]
    fn the_loaded_libtorch_is_found() {
        assert!(libtorch_dir().unwrap().join("libtorch_cpu.so").exists());
        assert!(libtorch_version().unwrap().starts_with("2."));
    }
}
