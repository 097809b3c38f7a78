# Calls an exchange with the module of docs/elixir.md, and prints what happens as JSON.
[url, token] = System.argv()
exchange = Exchange.new(url, token: token, ca_file: "ca.pem")

# First, since `:httpc` keeps the connections that it has.
untrusted =
  Exchange.call(%{exchange | ca_file: "other.pem"}, "ExchangeService", "List", %{type: "ModelRef"})

message = fn run ->
  try do
    run.()
    "nothing is raised"
  rescue
    error -> Exception.message(error)
  end
end

watched = fn request, count ->
  exchange
  |> Exchange.stream("ExchangeService", "Watch", request)
  |> Stream.filter(&is_map_key(&1, "change"))
  |> Enum.take(count)
  |> Enum.map(& &1["change"]["document"]["model_version"])
end

publish = fn version, options ->
  request = Map.merge(%{document: %{ir_version: "0.3.0", model_version: version}}, options)
  Exchange.call(exchange, "ExchangeService", "Publish", request)
end

# Larger than the parts in which the connection delivers a message.
text = String.duplicate("é✓", 100_000)

versions =
  for number <- 1..3 do
    %{
      id: "ünit/#{number}",
      model_id: "m",
      version: "1.0.#{number}",
      stage: "canary",
      metrics: %{"loss" => "NaN", "f1" => 1.0e-7, "steps" => 12, "note" => [nil, true]},
      description: text,
      created_at: "2025-12-26T18:00:00.25+02:00",
      options: %{"limit" => "infinity"}
    }
  end

for version <- versions, do: {:ok, _} = publish.(version, %{})
all = %{after_sequence: 0, include_documents: true}
large = %{hd(versions) | description: String.duplicate("x", 5_000_000)}
{:error, too_large_status, too_large} = publish.(large, %{})
{:error, stale_status, stale} = publish.(hd(versions), %{etag: "another"})

{:error, guessed_status, guessed} =
  Exchange.call(%{exchange | token: "guessed"}, "ExchangeService", "List", %{type: "ModelRef"})

# The watch begins before the change.
watching =
  Task.async(fn ->
    watched.(%{id_prefix: "later", include_documents: true, after_sequence: 0}, 1)
  end)

Process.sleep(100)
{:ok, _} = publish.(%{hd(versions) | id: "later", description: nil}, %{})
[later] = Task.await(watching, 20_000)

seed = 9_007_199_254_740_993
config = %{id: "t", model_ref: %{id: "m"}, dataset_ref: %{name: "d"}, seed: seed}
request = %{document: %{ir_version: "0.3.0", training_config: config}}
{:ok, _} = Exchange.call(exchange, "ExchangeService", "Publish", request)

{:ok, found} =
  Exchange.call(exchange, "ExchangeService", "Get", %{type: "TrainingConfig", id: "t"})

{:ok, _} = Exchange.send_feedback(exchange, for(number <- 1..700, do: %{id: "e#{number}"}))
exported = Exchange.stream(exchange, "FeedbackService", "Export", %{batch_size: 100})
{:error, 422, rejected} = Exchange.send_feedback(exchange, [%{id: nil}])

closed = Exchange.call(%{exchange | url: "http://127.0.0.1:9"}, "ExchangeService", "List", %{})

report = %{
  versions:
    Enum.map(watched.(all, 3), &Map.update!(&1, "description", fn found -> found == text end)),
  later: later["id"],
  seed: found["document"]["training_config"]["seed"] == seed,
  exported: exported |> Enum.flat_map(& &1["events"]) |> Enum.map(& &1["id"]),
  too_large: [too_large_status, too_large["code"]],
  stale: [stale_status, stale["code"]],
  guessed: [guessed_status, guessed["code"]],
  rejected: rejected["rejected"],
  invalid_watch: message.(fn -> watched.(%{types: ["model-version"]}, 1) end),
  no_method:
    message.(fn -> Enum.to_list(Exchange.stream(exchange, "ExchangeService", "Look", %{})) end),
  untrusted: match?({:error, {:failed_connect, _}}, untrusted),
  closed: match?({:error, {:failed_connect, _}}, closed)
}

report |> :jiffy.encode([:use_nil]) |> IO.puts()
