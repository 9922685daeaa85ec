package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

// settings is a YAML file of flags: `listen: 0.0.0.0:8080` at the top holds for every command,
// the same line below `serve:` for that command only. Flags and environment win over it.
type settings struct {
	values map[string]any
}

// loadYAML implements kong.ConfigurationLoader.
func loadYAML(r io.Reader) (kong.Resolver, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	s := settings{values: make(map[string]any)}
	if err := yaml.UnmarshalWithOptions(data, &s.values, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("cannot read the settings: %w", err)
	}
	return s, nil
}

// Validate refuses a key that is no flag, so that a misspelt setting is not silently ignored.
func (s settings) Validate(app *kong.Application) error {
	commands := map[string]*kong.Node{}
	for _, n := range app.Children {
		commands[n.Name] = n
	}
	known := map[string]bool{}
	for _, n := range append(app.Leaves(true), app.Node) {
		for _, f := range n.Flags {
			known[f.Name] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		if section, ok := s.values[key].(map[string]any); ok && commands[key] != nil {
			if err := validateSection(commands[key], section); err != nil {
				return err
			}
			continue
		}
		if !known[key] {
			return fmt.Errorf("unknown setting %q in the settings file; settings are named as "+
				"the flags", key)
		}
	}
	return nil
}

func validateSection(command *kong.Node, section map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(section)) {
		if !slices.ContainsFunc(command.Flags, func(f *kong.Flag) bool { return f.Name == key }) {
			return fmt.Errorf("unknown setting %q below %q in the settings file", key, command.Name)
		}
	}
	return nil
}

// Resolve implements kong.Resolver. kong asks resolvers after it has read the environment, which
// must win over the file.
func (s settings) Resolve(_ *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	if node := parent.Node(); node != nil && node.Type == kong.CommandNode {
		if section, ok := s.values[node.Name].(map[string]any); ok {
			if v, ok := section[flag.Name]; ok {
				return scalar(v), nil
			}
		}
	}
	if v, ok := s.values[flag.Name]; ok {
		return scalar(v), nil
	}
	return nil, nil
}

// scalar gives a value as it would stand on the command line; a list is joined by commas.
func scalar(v any) any {
	list, ok := v.([]any)
	if !ok {
		return fmt.Sprint(v)
	}
	parts := make([]string, len(list))
	for i, x := range list {
		parts[i] = fmt.Sprint(x)
	}
	return strings.Join(parts, ",")
}
