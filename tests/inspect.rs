use crate::support::{domfreq, fails, json, npz, ok, photos};

fn close(value: &serde_json::Value, want: f64, tolerance: f64) -> bool {
    value.as_f64().is_some_and(|v| (v - want).abs() <= tolerance * want.abs())
}

#[test]
fn json_on_cosines_equals_the_numbers_by_hand() {
    // Uncentred one-hot cosines: s = A √(n/2)/K, λ = A² n/(2K), ρ = √(n/2), two entries of the plane.
    let tmp = tempfile::tempdir().unwrap();
    let spec = "cosines:classes=3,size=8x12,count=6,amplitudes=1/0.5/0.25,frequencies=1:2/-3:1/0:5";
    let report = json(&ok(tmp.path(), &["inspect", "--data", spec, "--json"]));
    assert_eq!((report["samples"].as_u64(), report["classes"].as_u64()), (Some(6), Some(3)));
    assert_eq!(report["shape"], serde_json::json!([1, 8, 12]));
    let modes = report["modes"].as_array().unwrap();
    assert_eq!(modes.len(), 3);
    for (mode, (a, dominant)) in modes.iter().zip([(1.0, [1, 2]), (0.5, [-3, 1]), (0.25, [0, 5])]) {
        assert!(close(&mode["s"], a * 48f64.sqrt() / 3.0, 1e-6));
        assert!(close(&mode["lambda"], a * a * 16.0, 1e-6));
        assert!(close(&mode["rho"], 48f64.sqrt(), 1e-6));
        assert!(close(&mode["participation"], 2.0, 1e-6));
        assert_eq!(mode["dominant"], serde_json::json!(dominant));
    }
}

#[test]
fn spread_modes_are_as_strong_whatever_carries_them() {
    // s = A √(n/2)/K, λ = A² n/(2K), ρ = √(n/(2F)) with 2F entries of the plane; n = 256.
    let tmp = tempfile::tempdir().unwrap();
    for (numbers, spec) in [(&[1.0][..], "spread:frequencies=1"), (&[1.0, 4.0, 40.0], "spread")] {
        let report = json(&ok(tmp.path(), &["inspect", "--data", spec, "--json"]));
        let (k, modes) = (numbers.len() as f64, report["modes"].as_array().unwrap());
        assert_eq!((report["center"].as_bool(), modes.len()), (Some(false), numbers.len()));
        for ((mode, number), a) in modes.iter().zip(numbers).zip([1.0, 0.7, 0.49]) {
            assert!(close(&mode["s"], a * 128f64.sqrt() / k, 1e-6));
            assert!(close(&mode["lambda"], a * a * 128.0 / k, 1e-6));
            assert!(close(&mode["rho"], (128f64 / number).sqrt(), 1e-5));
            assert!(close(&mode["participation"], 2.0 * number, 1e-5));
        }
    }
    fails(tmp.path(), &["inspect", "--data", "spread:frequencies=1", "--center"], &["Σyx = 0"]);
}

