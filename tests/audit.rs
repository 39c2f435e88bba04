//! Audits: what is in the folder, and everything that can be wrong.

use std::path::Path;

use domfreq::weights::{Data, NamedTensor, StateDict, safetensors};
use rand::Rng;

use crate::support::{domfreq, fails, json, ok};

/// Weights of convolutions of no network in particular.
fn convolutions(path: &Path, seed: u64, blur: bool) {
    let mut rng = domfreq::seed::rng(seed, "test/audit", 0);
    let mut dict = StateDict::new();
    for (name, shape) in [("a.weight", [8, 3, 5, 5]), ("b.weight", [8, 8, 3, 3]), ("c.weight", [4, 8, 1, 1])]
    {
        let values = (0..shape.iter().product::<usize>()).map(|i| {
            // A constant added to each kernel is at frequency zero.
            rng.random_range(-1.0..1.0) + f32::from(blur && (i / 25) % 2 == 0)
        });
        let data = Data::F32(values.collect());
        dict.push(NamedTensor::new(name, shape.to_vec(), data).unwrap()).unwrap();
    }
    dict.push(NamedTensor::new("head.bias", vec![4], Data::F32(vec![0.0; 4])).unwrap()).unwrap();
    safetensors::write(path, &dict, &Default::default()).unwrap();
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn is_png(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x89PNG") && bytes.len() > 10_000)
}

#[test]
fn weights_alone_give_a_report_with_every_convolution() {
    let tmp = tempfile::tempdir().unwrap();
    convolutions(&tmp.path().join("w.safetensors"), 0, true);
    let said = ok(tmp.path(), &["audit", "w.safetensors", "--json"]);
    let out = tmp.path().join("audits/w");
    let audit = json(&said);
    assert_eq!(audit, json(&read(&out.join("audit.json"))));
    let layers = audit["layers"]["layers"].as_array().unwrap();
    let names: Vec<_> = layers.iter().map(|l| l["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a.weight", "b.weight", "c.weight"]);
    // Means in half of the kernels pull the first layer's centroid down, and it is seen.
    let centroid = &layers[0]["init"]["centroid"];
    assert!(layers[0]["spectrum"]["centroid"].as_f64() < centroid["interval"][0].as_f64());
    assert_eq!((&centroid["outside"], &layers[2]["spectrum"]), (&true.into(), &serde_json::Value::Null));
    assert_eq!((&audit["images"], &audit["heatmap"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    assert_eq!(read(&out.join("layers.csv")).lines().count(), 4);
    assert!(is_png(&out.join("layers.png")));
    let page = read(&out.join("report.html"));
    for part in ["Findings", "3 convolutions", "a.weight", "data:image/png;base64,", "Conventions"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("http"), "the page needs nothing else");
    // The same again is the same.
    let again = ok(tmp.path(), &["audit", "w.safetensors", "--out", "again", "--json"]);
    assert_eq!(said, again);
    assert_eq!(page, read(&tmp.path().join("again/report.html")));
}

fn golden(name: &str) -> String {
    format!("{}/tests/golden/weights/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

// Names of the convolutions that were audited, and what was said beside.
fn audited(dir: &Path, args: &[&str]) -> (Vec<String>, String) {
    let said = domfreq(dir, &[&["audit", "--json"], args].concat());
    assert_eq!(said.code, Some(0), "{args:?}: {}", said.err);
    let names = json(&said.out)["layers"]["layers"].as_array().unwrap().clone();
    (names.iter().map(|layer| layer["name"].as_str().unwrap().to_owned()).collect(), said.err)
}

#[test]
fn checkpoints_are_opened_as_training_leaves_them() {
    let tmp = tempfile::tempdir().unwrap();
    let of = |args: &[&str]| audited(tmp.path(), &[args, &["--out", "r"]].concat());
    // A pickled network, alone and in a checkpoint.
    let (names, said) = of(&[&golden("module.pt")]);
    assert_eq!(names, ["conv.weight"]);
    assert!(
        said.contains("neither known nor executed") && said.contains("torch.nn.modules.conv.Conv2d"),
        "{said}"
    );
    let (names, said) = of(&[&golden("module_under.pt")]);
    assert!(names == ["conv.weight"] && said.contains("weights under `model`"), "{said}");
    assert_eq!(of(&[&golden("module_under.pt"), "--key", "model"]).0, names);
    fails(
        tmp.path(),
        &["audit", &golden("module_under.pt"), "--key", "ema"],
        &["--key", "`ema`; there is epoch, model, optimizer"],
    );
    fails(
        tmp.path(),
        &["audit", &golden("safe"), "--key", "a"],
        &["model.safetensors", "which has keys (--key)"],
    );
    // What the network multiplies with, not what it is made of.
    for name in [
        "weight_norm.pt",
        "weight_norms.pt",
        "spectral_norm.pt",
        "spectral_norms.pt",
        "spectral_square.pt",
        "pruned.pt",
    ] {
        let (names, said) = of(&[&golden(name)]);
        assert_eq!(names, ["a.weight", "b.weight"], "{name}");
        assert!(said.contains("computed of their parts, as the network does: a.weight"), "{said}");
    }
}

#[test]
fn one_network_of_a_file_is_audited() {
    let tmp = tempfile::tempdir().unwrap();
    let mut rng = domfreq::seed::rng(3, "test/audit", 0);
    let mut draw = |shape: &[usize]| -> Data {
        Data::F32((0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect())
    };
    let own: Vec<NamedTensor> = [("conv1.weight", &[8, 3, 3, 3][..]), ("conv2.weight", &[4, 8, 3, 3])]
        .into_iter()
        .map(|(name, shape)| NamedTensor::new(name, shape.to_vec(), draw(shape)).unwrap())
        .collect();
    let of = |name: &str, shape: &[usize]| {
        NamedTensor::new(name, shape.to_vec(), Data::F32(vec![0.5; shape.iter().product()])).unwrap()
    };
    let write = |file: &str, prefixes: &[&str], more: &[NamedTensor]| {
        let mut dict = StateDict::new();
        for prefix in prefixes {
            for tensor in &own {
                let name = format!("{prefix}{}", tensor.name());
                let (shape, data) = (tensor.shape().to_vec(), tensor.data().clone());
                dict.push(NamedTensor::new(name, shape, data).unwrap()).unwrap();
            }
        }
        more.iter().for_each(|tensor| dict.push(tensor.clone()).unwrap());
        safetensors::write(&tmp.path().join(file), &dict, &Default::default()).unwrap();
    };
    let names = ["conv1.weight", "conv2.weight"];
    let of_file = |args: &[&str]| audited(tmp.path(), &[args, &["--out", "r"]].concat());

    write("moco.safetensors", &["encoder_q.", "encoder_k."], &[of("queue", &[4, 9])]);
    let (got, said) = of_file(&["moco.safetensors"]);
    assert_eq!(got, names);
    assert!(said.contains("other networks in the file (--prefix chooses): `encoder_k.`"), "{said}");
    assert!(said.contains("not of this network: encoder_k (2 tensors), queue"), "{said}");
    let (got, said) = of_file(&["moco.safetensors", "--prefix", "encoder_k"]);
    assert!(got == names && said.contains("encoder_q (2 tensors)"), "{said}");
    // All of it, and the prefix with and without its wrapper.
    assert_eq!(of_file(&["moco.safetensors", "--prefix", "."]).0.len(), 2);
    write("parallel.safetensors", &["module.encoder_q.", "module.encoder_k."], &[]);
    for prefix in ["encoder_k", "module.encoder_k."] {
        assert_eq!(of_file(&["parallel.safetensors", "--prefix", prefix]).0, names);
    }
    fails(
        tmp.path(),
        &["audit", "moco.safetensors", "--prefix", "c"],
        &["begin with c. (--prefix)", "encoder_q"],
    );

    let beside = [
        of("normalizer.new_mean", &[1, 3, 1, 1]),
        of("time.weight", &[2, 2, 3, 3, 3]),
        of("tone.weight", &[2, 2, 3]),
    ];
    write("robust.safetensors", &["model.", "attacker.model."], &beside);
    let (got, said) = of_file(&["robust.safetensors"]);
    assert_eq!(got, ["model.conv1.weight", "model.conv2.weight"]);
    for part in [
        "attacker.model.conv1.weight (the same weights as model.conv1.weight)",
        "normalizer.new_mean (one number for each channel, not kernels)",
        "time.weight (kernels over 3 axes, not two)",
        "tone.weight (kernels over 1 axis, not two)",
    ] {
        assert!(said.contains(part), "{part} in: {said}");
    }

    // The same weights under other names are beside the same random ones.
    write("plain.safetensors", &[""], &[]);
    write("wrapped.safetensors", &["net.inner."], &[]);
    let layers = |file: &str| {
        let audit = json(&ok(tmp.path(), &["audit", file, "--out", "r", "--json"]));
        audit["layers"]["layers"].as_array().unwrap().iter().map(|l| l["init"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(layers("plain.safetensors"), layers("wrapped.safetensors"));
}

#[test]
fn reports_on_files_of_one_name_lie_beside_each_other() {
    let tmp = tempfile::tempdir().unwrap();
    for (folder, seed) in [("small", 0), ("large", 1)] {
        std::fs::create_dir(tmp.path().join(folder)).unwrap();
        convolutions(&tmp.path().join(folder).join("model.safetensors"), seed, false);
        // The file, and its folder as Hugging Face's libraries leave it.
        ok(tmp.path(), &["audit", &format!("{folder}/model.safetensors")]);
        ok(tmp.path(), &["audit", folder]);
        assert!(tmp.path().join(format!("audits/{folder}-model/audit.json")).exists());
        assert!(tmp.path().join(format!("audits/{folder}/audit.json")).exists());
    }
    let first = read(&tmp.path().join("audits/small/audit.json"));
    // The same network again, then another one in its place.
    ok(tmp.path(), &["audit", "small"]);
    convolutions(&tmp.path().join("small/model.safetensors"), 2, false);
    ok(tmp.path(), &["audit", "small"]);
    assert_eq!(read(&tmp.path().join("audits/small/audit.json")), first);
    let folders: Vec<_> = std::fs::read_dir(tmp.path().join("audits")).unwrap().collect();
    assert_eq!(folders.len(), 5);
}

#[test]
fn a_network_without_kernels_is_said_to_have_none() {
    let tmp = tempfile::tempdir().unwrap();
    let mut dict = StateDict::new();
    dict.push(NamedTensor::new("lin0.weight", vec![1, 64, 1, 1], Data::F32(vec![0.5; 64])).unwrap()).unwrap();
    safetensors::write(&tmp.path().join("lpips.safetensors"), &dict, &Default::default()).unwrap();
    let said = ok(tmp.path(), &["audit", "lpips.safetensors"]);
    assert!(said.contains("there is no spectrum to measure"), "{said}");
}

#[test]
fn two_files_are_compared_layer_by_layer() {
    let tmp = tempfile::tempdir().unwrap();
    convolutions(&tmp.path().join("a.safetensors"), 0, false);
    convolutions(&tmp.path().join("b.safetensors"), 0, true);
    let audit = json(&ok(tmp.path(), &["audit", "a.safetensors", "b.safetensors", "--out", "r", "--json"]));
    let changes = audit["second"]["comparison"]["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 3);
    assert!(changes[0]["centroid"].as_f64().unwrap() < 0.0 && changes[0]["relative"].as_f64().unwrap() > 0.1);
    assert!(is_png(&tmp.path().join("r/comparison.png")));
    assert_eq!(read(&tmp.path().join("r/comparison.csv")).lines().count(), 4);
    // Nothing in common is no comparison.
    let mut other = StateDict::new();
    other.push(NamedTensor::new("z", vec![1, 1, 3, 3], Data::F32(vec![1.0; 9])).unwrap()).unwrap();
    safetensors::write(&tmp.path().join("z.safetensors"), &other, &Default::default()).unwrap();
    let args = ["audit", "a.safetensors", "z.safetensors", "--out", "none"];
    fails(tmp.path(), &args, &["comparison", "z"]);
    assert!(!tmp.path().join("none").exists());
}

#[test]
fn what_is_no_network_is_said_and_nothing_is_written() {
    let tmp = tempfile::tempdir().unwrap();
    let refused = |args: &[&str], parts: &[&str]| {
        fails(tmp.path(), &[&["audit"][..], args, &["--out", "r"]].concat(), parts);
        assert!(!tmp.path().join("r").exists(), "{args:?}");
    };
    std::fs::write(tmp.path().join("junk.pth"), b"no weights, but long enough to be looked at").unwrap();
    refused(&["junk.pth"], &["junk.pth", "expected"]);
    refused(&["absent.pth"], &["absent.pth", "No such file"]);
    // No convolution: what there was is named.
    let mut flat = StateDict::new();
    flat.push(NamedTensor::new("fc.weight", vec![2, 3], Data::F32(vec![0.0; 6])).unwrap()).unwrap();
    safetensors::write(&tmp.path().join("flat.safetensors"), &flat, &Default::default()).unwrap();
    refused(&["flat.safetensors"], &["flat.safetensors", "fc.weight"]);
    convolutions(&tmp.path().join("w.safetensors"), 0, false);
    refused(&["w.safetensors", "--epsilon", "0"], &["--epsilon", "positive"]);
    refused(&["w.safetensors", "--only", "heatmap"], &["--only", "--data"]);
    refused(&["w.safetensors", "--shard", "1/2"], &["--shard", "--data"]);
    std::fs::create_dir(tmp.path().join("empty")).unwrap();
    refused(&["empty"], &["empty"]);
}

#[cfg(feature = "torch")]
mod shown {
    use super::*;

    const DATA: &str = "leaves:count=160,size=16,channels=3";

    fn trained(dir: &Path) {
        let train = ["train", "--model", "resnet8", "--data", DATA, "--epochs", "2", "--batch", "32"];
        let more = ["--eta", "0.05", "--eval", "test", "--device", "cpu", "--threads", "1", "--out", "run"];
        ok(dir, &[&train[..], &more].concat());
    }

    fn points(audit: &serde_json::Value, curve: &str) -> usize {
        audit["bands"][curve]["points"].as_array().unwrap().len()
    }

    #[test]
    fn a_run_is_audited_on_its_own_images() {
        let tmp = tempfile::tempdir().unwrap();
        trained(tmp.path());
        let args = ["audit", "run", "--quick", "--device", "cpu", "--threads", "1", "--out", "r", "--json"];
        let said = ok(tmp.path(), &args);
        let audit = json(&said);
        for part in [
            "first",
            "modes",
            "jacobian",
            "sensitivity",
            "heatmap",
            "bands",
            "masking",
            "suppression",
            "swap",
            "adcs",
            "dominance",
            "series",
        ] {
            assert!(!audit[part].is_null(), "{part}");
        }
        // Tables have the numbers of audit.json.
        let table = |file: &str| -> Vec<Vec<String>> {
            let text = read(&tmp.path().join("r").join(file));
            text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
        };
        let cell = |row: &[String], i: usize| row[i].parse::<f64>().ok();
        let swap = &audit["swap"]["all"];
        let row = table("swap.csv").remove(1);
        assert_eq!(row[0], "all");
        for (i, value) in
            [&swap["phase"]["share"], &swap["phase"]["interval"][0], &swap["phase"]["interval"][1]]
                .into_iter()
                .chain([&swap["amplitude"]["share"]])
                .enumerate()
        {
            assert_eq!(cell(&row, i + 1), value.as_f64());
        }
        let adcs = table("adcs.csv");
        let frequencies = audit["adcs"]["frequencies"].as_array().unwrap().len();
        assert_eq!(adcs.len() - 1, frequencies * audit["adcs"]["classes"].as_array().unwrap().len());
        assert_eq!(cell(&adcs[1 + frequencies], 3), audit["adcs"]["values"][1][0].as_f64());
        let series = table("series.csv");
        let traces = &audit["series"]["traces"];
        let steps = audit["series"]["steps"].as_array().unwrap();
        assert_eq!(series.len() - 1, steps.len() * traces.as_array().unwrap().len());
        assert_eq!(cell(&series[2], 1), steps[1].as_f64());
        assert_eq!(cell(&series[2], 3), traces[0]["centroid"][1].as_f64());
        let jacobian = table("jacobian.csv");
        assert_eq!(cell(&jacobian[3], 2), audit["jacobian"]["radial"][2]["energy"]["value"].as_f64());
        let sensitivity = table("sensitivity.csv");
        let ring = &audit["sensitivity"]["rings"][1];
        assert_eq!(cell(&sensitivity[2], 1), ring["share"]["value"].as_f64());
        assert!(is_png(&tmp.path().join("r/sensitivity.png")));
        let map = table("frequencies.csv");
        assert_eq!(cell(&map[5], 2), audit["heatmap"]["entries"][4]["error"]["share"].as_f64());
        let first = table("first.csv");
        assert_eq!(cell(&first[2], 2), audit["first"]["measured"][1].as_f64());
        // Accuracy is that of the run's last evaluation, of the same images.
        let eval = read(&tmp.path().join("run/eval.csv"));
        let last: Vec<&str> = eval.lines().last().unwrap().split(',').collect();
        assert_eq!(audit["images"]["accuracy"]["share"].as_f64(), last[3].parse().ok());
        assert_eq!(audit["bands"]["accuracy"], audit["images"]["accuracy"]);
        assert_eq!(audit["series"]["steps"][0], 0);
        assert_eq!(audit["heatmap"]["entries"].as_array().unwrap().len(), 48);
        let out = tmp.path().join("r");
        for file in ["layers", "series", "first", "modes", "heatmap", "bands", "suppression", "classes"] {
            assert!(is_png(&out.join(format!("{file}.png"))), "{file}");
        }
        let lines = |file: &str| read(&out.join(file)).lines().count();
        let classes = audit["images"]["classes"].as_array().unwrap().len();
        assert_eq!((lines("classes.csv"), lines("heatmap.csv")), (1 + 3 * classes, 49));
        assert_eq!(lines("modes.csv"), 1 + audit["modes"]["modes"].as_array().unwrap().len());
        assert_eq!(
            lines("bands.csv") - 1,
            ["low", "high", "bands"].map(|c| points(&audit, c)).iter().sum::<usize>()
                + audit["bands"]["squares"].as_array().unwrap().len()
        );
        let left: Vec<_> = audit["left_out"].as_array().unwrap().iter().map(|l| &l["part"]).collect();
        assert_eq!(left, ["Shape or texture", "Critical band masking, published images"]);
        // Other frequencies are not put into the same map, unless it is to begin anew.
        let other =
            ["audit", "run", "--quick", "--seed", "1", "--device", "cpu", "--threads", "1", "--out", "r"];
        fails(tmp.path(), &other, &["heatmap.json", "options.seed"]);
        ok(tmp.path(), &[&other[..], &["--force"]].concat());
        ok(tmp.path(), &[&args[..], &["--force"]].concat());
        // Again: everything is there already, and the same.
        assert_eq!(said, ok(tmp.path(), &args));
        // The same without what was kept.
        std::fs::remove_dir_all(out).unwrap();
        assert_eq!(said, ok(tmp.path(), &args));
        ok(tmp.path(), &["figure", "audit", "r", "--out", "overview.png"]);
        assert!(is_png(&tmp.path().join("overview.png")));
    }

    #[test]
    fn two_networks_are_compared_on_the_same_images() {
        let tmp = tempfile::tempdir().unwrap();
        trained(tmp.path());
        let train = ["train", "--model", "resnet8", "--data", DATA, "--epochs", "1", "--batch", "32"];
        let more = ["--eta", "0.05", "--seed", "1", "--eval", "test", "--device", "cpu", "--threads", "1"];
        ok(tmp.path(), &[&train[..], &more, &["--out", "other"]].concat());
        let flags = ["--quick", "--only", "bands,jacobian,heatmap", "--device", "cpu", "--threads", "1"];
        let audit = |runs: &[&str], out: &str| {
            json(&ok(tmp.path(), &[&["audit"][..], runs, &flags, &["--json", "--out", out]].concat()))
        };
        let both = audit(&["run", "other"], "both");
        let b = &both["second"];
        // Each is what it is alone.
        let (one, two) = (audit(&["run"], "one"), audit(&["other"], "two"));
        for part in ["images", "bands", "jacobian", "heatmap"] {
            assert!(!both[part].is_null());
            assert_eq!((&both[part], &b["on_images"][part]), (&one[part], &two[part]), "{part}");
        }
        let right = &b["pair"]["right"];
        let count = |key: &str| right[key].as_u64().unwrap();
        let accuracy = |audit: &serde_json::Value| audit["images"]["accuracy"]["count"].as_u64().unwrap();
        assert_eq!(count("both") + count("only_a"), accuracy(&one));
        assert_eq!(count("both") + count("only_b"), accuracy(&two));
        assert_eq!(count("both") + count("only_a") + count("only_b") + count("neither"), 160);
        let table = read(&tmp.path().join("both/pair.csv"));
        assert!(table.lines().any(|line| line.starts_with("accuracy,,")), "{table}");
        assert!(table.contains("squared Jacobian, centroid"), "{table}");
        for file in ["pair.png", "bands.png", "second/bands.png", "second/heatmap.png"] {
            assert!(is_png(&tmp.path().join("both").join(file)), "{file}");
        }
        assert_eq!(read(&tmp.path().join("two/bands.csv")), read(&tmp.path().join("both/second/bands.csv")));
        let page = read(&tmp.path().join("both/report.html"));
        assert!(page.contains("Both networks on the same images") && page.contains("right in both"));

        // A network against itself differs in nothing.
        let weights = "run/ckpt/step-00000010/weights.safetensors";
        let data = ["--data", DATA, "--normalize", "channel", "--limit", "60"];
        let same = audit(&[&[weights, weights][..], &data].concat(), "same");
        assert_eq!(same["second"]["pair"]["agreement"]["share"], 1.0);
        assert_eq!(same["second"]["on_images"]["heatmap"], same["heatmap"]);
        // What keeps nothing of its own has folders to be written to as well.
        let both = [weights, "run/ckpt/step-00000005/weights.safetensors"];
        let args =
            [&["audit"][..], &both, &data, &["--only", "first,adcs", "--out", "few"], &flags[3..]].concat();
        ok(tmp.path(), &args);
        for file in ["first.csv", "second/first.csv", "second/adcs.png"] {
            assert!(tmp.path().join("few").join(file).exists(), "{file}");
        }
        // A run and a file have no images in common.
        let mixed = audit(&["run", weights], "mixed");
        assert!(mixed["second"]["pair"].is_null() && !mixed["bands"].is_null());
        assert_eq!(mixed["second"]["on_images"]["left_out"][0]["part"], "Images");
        // Weights of no known network: its images are left out, its weights are not.
        convolutions(&tmp.path().join("unknown.safetensors"), 0, false);
        let mut dict = safetensors::read(&tmp.path().join(weights)).unwrap();
        let extra = NamedTensor::new("extra.weight", vec![2, 2, 3, 3], Data::F32(vec![0.5; 36])).unwrap();
        dict.push(extra).unwrap();
        safetensors::write(&tmp.path().join("unknown.safetensors"), &dict, &Default::default()).unwrap();
        let half = audit(&[&[weights, "unknown.safetensors"][..], &data].concat(), "half");
        let b = &half["second"];
        assert!(b["pair"].is_null() && b["on_images"]["bands"].is_null() && !half["bands"].is_null());
        let why = b["on_images"]["left_out"][0]["why"].as_str().unwrap();
        assert!(why.contains("weights of a known network"), "{why}");
        assert!(b["comparison"]["changes"].as_array().unwrap().len() > 5);
        // Neither does one whose answers are no numbers stop the first.
        let mut broken = StateDict::new();
        for tensor in safetensors::read(&tmp.path().join(weights)).unwrap().iter() {
            let data = match tensor.data() {
                Data::F32(v) if tensor.shape().len() == 2 => Data::F32(vec![f32::NAN; v.len()]),
                data => data.clone(),
            };
            broken.push(NamedTensor::new(tensor.name(), tensor.shape().to_vec(), data).unwrap()).unwrap();
        }
        safetensors::write(&tmp.path().join("nan.safetensors"), &broken, &Default::default()).unwrap();
        let nan = audit(&[&[weights, "nan.safetensors"][..], &data].concat(), "nan");
        let why = nan["second"]["on_images"]["left_out"][0]["why"].as_str().unwrap();
        assert!(why.contains("finite logits") && !nan["bands"].is_null(), "{why}");
        let half = audit(&["run", "unknown.safetensors"], "half-run");
        assert!(!half["bands"].is_null() && half["second"]["pair"].is_null());
        // Two runs on other images have no numbers side by side.
        let elsewhere = ["train", "--model", "resnet8", "--data", "leaves:count=80,size=16,channels=3"];
        let more = ["--epochs", "1", "--eval", "test", "--eta", "1e-3", "--device", "cpu", "--threads", "1"];
        ok(tmp.path(), &[&elsewhere[..], &more, &["--out", "elsewhere"]].concat());
        let apart = audit(&["run", "elsewhere"], "apart");
        let b = &apart["second"];
        assert!(b["pair"].is_null() && !b["on_images"]["bands"].is_null());
        let left = b["on_images"]["left_out"].as_array().unwrap();
        assert!(left.iter().any(|l| l["why"].as_str().unwrap().contains("other images")), "{left:?}");
        let page = read(&tmp.path().join("apart/report.html"));
        assert!(page.contains("The second network on images") && !page.contains("on the same images"));
        assert!(!tmp.path().join("apart/pair.csv").exists() && !tmp.path().join("apart/pair.png").exists());
        // The first's heat map stays when another second network is begun anew.
        let map = tmp.path().join("apart/heatmap.csv");
        std::fs::hard_link(&map, tmp.path().join("kept.csv")).unwrap();
        let again =
            ["audit", "run", "other", "--only", "heatmap", "--quick", "--device", "cpu", "--threads", "1"];
        fails(tmp.path(), &[&again[..], &["--out", "apart"]].concat(), &["second/heatmap.json", "--force"]);
        ok(tmp.path(), &[&again[..], &["--out", "apart", "--force"]].concat());
        // The same file: what is written to it is in both.
        std::fs::write(&map, "x").unwrap();
        assert_eq!(read(&tmp.path().join("kept.csv")), "x");
        let shards = ["audit", "run", "other", "--shard", "1/2", "--out", "parts"];
        fails(tmp.path(), &shards, &["--shard", "one network"]);
    }

    #[test]
    fn images_need_neither_labels_nor_directories() {
        use crate::support::write_png;
        let tmp = tempfile::tempdir().unwrap();
        trained(tmp.path());
        std::fs::create_dir(tmp.path().join("flat")).unwrap();
        for i in 0..20u32 {
            // As those of a camera: another size, and not square.
            write_png(&tmp.path().join(format!("flat/{i}.png")), 40, 60, |r, c| {
                (128 + (r * (i + 1) % 50) - (c * (2 * i + 1) % 40)) as u8
            });
        }
        let weights = "run/ckpt/step-00000010/weights.safetensors";
        let base = ["audit", weights, "--data", "folder:flat", "--normalize", "imagenet", "--size", "16"];
        let machine = ["--device", "cpu", "--threads", "1", "--out", "r", "--json"];
        let with = |more: &[&'static str]| [&base[..], &machine, more].concat();
        fails(tmp.path(), &with(&[]), &["flat", "one directory per class", "no labels"]);
        let quick = ["--no-labels", "--quick", "--shorter", "20"];
        let audit = json(&ok(tmp.path(), &with(&quick)));
        assert_eq!((&audit["images"]["count"], &audit["images"]["shape"][0]), (&20.into(), &3.into()));
        assert!(audit["images"]["split"].is_null() && audit["images"]["accuracy"].is_null());
        // What needs no labels is there, and what needs them is said to be missing.
        for part in ["first", "jacobian", "heatmap", "bands", "swap", "dominance"] {
            assert!(!audit[part].is_null(), "{part}: {}", audit["left_out"]);
        }
        let left: Vec<_> =
            audit["left_out"].as_array().unwrap().iter().map(|l| l["part"].as_str().unwrap()).collect();
        assert_eq!(left, ["Modes", "ADCS", "Shape or texture", "Critical band masking, published images"]);
        assert!(
            read(&tmp.path().join("r/report.html")).contains("(no splits; folder, 20 images, one channel")
        );
        for file in ["first", "jacobian", "frequencies", "bands", "classes", "swap"] {
            assert!(read(&tmp.path().join(format!("r/{file}.csv"))).lines().count() > 1, "{file}");
        }
        fails(tmp.path(), &["audit", "run", "--shorter", "20", "--out", "none"], &["--split and --limit"]);
        fails(tmp.path(), &["evaluate", "run", "--shorter", "20"], &["--split and --limit"]);
        fails(tmp.path(), &with(&["--no-labels", "--shorter", "12"]), &["--shorter", "16 to"]);
    }

    #[test]
    fn images_of_some_of_the_classes_are_matched_to_outputs_by_name() {
        let tmp = tempfile::tempdir().unwrap();
        trained(tmp.path());
        let weights = "run/ckpt/step-00000010/weights.safetensors";
        let machine = ["--normalize", "imagenet", "--device", "cpu", "--threads", "1", "--json"];
        let evaluate = |more: &[&str]| {
            let args = [&["evaluate", weights, "--data", DATA], &machine[..], more].concat();
            json(&ok(tmp.path(), &args))
        };
        // What the network says to all images, and so to those of scenes 4 and 1.
        evaluate(&["--logits", "all.npz"]);
        let npz = tmp.path().join("all.npz");
        let logits = domfreq::run::arrays::read(&npz, "logits").unwrap();
        let file = std::fs::File::open(&npz).unwrap();
        let labels: ndarray::Array1<i64> =
            ndarray_npy::NpzReader::new(file).unwrap().by_name("labels").unwrap();
        let largest = |row: ndarray::ArrayViewD<f64>| {
            (0..row.len()).max_by(|&a, &b| row[[a]].total_cmp(&row[[b]])).expect("outputs")
        };
        let (mut right, mut count) = (0, 0);
        for (row, &label) in logits.outer_iter().zip(labels.iter()).filter(|(_, l)| [1, 4].contains(*l)) {
            count += 1;
            right += u64::from(largest(row) == label as usize);
        }
        assert!(count > 5 && right > 0, "{right} of {count}");
        let names: Vec<_> = (0..6).map(|k| format!("scene {k}")).collect();
        std::fs::write(tmp.path().join("names.txt"), names.join("\n")).unwrap();
        let some = ["--classes", "scene 4,scene 1", "--outputs", "names.txt"];
        let found = evaluate(&some);
        assert_eq!(found["samples"], count);
        assert!((found["accuracy"].as_f64().unwrap() - right as f64 / count as f64).abs() < 1e-9, "{found}");

        let audit = |more: &[&'static str]| {
            [&["audit", weights, "--data", DATA, "--out", "r", "--quick"], &machine[..], more].concat()
        };
        let found = json(&ok(tmp.path(), &audit(&some)));
        let accuracy = &found["images"]["accuracy"];
        assert_eq!((accuracy["count"].as_u64(), accuracy["of"].as_u64()), (Some(right), Some(count)));
        let all = ["first", "modes", "jacobian", "heatmap", "bands", "swap", "adcs", "dominance"];
        for part in all {
            assert!(!found[part].is_null(), "{part}: {}", found["left_out"]);
        }
        // Two classes have one mode once they are centred.
        assert_eq!(found["modes"]["count"], 1);
        let page = read(&tmp.path().join("r/report.html"));
        assert!(page.contains("2 classes, matched to outputs by names.txt"), "{page}");

        std::fs::write(tmp.path().join("five.txt"), names[..5].join("\n")).unwrap();
        std::fs::write(tmp.path().join("other.txt"), "a\nb\nc\nd\ne\nf").unwrap();
        let refused = |more: &[&'static str], parts: &[&str]| fails(tmp.path(), &audit(more), parts);
        refused(&["--classes", "scene 4,scene 1"], &["6 classes", "--outputs", "found 2"]);
        refused(&["--outputs", "five.txt"], &["five.txt", "network's 6 outputs", "found 5"]);
        refused(&["--outputs", "other.txt"], &["other.txt", "`scene 0`"]);
        refused(&["--outputs", "none.txt"], &["none.txt", "read"]);
        let evaluate = ["evaluate", weights, "--data", DATA, "--classes", "scene 4,scene 1"];
        fails(tmp.path(), &evaluate, &["network's 6 classes", "--outputs", "found 2"]);
        fails(tmp.path(), &["audit", "run", "--outputs", "names.txt"], &["--outputs beside a run"]);
        fails(tmp.path(), &["evaluate", "run", "--outputs", "names.txt"], &["--outputs beside a run"]);
    }

    #[test]
    fn parts_of_a_heat_map_make_the_whole() {
        let tmp = tempfile::tempdir().unwrap();
        trained(tmp.path());
        let weights = "run/ckpt/step-00000010/weights.safetensors";
        let base =
            ["audit", weights, "--data", DATA, "--normalize", "channel", "--device", "cpu", "--threads", "1"];
        let with = |more: &[&'static str]| [&base[..], more].concat();
        let only = ["--only", "heatmap", "--json"];
        let whole = json(&ok(tmp.path(), &[&with(&["--out", "whole"])[..], &only].concat()));
        ok(tmp.path(), &with(&["--out", "parts", "--shard", "1/2"]));
        let merge = [&with(&["--out", "parts", "--merge"])[..], &only].concat();
        fails(tmp.path(), &merge, &["parts", "2"]);
        ok(tmp.path(), &with(&["--out", "parts", "--shard", "2/2"]));
        let merged = json(&ok(tmp.path(), &merge));
        assert_eq!(merged["heatmap"], whole["heatmap"]);
        assert_eq!(
            whole["network"]["architecture"].as_str().unwrap().split(',').next(),
            Some("resnet8 with shortcuts A")
        );
        // Parts are of one network on these images, and of no other.
        let fewer = ["--out", "parts", "--merge", "--only", "heatmap", "--limit", "50"];
        fails(tmp.path(), &with(&fewer), &["fingerprint", "merge"]);
        // Another disturbance is another map.
        let other = with(&["--out", "parts", "--shard", "2/2", "--epsilon", "1"]);
        fails(tmp.path(), &other, &["epsilon"]);
    }

    #[test]
    fn a_time_chooses_how_much_is_looked_at() {
        let tmp = tempfile::tempdir().unwrap();
        trained(tmp.path());
        let weights = "run/ckpt/step-00000010/weights.safetensors";
        let with = |more: &[&'static str]| {
            let base = [
                "audit",
                weights,
                "--data",
                DATA,
                "--normalize",
                "global",
                "--device",
                "cpu",
                "--threads",
                "1",
            ];
            [&base[..], more].concat()
        };
        // An hour is enough for everything, a thousandth of a second for the least there is.
        let all = json(&ok(tmp.path(), &with(&["--quick=1h", "--only", "bands", "--out", "a", "--json"])));
        let full = json(&ok(tmp.path(), &with(&["--only", "bands", "--out", "b", "--json"])));
        assert_eq!((&all["effort"], &all["within"]["asked_s"]), (&"full".into(), &3600.0.into()));
        assert_eq!((&all["bands"], &all["quick"]), (&full["bands"], &true.into()));
        let few =
            json(&ok(tmp.path(), &with(&["--quick=0.001s", "--only", "bands,swap", "--out", "c", "--json"])));
        assert_eq!((&few["effort"], &few["images"]["count"]), (&"brief".into(), &16.into()));
        assert_eq!(few["bands"]["low"]["points"].as_array().unwrap().len(), 5);
        assert!(few["bands"]["squares"].as_array().unwrap().is_empty());
        let page = read(&tmp.path().join("c/report.html"));
        assert!(
            page.contains("16 images")
                && page.contains("0.001 s were asked for; the least there is takes more")
        );
        assert!(!read(&tmp.path().join("a/report.html")).contains("wider intervals"));
        // Both networks are shown the same.
        let two = ["audit", weights, weights, "--data", DATA, "--normalize", "global", "--quick=0.001s"];
        let more = ["--only", "bands", "--device", "cpu", "--threads", "1", "--out", "d", "--json"];
        let both = json(&ok(tmp.path(), &[&two[..], &more].concat()));
        assert_eq!(both["second"]["on_images"]["images"]["count"], 16);
        assert_eq!(both["second"]["on_images"]["bands"], both["bands"]);
        for (flags, words) in [
            (&["--quick=30s", "--shard", "1/2"][..], &["--quick", "--shard"][..]),
            (&["--quick=30s", "--merge"], &["--quick", "--merge"]),
        ] {
            fails(tmp.path(), &with(&[flags, &["--out", "e"]].concat()), words);
        }
        fails(tmp.path(), &["audit", weights, "--quick=30s"], &["--quick", "--data"]);
    }

    #[test]
    fn shape_bias_is_counted_on_a_folder_of_stimuli() {
        use crate::support::{photos, write_png};
        let tmp = tempfile::tempdir().unwrap();
        photos(tmp.path());
        let train =
            ["train", "--model", "resnet8", "--data", "folder:photos", "--size", "16", "--epochs", "1"];
        let more = ["--eta", "0.01", "--device", "cpu", "--threads", "1", "--out", "run"];
        ok(tmp.path(), &[&train[..], &more].concat());
        for (shape, other) in [("cat", "dog"), ("dog", "cat")] {
            let place = tmp.path().join("stimuli").join(shape);
            std::fs::create_dir_all(&place).unwrap();
            for (i, texture) in [shape, other, other].iter().enumerate() {
                let name = format!("{shape}{i}-{texture}{}.png", i + 1);
                write_png(&place.join(name), 20, 24, |r, c| ((r * c) as u8).wrapping_add(40 * i as u8));
            }
        }
        // The folder has no splits: no other images than those of training.
        let machine = ["--device", "cpu", "--threads", "1"];
        for command in [&["evaluate", "run"][..], &["audit", "run", "--out", "none"]] {
            let args = [command, &machine].concat();
            fails(tmp.path(), &args, &["folder:photos", "split 'test'", "one piece", "--split train"]);
        }
        assert!(!tmp.path().join("none").exists());
        let seen = ["evaluate", "run", "--split", "train", "--json"];
        let seen = json(&ok(tmp.path(), &[&seen[..], &machine].concat()));
        assert_eq!((&seen["samples"], &seen["split"]), (&12.into(), &serde_json::Value::Null));
        let weights = std::fs::read_dir(tmp.path().join("run/ckpt")).unwrap().next().unwrap().unwrap().path();
        let weights = weights.join("weights.safetensors");
        let base = ["audit", weights.to_str().unwrap(), "--data", "folder:photos", "--size", "16"];
        let args = [
            &base[..],
            &["--normalize", "global", "--device", "cpu", "--threads", "1", "--stimuli", "stimuli"],
        ]
        .concat();
        let said = ok(tmp.path(), &[&args[..], &["--only", "shape", "--out", "r", "--json"]].concat());
        let shape = &json(&said)["shape"];
        assert_eq!((&shape["images"], &shape["agreeing"]), (&6.into(), &2.into()));
        // With two classes every decision is for one of the cues.
        let decided = |what: &str| shape["decided"][what].as_u64().unwrap();
        assert_eq!((decided("shape") + decided("texture"), decided("other")), (4, 0));
        assert!(is_png(&tmp.path().join("r/shape.png")));
        assert_eq!(read(&tmp.path().join("r/shape.csv")).lines().count(), 3);
        // They are images, too: no others are needed, if it is said what the outputs are.
        std::fs::write(tmp.path().join("outputs.txt"), "cat\ndog\n").unwrap();
        let flags = ["--size", "16", "--normalize", "global", "--device", "cpu", "--threads", "1", "--json"];
        let alone = ["audit", weights.to_str().unwrap(), "--stimuli", "stimuli", "--outputs", "outputs.txt"];
        let audit = json(&ok(tmp.path(), &[&alone[..], &flags, &["--out", "alone"]].concat()));
        assert_eq!((&audit["shape"]["images"], &audit["images"]["count"]), (&6.into(), &6.into()));
        assert!(audit["heatmap"].is_null() && audit["left_out"].as_array().unwrap().is_empty());
        fails(
            tmp.path(),
            &[&alone[..4], &flags, &["--only", "bands", "--out", "s"]].concat(),
            &["--only", "--data"],
        );
        // So are the published ones of critical band masking, in blocks, one condition each.
        for i in 0..2 * 35 {
            let (noise, octave) = (["0", "0.02", "0.04", "0.08", "0.16"][i % 5], i / 5 % 7);
            let class = ["cat", "dog"][i / 35];
            let file = format!("{}/{i}_cbm_noise{noise}_freq{octave}_gray_g_{class}.JPEG", i % 3);
            let file = tmp.path().join("masked").join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            write_png(&file, 24, 24, |r, c| ((r * c) as u8).wrapping_add(40 * i as u8));
        }
        std::fs::create_dir(tmp.path().join("masked/train")).unwrap();
        let masked = ["audit", weights.to_str().unwrap(), "--stimuli", "masked", "--outputs", "outputs.txt"];
        let of = |side: &'static str| [&masked[..], &["--size", side], &flags[2..]].concat();
        let audit = json(&ok(tmp.path(), &[&of("64")[..], &["--out", "m"]].concat()));
        let (found, left) = (&audit["critical_band"], &audit["left_out"]);
        // Of 64 pixels: those in the five lowest octaves, and all without noise.
        assert_eq!(
            (&found["images"], &found["clean"]["of"], &found["chance"]),
            (&54.into(), &14.into(), &0.5.into())
        );
        assert_eq!((found["octaves"].as_array().unwrap().len(), left.as_array().unwrap().len()), (5, 0));
        assert_eq!(found["octaves"][4]["frequency"], 28.0);
        assert_eq!((&found["octaves"][4]["right"][4]["of"], audit["shape"].is_null()), (&2.into(), true));
        assert!(is_png(&tmp.path().join("m/critical_band.png")));
        assert!(read(&tmp.path().join("m/report.html")).contains("2 highest octaves"));
        assert_eq!(read(&tmp.path().join("m/critical_band.csv")).lines().count(), 1 + 25);
        let small = json(&ok(tmp.path(), &[&of("16")[..], &["--out", "n"]].concat()));
        assert!(
            small["left_out"][0]["why"].as_str().unwrap().contains("at least 28x28"),
            "{}",
            small["left_out"]
        );
        // The other kind of images, where no part can look at them.
        let wrong = ["--only", "shape", "--out", "s"];
        fails(
            tmp.path(),
            &[&of("64")[..], &wrong].concat(),
            &["cue-conflict images", "critical band masking"],
        );
        let wrong = [&alone[..], &flags, &["--only", "critical_band", "--out", "s"]].concat();
        fails(tmp.path(), &wrong, &["images of critical band masking", "_cbm_noise"]);
        // Beside other images they are a part among all; a condition without images is said.
        std::fs::remove_file(tmp.path().join("masked/1/4_cbm_noise0.16_freq0_gray_g_cat.JPEG")).unwrap();
        std::fs::remove_file(tmp.path().join("masked/0/39_cbm_noise0.16_freq0_gray_g_dog.JPEG")).unwrap();
        let beside = ["--normalize", "global", "--device", "cpu", "--threads", "1", "--stimuli", "masked"];
        let only = ["--only", "shape,critical_band,swap", "--out", "b", "--json"];
        let audit = json(&ok(tmp.path(), &[&base[..4], &["--size", "32"], &beside, &only].concat()));
        assert!(!audit["swap"].is_null() && audit["critical_band"].is_null());
        let why = audit["left_out"].to_string();
        assert!(
            why.contains("found images of critical band masking")
                && why.contains("none in level 4 of octave 0"),
            "{why}"
        );
        fails(
            tmp.path(),
            &[&base[..], &["--only", "critical_band", "--out", "s"]].concat(),
            &["critical band masking", "--stimuli"],
        );
        std::fs::rename(tmp.path().join("stimuli/cat"), tmp.path().join("stimuli/bird")).unwrap();
        fails(tmp.path(), &[&args[..], &["--only", "shape", "--out", "s"]].concat(), &["stimuli", "bird"]);
    }

    #[test]
    fn images_that_do_not_fit_are_refused() {
        let tmp = tempfile::tempdir().unwrap();
        trained(tmp.path());
        let weights = "run/ckpt/step-00000010/weights.safetensors";
        let base =
            ["audit", weights, "--normalize", "global", "--device", "cpu", "--threads", "1", "--out", "r"];
        let refused = |more: &[&str], parts: &[&str]| {
            fails(tmp.path(), &[&base[..], more].concat(), parts);
            assert!(!tmp.path().join("r").exists(), "{more:?}");
        };
        // Five classes of shapes; of one channel, which is repeated.
        refused(&["--data", "shapes:count=60,size=16"], &["classes", "--no-labels"]);
        refused(
            &["--data", "leaves:count=60,size=16,channels=3", "--classes", "0,1,2"],
            &["classes", "--no-labels"],
        );
        refused(&["--data", DATA, "--arch", "resnet20"], &["resnet20", "missing"]);
        refused(&["--data", DATA, "--only", "shape"], &["--stimuli"]);
        // Without labels, what needs none is measured.
        let no_labels = ["--data", DATA, "--no-labels", "--quick", "--only", "bands,modes,heatmap", "--json"];
        let audit = json(&ok(tmp.path(), &[&base[..], &no_labels].concat()));
        assert!(audit["modes"].is_null() && audit["bands"]["accuracy"].is_null());
        let left = &audit["left_out"][0];
        assert_eq!(left["part"], "Modes");
        assert!(left["why"].as_str().unwrap().contains("labels of the network's classes"), "{left}");
        assert_eq!(audit["heatmap"]["labelled"], false);
        // Pixels of waves are outside [0, 1]: what disturbs or filters images in it is left out.
        let waves = ["train", "--model", "resnet8", "--data", "cosines:size=16", "--epochs", "1"];
        ok(
            tmp.path(),
            &[&waves[..], &["--eta", "1e-3", "--device", "cpu", "--threads", "1", "--out", "waves"]].concat(),
        );
        let file = std::fs::read_dir(tmp.path().join("waves/ckpt")).unwrap().next().unwrap().unwrap().path();
        let file = file.join("weights.safetensors");
        let args = ["audit", file.to_str().unwrap(), "--data", "cosines:size=16", "--normalize", "none"];
        let args =
            [&args[..], &["--quick", "--device", "cpu", "--threads", "1", "--out", "w", "--json"]].concat();
        let audit = json(&ok(tmp.path(), &args));
        assert!(audit["heatmap"].is_null() && audit["bands"].is_null() && !audit["jacobian"].is_null());
        let left: Vec<_> = audit["left_out"].as_array().unwrap().iter().map(|l| &l["part"]).collect();
        assert!(left.contains(&&"Heat map".into()) && left.contains(&&"Filtered images".into()), "{left:?}");
        convolutions(&tmp.path().join("w.safetensors"), 0, false);
        let args =
            ["audit", "w.safetensors", "--data", DATA, "--device", "cpu", "--threads", "1", "--out", "s"];
        fails(tmp.path(), &args, &["w.safetensors", "--model", "no known network"]);
    }
}
