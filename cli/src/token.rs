//! The API token: from a file or the environment, never from the command line, where every user of the machine sees it.

use std::path::Path;

use secrecy::SecretString;

use crate::Error;

/// The variable for clients.
pub(crate) const API_TOKEN: &str = "ORB_API_TOKEN";
/// The server's variable: where both run on one machine, its first token serves.
const API_TOKENS: &str = "ORB_API_TOKENS";

/// A token, and where it came from, for the sentence that says it was refused.
pub(crate) struct Token {
    pub(crate) secret: SecretString,
    pub(crate) source: String,
}

/// The file that was named, else the variables; none when nothing is set.
pub(crate) fn find(
    file: Option<&Path>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Token>, Error> {
    if let Some(path) = file {
        let source = path.display().to_string();
        let unusable = |reason: String| Error::TokenFile {
            path: path.to_owned(),
            reason,
        };
        let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
        return token(&text, source)
            .map(Some)
            .ok_or_else(|| unusable("it holds no token".to_owned()));
    }
    let set = |name: &str| token(&variable(name)?, name.to_owned());
    Ok(set(API_TOKEN).or_else(|| set(API_TOKENS)))
}

/// The first of a comma-separated list.
fn token(text: &str, source: String) -> Option<Token> {
    let first = text
        .split(',')
        .map(str::trim)
        .find(|token| !token.is_empty())?;
    Some(Token {
        secret: SecretString::from(first.to_owned()),
        source,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use secrecy::ExposeSecret;

    use super::*;

    fn found(file: Option<&Path>, variables: &[(&str, &str)]) -> Option<(String, String)> {
        let variable = |name: &str| {
            let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
            Some((*value).to_owned())
        };
        let token = find(file, variable).unwrap()?;
        Some((token.secret.expose_secret().to_owned(), token.source))
    }

    #[test]
    fn a_named_file_wins_then_the_clients_variable_then_the_servers() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "from-file\n").unwrap();
        let own = ("ORB_API_TOKEN", "own");
        let servers = ("ORB_API_TOKENS", " first , second");
        let expect = |token: &str, source: &str| Some((token.to_owned(), source.to_owned()));
        let path = file.display().to_string();
        assert_eq!(
            found(Some(&file), &[own, servers]),
            expect("from-file", &path)
        );
        assert_eq!(found(None, &[own, servers]), expect("own", "ORB_API_TOKEN"));
        assert_eq!(
            found(None, &[("ORB_API_TOKEN", ""), servers]),
            expect("first", "ORB_API_TOKENS")
        );
        assert_eq!(found(None, &[]), None);
    }

    #[test]
    fn a_file_without_a_token_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "\n").unwrap();
        assert!(find(Some(&file), |_| None).is_err());
        assert!(find(Some(&folder.path().join("missing")), |_| None).is_err());
    }
}
