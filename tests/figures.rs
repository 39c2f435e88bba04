//! Figures beyond the first, from small runs.

use std::fs;
use std::path::Path;

use crate::support::{domfreq, fails, json, ok};

fn train(dir: &Path, out: &str, flags: &str) -> serde_json::Value {
    let fixed = ["train", "--threads", "1", "--force", "--json", "--out", out];
    let all: Vec<_> = fixed.into_iter().chain(flags.split(' ')).collect();
    json(&ok(dir, &all))
}

// Draws, and gives the verdicts that stand beside the picture.
fn draw(dir: &Path, args: &str) -> serde_json::Value {
    let said = ok(dir, &args.split(' ').collect::<Vec<_>>());
    let picture = args.rsplit(' ').next().unwrap();
    assert!(fs::metadata(dir.join(picture)).unwrap().len() > 5_000, "{args}");
    let note = json(&fs::read_to_string(dir.join(picture).with_extension("json")).unwrap());
    let verdicts = note["verdicts"].as_array().unwrap();
    assert_eq!(said.lines().filter(|l| l.starts_with("verdict: ")).count(), verdicts.len(), "{args}");
    note
}

fn verdict<'a>(note: &'a serde_json::Value, what: &str) -> &'a serde_json::Value {
    let all = note["verdicts"].as_array().unwrap();
    let found = all.iter().find(|v| v["what"].as_str().unwrap().contains(what));
    found.unwrap_or_else(|| panic!("no {what} in {note}"))
}

