//! Reads payloads and says everything about them that the harness compares.
//!
//! The core answers where it is certain, and the crates of the guide where it is not.

use crucible_ir::DESCRIPTORS;
use crucible_ir::conformance::v1::{
    BrokenRule, BrokenRules, EvaluateRequest, EvaluateResponse, Evaluation,
    evaluate_request::Payload,
    evaluate_response::Outcome,
    evaluation::{DigestOutcome, JsonOutcome, RulesOutcome},
};
use crucible_ir_core::{Format, MessageType, Schema, Unsure};
use prost::Message;
use prost_protovalidate::{Error, Validator};
use prost_reflect::{DynamicMessage, MessageDescriptor};

#[derive(Default)]
pub struct Evaluator {
    validator: Validator,
}

impl Evaluator {
    pub fn evaluate(&self, request: EvaluateRequest) -> Result<EvaluateResponse, String> {
        let name = &request.message_type;
        let unknown = || format!("the schema has no message type {name}");
        let descriptor = DESCRIPTORS.get_message_by_name(name).ok_or_else(unknown)?;
        let message_type = Schema::built_in().message_type(name).ok_or_else(unknown)?;
        let binary = match request.payload {
            Some(Payload::Binary(bytes)) => Ok(bytes),
            Some(Payload::Json(text)) => {
                let mut binary = Vec::new();
                match message_type.from_protojson(&text, &mut binary) {
                    Ok(()) => Ok(binary),
                    Err(_) => from_json(descriptor.clone(), &text)
                        .map(|message| message.encode_to_vec())
                        .map_err(|error| error.to_string()),
                }
            }
            None => return Err("a form that is not known here".to_owned()),
        };
        let outcome =
            match binary.and_then(|bytes| self.evaluation(&message_type, descriptor, bytes)) {
                Ok(evaluation) => Outcome::Evaluation(evaluation),
                Err(reason) => Outcome::DecodeError(reason),
            };
        Ok(EvaluateResponse {
            outcome: Some(outcome),
        })
    }

    /// Evaluates a message, or says why it cannot be decoded.
    fn evaluation(
        &self,
        message_type: &MessageType,
        descriptor: MessageDescriptor,
        binary: Vec<u8>,
    ) -> Result<Evaluation, String> {
        if let Ok(evaluation) = certain(message_type, &binary) {
            return Ok(evaluation);
        }
        let message =
            DynamicMessage::decode(descriptor, &*binary).map_err(|error| error.to_string())?;
        let json = match serde_json::to_string(&message) {
            Ok(text) => JsonOutcome::Json(text),
            Err(error) => JsonOutcome::JsonError(error.to_string()),
        };
        // Each field once and in its place.
        let binary = message.encode_to_vec();
        let digest = match message_type.digest(&binary) {
            Ok(digest) => DigestOutcome::Digest(digest),
            Err(unsure) => DigestOutcome::DigestError(unsure.to_string()),
        };
        Ok(Evaluation {
            binary,
            json_outcome: Some(json),
            rules_outcome: Some(self.rules(&message)),
            digest_outcome: Some(digest),
        })
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

/// Evaluates a message that is certainly valid.
fn certain(message_type: &MessageType, binary: &[u8]) -> Result<Evaluation, Unsure> {
    let text = message_type.transcode(binary, Format::Binary, Format::ProtoJson)?;
    let valid = BrokenRules { rules: Vec::new() };
    Ok(Evaluation {
        binary: binary.to_vec(),
        json_outcome: Some(JsonOutcome::Json(
            String::from_utf8(text).map_err(|_| Unsure)?,
        )),
        rules_outcome: Some(RulesOutcome::BrokenRules(valid)),
        digest_outcome: Some(DigestOutcome::Digest(message_type.digest(binary)?)),
    })
}

fn from_json(descriptor: MessageDescriptor, text: &[u8]) -> serde_json::Result<DynamicMessage> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let message = DynamicMessage::deserialize(descriptor, &mut deserializer)?;
    deserializer.end()?;
    Ok(message)
}
