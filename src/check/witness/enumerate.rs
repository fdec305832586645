//! Brute force over discrete choices: the answer of a clever search must be the best of all.

use crate::error::{Error, Result};

/// Largest set whose subsets are enumerated.
pub const MAX_ITEMS: usize = 24;

/// Every subset of `0 … n − 1`, each increasing, the empty one first.
///
/// # Errors
/// [`Error::CountOutOfRange`] if n exceeds [`MAX_ITEMS`].
pub fn subsets(n: usize) -> Result<impl Iterator<Item = Vec<usize>>> {
    if n > MAX_ITEMS {
        return Err(Error::CountOutOfRange { name: "items", value: n, min: 0, max: MAX_ITEMS });
    }
    Ok((0_u32..1 << n).map(move |mask| (0..n).filter(|i| mask >> i & 1 == 1).collect()))
}

/// Every increasing list of times from 1 … T that ends in T: all sub-trajectories of a chain.
///
/// # Errors
/// [`Error::CountOutOfRange`] unless 1 ≤ T ≤ [`MAX_ITEMS`].
pub fn trajectories(last: usize) -> Result<impl Iterator<Item = Vec<usize>>> {
    if last == 0 || last > MAX_ITEMS {
        return Err(Error::CountOutOfRange { name: "T", value: last, min: 1, max: MAX_ITEMS });
    }
    let before = subsets(last - 1)?;
    Ok(before.map(move |chosen| chosen.into_iter().map(|i| i + 1).chain([last]).collect()))
}

/// The least `cost` over all trajectories of exactly `steps` times ending in T, with the trajectory; the first one
/// found among equals.
///
/// # Errors
/// [`Error::CountOutOfRange`] unless 1 ≤ steps ≤ T ≤ [`MAX_ITEMS`].
pub fn best_trajectory(
    last: usize,
    steps: usize,
    mut cost: impl FnMut(&[usize]) -> f64,
) -> Result<(f64, Vec<usize>)> {
    if steps == 0 || steps > last {
        return Err(Error::CountOutOfRange { name: "steps", value: steps, min: 1, max: last });
    }
    let mut best = (f64::INFINITY, Vec::new());
    for times in trajectories(last)?.filter(|times| times.len() == steps) {
        let value = cost(&times);
        if value < best.0 || best.1.is_empty() {
            best = (value, times);
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets_are_all_and_distinct() {
        let all: Vec<Vec<usize>> = subsets(3).expect("small").collect();
        assert_eq!(all, [vec![], vec![0], vec![1], vec![0, 1], vec![2], vec![0, 2], vec![1, 2], vec![0, 1, 2]]);
        assert_eq!(subsets(0).expect("small").count(), 1);
    }

    /// Their number by length is a binomial coefficient.
    #[test]
    fn trajectories_are_counted_by_binomials() {
        let mut binomial = 1;
        for steps in 1..=10 {
            let found = trajectories(10).expect("small").filter(|times| times.len() == steps);
            assert_eq!(found.count(), binomial);
            binomial = binomial * (10 - steps) / steps;
        }
        assert!(trajectories(6).expect("small").all(|times| times.last() == Some(&6) && times.is_sorted()));
    }

    /// Least sum of squared gaps from 0 is an even spacing.
    #[test]
    fn best_trajectory_of_squared_gaps_is_even() {
        let gaps = |times: &[usize]| {
            std::iter::once(&0).chain(times).zip(times).map(|(a, b)| ((b - a) as f64).powi(2)).sum::<f64>()
        };
        let (value, times) = best_trajectory(12, 4, gaps).expect("small");
        assert_eq!(times, [3, 6, 9, 12]);
        assert!((value - 36.0).abs() < 1e-12);
        assert_eq!(best_trajectory(3, 2, |_| f64::NAN).expect("small").1.len(), 2);
    }

    #[test]
    fn bad_sizes_are_errors() {
        assert!(matches!(subsets(25).err(), Some(Error::CountOutOfRange { name: "items", .. })));
        assert!(matches!(trajectories(0).err(), Some(Error::CountOutOfRange { name: "T", .. })));
        assert!(matches!(best_trajectory(3, 4, |_| 0.0), Err(Error::CountOutOfRange { name: "steps", .. })));
    }
}
