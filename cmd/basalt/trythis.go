package main

import (
	"fmt"
	"path/filepath"
)

// printTryThis says where the server listens and how to reach it, with commands that work as they
// stand.
func printTryThis(addr string, models []*opened) {
	fmt.Printf("Listening on http://%s\n", addr)
	if len(models) == 0 || models[0].tok == nil {
		return
	}
	m := models[0]
	if m.template == nil {
		printCompletion(addr, m.name)
	} else {
		printChat(addr, m.name)
	}
}

const boto3 = `  python3 -c 'import boto3, json
client = boto3.client("bedrock-runtime", endpoint_url="http://%s", region_name="us-east-1",
                      aws_access_key_id="any", aws_secret_access_key="any")
%s'
`

func printCompletion(addr, name string) {
	fmt.Printf("\nTry it:\n\n  curl http://%s/v1/completions -H 'Content-Type: application/json' \\\n"+
		"    -d '{\"model\": %q, \"prompt\": \"Once upon a time\", \"max_tokens\": 100}'\n\n",
		addr, name)
	call := fmt.Sprintf("body = {\"prompt\": \"Once upon a time\", \"max_gen_len\": 100}\n"+
		"print(json.load(client.invoke_model(modelId=%q, body=json.dumps(body))[\"body\"])"+
		"[\"generation\"])", name)
	fmt.Printf(boto3, addr, call)
	fmt.Printf("\n  %s run MODEL 'Once upon a time'\n\n", self())
}

func printChat(addr, name string) {
	fmt.Printf("\nTry it:\n\n  curl http://%s/v1/chat/completions -H 'Content-Type: application/json' \\\n"+
		"    -d '{\"model\": %q, \"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}'\n\n", addr, name)
	call := fmt.Sprintf("answer = client.converse(modelId=%q,\n"+
		"    messages=[{\"role\": \"user\", \"content\": [{\"text\": \"Hello\"}]}])\n"+
		"print(answer[\"output\"][\"message\"][\"content\"][0][\"text\"])", name)
	fmt.Printf(boto3, addr, call)
	fmt.Printf("\n  %s run MODEL\n\n", self())
}

// self is how this program was called, shortened to what a person would type.
func self() string { return "./" + filepath.Base("basalt") }
