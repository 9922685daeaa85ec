package main

import (
	"fmt"
	"os"
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
		printCompletion(addr, m)
	} else {
		printChat(addr, m)
	}
}

const boto3 = `  python3 -c 'import boto3, json
client = boto3.client("bedrock-runtime", endpoint_url="http://%s", region_name="us-east-1",
                      aws_access_key_id="any", aws_secret_access_key="any")
%s'
`

func printCompletion(addr string, m *opened) {
	fmt.Printf("\nTry it:\n\n  curl http://%s/v1/completions -H 'Content-Type: "+
		"application/json' \\\n"+
		"    -d '{\"model\": %q, \"prompt\": \"Once upon a time\", \"max_tokens\": 100}'\n\n",
		addr, m.name)
	call := fmt.Sprintf("body = {\"prompt\": \"Once upon a time\", \"max_gen_len\": 100}\n"+
		"print(json.load(client.invoke_model(modelId=%q, body=json.dumps(body))[\"body\"])"+
		"[\"generation\"])", m.name)
	fmt.Printf(boto3, addr, call)
	fmt.Printf("\n  %s run %s 'Once upon a time'\n\n", self(), m.path)
}

func printChat(addr string, m *opened) {
	fmt.Printf("\nTry it:\n\n  curl http://%s/v1/chat/completions -H 'Content-Type: "+
		"application/json' \\\n"+
		"    -d '{\"model\": %q, \"messages\": [{\"role\": \"user\", \"content\": "+
		"\"What is Basalt?\"}]}'\n\n", addr, m.name)
	call := fmt.Sprintf("answer = client.converse(modelId=%q,\n"+
		"    messages=[{\"role\": \"user\", \"content\": [{\"text\": \"What is Basalt?\"}]}])\n"+
		"print(answer[\"output\"][\"message\"][\"content\"][-1][\"text\"])", m.name)
	fmt.Printf(boto3, addr, call)
	fmt.Printf("\n  %s run %s 'What is Basalt?'\n\n", self(), m.path)
}

// self is how this program was called.
func self() string { return os.Args[0] }
