use std::collections::HashSet;
use std::fs;
use std::path::Path;

use ndarray::Array1;

use super::*;
use crate::audit::Rate;
use crate::data::Options;
use crate::data::testing::{png, put};

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| (*s).to_owned()).collect()
}

fn category(name: &str) -> &'static [u16] {
    CATEGORIES.iter().find(|(n, _)| *n == name).unwrap().1
}

#[test]
fn categories_are_sorted_and_share_no_class() {
    assert!(CATEGORIES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let all: Vec<u16> = CATEGORIES.iter().flat_map(|(_, members)| members.iter().copied()).collect();
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    assert!(
        CATEGORIES
            .iter()
            .all(|(_, m)| !m.is_empty() && m.windows(2).all(|w| w[0] < w[1]) && m[m.len() - 1] < 1000)
    );
    // All dogs but the eight kinds that are left out.
    let out = [192, 204, 227, 242, 251, 258, 260, 264];
    assert_eq!(category("dog"), (152..=268).filter(|i| !out.contains(i)).collect::<Vec<u16>>());
    assert_eq!((category("elephant"), category("oven")), (&[385, 386][..], &[766][..]));
}

#[test]
fn decisions_are_by_mean_probability() {
    let mut chances = Array1::from_elem(1000, 1e-4);
    category("dog").iter().for_each(|&i| chances[usize::from(i)] = 0.006);
    chances[385] = 0.2;
    let sum = |name: &str| category(name).iter().map(|&i| chances[usize::from(i)]).sum::<f64>();
    assert!(sum("dog") > sum("elephant"));
    assert_eq!(CATEGORIES[imagenet_decision(chances.view())].0, "elephant");
    chances[385] = 0.01;
    assert_eq!(CATEGORIES[imagenet_decision(chances.view())].0, "dog");
    // Of equal ones the first.
    assert_eq!(imagenet_decision(Array1::from_elem(1000, 2f64.powi(-10)).view()), 0);
}

#[test]
fn the_bias_of_known_counts() {
    let decided = Decided::new(162, 572, 466);
    assert_eq!((decided.bias.unwrap().share * 1e4).round(), 2207.0);
    assert_eq!((decided.bias.unwrap().count, decided.bias.unwrap().of), (162, 734));
    assert_eq!(Decided::new(0, 0, 3).bias, None);
}

#[test]
fn images_whose_cues_agree_do_not_count() {
    let names = names(&["bear", "car", "dog"]);
    let shapes = [0, 0, 0, 1, 1, 2];
    let textures = [1, 0, 2, 0, 2, 2];
    let decisions = [Some(0), Some(0), Some(1), Some(0), None, Some(2)];
    let bias = ShapeBias::new(Mapping::Names, &shapes, &textures, &decisions, &names).unwrap();
    assert_eq!((bias.images, bias.agreeing, bias.decided), (6, 2, Decided::new(1, 1, 2)));
    assert_eq!((bias.either, bias.mapping), (Rate::new(2, 4), Mapping::Names));
    let by_shape: Vec<_> = bias.by_shape.iter().map(|b| (b.name.as_str(), b.decided)).collect();
    assert_eq!(by_shape, [("bear", Decided::new(1, 0, 1)), ("car", Decided::new(0, 1, 1))]);
    let text = serde_json::to_string(&bias).unwrap();
    assert_eq!(serde_json::from_str::<ShapeBias>(&text).unwrap(), bias);

    let none = ShapeBias::new(Mapping::Names, &[0, 1], &[0, 1], &[None, None], &names).unwrap_err();
    assert!(none.to_string().contains("two classes, found none among 2"), "{none}");
}

#[test]
fn all_conflicts_of_sixteen_categories_are_1200_of_1280() {
    // 80 images of each shape, 5 with each texture, as published.
    let (mut shapes, mut textures) = (Vec::new(), Vec::new());
    for i in 0..1280 {
        shapes.push(i / 80);
        textures.push(i % 80 / 5);
    }
    let names: Vec<String> = CATEGORIES.iter().map(|(n, _)| (*n).to_owned()).collect();
    let decisions: Vec<_> = shapes.iter().map(|s| Some(*s)).collect();
    let bias = ShapeBias::new(Mapping::Imagenet, &shapes, &textures, &decisions, &names).unwrap();
    assert_eq!((bias.agreeing, bias.decided.shape, bias.either.of), (80, 1200, 1200));
}

#[test]
fn outputs_find_their_classes() {
    let stimuli = names(&["bear", "dog"]);
    let categories: Vec<String> = CATEGORIES.iter().map(|(n, _)| (*n).to_owned()).collect();
    let pick = |decision: &Decision, outputs: usize, best: usize| {
        decision.decide(Array1::from_shape_fn(outputs, |i| if i == best { 0.9 } else { 0.0 }).view())
    };
    let imagenet = Decision::new(CUES, 1000, None, &stimuli).unwrap();
    assert_eq!(imagenet.mapping(), Mapping::Imagenet);
    assert_eq!([295, 200, 404].map(|best| pick(&imagenet, 1000, best)), [Some(0), Some(1), None]);
    // Readable names of ImageNet's classes are not those of the categories.
    let readable: Vec<String> = (0..1000).map(|i| format!("class {i}")).collect();
    assert_eq!(Decision::new(CUES, 1000, Some(&readable), &stimuli).unwrap(), imagenet);

    let sixteen = Decision::new(CUES, 16, None, &stimuli).unwrap();
    assert_eq!(sixteen, Decision::new(CUES, 16, Some(&categories), &stimuli).unwrap());
    assert_eq!([1, 10, 0].map(|best| pick(&sixteen, 16, best)), [Some(0), Some(1), None]);
    let own = Decision::new(CUES, 3, Some(&names(&["dog", "cow", "bear"])), &stimuli).unwrap();
    assert_eq!(
        (own.mapping(), [0, 1, 2].map(|best| pick(&own, 3, best))),
        (Mapping::Names, [Some(1), None, Some(0)])
    );

    let refused = |outputs, known: Option<&[&str]>, stimuli: &[&str]| {
        let known = known.map(names);
        Decision::new(CUES, outputs, known.as_deref(), &names(stimuli)).unwrap_err().to_string()
    };
    assert!(refused(3, None, &["bear"]).contains("3 outputs without names"));
    assert!(refused(2, Some(&["dog", "cow", "bear"]), &["bear"]).contains("network's 2 outputs, found 3"));
    let text = refused(2, Some(&["dog", "cow"]), &["bear", "dog"]);
    assert!(text.contains("(dog, cow)") && text.contains("`bear`"), "{text}");
    assert!(refused(1000, None, &["bear", "sofa"]).contains("`sofa`"));
}

#[test]
fn names_of_files_are_read() {
    assert_eq!(texture("airplane1-bicycle2.png", "airplane"), Ok("bicycle"));
    assert_eq!(texture("airplane10-airplane32", "airplane"), Ok("airplane"));
    // Hyphens and digits within names, where the directory says what the shape is.
    assert_eq!(texture("t-34-tank7-guinea-pig12.jpg", "t-34-tank"), Ok("guinea-pig"));
    assert_eq!(texture("mp31-mp42.png", "mp3"), Ok("mp"));
    // Tags before the shape.
    let long = "0001_s5n_dnn_0_airplane_00_airplane1-bicycle2.png";
    assert_eq!(texture(long, "airplane"), Ok("bicycle"));
    assert_eq!(texture("dog_x_dog1-cat2.png", "dog"), Ok("cat"));
    assert_eq!(texture("XXX_dog10-bird2.png", "dog"), Ok("bird"));
    for bad in [
        "airplanes_bicycle1-airplane2.png",
        "XXXairplane1-bicycle2.png",
        "bicycle1-airplane2.png",
        "airplane-bicycle2.png",
        "airplane1.png",
        "airplane1-bicycle.png",
        "airplane1-2.png",
        "airplane1_bicycle2.png",
        ".png",
        "",
    ] {
        let expected = texture(bad, "airplane").unwrap_err();
        assert!(expected.contains("airplane<n>-<texture><m>.png"), "{bad}: {expected}");
    }
}

/// Shapes bear and dog; textures also car, which is no directory. Bright: 200 or more.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (file, value) in [
        ("bear/bear1-dog1.png", 10),
        ("bear/bear2-bear1.png", 20),
        ("bear/bear3-car2.png", 210),
        ("dog/dog1-bear2.png", 220),
        ("dog/dog2-car1.png", 40),
    ] {
        put(dir.path(), file, &png(2, 4, value));
    }
    put(dir.path(), "dog/notes.txt", b"no picture");
    put(dir.path(), "dog/.hidden", b"");
    dir
}

