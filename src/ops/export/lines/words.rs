//! Ids, digests, paths and words as they stand in lines.

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, Result};
use crate::model::{Artifact, ArtifactPath, Digest, NodeId};

/// A path, UTF-8 or not: `"data/a"` or `{"hex":"ff00"}`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum PathText {
    Text(String),
    Bytes { hex: String },
}

impl<'de> Deserialize<'de> for PathText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = PathText;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a path, or its bytes as `{\"hex\":…}`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<PathText, E> {
                Ok(PathText::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PathText, A::Error> {
                let line = HexLine::deserialize(MapAccessDeserializer::new(map))?;
                Ok(PathText::Bytes { hex: line.hex })
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HexLine {
    hex: String,
}

/// One version of a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArtifactLine {
    path: PathText,
    digest: String,
    size_bytes: u64,
}

pub(super) fn artifact_line(artifact: &Artifact) -> ArtifactLine {
    ArtifactLine {
        path: path_text(&artifact.path),
        digest: artifact.digest.to_string(),
        size_bytes: artifact.size_bytes,
    }
}

impl ArtifactLine {
    pub(super) fn into_artifact(self) -> Result<Artifact> {
        Ok(Artifact {
            path: self.path.into_path()?,
            digest: self.digest.parse()?,
            size_bytes: self.size_bytes,
        })
    }
}

pub(super) fn path_text(path: &ArtifactPath) -> PathText {
    bytes_text(path.as_bytes())
}

pub(super) fn bytes_text(bytes: &[u8]) -> PathText {
    match std::str::from_utf8(bytes) {
        Ok(text) => PathText::Text(text.to_owned()),
        Err(_) => PathText::Bytes { hex: hex(bytes) },
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

pub(super) fn segment_text(segment: u128) -> String {
    format!("{segment:032x}")
}

pub(super) fn unhex(text: &str) -> Result<Vec<u8>> {
    let wrong = || Error::request("its bytes are not written in hexadecimal digits");
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8).ok_or_else(wrong);
    if !text.len().is_multiple_of(2) {
        return Err(wrong());
    }
    text.as_bytes().chunks_exact(2).map(|pair| Ok(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

pub(super) fn node(text: &str) -> Result<NodeId> {
    let digits = text.replace('-', "");
    let right = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bits = u128::from_str_radix(&digits, 16).ok().filter(|_| right);
    bits.map(NodeId::from_u128).ok_or_else(|| Error::request(format!("`{}` is no id", shown(text))))
}

pub(super) fn segment(text: &str) -> Result<u128> {
    node(text).map(NodeId::as_u128)
}

pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).collect::<String>().escape_debug().to_string()
}

pub(super) fn word<T: Copy>(all: &[T], as_str: fn(T) -> &'static str, text: &str, what: &str) -> Result<T> {
    all.iter()
        .copied()
        .find(|one| as_str(*one) == text)
        .ok_or_else(|| Error::request(format!("`{}` is no {what} that this `lineage` knows", shown(text))))
}

pub(super) fn digest(text: Option<&str>) -> Result<Option<Digest>> {
    text.map(str::parse).transpose()
}

impl PathText {
    pub(super) fn into_path(self) -> Result<ArtifactPath> {
        match self {
            PathText::Text(text) => ArtifactPath::new(text),
            PathText::Bytes { hex } => ArtifactPath::from_bytes(unhex(&hex)?),
        }
    }

    pub(super) fn into_bytes(self) -> Result<Vec<u8>> {
        match self {
            PathText::Text(text) => Ok(text.into_bytes()),
            PathText::Bytes { hex } => unhex(&hex),
        }
    }
}
