package proc

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestMain lets this program stand in for a server: "stand-in HOST PORT" answers, and without an
// address fails as a server without its model does.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || os.Args[1] != "stand-in" {
		os.Exit(m.Run())
	}
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "no such model")
		os.Exit(1)
	}
	err := http.ListenAndServe(os.Args[2]+":"+os.Args[3], http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"data":[{"id":"m"}]}`) }))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestStart(t *testing.T) {
	s, err := Start(t.Context(), func(host, port string) []string {
		return []string{os.Args[0], "stand-in", host, port}
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.Ready <= 0 || s.PID == 0 {
		t.Errorf("server %+v", s)
	}
	m, err := ReadMemory(s.PID)
	if err != nil || m.Resident <= m.Anonymous || m.Anonymous <= 0 || m.Peak < m.Resident {
		t.Errorf("memory %+v, %v", m, err)
	}
	if took, err := s.FirstAnswer(t.Context()); err != nil || took < s.Ready {
		t.Errorf("first answer after %v, %v", took, err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", s.PID)); err == nil {
		t.Error("the process is still there")
	}
	_, err = Start(t.Context(), func(string, string) []string {
		return []string{os.Args[0], "stand-in"}
	})
	if err == nil || !strings.Contains(err.Error(), "no such model") {
		t.Errorf("error %v", err)
	}
}