#[test]
fn folders_are_read_in_turns() {
    let dir = folder();
    let stimuli = Stimuli::read(dir.path(), &Options::default()).unwrap();
    assert_eq!(stimuli.images.dim(), (5, 1, 2, 4));
    assert_eq!(stimuli.names, ["bear", "car", "dog"]);
    assert_eq!(stimuli.shapes, [0, 2, 0, 2, 0]);
    assert_eq!(stimuli.textures, [2, 0, 0, 1, 1]);
    let values: Vec<f32> = (0..5).map(|i| (stimuli.images[[i, 0, 1, 3]] * 255.0).round()).collect();
    assert_eq!(values, [10.0, 220.0, 20.0, 40.0, 210.0]);
    assert!(stimuli.files[1].ends_with("dog/dog1-bear2.png"));
    assert!(
        stimuli.source.description.contains("5 images of 2 shapes, 1 other"),
        "{}",
        stimuli.source.description
    );

    let two = Options { limit: Some(2), size: Some((6, 6)), ..Options::default() };
    let stimuli = Stimuli::read(dir.path(), &two).unwrap();
    assert_eq!((stimuli.images.dim(), stimuli.shapes), ((2, 1, 6, 6), vec![0, 2]));
}

#[test]
fn damage_is_named() {
    let refused = |dir: &Path, options: &Options| Stimuli::read(dir, options).unwrap_err().to_string();
    let empty = tempfile::tempdir().unwrap();
    assert!(refused(&empty.path().join("absent"), &Options::default()).contains("absent"));
    assert!(refused(empty.path(), &Options::default()).contains("one directory per shape"));

    let dir = folder();
    put(dir.path(), "dog/dog3.png", &png(2, 4, 0));
    let text = refused(dir.path(), &Options::default());
    assert!(text.contains("dog/dog3.png: expected `dog<n>-<texture><m>.png`"), "{text}");
    fs::remove_file(dir.path().join("dog/dog3.png")).unwrap();

    let bytes = png(2, 4, 0);
    put(dir.path(), "bear/bear2-bear1.png", &bytes[..bytes.len() / 2]);
    let text = refused(dir.path(), &Options::default());
    assert!(text.contains("bear/bear2-bear1.png"), "{text}");
    // Left out, and the others keep their cues.
    let skip = Options { skip_bad: true, ..Options::default() };
    let stimuli = Stimuli::read(dir.path(), &skip).unwrap();
    assert_eq!((stimuli.source.told.skipped, stimuli.shapes), (1, vec![0, 2, 2, 0]));
    assert_eq!(stimuli.textures, [2, 0, 1, 1]);

    put(dir.path(), "car/none", b"text");
    assert!(refused(dir.path(), &Options::default()).contains("none, but 1 other files"));
}

