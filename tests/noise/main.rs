//! Known answers of the noise: the first normals of three seeds, computed from the definition in 50-digit arithmetic
//! by `fixtures/noise/make.py`.
#![allow(missing_docs, clippy::unwrap_used)]

use alphabar::noise::Stream;
use serde_json::Value;

/// Stored (seed, draw, normals).
fn stored() -> Vec<(u64, u32, Vec<f64>)> {
    let json: Value = serde_json::from_str(include_str!("../../fixtures/noise/normals.json")).unwrap();
    let stream = |stream: &Value| {
        let number = |z: &Value| z.as_str().unwrap().parse().unwrap();
        let normals = stream["normals"].as_array().unwrap().iter().map(number).collect();
        (stream["seed"].as_str().unwrap().parse().unwrap(), stream["draw"].as_u64().unwrap() as u32, normals)
    };
    json["streams"].as_array().unwrap().iter().map(stream).collect()
}

/// Rounded to f32 the normals are the stored ones bit by bit; before, they differ by what f64 explains.
///
/// With ε = 2⁻⁵²: the angle in [0, π/4] is a rounded product of a rounded constant, off by at most 0.7 ε of itself, and
/// moves sin or cos by no more of themselves; those have an error of ε of their own; `ln` has ε, of which √ leaves half;
/// √ and the last product round, ½ ε each. Together 3.2 ε |z|, near the zeros of sin and cos as anywhere.
#[test]
fn the_first_normals_of_three_seeds_are_known() {
    let streams = stored();
    assert_eq!(streams.iter().map(|(seed, _, _)| *seed).collect::<Vec<_>>(), [0, 1, 1 << 63]);
    let (mut worst, mut places) = (0.0_f64, 0);
    for (seed, draw, want) in &streams {
        assert_eq!(want.len(), 16);
        let (mut wide, mut narrow) = ([0.0_f64; 16], [0.0_f32; 16]);
        Stream::new(*seed).fill(*draw, &mut wide);
        Stream::new(*seed).fill(*draw, &mut narrow);
        for (k, ((got, cast), want)) in wide.iter().zip(&narrow).zip(want).enumerate() {
            assert_eq!(cast.to_bits(), (*want as f32).to_bits(), "seed {seed}, element {k}");
            let share = (got - want).abs() / (3.2 * f64::EPSILON * want.abs());
            assert!(share <= 1.0, "seed {seed}, element {k}: {got:e} is not {want:e}");
            worst = worst.max(share);
            places = places.max(got.to_bits().abs_diff(want.to_bits()));
        }
    }
    println!("worst share {worst:.3}, at most {places} in the last place");
    assert!(worst > 1e-3, "the bound is slack: worst share {worst:e}");
}

/// Another draw, a neighbouring seed or the halves of the seed exchanged give other numbers.
#[test]
fn other_streams_are_told_apart() {
    for (seed, draw, want) in stored() {
        for (other, draw) in [(seed, draw + 1), (seed ^ 2, draw), (!seed, draw), (seed.rotate_left(32) ^ 4, draw)] {
            let mut got = [0.0_f64; 16];
            Stream::new(other).fill(draw, &mut got);
            let near = got.iter().zip(&want).filter(|(got, want)| (*got - *want).abs() < 1e-6).count();
            assert_eq!(near, 0, "seed {other}, draw {draw} looks like seed {seed}");
        }
    }
}
