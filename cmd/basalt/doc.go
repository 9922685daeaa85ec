// Command basalt serves large language models on this machine.
//
// This is the only package that reads flags, environment and signals. main.go parses the command
// line; cli.go declares it; config.go reads the same settings from a YAML file. open.go turns a
// model's path into a running loop (files, tokenizer, template, device, scheduler); serve.go,
// run.go, bench.go, inspect.go and doctor.go are the commands.
package main
