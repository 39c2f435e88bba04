use domfreq::data::{self, Normalize, Options};
use domfreq::readers::{READERS, ridge};
use ndarray::{Array1, Axis};
fn main() {
    let spec = std::env::args().nth(1).unwrap();
    let set =
        data::load(&spec.parse().unwrap(), &Options { limit: Some(4000), ..Options::default() }).unwrap();
    let samples = data::prepare(set, Normalize::Global, true).unwrap();
    let p = samples.len() as f64;
    let k = samples.outputs();
    let x = samples.x.mapv(f64::from);
    print!("{spec}");
    let yx = samples.y.t().dot(&x) / p;
    for reader in &READERS {
        let phi = reader.features(samples.x.view(), samples.shape);
        let answers = ridge::out_of_fold(phi.view(), samples.y.view(), 0).unwrap().y;
        let ax = answers.t().dot(&x) / p;
        let of = |c: usize| {
            let mut u = Array1::from_elem(k, -1.0 / k as f64);
            u[c] += 1.0;
            u /= u.dot(&u).sqrt();
            let yu = samples.y.dot(&u);
            let au = answers.dot(&u);
            let r2 = 1.0 - (&yu - &au).mapv(|v| v * v).sum() / yu.mapv(|v| v * v).sum();
            let told = yu.dot(&au) / yu.dot(&yu);
            let v = u.dot(&yx);
            let s = v.dot(&v).sqrt();
            let f = u.dot(&ax).dot(&v) / s;
            (r2, told, s, f)
        };
        let (r2, told, s, f) = of(0);
        let mut others: Vec<f64> = (1..k).map(|c| of(c).0).collect();
        others.sort_by(f64::total_cmp);
        print!(" {} {r2:.3} {told:.3} {s:.3} {f:.3} {:.3}", reader.name, others[others.len() / 2]);
    }
    let _ = Axis(0);
    println!();
}
