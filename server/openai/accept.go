package openai

import (
	"math"

	"basalt/server/api"
)

// refused lists published fields, OpenAI's and vLLM's, that would change the output in ways that
// are not offered. false stands for leaving them out. What is in no list is refused too.
func refused() []string {
	return []string{
		"functions", "function_call", "audio", "web_search_options", "moderation", "suffix",
		"prompt_logprobs", "min_tokens", "bad_words", "allowed_token_ids", "guided_json",
		"guided_regex", "guided_choice", "guided_grammar", "structured_outputs",
		"use_beam_search", "length_penalty", "chat_template", "truncate_prompt_tokens",
		"prompt_embeds", "continue_final_message", "include_stop_str_in_output",
		"return_tokens_as_token_ids", "return_token_ids",
	}
}

// refuseFields refuses what refused lists.
func refuseFields(o *api.Object) {
	for _, name := range refused() {
		if v, ok := o.NotNull(name); ok && (!v.IsBool() || v.Bool()) {
			v.Fail("is not supported; leave it out")
		}
	}
}

// refuseRest refuses the first field that nothing has read: nothing is dropped silently. null
// stands for a field that is left out.
func refuseRest(o *api.Object) {
	for _, v := range o.Unread() {
		if !v.IsNull() {
			v.Fail("is not known here; leave it out")
		}
	}
}

// acceptFields reads fields that ask for nothing that is not done anyway.
func acceptFields(o *api.Object) {
	for _, name := range []string{"prompt_cache_key", "cache_salt", "request_id"} {
		if v, ok := o.NotNull(name); ok {
			v.Str()
		}
	}
	for _, name := range []string{"store", "spaces_between_special_tokens"} {
		readBool(o, name)
	}
	for _, name := range []string{"skip_special_tokens", "add_generation_prompt"} {
		if v, ok := o.NotNull(name); ok && !v.Bool() {
			v.Fail("must be true")
		}
	}
	if v, ok := o.NotNull("priority"); ok {
		v.Int(math.MinInt32, math.MaxInt32)
	}
	for _, name := range []string{"prompt_cache_options", "prediction"} {
		if v, ok := o.NotNull(name); ok {
			v.Object()
		}
	}
	if _, ok := o.NotNull("prompt_cache_retention"); ok {
		o.OneOf("prompt_cache_retention", "in_memory", "24h")
	}
	if v, ok := o.NotNull("modalities"); ok {
		for _, e := range v.Elements() {
			if e.Str() != "text" {
				e.Fail("must be \"text\": models write text")
			}
		}
	}
}

// readMarks reads what the client says of a request and is kept with its record, and the tier.
func readMarks(o *api.Object, req *api.Request) {
	for _, name := range []string{"user", "safety_identifier"} {
		if v, ok := o.NotNull(name); ok {
			req.Metadata = append(req.Metadata, [2]string{name, v.Str()})
		}
	}
	if v, ok := o.NotNull("metadata"); ok {
		marks := v.Object()
		if n := marks.Len(); n > maxMetadata {
			v.Fail("has %d entries; at most %d are allowed", n, maxMetadata)
		}
		for name, e := range marks.Fields() {
			text := e.Str()
			if len(name) > maxMetadataKey || len(text) > maxMetadataValue {
				v.Fail("must have keys of at most %d and values of at most %d bytes",
					maxMetadataKey, maxMetadataValue)
			}
			req.Metadata = append(req.Metadata, [2]string{name, text})
		}
	}
	if _, ok := o.NotNull("service_tier"); ok {
		tier := o.OneOf("service_tier", "auto", "default", "flex", "scale", "priority", "fast")
		req.Background = tier == "flex"
	}
}

// readStreamOptions reads what a stream has beside its deltas.
func readStreamOptions(o *api.Object, stream bool) (includeUsage bool) {
	v, ok := o.NotNull("stream_options")
	if !ok {
		return false
	}
	if !stream {
		v.Fail("is only allowed with stream")
	}
	s := v.Object()
	includeUsage = readBool(s, "include_usage")
	readBool(s, "continuous_usage_stats")
	if pad, ok := s.NotNull("include_obfuscation"); ok && pad.Bool() {
		pad.Fail("must be false: streams are not padded")
	}
	refuseRest(s)
	return includeUsage
}

// acceptHints reads marks of parts and tools for a prefix cache.
func acceptHints(o *api.Object) {
	for _, name := range []string{"cache_control", "prompt_cache_breakpoint"} {
		if v, ok := o.NotNull(name); ok {
			v.Object()
		}
	}
}
