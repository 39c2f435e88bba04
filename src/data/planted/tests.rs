use std::f64::consts::TAU;

use super::*;
use crate::error::Error;
use ndarray::{Array1, ArrayView2, Axis, s};
use proptest::prelude::*;

// Between 0.1 and 0.9, so that a change of norm 1 is not cut.
const BASE: &str = "conflict:classes=3,count=30,size=24x20,channels=3,contrast=0.05,step=0.2,noise=0.01";

fn spec(own: &str, over: &str) -> Spec {
    format!("planted:{own},over={over}").parse().unwrap()
}

fn split(name: &str) -> Options {
    Options { split: name.to_owned(), ..Options::default() }
}

fn loaded(own: &str) -> (ImageSet, Truth) {
    let (set, mut truths) = load_with_truth(&spec(own, BASE), &Options::default()).unwrap();
    assert_eq!(truths.len(), 1);
    (set, truths.pop().unwrap())
}

fn base() -> ImageSet {
    BASE.parse::<Spec>().unwrap().load(&Options::default()).unwrap()
}

fn refusal(own: &str, over: &str) -> String {
    spec(own, over).load(&Options::default()).expect_err("must be refused").to_string()
}

fn labels(set: &ImageSet) -> Vec<usize> {
    let Targets::Classes { labels, .. } = &set.targets else { panic!("classes") };
    labels.iter().map(|&label| label as usize).collect()
}

// The change of image `i`, flat.
fn change(set: &ImageSet, clean: &ImageSet, i: usize) -> Array1<f64> {
    let of = |set: &ImageSet| set.images.index_axis(Axis(0), i).mapv(f64::from);
    (of(set) - of(clean)).flatten().to_owned()
}

fn norm(change: &Array1<f64>) -> f64 {
    change.dot(change).sqrt()
}

#[test]
fn a_cosine_is_the_cosine() {
    let (set, truth) = loaded("cue=cosine,frequency=-3/5,phase=30,norm=1.5,classes=square");
    let clean = base();
    let amplitude = 1.5 / (3.0 * 24.0 * 20.0 / 2.0f64).sqrt();
    for i in 0..set.len() {
        let change = change(&set, &clean, i);
        if i % 3 != 1 {
            assert_eq!(norm(&change), 0.0);
            continue;
        }
        for (at, &got) in change.iter().enumerate() {
            let (row, col) = ((at % 480 / 20) as f64, (at % 20) as f64);
            let want = amplitude * (TAU * (-3.0 * row / 24.0 + 5.0 * col / 20.0 + 30.0 / 360.0)).cos();
            assert!((got - want).abs() < 1e-6, "{at}: {got} {want}");
        }
    }
    assert_eq!((truth.classes.as_slice(), truth.frequency), (&[1][..], Some((-3, 5))));
    assert_eq!(truth.carriers(), (0..30).map(|i| i % 3 == 1).collect::<Vec<_>>());
    let planted = truth.changes[0].mapv(f64::from).flatten().to_owned();
    assert!(norm(&(planted - change(&set, &clean, 1))) < 1e-5);
    // The other one of a conjugate pair is the same frequency.
    assert_eq!(loaded("cue=cosine,frequency=3/-5").1.frequency, Some((-3, 5)));
}