#[test]
fn all_figures_and_the_page_that_shows_them() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path();
    fs::create_dir(dir.join("f")).unwrap();
    for frequencies in ["1", "5", "25"] {
        for net in ["fcnn", "lcnn"] {
            let flags = format!(
                "--data spread:size=8,frequencies={frequencies} --model {net} --scale 1e-6 --steps 3500 --dtype f64"
            );
            train(dir, &format!("speed-{frequencies}-{net}"), &flags);
        }
    }
    let all: Vec<_> = ["1", "5", "25"]
        .iter()
        .flat_map(|f| [format!("speed-{f}-fcnn"), format!("speed-{f}-lcnn")])
        .collect();
    let note = draw(dir, &format!("figure speed {} --out f/speed.png", all.join(" ")));
    assert_eq!(verdict(&note, "largest error of the predicted ratio, 3 modes")["pass"], true);

    let leaves = "--data leaves:count=300 --size 8 --steps 3000 --every 5";
    for scale in ["1e-2", "1e-3", "1e-4"] {
        for net in ["fcnn", "lcnn"] {
            train(
                dir,
                &format!("{net}-{scale}"),
                &format!("{leaves} --model {net} --scale {scale} --theory mode"),
            );
        }
    }
    let note = draw(
        dir,
        "figure dominance fcnn-1e-3 lcnn-1e-3 fcnn-1e-2 lcnn-1e-2 fcnn-1e-4 lcnn-1e-4 --mode 1 --out f/dominance.png",
    );
    assert!(verdict(&note, "LCNN / FCNN")["value"].as_f64().unwrap() < 1.0);

    train(dir, "nf", &format!("{leaves} --model fcnn --theory mode,flow"));
    let summary = train(dir, "nl", &format!("{leaves} --theory stationary,flow"));
    let note = draw(dir, "figure natural nf nl --out f/natural.png");
    assert_eq!(verdict(&note, "LCNN: max |a − flow|/s")["pass"], true);
    let template = &summary["modes"][0]["measured"]["template"];
    assert!(template["on_dominant"].as_f64().unwrap() > 0.5, "{template}");

    for (layers, scale) in [("1", "1e-3"), ("2", "4e-3")] {
        let flags = format!(
            "--data spread:size=8,frequencies=12/12 --layers {layers} --channels 2 --scale {scale} --steps 4000 --theory flow"
        );
        train(dir, &format!("d{layers}"), &flags);
    }
    let note = draw(dir, "figure depth d2 d1 --out f/depth.png");
    assert_eq!(verdict(&note, "L = 2: participation ratio relative to L = 1")["pass"], true);

    let note = draw(dir, "figure order nf nl fcnn-1e-4 lcnn-1e-4 --out f/order.png");
    assert!(verdict(&note, "Spearman")["value"].as_f64().unwrap() > 0.9);

    let mut all = Vec::new();
    for cue in [1, 6] {
        for amplitude in ["0.5", "1", "2"] {
            let data = format!("shortcut:size=8,content=2,cue={cue},amplitude={amplitude}");
            for net in ["fcnn", "lcnn"] {
                all.push(format!("sc-{net}-{cue}-{amplitude}"));
                let flags = format!("--data {data} --model {net} --scale 1e-4 --steps 3000 --every 50");
                train(dir, all.last().unwrap(), &flags);
            }
            all.push(format!("sc-resnet8-{cue}-{amplitude}"));
            let more = "--center false --epochs 1 --batch 32 --eta 0.02 --jacobians 0 --eval test,validation";
            train(dir, all.last().unwrap(), &format!("--data {data},noise=0.3 --model resnet8 {more}"));
        }
    }
    let note = draw(dir, &format!("figure shortcut {} --out f/shortcut.png", all.join(" ")));
    assert_eq!(verdict(&note, "share of 4 columns")["pass"], true);
    let right = verdict(&note, "resnet8, A = ")["value"].as_f64().unwrap();
    assert!((0.2..=1.0).contains(&right), "{note}");
    // The spread cue has to be stronger for a convolution, and for it alone.
    let takes_over = |net: &str, cue: u32| {
        let what = format!("{net}: amplitude at which the cue takes over, {cue} frequencies");
        verdict(&note, &what)["value"].as_f64().unwrap()
    };
    assert!(takes_over("LCNN", 6) > 1.5 * takes_over("LCNN", 1), "{note}");
    assert!((takes_over("FCNN", 6) / takes_over("FCNN", 1) - 1.0).abs() < 0.1, "{note}");

    let mut all = Vec::new();
    for width in ["0", "4"] {
        let data = format!(
            "conflict:classes=2,size=24,count=400,agree=1/0,turn=no,shift=0,radius=0.4/0.4,frequencies=0.15/0.3,\
             width={width},contrast=0.2,step=0.15,noise=0.1"
        );
        for net in ["fcnn", "lcnn"] {
            all.push(format!("tx-{net}-{width}"));
            let flags = format!("--data {data} --model {net} --scale 1e-4 --steps 2500 --every 50");
            train(dir, all.last().unwrap(), &flags);
        }
    }
    let more = "--center false --epochs 1 --batch 32 --eta 0.02 --jacobians 0 --eval test";
    train(
        dir,
        "tx-resnet8",
        &format!("--data conflict:classes=2,size=16,count=200,agree=1/0 --model resnet8 {more}"),
    );
    let note = draw(dir, &format!("figure texture {} tx-resnet8 --out f/texture.png", all.join(" ")));
    let bias = |what: &str| verdict(&note, what)["value"].as_f64().unwrap();
    // More energy in the texture: it is what a fully connected network answers by.
    assert!(bias("FCNN, phases kept: shape bias, textures of 4 octaves") < 0.2, "{note}");
    assert!(bias("LCNN, phases kept: shape bias, textures of 0 octaves") < 0.2, "{note}");
    // A convolutional one answers by the shape where the texture is spread.
    assert!(bias("LCNN, phases kept: shape bias, textures of 4 octaves") > 0.8, "{note}");
    assert_eq!(verdict(&note, "LCNN, phases kept: shape bias: mean distance")["pass"], true);

    ok(dir, &["figure", "index", "f"]);
    let page = fs::read_to_string(dir.join("f/index.html")).unwrap();
    for name in ["speed", "dominance", "natural", "depth", "order", "shortcut", "texture"] {
        assert!(page.contains(&format!("{name}.png")), "{name}");
    }
}

