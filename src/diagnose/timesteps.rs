//! Judging a list of timesteps.

use super::Numbers;
use super::report::{Finding, Place, Verdict};
use crate::plan::Spacing;
use crate::schedule::Definition;

/// Judges a list of timesteps: the network's 0-based ones, falling, by a known spacing.
pub(crate) fn timesteps(numbers: &Numbers, meant: Option<&Definition>) -> Finding {
    let mut finding = Finding::new(numbers, "", Verdict::Wrong);
    let values = &numbers.values;
    if let Some(index) = values.iter().position(|v| !(v.is_finite() && *v >= 0.0)) {
        let place = Place { index, got: values[index], want: f64::NAN };
        (finding.first, finding.worst, finding.off) = (Some(place), Some(place), 1);
        finding.remarks.push("a timestep is NaN, infinite or negative".into());
        return finding;
    }
    if let Some(index) = values.iter().position(|v| v.fract() != 0.0) {
        let place = Place { index, got: values[index], want: values[index].round() };
        (finding.first, finding.worst, finding.off) = (Some(place), Some(place), 1);
        finding.remarks.push("a timestep is not whole: a lookup by index will miss it or take its neighbour".into());
        return finding;
    }
    if let Some(index) = (1..values.len()).find(|&k| values[k] >= values[k - 1]) {
        let place = Place { index, got: values[index], want: f64::NAN };
        (finding.first, finding.worst, finding.off) = (Some(place), Some(place), 1);
        let rising = values.windows(2).all(|w| w[1] > w[0]);
        let words = if rising {
            "the list rises: samplers visit times in falling order"
        } else {
            "the list does not fall strictly"
        };
        finding.remarks.push(words.into());
        return finding;
    }
    let trained = meant.map_or(1000, Definition::steps);
    if values.first().is_some_and(|&first| first >= trained as f64) {
        let place = Place { index: 0, got: values[0], want: trained as f64 - 1.0 };
        (finding.first, finding.worst, finding.off) = (Some(place), Some(place), 1);
        finding
            .remarks
            .push(format!("timesteps are the network's 0-based ones, at most {}; these look 1-based", trained - 1));
        return finding;
    }
    finding.verdict = Verdict::Right;
    let spacings = [
        ("leading", Spacing::Leading { offset: 0 }),
        ("leading with offset 1", Spacing::Leading { offset: 1 }),
        ("linspace", Spacing::Linspace),
        ("trailing", Spacing::Trailing),
        ("quadratic", Spacing::Quadratic),
    ];
    let fits = |spacing: &Spacing| {
        spacing
            .model_timesteps(trained, values.len())
            .is_ok_and(|list| list.iter().zip(values).all(|(&i, &v)| i == v as usize))
    };
    match spacings.iter().find(|(_, spacing)| fits(spacing)) {
        Some((name, _)) => finding.remarks.push(format!("{name} spacing of {} out of {trained}", values.len())),
        None => finding.remarks.push("falls strictly; no spacing known by name".into()),
    }
    finding
}