#[test]
fn every_cue_has_its_norm_in_its_class_and_nowhere_else() {
    let clean = base();
    for kind in CUES {
        let (set, truth) = loaded(&format!("cue={},norm=0.7,classes=0", kind.name));
        assert_eq!(truth.cue, kind.name);
        for i in 0..set.len() {
            let norm = norm(&change(&set, &clean, i));
            if i % 3 != 0 {
                assert_eq!(norm, 0.0, "{}", kind.name);
            } else if kind.name == "blur" || kind.name == "jpeg" {
                assert!(norm > 0.05 && norm < 0.7 + 1e-5, "{}: {norm}", kind.name);
            } else {
                assert!((norm - 0.7).abs() < 1e-5, "{}: {norm}", kind.name);
            }
        }
        let different = change(&set, &clean, 0) - change(&set, &clean, 3);
        let same = ["cosine", "blocks", "tint", "brightness"].contains(&kind.name);
        assert_eq!(norm(&different) < 1e-5, same, "{}", kind.name);
        assert_eq!(truth.changes.len(), usize::from(same), "{}", kind.name);
        if same {
            let planted = truth.changes[0].mapv(f64::from).flatten().to_owned();
            assert!(norm(&(planted - change(&set, &clean, 27))) < 1e-5, "{}", kind.name);
        }
        // Outside its place nothing changes.
        for i in [0, 3] {
            let Some([top, left, height, width]) = truth.place.or(truth.places.get(i).copied()) else {
                continue;
            };
            let change = change(&set, &clean, i);
            let changed =
                change.indexed_iter().filter(|(_, v)| **v != 0.0).map(|(at, _)| (at % 480 / 20, at % 20));
            let (rows, cols): (Vec<_>, Vec<_>) = changed.unzip();
            let span = |of: &[usize]| (*of.iter().min().unwrap(), *of.iter().max().unwrap());
            assert_eq!(span(&rows), (top, top + height - 1), "{}", kind.name);
            assert_eq!(span(&cols), (left, left + width - 1), "{}", kind.name);
        }
    }
}

#[test]
fn draws_depend_on_seed_split_and_index_alone() {
    for kind in CUES {
        let spec = spec(&format!("cue={},share=0.6,classes=all,as=cue", kind.name), BASE);
        let made = |threads: usize, limit: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let options = Options { seed, limit: Some(limit), ..Options::default() };
            pool.install(|| load_with_truth(&spec, &options).unwrap())
        };
        let ((long, truth), (again, _), (short, first)) = (made(1, 30, 5), made(3, 30, 5), made(2, 11, 5));
        assert_eq!(long.images, again.images, "{}", kind.name);
        assert_eq!(long.images.slice(s![..11, .., .., ..]), short.images, "{}", kind.name);
        assert_eq!(truth[0].carried[..11], first[0].carried);
        assert_ne!(truth[0].carried, made(1, 30, 6).1[0].carried);
    }
    // A seed of its own leaves the images as they are, and the pattern does not move with theirs.
    let change_of = |own: &str, seed: u64| {
        let options = Options { seed, ..Options::default() };
        let clean = BASE.parse::<Spec>().unwrap().load(&options).unwrap();
        change(&spec(own, BASE).load(&options).unwrap(), &clean, 0)
    };
    assert!(norm(&(change_of("cue=blocks,seed=9", 1) - change_of("cue=blocks,seed=9", 2))) < 1e-5);
    assert!(norm(&(change_of("cue=blocks", 1) - change_of("cue=blocks", 2))) > 0.5);
    // Two kinds of cue draw their carriers apart.
    let carried = |cue: &str| loaded(&format!("cue={cue},share=0.5,classes=all")).1.carriers();
    assert_ne!(carried("tint"), carried("blur"));
}

#[test]
fn a_share_of_the_class_carries_it() {
    let over = "conflict:classes=2,count=2000,size=8,frequencies=0.15/0.3,width=1";
    let count = |share: &str| {
        let spec = spec(&format!("cue=brightness,share={share}"), over);
        let (set, truths) = load_with_truth(&spec, &Options::default()).unwrap();
        let clean = over.parse::<Spec>().unwrap().load(&Options::default()).unwrap();
        let carriers = truths[0].carriers();
        for (i, &carrier) in carriers.iter().enumerate() {
            assert_eq!(norm(&change(&set, &clean, i)) > 0.0, carrier);
            assert!(!carrier || i % 2 == 0);
        }
        let carriers = carriers.iter().filter(|c| **c).count();
        assert!(set.source.description.contains(&format!("planted in {carriers} of 2000 images")));
        carriers
    };
    assert_eq!((count("0"), count("1")), (0, 1000));
    // 1000 · 0.3, standard deviation 14.5.
    assert!((240..360).contains(&count("0.3")));
}

