//! Finding a name among those of one message or enum type.

/// The names of the fields of a message type, or of the values of an enum.
#[derive(Debug, Default)]
pub(crate) struct KeyIndex {
    names: Vec<(Box<[u8]>, u16)>,
    /// The positions of the names plus one, by their hash; 0 for none. A name whose place is taken
    /// is at the next free one.
    slots: Box<[u16]>,
}

impl KeyIndex {
    /// Returns an index of names, each with a number. Of equal names the first is found.
    pub(crate) fn new<'n>(names: impl IntoIterator<Item = (&'n [u8], u16)>) -> Self {
        let names: Vec<(Box<[u8]>, u16)> = names
            .into_iter()
            .map(|(name, number)| (name.into(), number))
            .collect();
        // At most a quarter of the slots is taken, and at least one is free.
        let mut index = KeyIndex {
            slots: vec![0; (4 * names.len()).next_power_of_two().max(4)].into(),
            names,
        };
        for position in 0..index.names.len() {
            let name = &index.names[position].0;
            if index.get(name).is_none() {
                let mut slot = index.slot(name);
                while index.slots[slot] != 0 {
                    slot = (slot + 1) & (index.slots.len() - 1);
                }
                index.slots[slot] = position as u16 + 1;
            }
        }
        index
    }

    /// Returns the number of a name.
    #[inline]
    pub(crate) fn get(&self, name: &[u8]) -> Option<u16> {
        let mut slot = self.slot(name);
        loop {
            let position = usize::from(*self.slots.get(slot)?).checked_sub(1)?;
            let (known, number) = &self.names[position];
            if **known == *name {
                return Some(*number);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    #[inline(always)]
    fn slot(&self, name: &[u8]) -> usize {
        hash(name) as usize & self.slots.len().wrapping_sub(1)
    }
}

/// Returns a hash of the length, the first and the last bytes, by which most names differ.
#[inline(always)]
fn hash(name: &[u8]) -> u64 {
    let length = name.len();
    let (first, last) = if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        (
            u64::from(u32::from_le_bytes(*first)),
            u64::from(u32::from_le_bytes(*last)),
        )
    } else if let [first, .., last] = name {
        (u64::from(*first), u64::from(*last))
    } else {
        (u64::from(name.first().copied().unwrap_or(0)), 0)
    };
    let mixed = first ^ last.rotate_left(29) ^ (length as u64).rotate_left(53);
    mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found() {
        let names: Vec<String> = (0..300)
            .map(|number| "x".repeat(number % 20) + &number.to_string() + &"y".repeat(number % 7))
            .chain(["".into(), "a".into(), "ab".into(), "abc".into()])
            .collect();
        let index = KeyIndex::new(
            names
                .iter()
                .zip(0..)
                .map(|(name, number)| (name.as_bytes(), number)),
        );
        for (name, number) in names.iter().zip(0..) {
            assert_eq!(index.get(name.as_bytes()), Some(number), "{name}");
            for other in [format!("{name}_"), format!("_{name}")] {
                assert_eq!(index.get(other.as_bytes()), None, "{other}");
            }
        }
    }

    #[test]
    fn names_that_differ_in_the_middle() {
        let names = [
            &b"beginning_a_the_end"[..],
            b"beginning_b_the_end",
            b"beginning_c_the_end",
        ];
        let index = KeyIndex::new(names.into_iter().zip(0..));
        for (name, number) in names.into_iter().zip(0..) {
            assert_eq!(index.get(name), Some(number));
        }
        assert_eq!(index.get(b"beginning_d_the_end"), None);
    }

    #[test]
    fn of_equal_names_the_first_is_found() {
        assert_eq!(
            KeyIndex::new([(&b"a"[..], 7), (b"a", 8)]).get(b"a"),
            Some(7)
        );
    }

    #[test]
    fn an_empty_index_has_no_names() {
        assert_eq!(KeyIndex::default().get(b""), None);
        assert_eq!(KeyIndex::new([]).get(b"a"), None);
    }
}
