//! Which device a run computes on, and why CUDA is not there when it is not.
//!
//! The binary links libtorch's CPU half only, so that one build serves login
//! nodes and GPU nodes; the CUDA half is loaded here, by name, when the NVIDIA
//! driver is present, and registers itself. (Linked as usual, `--as-needed`
//! drops it and CUDA is missing without a word.)

use std::ffi::c_void;
use std::path::PathBuf;
use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use tch::{Cuda, Device, Kind};

use crate::error::{Error, Result};
use crate::run::config::{Dtype, MachineConfig};

/// What weights of a network of this precision are kept in.
pub fn kind(dtype: Dtype) -> Kind {
    if dtype == Dtype::F64 { Kind::Double } else { Kind::Float }
}

/// How CUDA computes in a run so configured.
pub fn arithmetic(config: &MachineConfig) -> Arithmetic {
    Arithmetic { tf32: config.tf32, deterministic: config.deterministic }
}

/// How CUDA computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arithmetic {
    /// Convolutions and products of single precision may be made in TF32 (10 bits of mantissa).
    pub tf32: bool,
    /// The same bits each time; otherwise the fastest way, tried out for each new shape.
    pub deterministic: bool,
}

impl Default for Arithmetic {
    fn default() -> Self {
        Self { tf32: false, deterministic: true }
    }
}

