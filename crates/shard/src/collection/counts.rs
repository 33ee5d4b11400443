//! Numbers with their partial sums (a Fenwick tree: P. Fenwick, "A new data structure for cumulative frequency
//! tables", 1994).

/// Numbers in order; changing one and summing those before one take logarithmic time.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// At `i`: the sum of the numbers `i + 1 - lowest_bit(i + 1) ..= i`.
    sums: Vec<usize>,
    total: usize,
}

fn lowest_bit(n: usize) -> usize {
    n & n.wrapping_neg()
}

impl Counts {
    /// The sum of all.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Appends a number.
    pub fn push(&mut self, number: usize) {
        let n = self.sums.len() + 1;
        let from = n - lowest_bit(n);
        let sum = self.before(n - 1) - self.before(from) + number;
        self.sums.push(sum);
        self.total += number;
    }

    /// Adds to the number at a place.
    pub fn add(&mut self, at: usize, more: usize) {
        self.each(at, |sum| *sum += more);
        self.total += more;
    }

    /// Subtracts from the number at a place.
    pub fn subtract(&mut self, at: usize, less: usize) {
        self.each(at, |sum| *sum -= less);
        self.total -= less;
    }

    fn each(&mut self, at: usize, change: impl Fn(&mut usize)) {
        let mut n = at + 1;
        while n <= self.sums.len() {
            change(&mut self.sums[n - 1]);
            n += lowest_bit(n);
        }
    }

    /// The sum of the numbers before a place.
    pub fn before(&self, at: usize) -> usize {
        let (mut n, mut sum) = (at, 0);
        while n > 0 {
            sum += self.sums[n - 1];
            n -= lowest_bit(n);
        }
        sum
    }

    /// The place whose number contains the unit `unit` (from 0) of the total, and how many of its units are
    /// before that; the end and 0 for a unit beyond the total.
    pub fn find(&self, unit: usize) -> (usize, usize) {
        if unit >= self.total {
            return (self.sums.len(), 0);
        }
        let (mut at, mut left) = (0, unit);
        let mut step = self.sums.len().next_power_of_two();
        while step > 0 {
            if let Some(&sum) = self.sums.get((at + step).wrapping_sub(1))
                && sum <= left
            {
                (at, left) = (at + step, left - sum);
            }
            step /= 2;
        }
        (at, left)
    }
}

impl FromIterator<usize> for Counts {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Counts {
        let mut sums: Vec<usize> = numbers.into_iter().collect();
        let total = sums.iter().sum();
        for n in 1..=sums.len() {
            let parent = n + lowest_bit(n);
            if parent <= sums.len() {
                sums[parent - 1] += sums[n - 1];
            }
        }
        Counts { sums, total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_are_those_of_the_numbers(mut numbers in proptest::collection::vec(0usize..9, 0..70), more: Vec<(usize, usize)>) {
            let mut counts: Counts = numbers.iter().copied().collect();
            for (at, n) in more {
                let n = n % 100;
                if numbers.is_empty() || at % 5 == 0 {
                    numbers.push(n);
                    counts.push(n);
                } else if at % 3 == 0 && numbers[at % numbers.len()] > 0 {
                    let at = at % numbers.len();
                    numbers[at] -= 1;
                    counts.subtract(at, 1);
                } else {
                    let at = at % numbers.len();
                    numbers[at] += n;
                    counts.add(at, n);
                }
            }
            for at in 0..=numbers.len() {
                prop_assert_eq!(counts.before(at), numbers[..at].iter().sum::<usize>());
            }
            let mut unit = 0;
            for (at, &number) in numbers.iter().enumerate() {
                for of in 0..number {
                    prop_assert_eq!(counts.find(unit), (at, of));
                    unit += 1;
                }
            }
            prop_assert_eq!(counts.find(unit), (numbers.len(), 0));
            prop_assert_eq!(counts.total(), unit);
        }
    }
}