#[test]
fn splits_are_planted_clean_or_in_conflict() {
    let carried = |own: &str, name: &str| {
        let (set, truths) = load_with_truth(&spec(own, BASE), &split(name)).unwrap();
        let clean = BASE.parse::<Spec>().unwrap().load(&split(name)).unwrap();
        for (i, carried) in truths[0].carried.iter().enumerate() {
            assert_eq!(norm(&change(&set, &clean, i)) > 0.0, carried.is_some(), "{own} {name}");
        }
        assert_eq!(labels(&set)[..3], [0, 1, 2]);
        truths[0].carried[..3].to_vec()
    };
    assert_eq!(carried("cue=tint", "train"), [Some(0), None, None]);
    assert_eq!(carried("cue=tint", "test"), [None; 3]);
    assert_eq!(carried("cue=tint,as=clean", "train"), [None; 3]);
    assert_eq!(carried("cue=tint,as=cue", "test"), [Some(0), None, None]);
    assert_eq!(carried("cue=tint,as=conflict", "test"), [None, Some(0), Some(0)]);
    assert_eq!(carried("cue=tint,as=cue/conflict", "test"), [None, Some(0), Some(0)]);
    assert_eq!(carried("cue=tint,as=cue/conflict", "train"), [Some(0), None, None]);
    assert_eq!(carried("cue=tint,classes=0/2,as=conflict", "test"), [None, Some(2), None]);
    assert_eq!(carried("cue=ar,classes=all", "train"), [Some(0), Some(1), Some(2)]);
    assert_eq!(carried("cue=ar,classes=all,as=conflict", "test"), [Some(1), Some(2), Some(0)]);
    assert_eq!(carried("cue=blocks,classes=2/0,as=conflict", "test"), [Some(2), Some(2), Some(0)]);
    assert_eq!(carried("cue=blocks,classes=1,as=conflict", "test"), [Some(1), None, Some(1)]);
    assert!(refusal("cue=tint,classes=all,as=conflict", BASE).contains("a class that has no cue"));
}

#[test]
fn what_is_taken_out_is_gone_without_a_look_at_the_originals() {
    for cue in ["cosine", "cosine-random", "bands", "blocks", "patch", "patch-random", "watermark", "border"]
    {
        // With the cue in all images of class 0 and with it in none: the same is left.
        let (with, truth) = loaded(&format!("cue={cue},as=removed"));
        let (without, none) = loaded(&format!("cue={cue},as=removed,share=0"));
        assert_eq!((truth.carriers()[0], none.carriers()[0]), (true, false));
        for i in 0..with.len() {
            let left = norm(&change(&with, &without, i));
            // Glyphs and patches also move the mean of nothing but themselves.
            assert!(left < 1e-5, "{cue} {i}: {left}");
        }
        assert!(norm(&change(&with, &base(), 1)) > 1e-4, "{cue}");
    }
    // Colours are those of the mean of the set.
    for cue in ["tint", "brightness"] {
        let (set, truth) = loaded(&format!("cue={cue},as=removed,norm=2"));
        let (planted, _) = loaded(&format!("cue={cue},norm=2"));
        let colour = truth.colour.unwrap();
        let along = |set: &ImageSet, i: usize| -> f64 {
            let mean = |c: usize| f64::from(set.images.slice(s![i, c, .., ..]).mean().unwrap());
            (0..3).map(|c| colour[c] * mean(c)).sum()
        };
        let mean = (0..30).map(|i| along(&planted, i)).sum::<f64>() / 30.0;
        assert!((0..30).all(|i| (along(&set, i) - mean).abs() < 1e-5), "{cue}");
    }
    for cue in ["ar", "blur", "jpeg"] {
        let text = refusal(&format!("cue={cue},as=removed"), BASE);
        assert!(text.contains("key `as`") && text.contains("can be taken out: cosine,"), "{text}");
    }
}

