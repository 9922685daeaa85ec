package guardrail

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
)

// Limits of a file. They bound the time of a check and how far a stream is held back.
const (
	maxFile    = 4 << 20
	maxRules   = 4096 // of a guardrail
	maxPattern = 4096 // bytes
	maxMessage = 500  // characters, as the service has it
)

// draft is the version under which every guardrail can be asked for.
const draft = "DRAFT"

type fileConfig struct {
	Guardrails []config `yaml:"guardrails"`
}

type config struct {
	ID            string        `yaml:"id"`
	Version       string        `yaml:"version"` // "1" when it is left out
	BlockedInput  string        `yaml:"blocked-input"`
	BlockedOutput string        `yaml:"blocked-output"`
	Topics        []topicConfig `yaml:"topics"`
	Words         []string      `yaml:"words"`
	Profanity     []string      `yaml:"profanity"`
	Personal      []ruleConfig  `yaml:"personal"`
	Regexes       []ruleConfig  `yaml:"regexes"`
}

type topicConfig struct {
	Name    string   `yaml:"name"`
	Phrases []string `yaml:"phrases"`
	Regexes []string `yaml:"regexes"`
}

// ruleConfig is a kind of personal information, or a regular expression with a name.
type ruleConfig struct {
	Type    string `yaml:"type"`
	Name    string `yaml:"name"`
	Pattern string `yaml:"pattern"`
	Input   string `yaml:"input"`  // block, mask or none; mask when it is left out
	Output  string `yaml:"output"` // the same
}

// Set is a file's guardrails. nil has none.
type Set struct {
	byID map[string][]*Guardrail
}

// Guardrail is a set of rules under one id and version. It does not change.
type Guardrail struct {
	ID, Version                 string
	BlockedInput, BlockedOutput string
	rules                       []rule
	reach                       int // bytes that the longest match may have
}

// Read reads a file of guardrails in YAML.
func Read(r io.Reader) (*Set, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("the file has more than %d bytes", maxFile)
	}
	var file fileConfig
	if err := yaml.UnmarshalWithOptions(data, &file, yaml.Strict()); err != nil {
		return nil, err
	}
	s := &Set{byID: map[string][]*Guardrail{}}
	for i := range file.Guardrails {
		g, err := build(&file.Guardrails[i])
		if err != nil {
			return nil, fmt.Errorf("guardrail %d (%q): %w", i+1, file.Guardrails[i].ID, err)
		}
		for _, other := range s.byID[g.ID] {
			if other.Version == g.Version {
				return nil, fmt.Errorf("guardrail %q has version %s twice", g.ID, g.Version)
			}
		}
		s.byID[g.ID] = append(s.byID[g.ID], g)
	}
	return s, nil
}

// Find gives a guardrail by its id or ARN and version, the last of the file for DRAFT; nil when
// there is none.
func (s *Set) Find(id, version string) *Guardrail {
	if s == nil {
		return nil
	}
	if strings.HasPrefix(id, "arn:") {
		_, id, _ = strings.Cut(id, ":guardrail/")
	}
	list := s.byID[id]
	if version == draft && len(list) > 0 {
		return list[len(list)-1]
	}
	for _, g := range list {
		if g.Version == version {
			return g
		}
	}
	return nil
}

func build(c *config) (*Guardrail, error) {
	g := &Guardrail{
		ID: c.ID, Version: c.Version, BlockedInput: c.BlockedInput,
		BlockedOutput: c.BlockedOutput,
	}
	if g.Version == "" {
		g.Version = "1"
	}
	if err := g.check(); err != nil {
		return nil, err
	}
	for _, add := range []func(*config) error{
		g.addTopics, g.addWords, g.addPersonal, g.addRegexes,
	} {
		if err := add(c); err != nil {
			return nil, err
		}
	}
	if n := len(g.rules); n == 0 || n > maxRules {
		return nil, fmt.Errorf("it has %d rules; it must have 1 to %d", n, maxRules)
	}
	for i := range g.rules {
		g.reach = max(g.reach, g.rules[i].reach)
	}
	return g, nil
}

func (g *Guardrail) check() error {
	for _, c := range []byte(g.ID) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return errors.New("the id must have lower case letters and digits alone")
		}
	}
	number := strings.Trim(g.Version, "0123456789") == "" && g.Version[0] != '0'
	if !number || len(g.Version) > 8 {
		return fmt.Errorf("the version %q must be a number of at most 8 digits", g.Version)
	}
	if g.ID == "" {
		return errors.New("it has no id")
	}
	for name, text := range map[string]*string{
		"blocked-input": &g.BlockedInput, "blocked-output": &g.BlockedOutput,
	} {
		if *text == "" {
			*text = "Sorry, this cannot be answered."
		}
		if len([]rune(*text)) > maxMessage {
			return fmt.Errorf("%s has more than %d characters", name, maxMessage)
		}
	}
	return nil
}
