//! Names and tokens that nobody can guess.

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// So many letters of the alphabet, small and capital.
pub fn letters(count: usize) -> String {
    let mut text = String::with_capacity(count);
    let mut bytes = [0_u8; 32];
    while text.len() < count {
        if getrandom::fill(&mut bytes).is_err() {
            // Every system that runs containers has a source; without one there is nothing to go on with.
            std::process::abort();
        }
        // Bytes beyond a whole number of alphabets would make the first letters more likely.
        let fair = bytes
            .iter()
            .map(|byte| byte & 63)
            .filter_map(|byte| LETTERS.get(usize::from(byte)));
        text.extend(
            fair.take(count - text.len())
                .map(|&letter| char::from(letter)),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_letters_as_asked_and_never_the_same() {
        for count in [0, 1, 5, 20, 100] {
            let text = letters(count);
            assert_eq!(text.len(), count);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphabetic()));
        }
        assert_ne!(letters(20), letters(20));
    }
}