#[test]
fn the_patch_is_replaced_by_the_mean_of_the_rest() {
    let (set, truth) = loaded("cue=patch,side=3,at=2/5,as=removed");
    assert_eq!(truth.place, Some([2, 5, 3, 3]));
    let clean = base();
    for c in 0..3 {
        let (before, after): (ArrayView2<f32>, ArrayView2<f32>) =
            (clean.images.slice(s![7, c, .., ..]), set.images.slice(s![7, c, .., ..]));
        let inside = before.slice(s![2..5, 5..8]).sum();
        let mean = (before.sum() - inside) / (24 * 20 - 9) as f32;
        assert!(after.slice(s![2..5, 5..8]).iter().all(|v| (v - mean).abs() < 1e-6));
        assert_eq!(before[[6, 6]], after[[6, 6]]);
    }
    let (_, random) = loaded("cue=patch-random,side=3");
    assert_eq!((random.place, random.places.len()), (None, 30));
    assert!(random.places.iter().any(|place| place != &random.places[0]));
}

#[test]
fn a_large_norm_gives_what_the_change_makes_of_the_image() {
    let clean = base();
    let (framed, _) = loaded("cue=border,width=2,norm=1000");
    assert!(framed.images.slice(s![0, .., ..2, ..]).iter().all(|&v| v == 1.0));
    assert_eq!(framed.images.slice(s![0, .., 2..22, 2..18]), clean.images.slice(s![0, .., 2..22, 2..18]));
    let (patched, _) = loaded("cue=patch,norm=1000");
    let patch = patched.images.slice(s![0, .., 19..23, 15..19]);
    assert!(patch.iter().all(|&v| v == 0.0 || v == 1.0) && patch.iter().any(|&v| v == 0.0));
    let distance = |own: &str| norm(&change(&loaded(own).0, &clean, 0));
    let fine = distance("cue=jpeg,quality=95,norm=1000");
    let coarse = distance("cue=jpeg,quality=5,norm=1000");
    assert!(fine < 0.6 && coarse > 1.0, "{fine} {coarse}");
    assert!(distance("cue=blur,sigma=0.5,norm=1000") < distance("cue=blur,sigma=3,norm=1000"));
    // Half of the way to white where a glyph covers all of a pixel.
    let (marked, truth) = loaded("cue=watermark");
    let [top, left, height, width] = truth.place.unwrap();
    assert!(top == 9 && left == 0 && height == 4 && width >= 18, "{:?}", truth.place);
    let most =
        marked.images.indexed_iter().filter(|((i, ..), _)| i % 3 == 0).fold(0.0f32, |most, (at, v)| {
            let before = clean.images[at];
            most.max((v - before) / (1.0 - before))
        });
    assert!(most <= 0.5 + 1e-6 && most > 0.3, "{most}");
    // In large images the glyphs are seen in full.
    let large = spec("cue=watermark,opacity=1", "shapes:classes=2,count=2,size=128");
    let (large, _) = load_with_truth(&large, &Options::default()).unwrap();
    assert!(large.images.slice(s![0, 0, 52..70, ..]).iter().filter(|v| **v == 1.0).count() > 300);
}

#[test]
fn jpeg_does_grey_images_and_sides_apart() {
    let over = "conflict:classes=2,count=4,size=17x9,frequencies=0.15/0.3,width=1";
    let set = spec("cue=jpeg,quality=100,norm=1000", over).load(&Options::default()).unwrap();
    let clean = over.parse::<Spec>().unwrap().load(&Options::default()).unwrap();
    let most = change(&set, &clean, 0).iter().fold(0.0f64, |most, d| most.max(d.abs()));
    // Rounding to bytes, and that of the coefficients.
    assert!(most > 0.0 && most < 4.0 / 255.0, "{most}");
}

#[test]
fn cues_are_planted_over_cues() {
    let text = format!("planted:cue=tint,classes=1,over=planted:cue=cosine,classes=0,over={BASE}");
    let both: Spec = text.parse().unwrap();
    let (set, truths) = load_with_truth(&both, &Options::default()).unwrap();
    assert_eq!(truths.iter().map(|t| t.cue).collect::<Vec<_>>(), ["cosine", "tint"]);
    let clean = base();
    let (cosine, tint) = (loaded("cue=cosine").0, loaded("cue=tint,classes=1").0);
    for i in 0..3 {
        let want = change(&cosine, &clean, i) + change(&tint, &clean, i);
        assert!(norm(&(change(&set, &clean, i) - want)) < 1e-5);
    }
    assert_eq!(both.short(), "tint on cosine on conflict");
    let deep = format!("{}over={BASE}", "cue=tint,over=planted:".repeat(30_000));
    assert!(
        spec(&deep, BASE)
            .load(&Options::default())
            .unwrap_err()
            .to_string()
            .contains("at most 8 sources in one another")
    );
    let (_, none) = load_with_truth(&BASE.parse().unwrap(), &Options::default()).unwrap();
    assert!(none.is_empty());
}