impl Arithmetic {
    // Libraries read these variables when they are first used.
    fn announce(self) {
        let set = |name: &str, value: &str| {
            if std::env::var_os(name).is_none() {
                // SAFETY: on the thread of the command; those that are there by then wait
                // for work of ours, which does not read the environment.
                unsafe { std::env::set_var(name, value) };
            }
        };
        if self.tf32 {
            set("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "1");
        } else {
            set("NVIDIA_TF32_OVERRIDE", "0");
        }
        if self.deterministic {
            set("CUBLAS_WORKSPACE_CONFIG", ":4096:8");
        }
    }

    /// Tells libtorch.
    ///
    /// # Errors
    /// [`Error::Device`] where libtorch cannot be told.
    pub fn apply(self) -> Result<()> {
        Cuda::cudnn_set_benchmark(!self.deterministic);
        // tch has no names for these, libtorch has. With warnings only: where an
        // operation has no deterministic way, it is made in the one there is.
        context(c"_ZN2at7Context21setDeterministicCuDNNEb", Say::One(self.deterministic))?;
        context(c"_ZN2at7Context26setDeterministicAlgorithmsEbb", Say::Two(self.deterministic, true))?;
        // Memory that nobody reads before it is written needs no filling.
        context(c"_ZN2at7Context39setDeterministicFillUninitializedMemoryEb", Say::One(false))
    }
}

// What a member function of libtorch's global context is told.
#[derive(Clone, Copy)]
enum Say {
    One(bool),
    Two(bool, bool),
}

fn context(name: &std::ffi::CStr, say: Say) -> Result<()> {
    type Global = unsafe extern "C" fn() -> *mut c_void;
    type One = unsafe extern "C" fn(*mut c_void, bool);
    type Two = unsafe extern "C" fn(*mut c_void, bool, bool);
    let lacking = |e| Error::Device(format!("libtorch of another version: no {name:?}: {e}"));
    let (libtorch, symbol) = (Library::this(), name.to_bytes_with_nul());
    // SAFETY: the names are those of `at::Context& at::globalContext()` and of
    // `void at::Context::set…(bool)` or `(bool, bool)`, as their last letters say, none of
    // them virtual; where libtorch is built with these names, `this` is the first argument.
    unsafe {
        let global =
            libtorch.get::<Global>(c"_ZN2at13globalContextEv".to_bytes_with_nul()).map_err(lacking)?;
        match say {
            Say::One(a) => libtorch.get::<One>(symbol).map_err(lacking)?(global(), a),
            Say::Two(a, b) => libtorch.get::<Two>(symbol).map_err(lacking)?(global(), a, b),
        }
    }
    Ok(())
}

/// What the driver calls CUDA device `index`, such as `NVIDIA H100 80GB HBM3`.
pub fn name(index: usize) -> Option<String> {
    type Get = unsafe extern "C" fn(*mut i32, i32) -> i32;
    type Name = unsafe extern "C" fn(*mut u8, i32, i32) -> i32;
    let mut text = [0_u8; 256];
    // SAFETY: the driver's own functions of these names and signatures; the second
    // writes at most as many bytes as it is told, the last of them zero.
    let code = unsafe {
        let driver = Library::open(Some("libcuda.so.1"), RTLD_NOW).ok()?;
        let get = driver.get::<Get>(b"cuDeviceGet\0").ok()?;
        let name = driver.get::<Name>(b"cuDeviceGetName\0").ok()?;
        let mut device = 0;
        let found = get(&raw mut device, i32::try_from(index).ok()?);
        if found == 0 { name(text.as_mut_ptr(), 256, device) } else { found }
    };
    let text = std::ffi::CStr::from_bytes_until_nul(&text).ok()?.to_str().ok()?;
    (code == 0).then(|| text.to_owned())
}

/// Bytes in use on the current CUDA device, by whomever, and bytes it has; None without CUDA.
pub fn memory() -> Option<(u64, u64)> {
    type Info = unsafe extern "C" fn(*mut usize, *mut usize) -> i32;
    let (mut free, mut total) = (0, 0);
    // SAFETY: the driver's own function of this name and signature, which writes two numbers.
    let code = unsafe {
        let driver = Library::open(Some("libcuda.so.1"), RTLD_NOW).ok()?;
        let info = driver.get::<Info>(b"cuMemGetInfo_v2\0").ok()?;
        info(&raw mut free, &raw mut total)
    };
    (code == 0).then(|| ((total - free) as u64, total as u64))
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

/// The device named `auto`, `cpu`, `cuda` or `cuda:N`, which computes by `arithmetic`
/// where it is CUDA, and a line that says what was chosen.
///
/// # Errors
/// [`Error::Device`] with the loader's reason when CUDA is asked for and not to
/// be had; [`Error::Input`] for another name.
pub fn select(name: &str, arithmetic: Arithmetic) -> Result<(Device, String)> {
    let named = match name {
        "cpu" => return Ok((Device::Cpu, "CPU".to_owned())),
        "auto" => None,
        _ => {
            let index = match name.strip_prefix("cuda") {
                Some("") => Some(0),
                Some(rest) => rest.strip_prefix(':').and_then(|i| i.parse::<usize>().ok()),
                None => None,
            };
            let unknown = || Error::input("device", "auto, cpu, cuda or cuda:N", format_args!("`{name}`"));
            Some(index.ok_or_else(unknown)?)
        }
    };
    arithmetic.announce();
    let n = match (cuda(), named) {
        (Ok(n), _) => n,
        (Err(why), None) => return Ok((Device::Cpu, format!("CPU (auto: no CUDA, {why})"))),
        (Err(why), Some(_)) => return Err(Error::Device(format!("device `{name}`: no CUDA: {why}"))),
    };
    let index = named.unwrap_or(0);
    if index as i64 >= n {
        return Err(Error::Device(format!("device `{name}`: there are {n} devices, numbered from 0")));
    }
    arithmetic.apply()?;
    let called = self::name(index).map_or_else(String::new, |name| format!(", {name}"));
    Ok((Device::Cuda(index), format!("CUDA device {index} of {n}{called}")))
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
        assert_eq!(select("cpu", Arithmetic::default()).unwrap().0, Device::Cpu);
        assert!(select("gpu", Arithmetic::default()).unwrap_err().to_string().contains("auto, cpu, cuda"));
        assert!(select("cuda:x", Arithmetic::default()).is_err());
        match cuda() {
            Ok(n) => assert!(select(&format!("cuda:{n}"), Arithmetic::default()).is_err()),
            Err(why) => {
                let message = select("cuda", Arithmetic::default()).unwrap_err().to_string();
                assert!(message.contains(&why) && why.len() > 20, "{message}");
                assert!(select("auto", Arithmetic::default()).unwrap().1.contains("no CUDA"));
            }
        }
    }

    #[test]
    fn libtorch_can_be_told_to_repeat_itself() {
        // CPUs do so anyway; what is asked here is whether the names are there.
        Arithmetic::default().apply().unwrap();
        assert!(context(c"_ZN2at7Context7nothingEb", Say::One(true)).is_err());
    }

    #[test]
    fn the_loaded_libtorch_is_found() {
        assert!(libtorch_dir().unwrap().join("libtorch_cpu.so").exists());
        assert!(libtorch_version().unwrap().starts_with("2."));
    }
}
