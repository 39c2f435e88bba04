//! Running the binary, and small files to run it on.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the binary said.
pub struct Said {
    pub out: String,
    pub err: String,
    pub code: Option<i32>,
}

impl From<Output> for Said {
    fn from(o: Output) -> Self {
        Self {
            out: String::from_utf8_lossy(&o.stdout).into_owned(),
            err: String::from_utf8_lossy(&o.stderr).into_owned(),
            code: o.status.code(),
        }
    }
}

pub fn domfreq(dir: &Path, args: &[&str]) -> Said {
    let command = Command::new(env!("CARGO_BIN_EXE_domfreq")).args(args).current_dir(dir).output();
    command.expect("the binary runs").into()
}

/// Runs it and expects success; stdout.
pub fn ok(dir: &Path, args: &[&str]) -> String {
    let said = domfreq(dir, args);
    assert_eq!(said.code, Some(0), "{args:?}: {}", said.err);
    said.out
}

/// Runs it and expects one clear error that has all of `parts`.
pub fn fails(dir: &Path, args: &[&str], parts: &[&str]) {
    let said = domfreq(dir, args);
    let errors: Vec<_> = said.err.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(said.code, Some(1), "{args:?}: {}", said.err);
    assert_eq!(errors.len(), 1, "{args:?}: {}", said.err);
    assert!(!said.err.contains("panicked"), "{args:?}: {}", said.err);
    assert!(said.out.is_empty(), "{args:?} printed {}", said.out);
    assert!(errors[0].matches("os error").count() <= 1, "said twice: {}", errors[0]);
    for part in parts {
        assert!(errors[0].contains(part), "{args:?}: expected `{part}` in: {}", errors[0]);
    }
}

pub fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e} in {text}"))
}

/// The folder of real data and weights, where there is one.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("DOMFREQ_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let place = root.join(path);
    if place.exists() {
        return Some(place);
    }
    println!("skipped: {path} is not here (DOMFREQ_SHARED names the folder that has it)");
    None
}

/// Python with torchvision, where there is one.
pub fn python() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv-bench/bin/python");
    let python = std::env::var_os("DOMFREQ_BENCH_PYTHON").map_or(here, PathBuf::from);
    let found = Command::new(&python).args(["-c", "import torchvision, safetensors"]).output();
    if found.is_ok_and(|o| o.status.success()) {
        return Some(python);
    }
    println!("skipped: no Python with torchvision (DOMFREQ_BENCH_PYTHON names one)");
    None
}

/// A PNG of one channel, values f(row, column).
pub fn write_png(path: &Path, h: u32, w: u32, f: impl Fn(u32, u32) -> u8) {
    let file = std::fs::File::create(path).expect("a file");
    let mut encoder = png::Encoder::new(file, w, h);
    encoder.set_color(png::ColorType::Grayscale);
    let pixels: Vec<u8> = (0..h).flat_map(|r| (0..w).map(move |c| (r, c))).map(|(r, c)| f(r, c)).collect();
    encoder.write_header().and_then(|mut w| w.write_image_data(&pixels)).expect("a PNG");
}

/// `photos/<class>/<i>.png`: two classes of 6 small pictures.
pub fn photos(dir: &Path) {
    for (class, name) in ["cat", "dog"].iter().enumerate() {
        let place = dir.join("photos").join(name);
        std::fs::create_dir_all(&place).expect("a folder");
        for i in 0..6u32 {
            let class = class as u32;
            write_png(&place.join(format!("{i}.png")), 20, 24, |r, c| {
                (40 + (r * (3 + class) + c * (5 - 3 * class) + 13 * i) % (90 + 60 * class)) as u8
            });
        }
    }
}

/// `name`: arrays X `[n, 4, 5]` of float32 and labels y, made by `x` and `y`.
pub fn npz(path: &Path, n: usize, x: impl Fn(usize, usize) -> f32, y: impl Fn(usize) -> i64) {
    let mut zip = ndarray_npy::NpzWriter::new(std::fs::File::create(path).expect("a file"));
    let images = ndarray::Array3::from_shape_fn((n, 4, 5), |(i, r, c)| x(i, r * 5 + c));
    zip.add_array("X", &images).expect("X");
    zip.add_array("y", &ndarray::Array1::from_shape_fn(n, y)).expect("y");
    zip.finish().expect("an archive");
}
