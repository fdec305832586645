//! JSON as Python writes it: NaN, Infinity and -Infinity stand in it as bare words.

/// The text with those words in quotes, where they are not inside a string already.
pub(crate) fn quoted(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(first) = rest.chars().next() {
        let word = ["-Infinity", "Infinity", "NaN"].into_iter().find(|word| rest.starts_with(word));
        let length = match (word, first) {
            (Some(word), _) => {
                out.extend(["\"", word, "\""]);
                rest = &rest[word.len()..];
                continue;
            }
            (None, '"') => string(rest),
            (None, other) => other.len_utf8(),
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// The length of the string that the text begins with; all of the text if it does not end.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return i + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_but_not_within_strings() {
        assert_eq!(quoted("[NaN, -Infinity, Infinity]"), r#"["NaN", "-Infinity", "Infinity"]"#);
        let text = r#"{"NaN \" Infinity\\": NaN, "ᾱ": "-Infinity"}"#;
        assert_eq!(quoted(text), r#"{"NaN \" Infinity\\": "NaN", "ᾱ": "-Infinity"}"#);
        assert_eq!(quoted("\"NaN"), "\"NaN");
    }
}
