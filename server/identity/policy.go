package identity

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Guardrail names one that requests may not leave out. The zero value names none.
type Guardrail struct {
	ID      string `yaml:"id"`
	Version string `yaml:"version"`
}

// Grant is what a principal may do. Limits of 0 are none.
type Grant struct {
	Tenant string `yaml:"tenant"` // the principal's name when it is left out
	// Models are ids that may be used, Operations what may be done; a * stands for any text.
	// "inference" among the operations stands for all that the group of that name has.
	Models     []string `yaml:"models"`
	Operations []string `yaml:"operations"`
	// Subjects are the client certificates that prove the principal: a subject such as
	// "CN=ci,O=Acme", or URI: and a URI that the certificate is for.
	Subjects []string `yaml:"subjects"`

	RequestsPerMinute  int       `yaml:"requests-per-minute"`
	TokensPerMinute    int       `yaml:"tokens-per-minute"` // of prompts and answers
	ConcurrentRequests int       `yaml:"concurrent-requests"`
	MaxContext         int       `yaml:"max-context"` // tokens of prompt and answer together
	Priority           int       `yaml:"priority"`    // a lower number goes first
	Guardrail          Guardrail `yaml:"guardrail"`
}

// InferenceGroup is the name of all operations that use models. Operations outside of it must be
// granted by name or pattern.
const InferenceGroup = "inference"

// MayDo reports whether an operation is granted. inference says that it belongs to that group. The
// pattern * grants everything.
func (g *Grant) MayDo(operation string, inference bool) bool {
	for _, p := range g.Operations {
		if p == InferenceGroup && inference || matches(p, operation) {
			return true
		}
	}
	return false
}

// MayUse reports whether a model is granted by one of its names.
func (g *Grant) MayUse(names ...string) bool {
	for _, p := range g.Models {
		for _, name := range names {
			if matches(p, name) {
				return true
			}
		}
	}
	return false
}

// matches compares a name with a pattern, in which each * stands for any text.
func matches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(name) < len(first)+len(last) || !strings.HasPrefix(name, first) ||
		!strings.HasSuffix(name, last) {
		return false
	}
	name = name[len(first) : len(name)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name = name[i+len(part):]
	}
	return true
}

// policy is a policy file. It does not change.
type policy struct {
	Principals map[string]*Grant `yaml:"principals"`
	subjects   map[string]string // principal by subject
}

// parsePolicy reads YAML. A field that is not known is an error: misspelt limits would be none.
func parsePolicy(data []byte) (*policy, error) {
	p := &policy{subjects: make(map[string]string)}
	if err := yaml.UnmarshalWithOptions(data, p, yaml.Strict()); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(p.Principals)) {
		g := p.Principals[name]
		if g == nil || !validName(name) {
			return nil, fmt.Errorf("the principal %q has nothing below it, or no valid name", name)
		}
		if err := g.check(name); err != nil {
			return nil, fmt.Errorf("principal %s: %w", name, err)
		}
		for _, s := range g.Subjects {
			if other, dup := p.subjects[s]; dup {
				return nil, fmt.Errorf("principals %s and %s have the subject %q", other, name, s)
			}
			p.subjects[s] = name
		}
	}
	return p, nil
}

func (g *Grant) check(name string) error {
	if g.Tenant == "" {
		g.Tenant = name
	}
	switch {
	case !validName(g.Tenant):
		return errors.New("tenant must have 1 to 64 letters, digits or . _ - ~ @")
	case g.Models == nil:
		return errors.New(`models is missing: name them, or ["*"] for all, or [] for none`)
	case (g.Guardrail.ID == "") != (g.Guardrail.Version == ""):
		return errors.New("guardrail needs both id and version")
	case g.Operations == nil:
		return errors.New("operations is missing: name them, or [inference]")
	}
	limits := []struct {
		name  string
		value int
	}{
		{"requests-per-minute", g.RequestsPerMinute},
		{"tokens-per-minute", g.TokensPerMinute},
		{"concurrent-requests", g.ConcurrentRequests},
		{"max-context", g.MaxContext},
	}
	for _, l := range limits {
		if l.value < 0 {
			return fmt.Errorf("%s is %d; it must be at least 0, which is no limit", l.name, l.value)
		}
	}
	return nil
}

// ownGrant is what a key's principal may do where there is no policy file: use every model, as its
// own tenant.
func ownGrant(principal string) *Grant {
	return &Grant{
		Tenant: principal, Models: []string{"*"}, Operations: []string{InferenceGroup},
	}
}
