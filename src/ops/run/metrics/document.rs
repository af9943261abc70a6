//! A document of metrics: every number in it, nested names joined by `.`. Text that is a number counts as one, as MLflow has it:
//! many programs write numbers of types that JSON does not know as text.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::NonFiniteFloatPolicy;

use super::Point;
use crate::model::{MetricValue, check_metric_name, shown_metric};

/// A document nested deeper gives no metrics from there on.
const DEPTH_MAX: usize = 8;
/// As many metrics are taken of one document.
const POINTS_MAX: usize = 100_000;
/// As many refused metrics are named.
const REFUSED_MAX: usize = 20;
/// As many values that are no numbers are named.
const NO_NUMBERS_MAX: usize = 5;
/// The front of the words that stand for numbers that JSON cannot write.
const NO_NUMBER: &str = "\u{1}no number: ";

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON, in which Python's `NaN` and `Infinity` may stand.
    Json,
    /// YAML.
    Yaml,
}

impl Form {
    /// Tells by a file's name; what is not called YAML is JSON.
    pub fn of(file: &std::path::Path) -> Self {
        let ending = file.extension().map(|ending| ending.to_ascii_lowercase());
        if ending.is_some_and(|ending| ending == "yaml" || ending == "yml") { Form::Yaml } else { Form::Json }
    }
}

/// Reads the metrics in a document; a field `metrics`, if there is one, is taken for the whole. Returns what could not be taken as
/// lines for people.
pub fn from_document(bytes: &[u8], form: Form) -> (Vec<Point>, Vec<String>) {
    // Some programs write a mark of the order of bytes before UTF-8, which has none.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let read = match form {
        Form::Json => from_json(bytes),
        Form::Yaml => from_yaml(bytes),
    };
    let document = match read {
        Ok(document) => document,
        Err(cause) => return (Vec::new(), vec![format!("no metrics were read: {cause}")]),
    };
    let whole = match &document {
        Tree::Map(fields) => {
            let inner = fields.iter().rev().find(|(name, _)| name == "metrics").map(|(_, value)| value);
            inner.filter(|value| matches!(value, Tree::Map(_))).unwrap_or(&document)
        }
        _ => &document,
    };
    let mut taken = Taken::default();
    taken.collect(whole, "", 0);
    if !matches!(whole, Tree::Map(_)) {
        taken.refuse("no metrics were read: the document is no map from names to numbers".to_owned());
    }
    if taken.points.len() > POINTS_MAX {
        let left = taken.points.len() - POINTS_MAX;
        taken.refuse(format!("{left} metrics were refused: one document gives {POINTS_MAX} at most"));
        taken.points.truncate(POINTS_MAX);
    }
    let no_numbers = taken.no_numbers();
    let more = taken.refused.len().saturating_sub(REFUSED_MAX);
    taken.refused.truncate(REFUSED_MAX);
    if more > 0 {
        taken.refused.push(format!("{more} more metrics were refused"));
    }
    taken.refused.extend(no_numbers);
    (taken.points, taken.refused)
}

fn from_json(bytes: &[u8]) -> Result<Tree, String> {
    json_with_words(bytes)
}

/// Reads JSON in which Python's `NaN` and `Infinity` may stand: there are words then, which [`no_number`] knows.
///
/// # Errors
/// Says, for people, what is wrong with it.
pub(super) fn json_with_words<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    // Only where it is no proper JSON is it worth looking for what Python writes.
    serde_json::from_slice(bytes)
        .or_else(|cause| serde_json::from_slice(&with_words_for_no_numbers(bytes)).map_err(|_| cause))
        .map_err(|cause| cause.to_string())
}

/// Returns the word for a number that is not finite, as it stood there.
pub(super) fn no_number(text: &str) -> Option<&str> {
    text.strip_prefix(NO_NUMBER)
}

fn from_yaml(bytes: &[u8]) -> Result<Tree, String> {
    // They are refused one by one, and the rest is taken.
    yaml(bytes, NonFiniteFloatPolicy::PassThrough)
}

/// Reads a document of YAML, of bounded depth and size however often it refers to itself; `no_numbers` says what becomes of
/// what is not finite.
///
/// # Errors
/// Says, for people, what is wrong with it.
pub(crate) fn yaml<T: DeserializeOwned>(bytes: &[u8], no_numbers: NonFiniteFloatPolicy) -> Result<T, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_nodes: 2 * POINTS_MAX,
            max_events: 8 * POINTS_MAX,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_documents: 1,
        },
        with_snippet: false,
        non_finite_float_policy: no_numbers,
    };
    let text = std::str::from_utf8(bytes).map_err(|cause| cause.to_string())?;
    serde_saphyr::from_str_with_options(text, options).map_err(|cause| cause.to_string())
}