#[test]
fn runs_that_do_not_fit_a_figure_are_named() {
    let tmp = tempfile::tempdir().unwrap();
    train(tmp.path(), "l", "--data leaves:count=60 --size 8 --steps 50");
    train(tmp.path(), "f", "--data leaves:count=60 --size 8 --steps 50 --model fcnn");
    fails(tmp.path(), &["figure", "speed", "l", "--out", "x.png"], &["a run of each network", "8×8"]);
    fails(tmp.path(), &["figure", "natural", "l", "--out", "x.png"], &["a run of each network"]);
    fails(tmp.path(), &["figure", "depth", "l", "f", "--out", "x.png"], &["convolutional", "f"]);
    fails(
        tmp.path(),
        &["figure", "dominance", "l", "f", "--mode", "99", "--out", "x.png"],
        &["--mode", "99"],
    );
    fails(tmp.path(), &["figure", "order", "absent", "--out", "x.png"], &["absent"]);
    fails(tmp.path(), &["figure", "shortcut", "l", "--out", "x.png"], &["`shortcut`", "leaves"]);
    fails(tmp.path(), &["figure", "texture", "l", "--out", "x.png"], &["`conflict`", "leaves"]);
    // Designs that the figures would misread.
    let short = "--steps 20 --model fcnn";
    for (data, figure, parts) in [
        ("shortcut:size=8,content=2 --size 6", "shortcut", ["images [1, 8, 8]", "[1, 6, 6]"]),
        (
            "shortcut:size=8,content=2,as=conflict",
            "shortcut",
            ["conflict in that of evaluation", "as=conflict"],
        ),
        ("shortcut:size=8,content=2,classes=3", "shortcut", ["two classes", "3"]),
        ("shortcut:size=8,content=2 --center false", "shortcut", ["one mode", "2"]),
        ("shortcut:size=8,content=2", "shortcut", ["learned the mode", "a/s = 0.00"]),
        ("conflict:size=8,count=40,classes=2", "texture", ["agree=1/0", "evaluated on another"]),
        (
            "conflict:size=8,count=40,classes=2,agree=1/0,label=texture",
            "texture",
            ["label=shape", "label=texture"],
        ),
        ("conflict:size=8,count=40,agree=1/0", "texture", ["two classes", "agree=1/0"]),
    ] {
        train(tmp.path(), "misread", &format!("--data {data} {short}"));
        fails(tmp.path(), &["figure", figure, "misread", "--out", "x.png"], &parts);
    }
    fails(tmp.path(), &["figure", "index", "l"], &["l", "none"]);
    // Nothing was discovered in 50 steps: no point to draw.
    fails(tmp.path(), &["figure", "order", "l", "f", "--out", "x.png"], &["expected"]);
    assert!(!tmp.path().join("x.png").exists());
    fs::remove_file(tmp.path().join("l/summary.json")).unwrap();
    fails(tmp.path(), &["figure", "order", "l", "--out", "x.png"], &["l", "finished"]);
}

#[test]
fn modes_of_one_strength_are_a_subspace() {
    let tmp = tempfile::tempdir().unwrap();
    let flags = "--data cosines:amplitudes=1/1/0.5,size=8 --steps 4000 --theory flow --channels 4";
    let summary = train(tmp.path(), "r", flags);
    let block = &summary["subspaces"][0];
    assert_eq!(block["modes"], serde_json::json!([1, 2]));
    let [measured, flow] = [&block["t50"], &block["predicted"][0]].map(|t| t.as_f64().unwrap());
    assert!((measured / flow - 1.0).abs() < 0.01, "{measured} {flow}");
    let angles = block["angles"].as_array().unwrap();
    assert!(angles.len() == 2 && angles[1].as_f64().unwrap() < 5.0, "{angles:?}");
    assert!(domfreq(tmp.path(), &["predict", "--data", "cosines:amplitudes=1/1"]).err.contains("1 to 2"));
}
