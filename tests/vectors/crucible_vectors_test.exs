# Holds the Elixir package crucible_ir to its recorded verdicts and encodings; docs/elixir.md says how.
defmodule CrucibleVectorsTest do
  use ExUnit.Case, async: true

  alias CrucibleIR.{
    Backend,
    Deployment,
    Feedback,
    Reliability,
    Serialization,
    Training,
    Validation
  }

  @modules %{
    "Experiment" => CrucibleIR.Experiment,
    "BackendRef" => CrucibleIR.BackendRef,
    "StageDef" => CrucibleIR.StageDef,
    "DatasetRef" => CrucibleIR.DatasetRef,
    "OutputSpec" => CrucibleIR.OutputSpec,
    "ReliabilityConfig" => Reliability.Config,
    "Ensemble" => Reliability.Ensemble,
    "Hedging" => Reliability.Hedging,
    "Stats" => Reliability.Stats,
    "Fairness" => Reliability.Fairness,
    "Guardrail" => Reliability.Guardrail,
    "ModelRef" => CrucibleIR.ModelRef,
    "ModelVersion" => CrucibleIR.ModelVersion,
    "TrainingConfig" => Training.Config,
    "TrainingRun" => Training.Run,
    "DeploymentConfig" => Deployment.Config,
    "DeploymentStatus" => Deployment.Status,
    "FeedbackEvent" => Feedback.Event,
    "FeedbackConfig" => Feedback.Config,
    "Prompt" => Backend.Prompt,
    "GenerationOptions" => Backend.Options,
    "Completion" => Backend.Completion,
    "Capabilities" => Backend.Capabilities
  }

  lines = "CRUCIBLE_VECTORS" |> System.fetch_env!() |> File.stream!()

  for {line, number} <- Enum.with_index(lines, 1) do
    test "#{number}: #{Jason.decode!(line)["type"]}" do
      recorded = Jason.decode!(unquote(line))
      json = Jason.encode!(recorded["input"])
      {:ok, struct} = Serialization.from_json(json, @modules[recorded["type"]])

      assert Validation.valid?(struct) == recorded["valid"]
      assert Validation.errors(struct) == recorded["errors"]

      if recorded["valid"] do
        assert struct |> Serialization.to_json() |> Jason.decode!() == recorded["output"]
      end
    end
  end
end