#[test]
fn the_source_keeps_its_text_its_options_and_its_errors() {
    let odd = "planted:cue=tint,over=npz:/absent/a,b:c=d,over=e.npz".parse::<Spec>().unwrap();
    assert!(odd.load(&Options::default()).unwrap_err().to_string().contains("/absent/a,b:c=d,over=e.npz"));
    assert_eq!(odd.short(), "tint on npz a,b:c=d,over=e.npz");
    assert_eq!("planted:cue=tint".parse::<Spec>().unwrap().short(), "planted");

    let options = Options { grey: true, size: Some((8, 8)), limit: Some(9), ..Options::default() };
    let set = spec("cue=brightness", BASE).load(&options).unwrap();
    let clean = BASE.parse::<Spec>().unwrap().load(&options).unwrap();
    assert_eq!(set.images.dim(), (9, 1, 8, 8));
    assert!((norm(&change(&set, &clean, 0)) - 1.0).abs() < 1e-5);
    // Classes are those that were chosen, in their order.
    let chosen = Options { classes: vec!["triangle".into(), "disc".into()], ..Options::default() };
    let (set, truths) = load_with_truth(&spec("cue=brightness,classes=0", BASE), &chosen).unwrap();
    assert_eq!(labels(&set)[..3], [1, 0, 1]);
    assert_eq!(truths[0].carriers()[..3], [false, true, false]);
    let bare = Options { labels: false, ..Options::default() };
    let (set, truths) = load_with_truth(&spec("cue=brightness", BASE), &bare).unwrap();
    assert_eq!((set.targets.outputs(), truths[0].carriers()[0]), (0, true));
    assert_eq!(set.images, spec("cue=brightness", BASE).load(&bare).unwrap().images);
    let set = loaded("cue=cosine,norm=2,classes=disc/square").0;
    let wanted =
        "planted:cue=cosine,norm=2,classes=disc/square of classes disc, square planted in 20 of 30 images";
    assert!(set.source.description.ends_with(wanted), "{}", set.source.description);
}

#[test]
fn bad_arguments_are_named() {
    let grey = "shapes:classes=3,count=9,size=12";
    for (own, over, wanted) in [
        ("cue=stripes", BASE, "key `cue`: expected one of `cosine`"),
        ("clases=1", BASE, "did you mean `classes`?"),
        ("cue=tint,sigma=2", BASE, "an unknown key"),
        (
            "classes=9",
            BASE,
            "key `classes`: expected `all`, or one of disc, square, triangle (or an index below 3), found `9`",
        ),
        ("classes=dog", BASE, "found `dog`"),
        ("classes=0/disc", BASE, "each class once"),
        ("share=1.5", BASE, "key `share`: expected a number in 0..=1"),
        ("norm=0", BASE, "key `norm`"),
        ("frequency=13/0", BASE, "|row| <= 12 and |column| <= 10 in images of 24×20, found `13/0`"),
        ("frequency=0/0", BASE, "not its own conjugate"),
        ("frequency=1", BASE, "`row/column` in cycles per image"),
        ("cue=cosine-random,frequency=1/11", BASE, "found `1/11`"),
        ("cue=tint", grey, "more than one channel, found 1"),
        ("cue=tint,colour=1/0", BASE, "3 values, one per channel"),
        ("cue=tint,colour=0/0/0", BASE, "a direction"),
        ("cue=patch,side=13", grey, "a patch within the image, at most 12, found 13"),
        ("cue=patch,at=20/17", BASE, "row <= 20 and column <= 16"),
        ("cue=patch-random,at=0/0", BASE, "an unknown key"),
        ("cue=border,width=10", BASE, "at most 9, found 10"),
        ("cue=blocks,side=24", BASE, "blocks of which two or more fill the image"),
        ("cue=bands,from=0.3,to=0.2", BASE, "around a frequency"),
        ("cue=watermark,norm=1,opacity=0.5", BASE, "`norm` or `opacity`, found both"),
        ("cue=jpeg,quality=0", BASE, "key `quality`"),
        ("as=maybe", BASE, "one of `cue`, `clean`, `removed`, `conflict`"),
        ("as=cue/clean/cue", BASE, "one form, or two, found 3"),
        ("cue=brightness", "cosines", "key `over`: expected a source with pixels in [0, 1], found -"),
        ("cue=tint", "nonsense", "key `over`: expected a source of images"),
        ("cue=tint", "shapes:classes=99", "data `shapes:classes=99`"),
    ] {
        let text = refusal(own, over);
        assert!(text.contains(wanted), "{own}: {text}");
    }
    for text in ["planted:cue=tint", "planted:overt=1"] {
        let error: Error = text.parse::<Spec>().unwrap().load(&Options::default()).unwrap_err();
        assert!(error.to_string().contains("`over=SPEC` at the end"), "{error}");
    }
    assert!("planted".parse::<Spec>().unwrap_err().to_string().contains("over=SPEC"));
}

