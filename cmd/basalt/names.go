package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"basalt/server"
	"basalt/server/bedrock"
	"basalt/server/guardrail"
)

// apiFlags say what the APIs call things, and what they look at.
type apiFlags struct {
	Alias      []string `placeholder:"NAME=ID" help:"More names of models: each answers to NAME, an inference profile such as us.NAME, and their ARNs. The vendor in a name, as in meta.llama3, says which native body it takes first."`
	Guardrails string   `placeholder:"FILE" help:"Guardrails that requests may name: word lists, patterns and personal information, in YAML."`
	Region     string   `default:"us-east-1" placeholder:"NAME" help:"Region in the ARNs that the API tells."`
	Account    string   `default:"000000000000" placeholder:"ID" help:"Account of 12 digits in the ARNs that the API tells."`
}

// openAPI reads what the flags say of the APIs.
func (c *serveCmd) openAPI(cfg *server.Config) error {
	if len(c.Account) != 12 || strings.Trim(c.Account, "0123456789") != "" {
		return fmt.Errorf("--account %q must have 12 digits", c.Account)
	}
	cfg.Place = bedrock.Place{Partition: partition(c.Region), Region: c.Region, Account: c.Account}
	if c.Guardrails == "" {
		return nil
	}
	file, err := os.Open(c.Guardrails)
	if err != nil {
		return fmt.Errorf("cannot open --guardrails: %w", err)
	}
	defer func() { _ = file.Close() }()
	if cfg.Guardrails, err = guardrail.Read(file); err != nil {
		return fmt.Errorf("--guardrails %s: %w", c.Guardrails, err)
	}
	return nil
}

// partition is the partition of AWS that a region's name belongs to.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	}
	return "aws"
}

// alias gives the models their further names.
func (c *serveCmd) alias(models []server.Model) error {
	for _, line := range c.Alias {
		name, id, ok := strings.Cut(line, "=")
		if !ok || name == "" {
			return fmt.Errorf("--alias %q must be NAME=ID", line)
		}
		at := slices.IndexFunc(models, func(m server.Model) bool { return m.ID == id })
		if at < 0 {
			var ids []string
			for i := range models {
				ids = append(ids, models[i].ID)
			}
			return errors.New("--alias " + line + ": there is no model " + id + "; these are: " +
				strings.Join(ids, ", "))
		}
		models[at].Aliases = append(models[at].Aliases, name)
	}
	return nil
}
