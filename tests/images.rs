//! Image sets as people have them: what is read, and what is said of the rest.

use std::path::Path;

use serde_json::Value;

use crate::support::{Said, domfreq, fails, json};

fn formats() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data/testdata/formats")
}

#[test]
fn a_folder_of_any_images_is_read_whole_and_the_rest_is_said() {
    let tmp = tempfile::tempdir().unwrap();
    let put = |class: &str, files: &[&str]| {
        let dir = tmp.path().join("photos").join(class);
        std::fs::create_dir_all(&dir).unwrap();
        for file in files {
            std::fs::copy(formats().join(file), dir.join(file)).unwrap();
        }
    };
    put("a", &["lossless.webp", "raw.tif", "plain.bmp", "turned1.png"]);
    put("b", &["lossy.webp", "lzw.tif", "palette.gif", "turned6.jpg"]);
    put("b/more", &["grey.tif"]);
    std::fs::write(tmp.path().join("photos/a/list.txt"), "1").unwrap();
    std::fs::create_dir_all(tmp.path().join("photos/none")).unwrap();
    let inspect = ["inspect", "--data", "folder:photos", "--size", "8", "--json"];
    let Said { out, err: said, code } = domfreq(tmp.path(), &inspect);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("folder:photos: left aside: 1 .txt"), "{said}");
    assert!(said.contains("1 of 9 images whose camera was turned (EXIF) are turned upright"), "{said}");
    let found: Value = json(&out);
    assert_eq!((&found["samples"], &found["skipped"]), (&9.into(), &0.into()));
    assert_eq!(found["aside"], serde_json::json!({".txt": 1}));
    // Turned photos, a directory without images, one below a class.
    assert_eq!(found["notes"].as_array().unwrap().len(), 3, "{found}");
    let decoders = found["decoder"].as_str().unwrap();
    assert!(["zune-jpeg", "image-webp", "tiff", "gif"].iter().all(|d| decoders.contains(d)), "{decoders}");

    // A page in place of a photo is a bad image.
    std::fs::write(tmp.path().join("photos/a/page.jpg"), "<!DOCTYPE html>").unwrap();
    fails(tmp.path(), &inspect, &["page.jpg", "a web page", "--skip-bad"]);
    let Said { out, err: said, .. } =
        domfreq(tmp.path(), &[&inspect[..], &["--skip-bad", "--exif", "ignore"]].concat());
    assert!(
        said.contains("1 images did not decode") && said.contains("are left as they are stored"),
        "{said}"
    );
    let found: Value = json(&out);
    assert_eq!((&found["samples"], &found["skipped"]), (&9.into(), &1.into()));
}

#[cfg(feature = "torch")]
#[test]
fn parts_that_lack_a_class_keep_their_labels() {
    use ndarray::{Array1, Array4};
    use ndarray_npy::NpzWriter;

    use crate::support::ok;

    let tmp = tempfile::tempdir().unwrap();
    // A class is a brightness.
    let write = |name: &str, test: [i64; 4]| {
        let pixels = |labels: &[i64]| {
            Array4::from_shape_fn((labels.len(), 3, 8, 8), |(n, c, y, x)| {
                (labels[n] * 100) as u8 + ((n * 31 + c * 7 + y * 5 + x * 3) % 40) as u8
            })
        };
        let train: Vec<i64> = (0..60).map(|i| i % 3).collect();
        let mut file = NpzWriter::new(std::fs::File::create(tmp.path().join(name)).unwrap());
        file.add_array("x_train", &pixels(&train)).unwrap();
        file.add_array("y_train", &Array1::from(train)).unwrap();
        file.add_array("x_test", &pixels(&test)).unwrap();
        file.add_array("y_test", &Array1::from(test.to_vec())).unwrap();
        file.finish().unwrap();
    };
    write("middle.npz", [0, 2, 0, 2]);
    write("last.npz", [0, 1, 1, 0]);
    for set in ["middle", "last"] {
        let data = format!("npz:{set}.npz");
        let train = ["train", "--model", "resnet8", "--data", &data, "--eval", "test", "--out", set];
        let rest = ["--epochs", "12", "--batch", "20", "--eta", "0.02", "--device", "cpu", "--threads", "1"];
        ok(tmp.path(), &[&train[..], &rest].concat());
        let report = ok(tmp.path(), &["evaluate", set, "--json", "--device", "cpu", "--threads", "1"]);
        let report: Value = json(&report);
        assert_eq!((&report["samples"], &report["accuracy"]), (&4.into(), &1.0.into()), "{set}: {report}");
    }
    // Of a file alone, numbers of classes count; of those without samples there are as many as are stored.
    let steps = std::fs::read_dir(tmp.path().join("middle/ckpt")).unwrap();
    let weights =
        steps.map(|e| e.unwrap().path().join("weights.safetensors")).filter(|p| p.exists()).max().unwrap();
    let weights = weights.to_str().unwrap();
    let rest = ["--normalize", "none", "--json", "--device", "cpu", "--threads", "1"];
    let evaluate = ["evaluate", weights, "--data", "npz:middle.npz", "--split", "test"];
    let report = ok(tmp.path(), &[&evaluate[..], &rest].concat());
    let report: Value = json(&report);
    assert!(
        report["notes"][0].as_str().unwrap().starts_with("1 of 3 classes without samples: 1"),
        "{report}"
    );
    let evaluate = ["evaluate", weights, "--data", "npz:last.npz", "--split", "test"];
    fails(tmp.path(), &[&evaluate[..], &rest].concat(), &["3 classes", "found 2 classes"]);
}