#[test]
fn real_targets_have_no_classes_to_mark() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("real.npz");
    let mut npz = ndarray_npy::NpzWriter::new(std::fs::File::create(&path).unwrap());
    npz.add_array("X", &Array4::<f32>::from_elem((4, 1, 6, 6), 0.5)).unwrap();
    npz.add_array("y", &ndarray::Array2::<f32>::zeros((4, 2))).unwrap();
    npz.finish().unwrap();
    let text = refusal("cue=brightness", &format!("npz:{}", path.display()));
    assert!(text.contains("a source with classes, found real targets"), "{text}");
}

proptest! {
    #[test]
    fn any_norm_is_met_before_cutting(
        (h, w) in (8usize..20, 8usize..20), norm in 0.01..20.0f64, row in 0i64..4, col in 1i64..4, seed: u64,
        cue in 0usize..6
    ) {
        let cue = ["cosine", "cosine-random", "bands", "ar", "blocks", "brightness"][cue];
        let own = match cue {
            "cosine" => format!("phase={},frequency={row}/{col}", seed % 360),
            "cosine-random" => format!("frequency={row}/{col}"),
            "bands" => "from=0.1,to=0.4".to_owned(),
            "blocks" => "side=5".to_owned(),
            _ => "share=1".to_owned(),
        };
        let text = format!("cue={cue},{own},norm={norm}");
        let (planted, make) = Planted::read(&format!("{text},over=shapes")).unwrap();
        let names = ["a".to_owned(), "b".to_owned()];
        let context = Context { shape: [2, h, w], names: &names, classes: &[0], seed };
        let cue = make(&planted.args, &context).unwrap();
        let mut change = cue.change(&vec![0.5; 2 * h * w], 0, &mut seed::rng(seed, "test", 0));
        scale(&mut change, planted.norm);
        prop_assert_eq!(change.len(), 2 * h * w);
        prop_assert!((length(&change) / norm - 1.0).abs() < 1e-9);
        // In the end all pixels are in the unit interval.
        let mut image = vec![0.5; 2 * h * w];
        add(cue.as_ref(), planted.norm, &mut image, 0, &mut seed::rng(seed, "test", 0));
        prop_assert!(image.iter().all(|v| (0.0..=1.0).contains(v)));
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,40}", key in "[a-z]{1,12}", value in ".{0,12}") {
        for text in [text, format!("cue={value},over=shapes:count=4,size=8"), format!("{key}={value},over=shapes:count=9,size=8")] {
            if let Err(error) = load(&text, &Options::default()) {
                prop_assert!(error.to_string().starts_with("data `planted"), "{}", error);
            }
        }
    }
}