#[cfg(feature = "torch")]
#[test]
fn a_network_of_brightness_decides_by_brightness() {
    use crate::audit::subject::Subject;
    use crate::audit::testing;
    use ndarray::{Array2, Array4};

    // Dark: bear; bright: dog; car never.
    let weights = Array2::from_shape_fn((3, 8), |(k, _)| if k == 2 { 1.0 / 8.0 } else { 0.0 });
    let subject = |shape: [usize; 3]| {
        let net = testing::linear(shape, &weights, &[0.5, -9.0, 0.0]);
        let own = Array4::zeros((1, shape[0], shape[1], shape[2]));
        Subject::new(net, own.view(), None, &[0.0; 8], &[1.0]).unwrap()
    };
    let dir = folder();
    let stimuli = Stimuli::read(dir.path(), &Options::default()).unwrap();
    let outputs = names(&["bear", "car", "dog"]);
    let bias = measure(&subject([1, 2, 4]), &stimuli, Some(&outputs)).unwrap();
    // bear-dog dark: shape. dog-bear bright: shape. dog-car dark, bear-car bright: neither.
    assert_eq!((bias.images, bias.agreeing, bias.decided), (5, 1, Decided::new(2, 0, 2)));

    let text = measure(&subject([1, 4, 2]), &stimuli, Some(&outputs)).unwrap_err().to_string();
    assert!(text.contains("images of 1x4x2") && text.contains("found 1x2x4"), "{text}");
    let text = measure(&subject([1, 2, 4]), &stimuli, None).unwrap_err().to_string();
    assert!(text.contains("3 outputs without names"), "{text}");
}
