//! Lists on the command line: seeds, labels, timesteps, names.

use std::fmt;
use std::str::FromStr;

/// Seeds in the order they were named, kept as ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(Vec<(u64, u64)>);

impl Seeds {
    /// `first`, `first + 1`, … `count` of them.
    ///
    /// # Errors
    /// A message if there are none or the last would pass 2⁶⁴ − 1.
    pub fn counted(first: u64, count: u64) -> Result<Self, String> {
        let last = count.checked_sub(1).ok_or("a count of 0 names no sample; ask for at least 1")?;
        match first.checked_add(last) {
            Some(last) => Ok(Self(vec![(first, last)])),
            None => Err(format!("seeds {first} to {first} + {last} pass the largest seed, {}", u64::MAX)),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.iter().map(|&(first, last)| (last - first) as usize + 1).sum()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|&(first, last)| first..=last)
    }

    /// A seed that is named twice.
    pub fn repeated(&self) -> Option<u64> {
        let mut ranges = self.0.clone();
        ranges.sort_unstable();
        ranges.windows(2).find(|pair| pair[1].0 <= pair[0].1).map(|pair| pair[1].0)
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut total = 0_u64;
        let range = |part: &str| {
            let number = |digits: &str| {
                let bad = |_| format!("{part:?} is not a seed or a range of seeds, as in 0-63,100");
                digits.trim().parse::<u64>().map_err(bad)
            };
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None => (number(part)?, number(part)?),
            };
            if last < first {
                return Err(format!("the range {part} runs backwards; write {last}-{first}"));
            }
            total =
                (last - first).checked_add(1).and_then(|count| total.checked_add(count)).ok_or("too many seeds")?;
            Ok((first, last))
        };
        let ranges: Result<_, String> = text.split(',').map(range).collect();
        Ok(Self(ranges?))
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (k, &(first, last)) in self.0.iter().enumerate() {
            let comma = if k == 0 { "" } else { "," };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}-{last}")? }
        }
        Ok(())
    }
}

/// What `--label` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelChoice {
    /// Every class in turn.
    All,
    /// These in turn.
    List(Vec<i64>),
}

impl FromStr for LabelChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let label = |part: &str| {
            let bad = |_| format!("{part:?} is not a label; give class numbers, as in 3 or 0,1,2, or all");
            part.trim().parse().map_err(bad)
        };
        Ok(Self::List(text.split(',').map(label).collect::<Result<_, String>>()?))
    }
}

/// Network timesteps, from 0; whether they decrease is the route's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timesteps(pub Vec<usize>);

impl FromStr for Timesteps {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let timestep = |part: &str| {
            let bad = |_| format!("{part:?} is not a timestep; give the network's numbers from 0, as in 999,500,0");
            part.trim().parse().map_err(bad)
        };
        Ok(Self(text.split(',').map(timestep).collect::<Result<_, String>>()?))
    }
}

/// Splits `key=value`.
///
/// # Errors
/// A message if there is no `=` or no key.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().into(), value.trim().into())),
        _ => Err(format!("{text:?} is not of the form name=value")),
    }
}

#[cfg(test)]
mod tests {
    use super::Seeds;

    #[test]
    fn seeds_read_as_ranges_and_print_as_they_read() {
        let seeds: Seeds = "0-3,100,7-8".parse().unwrap();
        assert_eq!(seeds.iter().collect::<Vec<_>>(), [0, 1, 2, 3, 100, 7, 8]);
        assert_eq!((seeds.len(), seeds.to_string().as_str()), (7, "0-3,100,7-8"));
        assert_eq!(seeds.repeated(), None);
        assert_eq!("5,0-9".parse::<Seeds>().unwrap().repeated(), Some(5));
    }

    #[test]
    fn seeds_that_cannot_be_meant_are_refused() {
        for bad in ["", "a", "3-1", "1,,2", "-1", "18446744073709551616"] {
            assert!(bad.parse::<Seeds>().is_err(), "{bad:?}");
        }
        assert!(Seeds::counted(0, 0).is_err());
        assert!(Seeds::counted(u64::MAX, 2).is_err());
        assert_eq!(Seeds::counted(u64::MAX, 1).unwrap().len(), 1);
    }
}
