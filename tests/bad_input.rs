//! Each bad input: one line that names the place, what was expected and what was
//! found, exit status 1, nothing on stdout.

use std::fs;
use std::io::Write;

use crate::support::{domfreq, fails, json, npz, ok, photos, shared, write_png};

#[test]
fn specifications() {
    let tmp = tempfile::tempdir().unwrap();
    let inspect = |spec: &str, parts: &[&str]| fails(tmp.path(), &["inspect", "--data", spec], parts);
    inspect("parkett:x", &["parquet", "parkett"]);
    inspect("cosines:amplitud=1", &["amplitud", "amplitudes"]);
    inspect("cosines:classes=many", &["classes", "many"]);
    inspect("npz:absent.npz", &["absent.npz"]);
    inspect("idx:absent", &["absent"]);
    inspect("idx:/dev/zero", &["/dev/zero", "regular file"]);
    inspect("folder:absent", &["absent"]);
    inspect("cifar:absent", &["absent"]);
    inspect("parquet:absent.parquet", &["absent.parquet"]);
    inspect("folder", &["folder"]);
    fails(tmp.path(), &["inspect", "--threads", "100000"], &["--threads", "1024"]);
}

#[test]
fn filters_that_leave_nothing_or_one_class() {
    let tmp = tempfile::tempdir().unwrap();
    photos(tmp.path());
    let inspect = |args: &[&str], parts: &[&str]| {
        fails(tmp.path(), &[&["inspect", "--data", "folder:photos"], args].concat(), parts);
    };
    inspect(&["--limit", "0"], &["limit", "0"]);
    inspect(&["--limit-per-class", "0"], &["limit", "0"]);
    inspect(&["--limit", "1"], &["class"]);
    inspect(&["--classes", "cat"], &["2 classes"]);
    inspect(&["--classes", "cat,horse"], &["horse", "cat"]);
    inspect(&["--split", "validation", "--classes", "7,cat"], &["7"]);
}

#[test]
fn images_of_mixed_size_and_ones_that_do_not_decode() {
    let tmp = tempfile::tempdir().unwrap();
    photos(tmp.path());
    write_png(&tmp.path().join("photos/dog/big.png"), 30, 24, |r, _| r as u8);
    fails(tmp.path(), &["inspect", "--data", "folder:photos"], &["--size", "big.png"]);
    ok(tmp.path(), &["inspect", "--data", "folder:photos", "--size", "16"]);

    let broken = tmp.path().join("photos/dog/broken.jpg");
    fs::write(&broken, [0xff, 0xd8, 0xff, 0xe0, 0, 16, b'J', b'F', b'I', b'F', 0, 1, 2]).unwrap();
    let args = ["inspect", "--data", "folder:photos", "--size", "16"];
    fails(tmp.path(), &args, &["broken.jpg"]);
    let said = domfreq(tmp.path(), &[&args[..], &["--skip-bad", "--json"]].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(json(&said.out)["skipped"], 1);
    assert!(said.err.contains('1'), "the count is said: {}", said.err);
}

#[test]
fn arrays() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("a.npz");
    let inspect = |parts: &[&str]| fails(tmp.path(), &["inspect", "--data", "npz:a.npz"], parts);
    npz(&path, 8, |i, p| if (i, p) == (3, 7) { f32::NAN } else { (i * p % 5) as f32 }, |i| (i % 2) as i64);
    inspect(&["a.npz", "X", "NaN"]);
    npz(&path, 8, |i, p| (i * p % 5) as f32, |i| if i == 5 { -2 } else { (i % 2) as i64 });
    inspect(&["a.npz", "y", "-2"]);
    npz(&path, 8, |i, p| (i * p % 5) as f32, |_| 0);
    inspect(&["class"]);
    npz(&path, 30, |i, p| (i * p % 5) as f32, |i| (i % 30) as i64);
    inspect(&["30 outputs and 20 inputs", "K <= d"]); // K > d
    npz(&path, 8, |_, _| 1.0, |i| (i % 2) as i64);
    inspect(&["no variance"]);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    inspect(&["a.npz"]);
}

#[test]
fn truncated_gzip() {
    let tmp = tempfile::tempdir().unwrap();
    let gz = |name: &str, bytes: &[u8], keep: usize| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        let packed = encoder.finish().unwrap();
        fs::write(tmp.path().join(name), &packed[..packed.len() - keep]).unwrap();
    };
    let mut images = vec![0, 0, 8, 3, 0, 0, 0, 40, 0, 0, 0, 6, 0, 0, 0, 5];
    images.extend((0..40 * 30u32).map(|i| (i * i % 251) as u8));
    let mut labels = vec![0, 0, 8, 1, 0, 0, 0, 40];
    labels.extend((0..40).map(|i| i % 4));
    gz("train-images-idx3-ubyte.gz", &images, 0);
    gz("train-labels-idx1-ubyte.gz", &labels, 0);
    let args = ["inspect", "--data", "idx:train-images-idx3-ubyte.gz"];
    ok(tmp.path(), &args);
    gz("train-images-idx3-ubyte.gz", &images, 200);
    fails(tmp.path(), &args, &["train-images-idx3-ubyte.gz"]);
    gz("train-images-idx3-ubyte.gz", &images, 0);
    fs::remove_file(tmp.path().join("train-labels-idx1-ubyte.gz")).unwrap();
    fails(tmp.path(), &args, &["train-labels-idx1-ubyte"]);
}

#[test]
fn damaged_parquet() {
    let Some(source) = shared("data/cifar10/test-00000-of-00001.parquet") else { return };
    let tmp = tempfile::tempdir().unwrap();
    let bytes = fs::read(source).unwrap();
    fs::write(tmp.path().join("cut.parquet"), &bytes[..bytes.len() - 1000]).unwrap();
    fails(tmp.path(), &["inspect", "--data", "parquet:cut.parquet"], &["cut.parquet"]);
}

#[test]
fn command_lines_that_do_not_parse() {
    let tmp = tempfile::tempdir().unwrap();
    for args in [
        &["inspect", "--size", "3y4"][..],
        &["inspect", "--normalize", "l2"],
        &["inspekt"],
        &["figure", "stages"],
    ] {
        let said = domfreq(tmp.path(), args);
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(said.err.starts_with("error: ") && said.out.is_empty());
    }
    let size = domfreq(tmp.path(), &["inspect", "--size", "3y4"]).err;
    assert!(size.contains("HxW") && size.contains("3y4"), "{size}");
}

#[test]
fn figures_of_no_run() {
    let tmp = tempfile::tempdir().unwrap();
    let out = "f.png";
    fails(tmp.path(), &["figure", "stages", "absent", "--out", out], &["absent", "run directory"]);
    fs::create_dir(tmp.path().join("empty")).unwrap();
    fails(tmp.path(), &["figure", "stages", "empty", "--out", out], &["empty", "manifest.json"]);
    assert!(!tmp.path().join(out).exists());
}