/// Puts words in the place of what stands for a number outside quotes and is none that JSON has, or that is finite.
fn with_words_for_no_numbers(bytes: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(bytes.len() + 64);
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = match rest[0] {
            b'"' => quoted_length(rest),
            byte if byte == b'-' || byte.is_ascii_alphanumeric() => {
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                rest.iter().take_while(|byte| is_part(byte)).count()
            }
            _ => 1,
        };
        let word = std::str::from_utf8(&rest[..length]).unwrap_or_default();
        let is_no_number = match word {
            "NaN" | "Infinity" | "-Infinity" => true,
            _ => word.parse().is_ok_and(f64::is_infinite) && word.bytes().any(|byte| byte.is_ascii_digit()),
        };
        if is_no_number {
            written.extend_from_slice(b"\"\\u0001");
            written.extend_from_slice(&NO_NUMBER.as_bytes()[1..]);
            written.extend_from_slice(word.as_bytes());
            written.push(b'"');
        } else {
            written.extend_from_slice(&rest[..length]);
        }
        at += length;
    }
    written
}

fn quoted_length(rest: &[u8]) -> usize {
    let mut escaped = false;
    let end = rest.iter().skip(1).position(|byte| match byte {
        _ if std::mem::take(&mut escaped) => false,
        b'\\' => {
            escaped = true;
            false
        }
        byte => *byte == b'"',
    });
    end.map_or(rest.len(), |end| end + 2)
}

#[derive(Default)]
struct Taken {
    points: Vec<Point>,
    refused: Vec<String>,
    /// The first values that are no numbers, and how many there are.
    other: (Vec<String>, usize),
}

impl Taken {
    fn collect(&mut self, value: &Tree, name: &str, depth: usize) {
        match value {
            Tree::Number(number) => match (MetricValue::new(*number), check_metric_name(name)) {
                (Ok(value), Ok(())) => self.points.push(Point { name: name.to_owned(), value, step: None }),
                (Err(_), _) => self.refuse_value(name, &number.to_string()),
                (_, Err(why)) => self.refuse_metric(name, why),
            },
            Tree::NoNumber(word) => self.refuse_value(name, word),
            Tree::Map(fields) if depth < DEPTH_MAX => {
                for (key, value) in fields {
                    let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                    self.collect(value, &name, depth + 1);
                }
            }
            Tree::Map(_) => self.refuse_metric(name, "it is nested too deep"),
            // A document that is none is told as a whole.
            Tree::Other(_) if name.is_empty() && depth == 0 => {}
            Tree::Other(kind) => {
                if self.other.0.len() < NO_NUMBERS_MAX {
                    self.other.0.push(format!("{} ({kind})", shown_metric(name)));
                }
                self.other.1 += 1;
            }
        }
    }

    /// Names what is neither a number nor a map, in one line.
    fn no_numbers(&self) -> Option<String> {
        let (named, count) = &self.other;
        let more = count - named.len();
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        (*count > 0).then(|| format!("not taken as metrics, being no numbers: {}{more}", named.join(", ")))
    }

    fn refuse_value(&mut self, name: &str, value: &str) {
        self.refuse_metric(name, &format!("{value} is no finite number"));
    }

    fn refuse_metric(&mut self, name: &str, why: &str) {
        self.refuse(format!("metric {} was refused: {why}", shown_metric(name)));
    }

    fn refuse(&mut self, line: String) {
        // What is counted beyond those that are named needs no text.
        let line = if self.refused.len() < REFUSED_MAX { line } else { String::new() };
        self.refused.push(line);
    }
}

/// A document, as far as it can hold metrics.
enum Tree {
    Number(f64),
    /// A word that stands for a number that is not finite.
    NoNumber(String),
    Map(Vec<(String, Tree)>),
    /// Something else, and what it is called.
    Other(&'static str),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a document of metrics")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Other("true or false"))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(match no_number(text) {
            Some(word) => Tree::NoNumber(word.to_owned()),
            None => {
                MetricValue::of_text(text).map_or(Tree::Other("text"), |number| Tree::Number(number.get()))
            }
        })
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Other("nothing"))
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Tree, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Tree::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Tree, A::Error> {
        let mut map: Vec<(String, Tree)> = Vec::new();
        while let Some(Name(name)) = fields.next_key()? {
            map.push((name, fields.next_value()?));
        }
        Ok(Tree::Map(map))
    }
}

