package bedrock

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"basalt/server/api"
)

// Query reads the query of a list operation and remembers the first fault.
type Query struct {
	values url.Values
	err    *api.Error
}

// ParseQuery reads a raw query. known are the parameters of the operation.
func ParseQuery(raw string, known ...string) *Query {
	values, err := url.ParseQuery(raw)
	q := &Query{values: values}
	if err != nil {
		q.fail("query", "cannot be read")
	}
	for name := range values {
		if !slices.Contains(known, name) {
			q.fail(clip(name, maxAnyText), "is not a parameter of this operation")
		}
	}
	return q
}

func (q *Query) fail(name, reason string) {
	if q.err == nil {
		q.err = api.FieldError(name, "%s %s", name, reason)
	}
}

// Err is the first fault.
func (q *Query) Err() *api.Error { return q.err }

// String is a parameter's value.
func (q *Query) String(name string) string { return q.values.Get(name) }

// OneOf is a value that must be one of the choices.
func (q *Query) OneOf(name string, choices ...string) string {
	v := q.values.Get(name)
	if v != "" && !slices.Contains(choices, v) {
		q.fail(name, "must be one of "+strings.Join(choices, ", "))
	}
	return v
}

// time is a time, as the SDKs write it in queries.
func (q *Query) time(name string) (time.Time, bool) {
	v := q.values.Get(name)
	if v == "" {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		q.fail(name, "must be a time such as 2026-11-23T00:00:00Z")
	}
	return t, err == nil
}

const maxResults = 1000

// Page is the part of a list that was asked for, and the token of the next part.
func (q *Query) Page(models []api.ModelInfo) ([]api.ModelInfo, string) {
	size, at := len(models), 0
	if v := q.values.Get("maxResults"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxResults {
			q.fail("maxResults", "must be between 1 and 1000")
			return nil, ""
		}
		size = n
	}
	if v := q.values.Get("nextToken"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > len(models) {
			q.fail("nextToken", "is not one that this server gave")
			return nil, ""
		}
		at = n
	}
	if rest := len(models) - at; rest <= size {
		return models[at:], ""
	}
	return models[at : at+size], strconv.Itoa(at + size)
}

// Created keeps the models that were made in the time asked for and whose name has the text asked
// for, in the order asked for.
func (q *Query) Created(models []api.ModelInfo) []api.ModelInfo {
	after, hasAfter := q.time("creationTimeAfter")
	before, hasBefore := q.time("creationTimeBefore")
	part := strings.ToLower(q.values.Get("nameContains"))
	kept := slices.DeleteFunc(slices.Clone(models), func(m api.ModelInfo) bool {
		made := time.Unix(m.Created, 0)
		return hasAfter && !made.After(after) || hasBefore && !made.Before(before) ||
			!strings.Contains(strings.ToLower(m.ID), part)
	})
	q.OneOf("sortBy", "CreationTime")
	order := q.OneOf("sortOrder", "Ascending", "Descending")
	slices.SortStableFunc(kept, func(a, b api.ModelInfo) int {
		if order == "Ascending" {
			return int(a.Created - b.Created)
		}
		return int(b.Created - a.Created)
	})
	return kept
}
