//! What looks like a credential in what is said of a model version: it is written into a file that is made to be committed.

use serde_json::Value;

use crate::capture::secrets::{MASK, covers, is_covered, masked, masked_prose, masked_value};
use crate::model::{ModelEdit, ModelVersion};

/// What is said to whoever gave it.
pub(crate) const SAID: &str = "what looks like a credential is masked";

/// Masks it in what is said of a version anew.
pub(crate) fn masked_edit(edit: &ModelEdit) -> ModelEdit {
    let tags = edit.tags_set.iter().map(|(name, value)| (name.clone(), masked_value(name, value)));
    ModelEdit {
        description: edit.description.as_deref().map(masked_prose),
        notes: edit.notes.as_deref().map(masked_prose),
        tags_set: tags.collect(),
        tags_removed: edit.tags_removed.clone(),
    }
}

/// Masks it; returns true where there was some. What holds none stays as it was said, byte for byte.
pub(crate) fn mask(model: &mut ModelVersion) -> bool {
    let mut found = false;
    let mut put = |text: &mut String, masked: String| {
        found |= *text != masked;
        *text = masked;
    };
    for (name, value) in &mut model.tags {
        let masked = masked_value(name, value);
        put(value, masked);
    }
    let texts = [
        Some(&mut model.description),
        model.model_type.as_mut(),
        model.base_model.as_mut(),
        model.promoted_from.as_mut(),
        model.notes.as_mut(),
    ];
    for text in texts.into_iter().flatten() {
        let masked = masked_prose(text);
        put(text, masked);
    }
    let documents = [("", model.training_config.as_mut()), ("", model.dataset_info.as_mut())];
    let documents = documents.into_iter().filter_map(|(name, text)| Some((name, text?)));
    for (name, text) in documents.chain(model.fields.iter_mut().map(|(name, text)| (name.as_str(), text))) {
        if let Ok(mut document) = serde_json::from_str(text)
            && mask_document(name, &mut document)
        {
            put(text, document.to_string());
        }
    }
    found
}

/// Masks what is said in a document under a name; returns true where there was something to mask.
fn mask_document(name: &str, document: &mut Value) -> bool {
    let mut found = false;
    let mut frontier = vec![(name.to_owned(), false, document)];
    while let Some((name, is_covered_above, value)) = frontier.pop() {
        let text = match value {
            Value::Object(members) => {
                let all = is_covered_above || covers(&name);
                frontier.extend(members.iter_mut().map(|(name, value)| (name.clone(), all, value)));
                continue;
            }
            Value::Array(items) => {
                found |= mask_arguments(items);
                // What a list of tokens has in it are no credentials, but a text in parts.
                let name = if name.to_lowercase().ends_with("tokens") { String::new() } else { name };
                frontier.extend(items.iter_mut().map(|item| (name.clone(), is_covered_above, item)));
                continue;
            }
            Value::String(text) if is_covered_above && is_covered(text) => {
                found |= text != MASK;
                MASK.clone_into(text);
                continue;
            }
            Value::String(text) => text.clone(),
            _ => value.to_string(),
        };
        let masked = masked_value(&name, &text);
        if masked != text {
            *value = Value::String(masked);
            found = true;
        }
    }
    found
}

/// Masks a list that may be a command line; returns true where there was something to mask.
fn mask_arguments(items: &mut [Value]) -> bool {
    if items.iter().any(|item| item.is_object() || item.is_array()) {
        return false;
    }
    let text = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
    let texts: Vec<String> = items.iter().map(text).collect();
    let mut found = false;
    for ((item, text), shown) in items.iter_mut().zip(&texts).zip(masked(&texts)) {
        if *text != shown {
            *item = Value::String(shown);
            found = true;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NodeId, Timestamp};

    #[test]
    fn what_looks_like_a_credential_is_masked_wherever_it_is_said_and_nothing_else_is_changed() {
        let at = Timestamp::from_micros(1);
        let mut model = ModelVersion {
            tags: vec![("token".to_owned(), "hunter4".to_owned()), ("lang".to_owned(), "en".to_owned())],
            training_config: Some(
                r#"{"lr":1e-3,"db":[{"password":"hunter3","url":"s3://a:b@c"}]}"#.to_owned(),
            ),
            dataset_info: Some(r#"{ "rows": 7.0, "secret_dim": 3 }"#.to_owned()),
            notes: Some("from https://me:pw@h/ by hand".to_owned()),
            fields: vec![("api_key".to_owned(), "\"abc\"".to_owned())],
            ..ModelVersion::new(NodeId::new(at), "m", "1.0.0", at)
        };
        assert!(mask(&mut model));
        assert_eq!(model.tags[0].1, "***");
        assert_eq!(model.tags[1].1, "en");
        let config = model.training_config.clone().unwrap();
        assert!(config.contains(r#""db":[{"password":"***","url":"s3://a:***@c"}]"#), "{config}");
        assert_eq!(model.dataset_info.as_deref(), Some(r#"{ "rows": 7.0, "secret_dim": 3 }"#));
        assert_eq!(model.notes.as_deref(), Some("from https://me:***@h/ by hand"));
        assert_eq!(model.fields[0].1, "\"***\"");
        assert!(!mask(&mut model));
    }

    #[test]
    fn in_a_document_a_name_of_credentials_covers_all_texts_below_it() {
        let check = |text: &str, expected: &str| {
            let mut document = serde_json::from_str(text).unwrap();
            assert_eq!(mask_document("", &mut document), text != expected, "{text}");
            assert_eq!(document, serde_json::from_str::<Value>(expected).unwrap());
            assert!(!mask_document("", &mut document));
        };
        check(r#"{"headers":{"Authorization":"Bearer a"}}"#, r#"{"headers":{"Authorization":"***"}}"#);
        check(
            r#"{"tokens":{"hf":"a","pad":"<pad>"},"secrets":{"a":[{"b":"c"}],"n":3},"password":{"on":"true"}}"#,
            r#"{"tokens":{"hf":"***","pad":"<pad>"},"secrets":{"a":[{"b":"***"}],"n":3},"password":{"on":"true"}}"#,
        );
        check(
            r#"{"credentials":[{"user":"u","value":"a"}]}"#,
            r#"{"credentials":[{"user":"***","value":"***"}]}"#,
        );
        check(r#"{"args":["-v","--password","a",3]}"#, r#"{"args":["-v","--password","***",3]}"#);
        check(r#"{"args":["--password",1234]}"#, r#"{"args":["--password","***"]}"#);
        for plain in [
            r#"{"tokens":512,"max_tokens":{"a":"b"},"tokenizer":{"type":"bpe"},"num_secrets":{"of":"a"}}"#,
            r#"{"tokens":["a","b"],"token_ids":[1,2],"special_tokens":{"pad":"PAD"},"pad_token":{"content":"a"}}"#,
            r#"{"tokens":[{"text":"a"}],"layers":["a",1,null,true],"betas":[0.9,0.99]}"#,
        ] {
            check(plain, plain);
        }
    }
}