/// The name of a field: YAML's may be numbers and more, which are written as text.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_as(form: Form, document: &str, expected: &str) {
        let (points, refused) = from_document(document.as_bytes(), form);
        let mut lines: Vec<String> = points.iter().map(|p| format!("{}={}", p.name, p.value.get())).collect();
        lines.extend(refused);
        assert_eq!(lines.join("\n"), expected);
    }

    fn check(document: &str, expected: &str) {
        check_as(Form::Json, document, expected);
    }

    #[test]
    fn every_number_of_a_document_is_a_metric() {
        check(
            r#"{"accuracy": 0.9, "eval": {"f1": 0.5, "name": "x"}, "n": 3, "list": [1, 2], "no": null}"#,
            "accuracy=0.9\neval.f1=0.5\nn=3\nnot taken as metrics, being no numbers: `eval.name` (text), `list` (a list), \
             `no` (nothing)",
        );
        check(r#"{"f1": "0.5", "loss": " 1e-3 "}"#, "f1=0.5\nloss=0.001");
        check(
            r#"{"a": "nan", "b": "", "c": "50%", "d": true, "e": [], "f": [1], "g": [2]}"#,
            "not taken as metrics, being no numbers: `a` (text), `b` (text), `c` (text), `d` (true or false), `e` (a list), \
             and 2 more",
        );
        check(r#"{"run_id": 7, "metrics": {"loss": 1e-3}}"#, "loss=0.001");
        check("[1, 2]", "no metrics were read: the document is no map from names to numbers");
        check("\u{feff}{\"f1\": 0.5}", "f1=0.5");
    }

    #[test]
    fn what_is_not_finite_is_refused_by_name_and_the_rest_taken() {
        check(
            r#"{"loss": NaN, "ok \"NaN": 1, "a": {"b": -Infinity, "c": [NaN]}, "d": 1e999, "e": 2}"#,
            "ok \"NaN=1\ne=2\nmetric `loss` was refused: NaN is no finite number\nmetric `a.b` was refused: -Infinity is no \
             finite number\nmetric `d` was refused: 1e999 is no finite number\nnot taken as metrics, being no numbers: `a.c` (a list)",
        );
        check(r#"{"a": 1, "loss": NaN"#, "no metrics were read: expected value at line 1 column 18");
        check(r#"{"a": 1, "b": 2"#, "no metrics were read: EOF while parsing an object at line 1 column 15");
        check_as(
            Form::Yaml,
            "a: .nan\nb: 1\nc: -.inf\n",
            "b=1\nmetric `a` was refused: NaN is no finite number\nmetric `c` was refused: -inf is no finite number",
        );
    }

    #[test]
    fn yaml_is_read_as_json_is() {
        check_as(
            Form::Yaml,
            "# of the last epoch\naccuracy: 0.9\neval:\n  f1: 5e-1\n  name: x\n1: 2\nlist: [1, 2]\n",
            "accuracy=0.9\neval.f1=0.5\n1=2\nnot taken as metrics, being no numbers: `eval.name` (text), `list` (a list)",
        );
        check_as(Form::Yaml, "metrics: {loss: 1}\nother: 2\n", "loss=1");
        check_as(Form::Yaml, "", "no metrics were read: the document is no map from names to numbers");
    }

    #[test]
    fn hostile_documents_end_soon_and_say_why() {
        let refused = |form, document: &str| {
            let (points, refused) = from_document(document.as_bytes(), form);
            assert_eq!(points, []);
            assert_eq!(refused.len(), 1, "{refused:?}");
        };
        refused(Form::Json, &"[".repeat(1_000_000));
        refused(Form::Json, &"{\"a\":".repeat(1_000_000));
        refused(Form::Yaml, &"[".repeat(100_000));
        refused(Form::Yaml, "a: 1\na: 2\n");
        let mut bomb = "a0: &a0 {x: 1}\n".to_owned();
        for level in 1..40 {
            let below = level - 1;
            bomb.push_str(&format!("a{level}: &a{level} {{l: *a{below}, r: *a{below}}}\n"));
        }
        refused(Form::Yaml, &bomb);
        let many: Vec<String> = (0..POINTS_MAX + 5).map(|n| format!("\"m{n}\": {n}")).collect();
        let (points, refused) = from_document(format!("{{{}}}", many.join(",")).as_bytes(), Form::Json);
        assert_eq!((points.len(), refused.len()), (POINTS_MAX, 1));
        let deep = format!("{}1{}", "{\"a\":".repeat(20), "}".repeat(20));
        check(&deep, &format!("metric `{}a` was refused: it is nested too deep", "a.".repeat(7)));
    }
}
