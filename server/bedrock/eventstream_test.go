package bedrock

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"basalt/server/api"
)

// Two frames as the service sends them; clients of three languages accept exactly these bytes.
const (
	goldenMessageStart = "000000760000005296d5fade0b3a6576656e742d7479706507000c6d65737361" +
		"676553746172740d3a636f6e74656e742d747970650700106170706c69636174" +
		"696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b22" +
		"726f6c65223a22617373697374616e74227d6fa8c599"
	goldenThrottling = "0000008800000061de0175f40f3a657863657074696f6e2d7479706507001374" +
		"68726f74746c696e67457863657074696f6e0d3a636f6e74656e742d74797065" +
		"0700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970" +
		"65070009657863657074696f6e7b226d657373616765223a22736c6f7720646f" +
		"776e227d832ee072"
)

func TestGoldenFrames(t *testing.T) {
	f := func(got []byte, want string) {
		t.Helper()
		if diff := cmp.Diff(want, hex.EncodeToString(got)); diff != "" {
			t.Error(diff)
		}
	}
	c := newConverse(nil)
	f(c.AppendEvent(nil, &api.Event{Kind: api.Start}), goldenMessageStart)
	f(c.AppendError(nil, api.Errorf(api.Throttled, "slow down")), goldenThrottling)
}

// frame is a frame as AWS's own decoder reads it.
type frame struct {
	Kind, Name, Type string
	Payload          string
}

// decodeFrames reads a whole stream with AWS's decoder, which checks lengths and checksums.
func decodeFrames(t testing.TB, data []byte) []frame {
	t.Helper()
	dec := eventstream.NewDecoder()
	r := bytes.NewReader(data)
	var frames []frame
	for {
		m, err := dec.Decode(r, nil)
		if errors.Is(err, io.EOF) {
			return frames
		}
		if err != nil {
			t.Fatalf("AWS's decoder: %v", err)
		}
		f := frame{Kind: m.Headers.Get(":message-type").String(), Payload: string(m.Payload)}
		for _, name := range []string{":event-type", ":exception-type"} {
			if v := m.Headers.Get(name); v != nil {
				f.Name = v.String()
			}
		}
		f.Type = m.Headers.Get(":content-type").String()
		frames = append(frames, f)
	}
}

func TestFramesEqualAWSEncoder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		event := rapid.StringMatching(`[a-zA-Z]{1,40}`).Draw(t, "event")
		payload := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "payload")
		before := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "before")
		h := eventHeaders(event)
		got := h.end(append(h.begin(bytes.Clone(before)), payload...), len(before))
		want := bytes.NewBuffer(bytes.Clone(before))
		m := eventstream.Message{Payload: payload}
		for _, kv := range [][2]string{
			{":event-type", event},
			{
				":content-type",
				"application/json",
			},
			{":message-type", "event"},
		} {
			m.Headers.Set(kv[0], eventstream.StringValue(kv[1]))
		}
		if err := eventstream.NewEncoder().Encode(want, m); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want.Bytes(), got) {
			t.Fatalf("frame %x, AWS writes %x", got, want.Bytes())
		}
	})
}