#[test]
fn the_table_is_for_people_and_says_its_conventions() {
    let tmp = tempfile::tempdir().unwrap();
    let text = ok(tmp.path(), &["inspect", "--data", "leaves:count=240", "--size", "16"]);
    for part in
        ["240 samples, 6 classes, 1×16×16", "x and y centred, normalize global", "strongest frequencies"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(text.lines().filter(|l| l.trim_start().starts_with(|c: char| c.is_ascii_digit())).count(), 5);
}

#[test]
fn pictures_are_written_and_decode() {
    let tmp = tempfile::tempdir().unwrap();
    photos(tmp.path());
    ok(tmp.path(), &["inspect", "--data", "folder:photos", "--out", "out"]);
    for name in ["modes.png", "prototypes.png"] {
        let file = std::fs::File::open(tmp.path().join("out").join(name)).unwrap();
        let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let distinct: std::collections::HashSet<_> = pixels.iter().collect();
        assert!(distinct.len() > 20, "{name} shows nothing");
    }
    let spectra = |name| domfreq::run::arrays::read(&tmp.path().join("out/spectra.npz"), name).unwrap();
    assert_eq!(spectra("classes").shape(), [2, 1, 20, 13]);
    assert_eq!(spectra("radial").shape(), [2, spectra("radius").len()]);
    assert!(spectra("orientation").outer_iter().all(|class| (class.sum() - 1.0).abs() < 1e-9));
    let report = json(&std::fs::read_to_string(tmp.path().join("out/inspect.json")).unwrap());
    assert_eq!(report["names"], serde_json::json!(["cat", "dog"]));
}

#[test]
fn options_choose_and_prepare() {
    let tmp = tempfile::tempdir().unwrap();
    photos(tmp.path());
    let report = |args: &[&str]| {
        let all = [&["inspect", "--json", "--data", "folder:photos"], args].concat();
        json(&ok(tmp.path(), &all))
    };
    assert_eq!(report(&[])["shape"], serde_json::json!([1, 20, 24]));
    assert_eq!(report(&["--size", "8x10"])["shape"], serde_json::json!([1, 8, 10]));
    assert_eq!(report(&["--limit", "4"])["samples"], 4);
    assert_eq!(report(&["--limit-per-class", "1"])["samples"], 2);
    assert_eq!(report(&["--classes", "dog,cat"])["names"], serde_json::json!(["dog", "cat"]));
    assert_eq!(report(&["--center", "false", "--normalize", "none"])["center"], false);
    // Same seed, same bits; another seed, another set.
    let leaves =
        |seed: &str| ok(tmp.path(), &["inspect", "--json", "--data", "leaves:count=60", "--data-seed", seed]);
    assert_eq!(leaves("1"), leaves("1"));
    assert_ne!(leaves("1"), leaves("2"));
}

#[test]
fn real_targets_have_modes_and_no_prototypes() {
    let tmp = tempfile::tempdir().unwrap();
    let mut zip = ndarray_npy::NpzWriter::new(std::fs::File::create(tmp.path().join("r.npz")).unwrap());
    let x = ndarray::Array3::from_shape_fn((30, 4, 5), |(i, r, c)| ((i * 7 + r * 3 + c * c) % 11) as f32);
    zip.add_array("X", &x).unwrap();
    zip.add_array("y", &ndarray::Array2::from_shape_fn((30, 2), |(i, j)| ((i * (j + 2)) % 5) as f64))
        .unwrap();
    zip.finish().unwrap();
    let report = json(&ok(tmp.path(), &["inspect", "--json", "--data", "npz:r.npz", "--out", "o"]));
    assert_eq!((report["classes"].as_u64(), report["modes"].as_array().map(Vec::len)), (Some(2), Some(2)));
    assert!(tmp.path().join("o/modes.png").exists() && !tmp.path().join("o/prototypes.png").exists());
}

#[test]
fn help_completions_and_doctor_answer() {
    let tmp = tempfile::tempdir().unwrap();
    let help = ok(tmp.path(), &["--help"]);
    for command in ["inspect", "train", "figure", "doctor", "completions"] {
        assert!(help.contains(command));
    }
    assert!(ok(tmp.path(), &["completions", "bash"]).contains("_domfreq"));
    let doctor = json(&ok(tmp.path(), &["doctor", "--json"]));
    assert!(doctor["cores"].as_u64().is_some_and(|n| n > 0));
    // Where there is no CUDA it says why.
    assert_eq!(doctor["cuda_devices"] == 0, doctor["no_cuda"].is_string());
    assert!(ok(tmp.path(), &["doctor"]).contains("SIMD"));
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let tmp = tempfile::tempdir().unwrap();
    npz(&tmp.path().join("a.npz"), 8, |i, p| (i * p % 5) as f32 / 4.0, |i| (i % 2) as i64);
    let script = format!(
        "{} inspect --data npz:a.npz | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_domfreq")
    );
    let output =
        std::process::Command::new("bash").args(["-c", &script]).current_dir(tmp.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(domfreq(tmp.path(), &["inspect", "--data", "npz:a.npz"]).err, "");
}
