package server

import "testing"

func TestModelsAreFoundByEveryName(t *testing.T) {
	f := start(t, setup{})
	find := func(id string, want bool) {
		t.Helper()
		if m := f.srv.modelOf(id); (m != nil) != want {
			t.Errorf("%s: %v, want %v", id, m != nil, want)
		}
	}
	const arn = "arn:aws:bedrock:us-east-1:123456789012:"
	find("tiny", true)
	find("meta.tiny-v1:0", true)
	find("us.meta.tiny-v1:0", true)
	find("us-gov.meta.tiny-v1:0", true)
	find("arn:aws:bedrock:us-east-1::foundation-model/meta.tiny-v1:0", true)
	find("arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/meta.tiny-v1:0", true)
	find(arn+"inference-profile/eu.meta.tiny-v1:0", true)
	find(arn+"application-inference-profile/tiny", true)
	find(arn+"imported-model/tiny", true)
	find("arn:aws:bedrock:::foundation-model/tiny", false)
	find("arn:aws:s3:us-east-1::foundation-model/tiny", false)
	find("arn:aws:bedrock:us-east-1:tiny", false)
	find(arn+"foundation-model/other", false)
	find("xx.meta.tiny-v1:0", false)
	find("us.", false)
	find("", false)
}

func TestVendorsAreReadFromIDs(t *testing.T) {
	is := func(id, want string) {
		t.Helper()
		if got := vendor(id); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
	is("meta.llama3-1-8b-instruct-v1:0", "meta")
	is("us.meta.llama3-1-8b-instruct-v1:0", "meta")
	is("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0",
		"amazon")
	is("llama3-chat", "")
}
