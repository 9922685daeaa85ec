package server

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"basalt/server/bedrock"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/bedrock.md")

// checkTable compares a table of docs/bedrock.md, between two marks, with the one that is tested.
func checkTable(t *testing.T, name, head string, rows []string) {
	t.Helper()
	const file = "../docs/bedrock.md"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->\n"
	above, rest, ok := strings.Cut(string(data), begin)
	got, below, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no marks of %s", file, name)
	}
	rule := strings.Repeat("|---", strings.Count(head, "|")-1) + "|\n"
	want := head + "\n" + rule + strings.Join(rows, "\n") + "\n"
	if got == want {
		return
	}
	if !*update {
		t.Fatalf("the table of %s in %s is not the tested one (go test ./server -update):\n%s",
			name, file, want)
	}
	if err := os.WriteFile(file, []byte(above+begin+want+end+below), 0o644); err != nil {
		t.Fatal(err)
	}
}

// bedrockOperations are the paths of Bedrock's operations and what becomes of each.
func bedrockOperations() [][2]string {
	const none = "answers: there are none"
	return [][2]string{
		{"/model/{modelId}/converse", "acted on"},
		{"/model/{modelId}/converse-stream", "acted on"},
		{"/model/{modelId}/invoke", "acted on: the bodies below"},
		{"/model/{modelId}/invoke-with-response-stream", "acted on"},
		{"/model/{modelId}/count-tokens", "acted on: what the same request would use"},
		{
			"/guardrail/{guardrailIdentifier}/version/{guardrailVersion}/apply",
			"acted on, with the guardrails of `--guardrails`",
		},
		{"/async-invoke", "acted on, with `--jobs` and `--buckets`"},
		{"/async-invoke/{invocationArn}", "acted on"},
		{"/model-invocation-job", "acted on, with `--jobs` and `--buckets`"},
		{"/model-invocation-jobs", "acted on"},
		{"/model-invocation-job/{jobIdentifier}", "acted on"},
		{"/model-invocation-job/{jobIdentifier}/stop", "acted on"},
		{"/foundation-models", "acted on: every name of every model"},
		{"/foundation-models/{modelIdentifier}", "acted on"},
		{"/foundation-model-availability/{modelId}", "acted on"},
		{"/inference-profiles", "acted on: every name is a profile too"},
		{"/inference-profiles/{inferenceProfileIdentifier}", "acted on"},
		{"/imported-models", "acted on: each model once"},
		{"/imported-models/{modelIdentifier}", "acted on"},
		{
			"/logging/modelinvocations",
			"acted on: what records hold, and the bucket of `--buckets` that gets them",
		},
		{"/provisioned-model-throughputs", none},
		{"/provisioned-model-throughput/{provisionedModelId}", "ResourceNotFoundException"},
		{"/custom-models", none},
		{"/custom-models/{modelIdentifier}", "ResourceNotFoundException"},
		{"/rerank", "ResourceNotFoundException: no model ranks"},
	}
}

// TestDocsListTheOperations finds each path's routes, and no other route of Bedrock's.
func TestDocsListTheOperations(t *testing.T) {
	s := &Server{routes: routeTable()}
	var rows []string
	missing := map[string]bool{}
	for path := range s.routes {
		for _, r := range s.routes[path] {
			missing[r.action] = dialectOf(path).idHeader == bedrockDialect().idHeader
		}
	}
	for _, o := range modelOperations() {
		missing[o("x").action] = true
	}
	for _, o := range bedrockOperations() {
		path := o[0]
		for strings.Contains(path, "{") {
			before, rest, _ := strings.Cut(path, "{")
			_, after, _ := strings.Cut(rest, "}")
			path = before + "1" + after
		}
		routes, err := s.find(path)
		if err != nil || len(routes) == 0 {
			t.Errorf("%s: no route, %v", o[0], err)
		}
		for _, r := range routes {
			missing[r.action] = false
			if r.method != "HEAD" {
				rows = append(rows, fmt.Sprintf("| %s | %s `%s` | %s |", r.action, r.method, o[0],
					o[1]))
			}
		}
	}
	for action, is := range missing {
		if is {
			t.Errorf("%s is in no row", action)
		}
	}
	rows = append(rows, "| InvokeModelWithBidirectionalStream | POST `/model/{modelId}/"+
		bidirectional+"` | refused at once: no model of speech is served |")
	checkTable(t, "operations", "| operation | path | |", rows)
}

// TestDocsListTheErrors walks the faults that boto3_faults.py meets.
func TestDocsListTheErrors(t *testing.T) {
	when := [][2]string{
		{"Invalid", "a bad request; the message names the field, its limit and its value"},
		{"ContextExceeded", "\"Input is too long for requested model.\""},
		{"TooLarge", "a body over 25,000,000 bytes"},
		{"HeaderTooLarge", "a header over 32 KiB"},
		{"Conflict", "it contradicts what is there"},
		{"QuotaExceeded", "a limit of the tenant that waiting does not lift"},
		{"Unauthenticated", "no credential, or an unknown API key"},
		{"Forbidden", "the policy does not grant it"},
		{"UnknownKey", "an unknown access key"},
		{"BadSignature", "a signature that does not prove the request"},
		{"NotFound", "no such model, guardrail or job"},
		{"NoSuchPath", "no such path"},
		{"MethodNotAllowed", "the path takes other methods"},
		{"RequestTimeout", "the client sends too slowly"},
		{"ModelFailed", "the model's own chat template fails"},
		{"Throttled", "the queue or a quota is full"},
		{"Internal", "a fault of the server"},
		{"DeviceFailed", "the device failed; the request may be repeated"},
		{"Unavailable", "draining, or not ready"},
	}
	all := faults()
	var rows []string
	for _, w := range when {
		err, ok := all[w[0]]
		if !ok {
			t.Fatalf("there is no fault %s", w[0])
		}
		delete(all, w[0])
		name, status := bedrock.Exception(err)
		again := "no"
		switch {
		case status == 429 || status >= 500:
			again = "yes"
		case status == 408:
			again = "some"
		}
		rows = append(rows, fmt.Sprintf("| %d | %s | %s | %s |", status, name, again, w[1]))
	}
	if len(all) > 0 {
		t.Errorf("in no row: %v", slices.Sorted(maps.Keys(all)))
	}
	checkTable(t, "errors", "| status | exception | SDKs send it again | when |", rows)
}

// TestDocsListTheFamilies walks the bodies of InvokeModel.
func TestDocsListTheFamilies(t *testing.T) {
	vendors := map[string][]string{}
	for _, v := range []string{
		"meta", "mistral", "anthropic", "amazon", "cohere", "deepseek", "openai", "qwen",
	} {
		for _, name := range familiesOf(v) {
			vendors[name] = append(vendors[name], "`"+v+".`")
		}
	}
	for _, name := range commonFamilies() {
		vendors[name] = append(vendors[name], "any")
	}
	var rows []string
	for _, name := range slices.Sorted(maps.Keys(vendors)) {
		f := (&request{}).family(name)
		rows = append(rows, fmt.Sprintf("| %s | `%s` | %s |", f.Title,
			strings.Join(f.Keys, "`, `"), strings.Join(vendors[name], ", ")))
	}
	checkTable(t, "families", "| body | told by its fields | names of models |", rows)
}
