package sagemaker

import (
	"strings"

	"basalt/server/api"
)

// MaxBody is the greatest body of a call of the runtime API, in bytes.
const MaxBody = 6_291_456

// Variant is the only production variant that there is.
const Variant = "AllTraffic"

const maxAttributes = 1024

// Header is what the header of InvokeEndpoint may ask for.
type Header struct {
	Attributes, TargetModel, TargetVariant, TargetHost string
	InferenceID, Explanations, Component, Session      string
	Accept                                             string
}

// Read reads a header by a function that gives a field's value.
func Read(value func(name string) string, stream bool) *Header {
	own := func(name string) string { return value("x-amzn-sagemaker-" + name) }
	h := &Header{
		Attributes: own("custom-attributes"), TargetModel: own("target-model"),
		TargetVariant: own("target-variant"), TargetHost: own("target-container-hostname"),
		InferenceID: own("inference-id"), Explanations: own("enable-explanations"),
		Component: own("inference-component"), Session: own("session-id"),
		Accept: value("accept"),
	}
	if stream {
		h.Accept = own("accept")
	}
	return h
}

// Check refuses what cannot be done.
func (h *Header) Check() *api.Error {
	refuse := func(name, reason string) *api.Error {
		return api.FieldError(name, "%s %s", name, reason)
	}
	switch {
	case len(h.Attributes) > maxAttributes:
		return refuse("CustomAttributes", "must have at most 1024 bytes")
	case h.TargetVariant != "" && h.TargetVariant != Variant:
		return refuse("TargetVariant", "must be "+Variant)
	case h.TargetHost != "":
		return refuse("TargetContainerHostname", "is not supported: there is one container")
	case h.Explanations != "":
		return refuse("EnableExplanations", "is not supported: models do not explain themselves")
	case h.Session != "":
		return refuse("SessionId", "is not supported: requests have no sessions")
	case h.TargetModel != "" && h.Component != "":
		return refuse("TargetModel", "and InferenceComponentName must not both be set")
	}
	return nil
}

// Model is the model that a call names: a target model or inference component, else the endpoint.
func (h *Header) Model(endpoint string) string {
	switch {
	case h.Component != "":
		return h.Component
	case h.TargetModel != "":
		return strings.TrimPrefix(h.TargetModel, "/")
	}
	return endpoint
}
