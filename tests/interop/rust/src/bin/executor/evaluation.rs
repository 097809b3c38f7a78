//! Reads payloads and says everything about them that the harness compares.

use prost::Message;
use prost_protovalidate::{Error, Validator};
use prost_reflect::{DynamicMessage, MessageDescriptor, Value};
use service::DESCRIPTORS;
use service::crucible_ir::conformance::v1::{
    BrokenRule, BrokenRules, EvaluateRequest, EvaluateResponse, Evaluation,
    evaluate_request::Payload,
    evaluate_response::Outcome,
    evaluation::{DigestOutcome, JsonOutcome, RulesOutcome},
};
use sha2::{Digest, Sha256};

#[derive(Default)]
pub struct Evaluator {
    validator: Validator,
}

impl Evaluator {
    pub fn evaluate(&self, request: EvaluateRequest) -> Result<EvaluateResponse, String> {
        let name = &request.message_type;
        let descriptor = DESCRIPTORS
            .get_message_by_name(name)
            .ok_or_else(|| format!("the schema has no message type {name}"))?;
        let read = match request.payload {
            Some(Payload::Binary(bytes)) => {
                DynamicMessage::decode(descriptor, &*bytes).map_err(|error| error.to_string())
            }
            Some(Payload::Json(text)) => {
                from_json(descriptor, &text).map_err(|error| error.to_string())
            }
            None => return Err("a form that is not known here".to_owned()),
        };
        let outcome = match read {
            Ok(message) => Outcome::Evaluation(self.evaluation(&message)),
            Err(reason) => Outcome::DecodeError(reason),
        };
        Ok(EvaluateResponse {
            outcome: Some(outcome),
        })
    }

    fn evaluation(&self, message: &DynamicMessage) -> Evaluation {
        let json = match serde_json::to_string(message) {
            Ok(text) => JsonOutcome::Json(text),
            Err(error) => JsonOutcome::JsonError(error.to_string()),
        };
        let digest = match digest(message) {
            Ok(digest) => DigestOutcome::Digest(digest),
            Err(reason) => DigestOutcome::DigestError(reason),
        };
        Evaluation {
            binary: message.encode_to_vec(),
            json_outcome: Some(json),
            rules_outcome: Some(self.rules(message)),
            digest_outcome: Some(digest),
        }
    }

    fn rules(&self, message: &DynamicMessage) -> RulesOutcome {
        let rules = match self.validator.validate(message) {
            Ok(()) => Vec::new(),
            Err(Error::Validation(invalid)) => invalid
                .violations()
                .iter()
                .map(|violation| BrokenRule {
                    path: violation.field_path(),
                    rule_id: violation.rule_id().to_owned(),
                })
                .collect(),
            Err(undecided) => return RulesOutcome::RulesError(undecided.to_string()),
        };
        RulesOutcome::BrokenRules(BrokenRules { rules })
    }
}

fn from_json(descriptor: MessageDescriptor, text: &[u8]) -> serde_json::Result<DynamicMessage> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let message = DynamicMessage::deserialize(descriptor, &mut deserializer)?;
    deserializer.end()?;
    Ok(message)
}

fn digest(message: &DynamicMessage) -> Result<String, String> {
    if holds_unknown_fields(message) {
        return Err("unknown fields would be left out of the digest".to_owned());
    }
    let canonical = serde_json_canonicalizer::to_vec(message).map_err(|error| error.to_string())?;
    let hash = Sha256::digest(canonical);
    let hexadecimal: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("sha256:{hexadecimal}"))
}

/// Returns whether a message, or any message inside it, holds unknown fields.
fn holds_unknown_fields(message: &DynamicMessage) -> bool {
    fn inside(value: &Value) -> bool {
        match value {
            Value::Message(message) => holds_unknown_fields(message),
            Value::List(items) => items.iter().any(inside),
            Value::Map(entries) => entries.values().any(inside),
            _ => false,
        }
    }
    message.unknown_fields().next().is_some() || message.fields().any(|(_, value)| inside(value))
}
