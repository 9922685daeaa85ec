package testsign

import (
	"strings"
	"testing"
	"time"
)

// TestTheSuitesVanillaRequest is get-vanilla of AWS's signing test suite.
func TestTheSuitesVanillaRequest(t *testing.T) {
	s := Signer{
		Access: "AKIDEXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
		Service: "service", Time: time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC),
	}
	h := s.Sign(Request{Method: "GET", Target: "/", Host: "example.amazonaws.com"})
	const want = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
	if got := h[len(h)-1][1]; !strings.HasSuffix(got, want) ||
		!strings.Contains(got, "SignedHeaders=host;x-amz-date,") {
		t.Error(got)
	}
}
