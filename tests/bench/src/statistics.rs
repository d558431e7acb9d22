//! Percentiles and slopes of small samples, exact.

use std::time::Duration;

/// Values of one kind, in one unit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// In milliseconds.
    pub(crate) fn push_ms(&mut self, duration: Duration) {
        self.push(duration.as_secs_f64() * 1000.0);
    }

    pub(crate) fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest value that `percent` of all values do not exceed (nearest rank). Zero without any.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        sorted
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn median(&self) -> f64 {
        self.percentile(50.0)
    }

    pub(crate) fn max(&self) -> f64 {
        self.percentile(100.0)
    }

    /// For people: how many, and how far apart.
    pub(crate) fn describe(&self) -> String {
        format!(
            "n={}, min {:.1}, p50 {:.1}, p90 {:.1}, p99 {:.1}, max {:.1}",
            self.len(),
            self.percentile(0.0),
            self.median(),
            self.percentile(90.0),
            self.percentile(99.0),
            self.max()
        )
    }
}

/// By how much `y` grows with one `x`, by least squares. Zero when all `x` are the same.
pub(crate) fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len().max(1) as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / n;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / n;
    let (products, squares) = points
        .iter()
        .fold((0.0, 0.0), |(products, squares), (x, y)| {
            let (dx, dy) = (x - mean_x, y - mean_y);
            (products + dx * dy, squares + dx * dx)
        });
    if squares > 0.0 {
        products / squares
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: impl IntoIterator<Item = u32>) -> Samples {
        Samples(values.into_iter().map(f64::from).collect())
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let hundred = samples((1..=100).rev());
        assert!(near(hundred.percentile(99.0), 99.0));
        assert!(near(hundred.percentile(50.0), 50.0));
        assert!(near(hundred.max(), 100.0));
        assert!(near(hundred.percentile(0.0), 1.0));
        // Of fewer than a hundred values the 99th percentile is the worst.
        assert!(near(samples([7, 3, 9]).percentile(99.0), 9.0));
        assert!(near(samples([7, 3, 9]).median(), 7.0));
        assert!(near(samples([]).median(), 0.0));
    }

    #[test]
    fn slope_is_of_the_best_line() {
        assert!(near(slope(&[(1.0, 5.0), (2.0, 7.0), (3.0, 9.0)]), 2.0));
        assert!(near(slope(&[(1.0, 4.0), (2.0, 6.0), (3.0, 2.0)]), -1.0));
        assert!(near(slope(&[(1.0, 5.0), (1.0, 9.0)]), 0.0));
    }
}
